"""The training loop: against ordinary modules, beside others, and when numbers explode."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from actscope.config import Activation, DataSource, Point, Train
from actscope.engine import train
from actscope.engine.activations import make_function
from actscope.engine.data import Data, load_data
from actscope.engine.device import CPU
from actscope.engine.divergence import Divergence
from actscope.engine.layers import lengths
from actscope.engine.minibatches import Minibatches, shuffled_rows
from actscope.engine.result import Outcome, RunResult
from actscope.engine.schedule import stack_key, total_steps
from actscope.engine.train import Training, steady_arithmetic, train_stack
from actscope.errors import ConfigError, TrainingError
from actscope.parsing import parse_point
from actscope.project import CONF
from actscope.sweep.stacks import check_trainable
from tests.support.making import BN_RELU, ELU, PRELU, RELU, SIGMOID, TANH, make_data, make_point
from tests.support.reference import train_reference
from tests.support.sameness import assert_same_numbers

SHIPPED = sorted(path.stem for path in (CONF / "activation").glob("*.yaml"))
DATA = make_data()  # 95 examples: at 20 a minibatch, an epoch is four of 20 and one of 15

SELU = Activation("selu", "torch.nn.SELU")
GELU = Activation("gelu", "torch.nn.GELU")


def train_alone(point: Point, data: Data = DATA) -> RunResult:
    return train_stack([point], data)[0]


# Against nn.Sequential and torch.optim.SGD, over 15 steps in float64


@pytest.fixture(
    scope="module",
    params=[  # each two of the three are met together
        ("sum", 0.9, 0.01, (12, 10, 8)),
        ("mean", 0.9, 0.01, (16,)),
        ("sum", 0.0, 0.0, (16,)),
        ("mean", 0.0, 0.0, (12, 10, 8)),
    ],
    ids=lambda param: f"{param[0]}-momentum_{param[1]}-layers_{len(param[3])}",
)
def trained(compose, request):
    """A stack of every shipped function, with batch normalisation and without."""
    functions = {name: parse_point(compose(f"activation={name}")).activation for name in SHIPPED}
    reduction, momentum, decay, hidden = request.param
    points = {
        (name, batch_norm): make_point(
            replace(function, batch_norm=batch_norm),
            lr={"sum": 0.002, "mean": 0.04}[reduction],
            seed=3,
            hidden=hidden,
            epochs=3,
            reduction=reduction,
            momentum=momentum,
            weight_decay=decay,
        )
        for name, function in functions.items()
        for batch_norm in (False, True)
    }
    results = train_stack(list(points.values()), DATA, dtype=torch.float64)
    return dict(zip(points, results, strict=True))


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_run_is_what_ordinary_modules_make_of_it(compose, trained, name, batch_norm):
    result = trained[name, batch_norm]
    function = compose(f"activation={name}").activation.function

    reference = train_reference(result.point, lambda: instantiate(function), DATA)

    assert len(reference.steps) == 15
    expected = reference.state()
    assert result.state.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(result.state[key], value, rtol=1e-9, atol=1e-12, err_msg=key)
    history = result.history.set_index("split")
    np.testing.assert_allclose(  # a history is float32
        history.loc["train", ["loss", "accuracy"]],
        [(step.loss, step.accuracy) for step in reference.steps],
        rtol=2e-7,
    )
    np.testing.assert_allclose(
        history.loc["test", ["loss", "accuracy"]], reference.tests, rtol=2e-7
    )


OWN = "tests.support.own_functions"
OWN_CLASSES = {
    "identity": "torch.nn.Identity",
    **{name: f"{OWN}.{name}" for name in ("Shift", "Swish", "Scaled", "Sign")},
}


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", OWN_CLASSES)
def test_a_class_of_a_user_s_own_is_trained_as_ordinary_modules_are(name, batch_norm):
    activation = Activation(name, OWN_CLASSES[name], batch_norm=batch_norm)
    settings = {"lr": 0.002, "hidden": (12, 10), "momentum": 0.9, "weight_decay": 0.01}
    # The parameters that a user keeps constant are left as they are, by torch's SGD as well.
    points = [make_point(activation, seed=seed, epochs=5, **settings) for seed in (3, 4)]
    results = train_stack(
        [*points, make_point(ELU, epochs=5, **settings)], DATA, dtype=torch.float64
    )
    for point, result in zip(points, results, strict=False):
        reference = train_reference(point, lambda: make_function(activation), DATA).state()
        assert result.state.keys() <= reference.keys()
        for key, value in result.state.items():
            expected = reference[key].reshape(value.shape)
            np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=key)
        constants = reference.keys() - result.state.keys()
        assert {key.rpartition(".")[2] for key in constants} <= {"slope", "offset"}


def test_what_would_end_the_process_in_training_is_an_error():
    point = make_point(Activation("mine", "tests.support.raising.ExitsInTraining"))
    with pytest.raises(TrainingError, match="a user's own code raises SystemExit: 0"):
        train_alone(point)


# Alone and beside others


ARTICLE_DATA = make_data(train=237, test=100, features=784, classes=10)
ARTICLE = {"hidden": (64,), "batch_size": 100}
HEAVY = {"momentum": 0.9, "weight_decay": 0.01}


def article_points(seeds: tuple[int, ...] = (0,)) -> list[Point]:
    """Ten activations, at two rates."""
    more = [
        Activation(name, f"torch.nn.{name}") for name in ("Softplus", "Mish", "SiLU", "Hardswish")
    ]
    functions = [RELU, BN_RELU, ELU, PRELU, SIGMOID, TANH, *more]
    return [
        make_point(function, lr=lr, seed=seed, **ARTICLE)
        for function in functions
        for lr in (0.001, 0.01)
        for seed in seeds
    ]


@pytest.fixture(scope="module")
def alone():
    return {point: train_alone(point, ARTICLE_DATA) for point in article_points(seeds=(0, 1))}


def assert_same_as_alone(points, alone):
    for result in train_stack(points, ARTICLE_DATA):
        assert_same_numbers(result, alone[result.point])


def test_a_run_has_the_same_numbers_in_a_stack_of_two(alone):
    points = article_points()
    for pair in zip(points[::2], points[1::2], strict=True):
        assert_same_as_alone(pair, alone)
    for pair in zip(points[:10], points[10:], strict=True):
        assert_same_as_alone(pair, alone)


def test_a_run_has_the_same_numbers_in_a_stack_of_twenty_in_any_order(alone):
    points = article_points()
    assert len(points) == 20
    assert_same_as_alone(points, alone)
    assert_same_as_alone(points[::-1], alone)
    assert_same_as_alone(points[1::2] + points[::2], alone)


def test_a_run_has_the_same_numbers_in_a_stack_of_several_seeds(alone):
    assert_same_as_alone(article_points(seeds=(1, 0)), alone)


def test_a_run_has_the_same_numbers_with_a_copy_of_its_minibatches_as_on_a_gpu(alone):
    points = sorted(article_points(seeds=(1, 0)), key=lambda point: repr(point.activation))
    training = Training(points, ARTICLE_DATA, torch.float32)
    assert not training.minibatches.copies_inputs
    training.minibatches.copies_inputs = True
    with steady_arithmetic():
        for _ in training.steps():
            pass
        for result in training.results():
            assert_same_numbers(result, alone[result.point])


def test_only_small_minibatches_of_several_seeds_are_copied_for_each_run():
    small, two_seeds = (
        make_data(features=64),
        [make_point(seed=seed, batch_size=95) for seed in (0, 1)],
    )
    assert Minibatches(two_seeds, small).copies_inputs
    assert not Minibatches(two_seeds[:1], small).copies_inputs
    assert not Minibatches(two_seeds, make_data(features=784)).copies_inputs


def test_a_run_has_the_same_numbers_with_momentum_and_three_layers():
    points = [
        make_point(function, lr=0.002, seed=seed, hidden=(64, 32, 96), batch_size=37, **HEAVY)
        for function in (RELU, BN_RELU, PRELU, GELU)
        for seed in (0, 1)
    ]
    for result in train_stack(points, ARTICLE_DATA):
        assert_same_numbers(result, train_alone(result.point, ARTICLE_DATA))


@pytest.mark.parametrize("hidden", [(2,), (7,), (33, 17), (100,)], ids=str)
def test_a_run_has_the_same_numbers_where_widths_do_not_fill_the_processors_vectors(hidden):
    """There, which elements of a tensor are left over at its end could depend on the stack."""
    points = [
        make_point(function, lr=0.002, hidden=hidden, seed=seed, batch_size=17)
        for function in (RELU, BN_RELU, PRELU, SIGMOID, ELU)
        for seed in (0, 1)
    ]
    for result in train_stack(points, DATA):
        assert_same_numbers(result, train_alone(result.point))


def test_training_takes_one_thread_and_gives_the_others_back():
    threads, seen = torch.get_num_threads(), []

    def note_and_fail(step: int) -> None:
        seen.append(torch.get_num_threads())
        if step == 3:
            raise KeyboardInterrupt

    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            train_stack([make_point()], DATA, on_step=note_and_fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1, 1, 1]


def test_results_come_in_the_order_of_the_points():
    points = [make_point(function, lr=lr) for lr in (0.1, 0.001) for function in (TANH, RELU)]
    assert [result.point for result in train_stack(points, DATA)] == points


def test_runs_of_one_seed_are_put_in_a_row_to_share_a_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = []

    class Noted(Training):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            shared.extend(share.runs for share in self.minibatches.shares)

    monkeypatch.setattr(train, "Training", Noted)
    train_stack([make_point(RELU, lr=lr, seed=seed) for lr in (0.1, 0.01) for seed in (5, 3)], DATA)
    assert shared == [slice(0, 2), slice(2, 4)]


def test_points_share_a_stack_that_differ_in_activation_start_rate_and_seed_only():
    point = make_point()
    assert stack_key(make_point(BN_RELU, lr=0.1, seed=7, init="lecun")) == stack_key(point)
    for other in (
        make_point(study="other"),
        make_point(hidden=(16, 16)),
        make_point(batch_size=10),
        make_point(momentum=0.9),
        make_point(every="epoch"),
        make_point(data="mnist"),
    ):
        assert stack_key(other) != stack_key(point)
        with pytest.raises(AssertionError):
            train_stack([point, other], DATA)


# Minibatches and seeds


def orders(*seeds: int) -> list[torch.Tensor]:
    """Which of the 95 examples each seed sees, [S, B], minibatch by minibatch."""
    return list(shuffled_rows(95, Train(epochs=2, batch_size=20), seeds))


def test_the_last_smaller_minibatch_is_used():
    assert [batch.shape[1] for batch in orders(0)] == [20, 20, 20, 20, 15] * 2
    steps: list[int] = []
    train_stack([make_point(epochs=2)], DATA, on_step=steps.append)
    assert steps == list(range(1, 11))
    assert total_steps(make_point(epochs=2), DATA) == 10


def test_every_example_is_used_once_an_epoch():
    batches = orders(0)
    for epoch in (batches[:5], batches[5:]):
        assert sorted(torch.cat(epoch, 1)[0].tolist()) == list(range(95))


def test_each_epoch_has_its_own_order():
    batches = torch.cat(orders(0), 1)[0]
    assert not torch.equal(batches[:95], batches[95:])


def test_a_seed_has_the_same_minibatches_beside_other_seeds():
    together = torch.cat(orders(0, 1), 1)
    assert torch.equal(together[0], torch.cat(orders(0), 1)[0])
    assert torch.equal(together[1], torch.cat(orders(1), 1)[0])
    assert not torch.equal(together[0], together[1])


def test_seed_zero_is_a_seed():
    zero, again, one = (train_alone(make_point(seed=seed, epochs=1)) for seed in (0, 0, 1))
    assert_same_numbers(zero, again)
    assert not zero.history["loss"].equals(one.history["loss"])
    assert not torch.equal(zero.state["layer1.weight"], one.state["layer1.weight"])


def test_all_activations_and_rates_of_a_seed_start_from_the_same_weights():
    """Seen at rates too small to move a weight."""
    points = [make_point(f, lr=lr, seed=5) for f in (RELU, TANH, BN_RELU) for lr in (1e-30, 1e-31)]
    states = [result.state for result in train_stack(points, DATA)]
    for state in states[1:]:
        assert torch.equal(state["layer1.weight"], states[0]["layer1.weight"])
        assert torch.equal(state["layer2.weight"], states[0]["layer2.weight"])


def test_all_activations_and_rates_of_a_seed_see_the_same_minibatches():
    """Seen in the losses of two activations that are the identity, at rates that move no weight."""
    identity = Activation("identity", "torch.nn.LeakyReLU", (("negative_slope", 1.0),))
    other = Activation("other", "torch.nn.PReLU", (("init", 1.0),))
    points = [make_point(f, lr=lr, seed=5) for f in (identity, other) for lr in (1e-30, 1e-31)]
    losses = [result.history["loss"] for result in train_stack(points, DATA)]
    for loss in losses[1:]:
        np.testing.assert_allclose(loss, losses[0], rtol=1e-5)


# Divergence


EXPLOSIVE = [  # rates at which some runs diverge at once, some late, some never
    make_point(function, lr=lr, hidden=(32,), epochs=4)
    for function in (RELU, ELU, BN_RELU, PRELU, TANH, SELU, GELU)
    for lr in (1.0, 1e3, 1e6, 1e20, 1e38, 1e300)
]


@pytest.fixture(scope="module")
def exploded():
    return train_stack(EXPLOSIVE, DATA)


def test_a_diverged_run_is_recorded_up_to_there(exploded):
    diverged = [result for result in exploded if result.outcome is Outcome.DIVERGED]
    assert 5 < len(diverged) < len(exploded)
    for result in diverged:
        assert 1 <= result.diverged_at <= 20
        # Test rows are the epochs' that ended before, train rows all steps'.
        history, until = result.history, result.diverged_at
        assert history.loc[history["split"] == "train", "step"].tolist() == list(range(1, until))
        assert history.loc[history["split"] == "test", "step"].tolist() == list(range(5, until, 5))
        assert result.trajectory["step"].unique().tolist() == list(range(until))
        assert math.isnan(result.test_final)


def test_no_number_of_a_run_is_infinite_or_not_a_number(exploded):
    for result in exploded:
        assert np.isfinite(result.history[["loss", "accuracy"]]).all(axis=None), result.point
        assert np.isfinite(result.trajectory).all(axis=None), result.point


def test_a_run_whose_test_loss_is_not_finite_has_diverged():
    """Its training never shows it: batch normalisation has other statistics there."""
    point = make_point(BN_RELU, lr=1e3, hidden=(32,), epochs=1)
    result = train_alone(point)
    assert (result.outcome, result.diverged_at) == (Outcome.DIVERGED, 5)
    assert result.history["step"].tolist() == [1, 2, 3, 4]


def test_a_run_whose_recorded_numbers_are_not_finite_has_diverged():
    """Each weight is finite and used alone, but the sum of a unit's 784 overflows."""
    x, y = torch.eye(4, 784), torch.tensor([0, 1, 0, 1])
    data = Data("dots", x, y, x[:0], y[:0], x, y, sha256="")
    point = make_point(SIGMOID, hidden=(1,), batch_size=1, init="normal", init_std=3e37)
    weights = train_alone(replace(point, lr=1e-30), data).state["layer1.weight"]
    assert torch.isfinite(weights).all()
    assert not torch.isfinite(weights.sum())
    result = train_alone(point, data)
    assert (result.outcome, result.diverged_at) == (Outcome.DIVERGED, 0)


def test_finite_losses_whose_sum_is_not_are_no_divergence():
    divergence = Divergence(2, CPU)
    step = torch.tensor(1)
    divergence.note_losses(step, torch.tensor([3e38, 3e38]))
    assert divergence.frozen() is None
    divergence.note_losses(step, torch.tensor([3e38, math.inf]))
    assert divergence.frozen().tolist() == [False, True]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_diverged_run_keeps_the_tensors_that_it_had(momentum):
    calm = make_point(BN_RELU, lr=0.01, hidden=(32,), momentum=momentum)
    wild = replace(calm, lr=1e3)  # as above: its weights are finite, and would go on changing

    def after(epochs):
        both = [replace(point, train=replace(point.train, epochs=epochs)) for point in (calm, wild)]
        return train_stack(both, DATA)[1]

    at_once, later = after(1), after(3)
    assert at_once.diverged_at == later.diverged_at == 5
    for name, tensor in at_once.state.items():
        assert torch.isfinite(tensor).all(), name
        assert torch.equal(later.state[name], tensor), name


def test_divergence_leaves_the_neighbours_alone():
    calm = [
        make_point(function, lr=0.01, hidden=(32,), epochs=4) for function in (RELU, BN_RELU, PRELU)
    ]
    wild = [make_point(function, lr=1e38, hidden=(32,), epochs=4) for function in (RELU, BN_RELU)]
    beside = train_stack([wild[0], *calm, wild[1]], DATA)
    assert [result.outcome is Outcome.DIVERGED for result in beside] == [True, *[False] * 3, True]
    for result, expected in zip(beside[1:4], train_stack(calm, DATA), strict=True):
        assert_same_numbers(result, expected)


def test_a_diverged_run_is_the_same_whoever_its_neighbours_are(exploded):
    for result in exploded[::5]:
        assert_same_numbers(train_alone(result.point), result)


@pytest.mark.parametrize("every", [3, "epoch"])
def test_divergence_is_seen_at_the_same_step_however_often_units_are_recorded(exploded, every):
    points = [replace(point, trajectory=make_point(every=every).trajectory) for point in EXPLOSIVE]
    for result, expected in zip(train_stack(points, DATA), exploded, strict=True):
        assert result.diverged_at == expected.diverged_at, result.point


def test_a_stack_whose_runs_have_all_diverged_ends_early():
    points = [make_point(function, lr=1e38, epochs=100) for function in (RELU, TANH)]
    steps: list[int] = []
    results = train_stack(points, DATA, on_step=steps.append)
    assert [result.outcome for result in results] == [Outcome.DIVERGED] * 2
    assert len(steps) < 10


def test_a_run_may_diverge_before_its_first_step():
    result = train_alone(make_point(init="normal", init_std=1e300, every="epoch"))
    expected = train_alone(make_point())
    assert result.outcome is Outcome.DIVERGED
    assert len(result.history) == len(result.trajectory) == 0
    assert result.history.dtypes.equals(expected.history.dtypes)
    assert result.trajectory.dtypes.equals(expected.trajectory.dtypes)


def test_a_length_is_finite_where_its_square_is_not():
    columns = torch.tensor([[[3e30, 3.0], [4e30, 4.0]]])
    torch.testing.assert_close(lengths(columns), torch.tensor([[5e30, 5.0]]))


# Outcome


def test_real_digits_are_learned():
    digits = load_data(DataSource("digits"))
    result = train_alone(make_point(hidden=(64,), batch_size=100, lr=0.003, epochs=20), digits)
    assert result.outcome is Outcome.LEARNED
    assert result.test_final > 0.9


def test_a_run_that_does_not_move_has_failed():
    assert train_alone(make_point(lr=1e-30)).outcome is Outcome.FAILED


def test_a_run_has_learned_by_its_training_accuracy_over_the_last_tenth_of_the_steps():
    """Of 50 steps that is the last epoch: four minibatches of 20 and one of 15."""
    point = make_point(epochs=10)
    history = train_alone(point).history
    accuracy = history.loc[history["split"] == "train", "accuracy"].to_numpy(float)[-5:]
    correct = round(float(accuracy @ [20, 20, 20, 20, 15]))
    assert 0 < correct < 95
    just, not_quite = (replace(point, outcome=replace(point.outcome, learned_from=threshold))
                       for threshold in (correct / 95, (correct + 0.01) / 95))  # fmt: skip
    assert train_alone(just).outcome is Outcome.LEARNED
    assert train_alone(not_quite).outcome is Outcome.FAILED


# What cannot be trained


def test_a_minibatch_may_not_be_larger_than_the_data():
    check_trainable(make_point(batch_size=95), DATA)
    with pytest.raises(ConfigError, match=r"^train\.batch_size=96: .* 95 training examples"):
        check_trainable(make_point(batch_size=96), DATA)


@pytest.mark.parametrize("batch_size", [1, 2, 47, 94])  # 95 = 47 * 2 + 1 = 2 * 47 + 1 = 94 + 1
def test_batch_normalisation_needs_more_than_one_example(batch_size):
    check_trainable(make_point(batch_size=batch_size), DATA)
    with pytest.raises(ConfigError, match=rf"^train\.batch_size={batch_size}: .* bn_relu cannot"):
        check_trainable(make_point(BN_RELU, batch_size=batch_size), DATA)


def test_a_function_that_cannot_be_used_is_found_before_the_training():
    with pytest.raises(ConfigError, match=r"torch\.nn\.Softmax is not an elementwise"):
        check_trainable(make_point(Activation("softmax", "torch.nn.Softmax")), DATA)


def test_every_shipped_function_can_be_trained(compose):
    for name in SHIPPED:
        check_trainable(parse_point(compose(f"activation={name}")), load_data(DataSource("digits")))

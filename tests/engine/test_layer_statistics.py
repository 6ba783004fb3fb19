"""Statistics of each layer: worked by hand, against ordinary modules, and where numbers end."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from actscope.artifacts.parquet import write_parquet
from actscope.config import Activation, Point
from actscope.engine.activations import make_function
from actscope.engine.layer_statistics import layer_record
from actscope.engine.layers import Inputs
from actscope.engine.minibatches import probe_set
from actscope.engine.model import StackedMLP
from actscope.engine.recorded import LAYER_EXAMPLES, LAYER_STATISTICS, PROBE
from actscope.engine.train import Training, steady_arithmetic, train_stack
from tests.support.making import BN_RELU, PRELU, RELU, TANH, make_data, make_point
from tests.support.reference import make_layers

DATA = make_data(train=200)  # more images than the statistics take
COLUMNS = ["step", "layer", *LAYER_STATISTICS]
NOT_ZERO = torch.zeros(1, len(PROBE) * 4)  # a probe of four units


def statistics_of(
    hidden: Tensor, output: Tensor, x: Tensor, y: Tensor, probed: Tensor = NOT_ZERO
) -> pd.DataFrame:
    """Of a ReLU network 2-2-2 with these weights, one row a layer."""
    stack = StackedMLP([make_point(hidden=(2,))], 2, 2, torch.float32)
    for weight, given in zip(stack.weights, (hidden, output), strict=True):
        weight[0] = given
    record = layer_record(stack, Inputs.of_all(x, 1), y, probed)
    values = record.reshape(len(LAYER_STATISTICS), 2).T.numpy()
    return pd.DataFrame(values, [1, 2], LAYER_STATISTICS)


def test_statistics_worked_by_hand():
    """Hidden units return the inputs. Their logits are 3 to 1 for images 1 and 2, else 9 to 1."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    y = torch.tensor([0, 1, 0, 1])
    zero = torch.tensor([1.0, 0.999, 0.0, 0.0])
    found = statistics_of(
        torch.eye(2),
        math.log(3) * torch.eye(2),
        x,
        y,
        torch.cat([zero, torch.ones(12)])[None],
    )
    squares = math.log(3) ** 2
    expected = pd.DataFrame(
        {
            "mean_square": [10 / 8, 10 / 8 * squares],
            "variance": [5 / 4 - 9 / 16, (5 / 4 - 9 / 16) * squares],
            "cosine": [2 / 6, 2 / 6],
            "rank": [121 / 101, 121 / 101],  # the eigenvalues of C are 5/4 and 1/8
            # Gradients of the logits are 1/4 or 1/10 in size. A hidden unit gets none where it is
            # not active.
            "gradient": [
                math.sqrt((2 / 16 + 2 / 100) / 8 * squares),
                math.sqrt((4 / 16 + 4 / 100) / 8),
            ],
            "dead": [0.5, 0.0],
        },
        [1, 2],
        dtype="float32",
    )
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


def test_a_pair_with_a_zero_vector_has_no_cosine():
    x = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = statistics_of(torch.eye(2), torch.zeros(2, 2), x, torch.tensor([0, 1, 0]))
    assert found["cosine"][1] == pytest.approx(math.sqrt(0.5))
    assert math.isnan(found["cosine"][2])
    found = statistics_of(torch.eye(2), torch.zeros(2, 2), x[1:], torch.tensor([1, 0]))
    assert math.isnan(found["cosine"][1])


def test_equal_outputs_have_no_rank_and_no_variance():
    x = torch.tensor([[0.1, 0.3]]).expand(7, 2)
    found = statistics_of(torch.eye(2), torch.eye(2), x, torch.zeros(7, dtype=torch.int64))
    assert found[["rank", "variance"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert found["cosine"].tolist() == pytest.approx([1, 1])


def test_the_squares_of_large_outputs_are_not_infinite_on_the_way():
    x = torch.tensor([[1e30, 0.0], [0.0, 1e30]])
    found = statistics_of(torch.eye(2), torch.eye(2), x, torch.tensor([0, 1]))
    assert found["mean_square"].tolist() == [math.inf, math.inf]  # as float32
    assert found["rank"].tolist() == pytest.approx([1, 1])
    assert found["cosine"].tolist() == [0, 0]


# Against ordinary modules


@pytest.mark.parametrize("activation", [RELU, BN_RELU, PRELU, TANH], ids=lambda a: a.name)
def test_statistics_are_those_of_ordinary_modules(activation: Activation):
    point = make_point(activation, lr=0.003, hidden=(150, 10), probe_every=7)
    (result,) = train_stack([point], DATA, dtype=torch.float64)
    last = result.layers[result.layers["step"] == 20].reset_index(drop=True)
    expected = reference(point, result.state)
    zero = result.probe[result.probe["step"] == 20].groupby("layer")["zero"]
    expected["dead"] = zero.agg(lambda shares: (shares == 1).mean()).to_numpy()
    pd.testing.assert_frame_equal(
        last[LAYER_STATISTICS].astype(float), expected[LAYER_STATISTICS].astype(float), rtol=1e-6
    )


def reference(point: Point, state: dict[str, Tensor]) -> pd.DataFrame:
    layers = make_layers(point, lambda: make_function(point.activation, torch.float64), DATA)
    network = nn.Sequential(*layers.values()).double().train()
    for name, module in layers.items():
        own = {key: state[f"{name}.{key}"] for key, _ in module.named_parameters()}
        module.load_state_dict(own, strict=False)  # a norm's running statistics are not used
    sums, outputs = [], []
    for module in network:
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _, __, made: sums.append(made))
        elif not isinstance(module, nn.BatchNorm1d):
            module.register_forward_hook(lambda _, __, made: outputs.append(made))
    rows = probe_set(len(DATA.train_x))[:LAYER_EXAMPLES]
    assert len(rows) == LAYER_EXAMPLES
    logits = network(DATA.train_x[rows].double())
    losses = nn.functional.cross_entropy(logits, DATA.train_y[rows], reduction="none")
    if point.activation.batch_norm:
        gradients = torch.autograd.grad(losses.sum(), sums)
    else:  # of each image's own loss by its own sums
        by_image = [torch.autograd.grad(loss, sums, retain_graph=True) for loss in losses]
        gradients = [sum(of_layer) for of_layer in zip(*by_image, strict=True)]
    return pd.DataFrame(
        [
            reference_row(h.detach().numpy(), g.numpy())
            for h, g in zip([*outputs, logits], gradients, strict=True)
        ]
    )


def reference_row(h: np.ndarray, gradient: np.ndarray) -> dict[str, float]:
    lengths = np.linalg.norm(h, axis=1)
    some = h[lengths > 0] / lengths[lengths > 0, None]
    cosines = (some @ some.T)[np.triu_indices(len(some), 1)]
    eigenvalues = np.linalg.eigvalsh(np.cov(h.T, bias=True))
    return {
        "mean_square": (h**2).mean(),
        "variance": h.var(axis=0).mean(),
        "cosine": cosines.mean(),
        "rank": eigenvalues.sum() ** 2 / (eigenvalues**2).sum(),
        "gradient": math.sqrt((gradient**2).mean()),
    }


# Of a whole training


def test_every_layer_has_a_row_at_the_start_and_at_every_probe():
    (result,) = train_stack([make_point(hidden=(6, 5, 4), probe_every=8)], DATA)
    layers = result.layers
    assert layers.columns.tolist() == COLUMNS
    assert set(layers[LAYER_STATISTICS].dtypes.astype(str)) == {"float32"}
    places = layers[["step", "layer"]].to_numpy().tolist()
    assert places == [[step, layer] for step in (0, 8, 16, 20) for layer in (1, 2, 3, 4)]


def test_statistics_leave_the_running_statistics_alone():
    points = [make_point(BN_RELU, seed=seed, hidden=(8, 8)) for seed in (0, 1)]
    training = Training(points, DATA, torch.float32)
    with steady_arithmetic():
        steps = training.steps()
        next(steps)
        before = {name: value.clone() for name, value in training.network.state().items()}
        training._record_probe(1)
    after = training.network.state()
    assert any("running_var" in name for name in after)
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_a_layer_is_born_dead_whose_weights_are_negative():
    training = Training([make_point(hidden=(8, 8))], DATA, torch.float32)
    training.network.weights[0].fill_(-1)  # and no pixel is negative
    with steady_arithmetic():
        list(training.steps())
        (result,) = training.results()
    start = result.layers[result.layers["step"] == 0].set_index("layer")
    assert start["dead"].tolist() == [1, 1, 0]
    assert (start[["mean_square", "variance", "rank"]] == 0).all(axis=None)
    assert start["cosine"].isna().all()
    assert start["gradient"].tolist()[:2] == [0, 0]
    assert start["gradient"][3] > 0


@pytest.mark.parametrize("width", [2, 4])
def test_networks_are_born_dead_for_one_input_as_often_as_theory_says(width: int):
    # Lu et al. (2020): a ReLU layer of N units without bias is dead with probability 2^-N.
    runs, depth = 1000, 16
    points = [make_point(RELU, hidden=(width,) * depth, seed=seed) for seed in range(runs)]
    network = StackedMLP(points, features=10, classes=2, dtype=torch.float32)
    one_input = torch.linspace(-1, 1, 10)[None]
    *hidden, _ = network.forward(Inputs.of_all(one_input, runs), training=False).outputs()
    is_dead = torch.stack([(layer == 0).all(-1).squeeze() for layer in hidden])
    has_dead_layer, _ = is_dead.cummax(0)
    for layers in (1, 4, depth):
        expected = 1 - (1 - 2**-width) ** layers
        standard_error = math.sqrt(expected * (1 - expected) / runs)
        found = has_dead_layer[layers - 1].double().mean().item()
        assert found == pytest.approx(expected, abs=4 * standard_error)


def test_a_diverged_run_has_the_rows_before():
    points = [make_point(lr=lr, probe_every=1) for lr in (0.001, 1e6, 1e38)]
    results = train_stack(points, DATA)
    assert [result.diverged_at is None for result in results] == [True, True, False]
    for result in results:
        steps = list(range(21))[: result.diverged_at]
        assert result.layers["step"].unique().tolist() == steps
        assert np.isfinite(result.layers["dead"]).all()


def test_a_run_that_diverges_before_its_first_step_has_an_empty_table():
    result, whole = (
        train_stack([make_point(init="normal", init_std=std)], DATA)[0] for std in (1e300, 0.1)
    )
    assert len(result.layers) == 0
    assert result.layers.dtypes.equals(whole.layers.dtypes)


def test_a_cosine_that_is_not_there_is_missing_in_the_file(tmp_path):
    frame = pd.DataFrame({"step": [0, 0], "cosine": np.array([0.5, np.nan], np.float32)})
    write_parquet(frame, tmp_path / "layers.parquet")
    read = pd.read_parquet(tmp_path / "layers.parquet")
    pd.testing.assert_frame_equal(read, frame, check_exact=True)

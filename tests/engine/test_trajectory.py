"""What every unit did, against what ordinary modules did, and its tabular form."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from actscope.artifacts.metrics import thinned_series
from actscope.engine.initial_weights import initial_weights
from actscope.engine.layers import Inputs, gradient_lengths, shared_by_neighbours
from actscope.engine.minibatches import shuffled_rows
from actscope.engine.recorded import TRAJECTORY
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.engine.trajectory import active, unit_frame
from tests.support.making import BN_RELU, RELU, SIGMOID, TANH, make_data, make_point
from tests.support.reference import make_layers, train_reference

DATA = make_data()  # 95 examples: 5 minibatches of 20 or 15 an epoch

COLUMNS = {
    "step": "int32",
    "layer": "int8",
    "unit": "int16",
    "weight_mean": "float32",
    "bias": "float32",
    "update_norm": "float32",
    "active": "float32",
}


def train_alone(**settings) -> RunResult:
    return train_stack([make_point(**settings)], DATA)[0]


@pytest.fixture(scope="module", params=[(0.0, 0.0), (0.9, 0.01)], ids=["plain", "momentum"])
def momentum_and_decay(request):
    return dict(zip(("momentum", "weight_decay"), request.param, strict=True))


@pytest.fixture(scope="module", params=[RELU, BN_RELU], ids=["relu", "bn_relu"])
def recorded(request, momentum_and_decay):
    """A run after its start, and its reference, in float64."""
    point = make_point(request.param, lr=0.003, hidden=(6, 4), **momentum_and_decay)
    result = train_stack([point], DATA, dtype=torch.float64)[0]
    trajectory = result.trajectory[result.trajectory["step"] > 0]
    return trajectory, train_reference(point, nn.ReLU, DATA)


def of_layer(trajectory: pd.DataFrame, layer: int, quantity: str) -> np.ndarray:
    """[step, unit]."""
    rows = trajectory[trajectory["layer"] == layer]
    return rows.pivot_table(index="step", columns="unit", values=quantity).to_numpy()


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_weight_mean_and_bias_are_those_after_the_step(recorded, layer):
    trajectory, reference = recorded
    means = [step.weights_after[layer - 1].mean(dim=1) for step in reference.steps]
    biases = [step.unit_biases_after[layer - 1] for step in reference.steps]
    np.testing.assert_allclose(
        of_layer(trajectory, layer, "weight_mean"), torch.stack(means), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(
        of_layer(trajectory, layer, "bias"), torch.stack(biases), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_update_norm_is_the_length_of_the_change_of_a_units_incoming_weights(recorded, layer):
    trajectory, reference = recorded
    lengths = [
        (step.weights_after[layer - 1] - step.weights_before[layer - 1]).norm(dim=1)
        for step in reference.steps
    ]
    np.testing.assert_allclose(
        of_layer(trajectory, layer, "update_norm"), torch.stack(lengths), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("owners", [[0, 0, 0], [0, 1, 2], [1, 1, 0]], ids=str)
@pytest.mark.parametrize("inputs", [4, 30], ids=["fewer_inputs", "more_inputs"])
def test_lengths_of_a_gradient_need_no_gradient(owners, inputs):
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(max(owners) + 1, 20, inputs, generator=rng)
    deltas = torch.randn(3, 20, 5, generator=rng)
    deltas[1, :, 2] = 0
    expected = (x[owners].mT @ deltas).norm(dim=1)
    given = Inputs(x, shared_by_neighbours(owners))
    torch.testing.assert_close(gradient_lengths(given, deltas), expected)
    assert gradient_lengths(given, deltas)[1, 2] == 0
    torch.testing.assert_close(gradient_lengths(given, 1e25 * deltas), 1e25 * expected)


def test_a_length_whose_square_is_negative_by_rounding_is_zero():
    x = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    x[1] = x[0] * (1 + 1e-7)  # two examples that cancel but for last bits
    x[2] = 2  # the largest: to divide by it changes no bits
    deltas = torch.tensor([[[1.0], [-1.0], [0.0]]])
    assert gradient_lengths(Inputs.of_all(x, 1), deltas) == 0


@pytest.mark.parametrize("layer", [1, 2])
def test_a_relu_is_active_on_the_examples_that_give_it_a_positive_number(recorded, layer):
    trajectory, reference = recorded
    shares = [(step.given[layer - 1] > 0).double().mean(dim=0) for step in reference.steps]
    np.testing.assert_allclose(
        of_layer(trajectory, layer, "active"), torch.stack(shares), rtol=1e-6
    )


def test_the_start_is_recorded_before_any_step():
    point = make_point(hidden=(6, 4), seed=3)
    result = train_stack([point], DATA)[0]
    start = result.trajectory[result.trajectory["step"] == 0]
    layers = initial_weights([point], (12, 6, 4, 5), torch.float32)
    weights = [layer[0] for layer in layers]
    means = torch.cat([weight.mean(0) for weight in weights])
    np.testing.assert_allclose(start["weight_mean"], means, rtol=1e-5, atol=1e-8)
    assert (start[["bias", "update_norm"]] == 0).all(axis=None)
    # No minibatch is done yet: `active` is on the probe set, here all 95 images.
    hidden = DATA.train_x @ weights[0]
    shares = torch.cat(
        [(x > 0).float().mean(0) for x in (hidden, hidden.relu() @ weights[1])] + [torch.ones(5)]
    )
    np.testing.assert_allclose(start["active"], shares, rtol=1e-6)


def test_behind_batch_normalisation_a_units_bias_is_the_norms_own():
    """The bias before it has no gradient. The loss is summed over 20 images."""
    point = make_point(BN_RELU, lr=0.003, hidden=(6,))
    network = nn.Sequential(*make_layers(point, nn.ReLU, DATA).values()).double()
    x, y = DATA.train_x, DATA.train_y
    rows = next(shuffled_rows(len(x), point.train, [point.seed]))[0]
    nn.functional.cross_entropy(network(x[rows].double()), y[rows], reduction="sum").backward()
    (norm,) = (module for module in network.modules() if isinstance(module, nn.BatchNorm1d))
    result = train_stack([point], DATA, dtype=torch.float64)[0]
    first = result.trajectory[(result.trajectory["step"] == 1) & (result.trajectory["layer"] == 1)]
    np.testing.assert_allclose(first["bias"], -0.003 * norm.bias.grad, rtol=1e-5)
    assert first["bias"].abs().min() > 1e-4


def test_the_probe_has_the_scale_of_batch_normalisation():
    bn, relu = train_stack([make_point(BN_RELU), make_point(RELU)], DATA)
    last = bn.probe[bn.probe["step"] == 10]
    assert last.loc[last["layer"] == 1, "scale"].tolist() == bn.state["layer1.norm.weight"].tolist()
    assert (bn.probe.loc[(bn.probe["step"] == 0) | (bn.probe["layer"] == 2), "scale"] == 1).all()
    assert (relu.probe["scale"] == 1).all()


def test_output_units_are_always_active(recorded):
    trajectory, _ = recorded
    assert (of_layer(trajectory, 3, "active") == 1).all()


def test_a_unit_is_active_where_its_slope_is_not_negligible():
    slopes = torch.tensor([[[1.0, 0.0], [0.002, -0.5], [0.0009, 0.0], [0.0, 0.0]]])  # [1, 4, 2]
    torch.testing.assert_close(active([slopes.clone()]), torch.tensor([[0.5, 0.25]]))


def test_a_dead_relu_is_never_active_and_never_changes():
    trajectory = train_alone(lr=1e6, epochs=4).trajectory
    late = trajectory[(trajectory["step"] > 10) & (trajectory["layer"] == 1)]
    assert (late["active"] == 0).all()
    assert (late["update_norm"] == 0).all()


def test_a_trajectory_has_a_row_for_each_recorded_step_and_unit():
    trajectory = train_alone(hidden=(3, 2), epochs=1).trajectory
    assert trajectory.dtypes.astype(str).to_dict() == COLUMNS
    units = [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), *[(3, unit) for unit in range(5)]]
    expected = [(step, *unit) for step in range(6) for unit in units]
    assert list(trajectory[["step", "layer", "unit"]].itertuples(index=False)) == expected


@pytest.mark.parametrize(
    ("every", "steps"),
    [
        (1, list(range(1, 11))),
        (3, [3, 6, 9, 10]),
        (5, [5, 10]),
        ("epoch", [5, 10]),
        (1000, [10]),
    ],
)
def test_units_are_recorded_at_the_start_each_so_many_steps_and_at_the_end(every, steps):
    result = train_alone(epochs=2, every=every)
    assert result.trajectory["step"].unique().tolist() == [0, *steps]
    train = result.history[result.history["split"] == "train"]
    assert train["step"].tolist() == steps


@pytest.mark.parametrize("every", [3, "epoch"])
def test_recording_changes_no_number(every):
    points = [make_point(function, lr=0.003, hidden=(32,)) for function in (RELU, BN_RELU, TANH)]
    trajectory = make_point(every=every).trajectory
    fewer = train_stack([replace(point, trajectory=trajectory) for point in points], DATA)
    for few, all_ in zip(fewer, train_stack(points, DATA), strict=True):
        assert few.outcome is all_.outcome
        for name, value in few.state.items():
            assert torch.equal(value, all_.state[name])
        recorded = few.trajectory["step"].unique()
        pd.testing.assert_frame_equal(
            few.trajectory,
            all_.trajectory[all_.trajectory["step"].isin(recorded)].reset_index(drop=True),
            check_exact=True,
        )
        test_rows = [
            result.history[result.history["split"] == "test"].reset_index(drop=True)
            for result in (few, all_)
        ]
        pd.testing.assert_frame_equal(*test_rows, check_exact=True)


def test_a_frame_is_made_of_values_by_step_and_unit():
    # Two steps of two layers of one unit, which have 0 to 3 and 4 to 7 at the first.
    values = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    columns = {name: values[:, :, number] for number, name in enumerate(TRAJECTORY)}
    frame = unit_frame([5, 10], [1, 1], columns)
    assert frame.dtypes.astype(str).to_dict() == COLUMNS
    assert frame.to_numpy().tolist() == [
        [5, 1, 0, 0, 1, 2, 3],
        [5, 2, 0, 4, 5, 6, 7],
        [10, 1, 0, 8, 9, 10, 11],
        [10, 2, 0, 12, 13, 14, 15],
    ]


def test_the_thinned_series_keep_ends_and_few_units():
    steps = list(range(1, 101))
    columns = {
        "weight_mean": np.tile(np.arange(100, dtype=np.float32)[:, None], (1, 12)),
        "bias": np.tile(-np.arange(12, dtype=np.float32), (100, 1)),
    }
    series = thinned_series(unit_frame(steps, [12], columns))
    assert sorted(series) == sorted(
        f"layer1/unit{unit:02d}/{quantity}"
        for unit in range(10)
        for quantity in ("weight_mean", "bias")
    )
    kept, values = series["layer1/unit03/weight_mean"]
    assert len(kept) == 15
    assert (kept[0], kept[-1]) == (1, 100)
    assert (values == kept - 1).all()
    assert (series["layer1/unit03/bias"].numbers == -3).all()


def test_the_thinned_series_of_no_step_are_none():
    nothing = np.empty((0, 12), np.float32)
    empty = unit_frame([], [12], {"weight_mean": nothing, "bias": nothing})
    assert thinned_series(empty) == {}


def test_the_probe_sees_every_unit_on_the_same_images():
    one, other = train_stack(
        [make_point(seed=1, probe_every=4), make_point(seed=2, probe_every=4)], DATA
    )
    assert one.probe.dtypes.astype(str).to_dict() == {
        **{name: kind for name, kind in COLUMNS.items() if name in ("step", "layer", "unit")},
        "zero": "float32",
        "negligible": "float32",
        "weight_norm": "float32",
        "scale": "float32",
    }
    assert one.probe["step"].unique().tolist() == [0, 4, 8, 10]
    # 95 examples are fewer than the probe set may have: it is all of them.
    weight, bias = one.state["layer1.weight"], one.state["layer1.bias"]
    silent = (DATA.train_x @ weight.T + bias <= 0).float().mean(0)
    last = one.probe[(one.probe["step"] == 10) & (one.probe["layer"] == 1)]
    np.testing.assert_allclose(last["zero"], silent, atol=1e-6)
    np.testing.assert_allclose(last["negligible"], silent, atol=1e-6)
    np.testing.assert_allclose(last["weight_norm"], weight.norm(dim=1), rtol=1e-5)
    assert not other.probe["zero"].equals(one.probe["zero"])


def test_a_saturated_slope_is_negligible_but_not_zero():
    probe = train_stack([make_point(SIGMOID, lr=30.0, epochs=4)], DATA)[0].probe
    last = probe[(probe["step"] == probe["step"].max()) & (probe["layer"] == 1)]
    assert last["negligible"].max() > 0.9
    assert (last["zero"] <= last["negligible"]).all()
    assert (probe.loc[probe["layer"] == 2, ["zero", "negligible"]] == 0).all().all()

"""Fates of units whose lines and slopes are made by hand."""

import numpy as np
import pandas as pd
import pytest

from actscope.artifacts.unit_fates import NEVER, shares, unit_fates
from actscope.engine.train import train_stack
from actscope.engine.trajectory import unit_frame
from tests.support.making import BN_RELU, RELU, make_data, make_point

STEPS = list(range(1, 101))
PROBED = [25, 50, 75, 100]
MOVING = np.linspace(0, 1, 100)  # sets the height of the panels: 1
FLAT_FROM_51 = np.where(np.arange(1, 101) <= 50, np.linspace(0, -2, 100), -0.5)


def table(steps: list[int], **columns: list[np.ndarray]) -> pd.DataFrame:
    """Rows of one layer; each column is a list of lines, one a unit."""
    values = {name: np.stack(lines, axis=1).astype(np.float32) for name, lines in columns.items()}
    (units,) = {array.shape[1] for array in values.values()}
    return unit_frame(steps, [units], values)


def lines(*mean: np.ndarray, update_norm: list[np.ndarray] | None = None) -> pd.DataFrame:
    same = [np.ones(100) for _ in mean]
    return table(
        STEPS, weight_mean=list(mean), bias=list(mean), update_norm=update_norm or same, active=same
    )


def probe(*zero: list[float], negligible: list[list[float]] | None = None) -> pd.DataFrame:
    return table(
        PROBED,
        zero=[np.array(unit) for unit in zero],
        negligible=[np.array(unit) for unit in negligible or zero],
        weight_norm=[np.full(4, 2.0) for _ in zero],
        scale=[np.ones(4) for _ in zero],
    )


ALIVE = [0.5, 0.5, 0.5, 0.5]


def test_a_unit_is_dead_when_its_slope_is_zero_on_the_whole_probe_set() -> None:
    fates = unit_fates(lines(MOVING, MOVING), probe([0.5, 1, 1, 1], [1, 1, 1, 0.999]))
    assert fates["dead"].tolist() == [True, False]
    assert fates["dead_since"].tolist() == [50, NEVER]


def test_revivals_are_counted() -> None:
    fates = unit_fates(lines(MOVING, MOVING, MOVING), probe([1, 0.5, 1, 0.5], [1] * 4, ALIVE))
    assert fates["revivals"].tolist() == [2, 0, 0]


def test_a_unit_is_saturated_when_its_slope_is_negligible_on_99_in_100_examples() -> None:
    negligible = [[0.2, 0.99, 1, 0.99], [0.989] * 4]
    fates = unit_fates(lines(MOVING, MOVING), probe([0] * 4, [0] * 4, negligible=negligible))
    assert fates["saturated"].tolist() == [True, False]
    assert fates["saturated_since"].tolist() == [50, NEVER]
    assert not fates["dead"].any()


def test_a_unit_is_silent_when_its_weights_hardly_change_in_the_last_tenth() -> None:
    # Weights of length 2: silence is a change of 2e-5 or less.
    late = np.where(np.arange(1, 101) <= 60, 1.0, 2e-5)
    too_late = np.where(np.arange(1, 101) <= 95, 1.0, 0.0)
    never = np.full(100, 3e-5)
    fates = unit_fates(
        lines(MOVING, MOVING, MOVING, update_norm=[late, too_late, never]),
        probe(ALIVE, ALIVE, ALIVE),
    )
    assert fates["silent"].tolist() == [True, False, False]
    assert fates["silent_since"].tolist() == [61, NEVER, NEVER]


def test_a_unit_is_not_silent_at_the_start_when_no_step_is_taken_yet() -> None:
    steps = [0, 50, 100]
    lines_ = [np.array([0.0, 1.0, 2.0])] * 2
    norms = [np.array([0.0, 1e-9, 1e-9]), np.array([0.0, 1.0, 1e-9])]
    moved = table(steps, weight_mean=lines_, bias=lines_, update_norm=norms, active=lines_)
    fates = unit_fates(moved, probe(ALIVE, ALIVE))
    assert fates["silent_since"].tolist() == [50, NEVER]  # the other was at the last step only


def test_a_unit_is_flat_when_both_lines_stay_within_a_two_hundredth_of_the_panel() -> None:
    fates = unit_fates(lines(MOVING, FLAT_FROM_51), probe(ALIVE, ALIVE))
    assert fates["flat"].tolist() == [False, True]
    assert fates["flat_since"].tolist() == [NEVER, 51]


def test_a_line_that_stands_while_the_other_moves_is_not_flat() -> None:
    steady = [np.ones(100)] * 2
    moving_bias = table(
        STEPS,
        weight_mean=[MOVING, FLAT_FROM_51],
        bias=[MOVING, MOVING],
        update_norm=steady,
        active=steady,
    )
    assert not unit_fates(moving_bias, probe(ALIVE, ALIVE))["flat"].any()


def test_the_swing_is_how_far_the_line_had_moved_when_it_went_flat() -> None:
    fates = unit_fates(lines(MOVING, FLAT_FROM_51), probe(ALIVE, ALIVE))
    assert fates["swing_weight_mean"].tolist() == pytest.approx([1.0, -0.5])
    assert fates["swing_bias"].tolist() == pytest.approx([1.0, -0.5])
    assert fates["height_bias"].tolist() == pytest.approx([1 + 2 * 49 / 99] * 2)


def test_a_swing_does_not_depend_on_how_often_units_are_recorded() -> None:
    """A bias is 0 at the start and -1 from step 20 on; the other unit's moves to the end."""
    for every in (1, 20):
        steps = list(range(0, 101, every))
        down, moving = (np.array([f(s) for s in steps]) for f in (went_down, float))
        ones = [np.ones(len(steps))] * 2
        both = [down, moving]
        moved = table(steps, weight_mean=both, bias=both, update_norm=ones, active=ones)
        fates = unit_fates(moved, probe(ALIVE, ALIVE))
        assert fates["flat"].tolist() == [True, False]
        assert fates["flat_since"][0] == 20
        assert fates["swing_bias"].tolist() == [-1, 100]


def went_down(step: int) -> float:
    return -1.0 if step >= 20 else 0.0


def test_a_unit_that_never_moves_is_flat_from_the_start() -> None:
    steps = list(range(0, 101, 10))
    still, moving = np.full(11, 0.3), np.linspace(0, 1, 11)
    ones = [np.ones(11)] * 2
    moved = table(
        steps, weight_mean=[still, moving], bias=[still, moving], update_norm=ones, active=ones
    )
    fates = unit_fates(moved, probe(ALIVE, ALIVE))
    assert fates.loc[0, ["flat", "flat_since", "swing_bias"]].tolist() == [True, 0, 0]


def test_shares_are_of_a_layer_or_of_all_hidden_units() -> None:
    layers = [1, 1, 1, 1, 2, 2, 3]  # the last is the output layer
    dead, flat = [True, False, False, False, True, True, False], [False] * 6 + [True]
    fates = pd.DataFrame({"layer": layers, "dead": dead, "flat": flat}).assign(
        saturated=False, silent=False
    )
    found = shares(fates)
    assert {name: found[name] for name in found if name.startswith("dead")} == {
        "dead/layer1": 0.25,
        "dead/layer2": 1.0,
        "dead/layer3": 0.0,
        "dead/hidden": 0.5,
    }
    assert (found["flat/layer3"], found["flat/hidden"]) == (1.0, 0.0)


def test_a_run_that_left_nothing_has_no_fates() -> None:
    (result,) = train_stack([make_point(lr=1e38)], make_data())
    assert shares(unit_fates(result.trajectory.iloc[:0], result.probe)) == {}


def test_one_record_is_no_line() -> None:
    (result,) = train_stack([make_point(BN_RELU, epochs=1, every="epoch")], make_data())
    fates = unit_fates(result.trajectory, result.probe)
    assert not fates["flat"].any()


def test_a_rate_that_kills_every_relu_is_seen_so() -> None:
    (result,) = train_stack([make_point(RELU, lr=1e6, epochs=4)], make_data())
    fates = unit_fates(result.trajectory, result.probe)
    hidden = fates[fates["layer"] == 1]
    assert hidden[["dead", "saturated", "silent", "flat"]].all().all()

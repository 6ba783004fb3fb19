import base64
import json
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actscope.artifacts.unit_fates import FATES
from actscope.engine.recorded import TRAJECTORY
from actscope.engine.trajectory import unit_frame
from actscope.report.explorer import series
from actscope.report.explorer.series import pack, run_series

NOT_JUDGED = pd.DataFrame()


def made_trajectory(steps: list[int], widths: tuple[int, ...], seed: int = 0) -> pd.DataFrame:
    """Lines of units that wander at random from 0 on, between 0 and 1."""
    changes = np.random.default_rng(seed)
    values = {}
    for name in TRAJECTORY:
        walks = np.abs(changes.normal(size=(len(steps), sum(widths))).cumsum(axis=0))
        values[name] = (walks / walks.max()).astype(np.float32)
    return unit_frame(steps, widths, values)


def made_history(steps: list[int], seed: int = 0) -> pd.DataFrame:
    noise = np.random.default_rng(seed)
    return pd.concat(
        pd.DataFrame({"step": steps, "split": split, "accuracy": noise.random(len(steps))})
        for split in ("train", "test")
    )


def made_fates(unit_since: dict[str, list[int]]) -> pd.DataFrame:
    """Fates of layer 1, from the step since when each fate holds, -1 where it does not."""
    units = len(next(iter(unit_since.values())))
    since = {f"{name}_since": unit_since.get(name, [-1] * units) for name in FATES}
    return pd.DataFrame({"layer": 1, "unit": range(units), **since})


def summed(differences: Any) -> Any:
    return np.cumsum(differences, axis=-1)


def line_of(layer: dict[str, Any], name: str) -> Any:
    """Values [U, K] of a carried quantity."""
    line = layer["lines"][name]
    return line["low"] + summed(line["levels"]) / line["parts"] * (line["high"] - line["low"])


def test_of_many_steps_some_are_carried_and_more_of_them_early() -> None:
    steps = list(range(1, 601))
    carried = run_series(made_history(steps), made_trajectory(steps, (2, 2)), NOT_JUDGED)
    kept = summed(carried["steps"])
    assert len(kept) == series.STEPS_KEPT
    assert (kept[0], kept[-1]) == (1, 600)
    assert (kept <= 300).sum() > (kept > 300).sum()


def test_of_few_steps_all_are_carried() -> None:
    steps = [5, 10, 15]
    carried = run_series(made_history(steps), made_trajectory(steps, (2, 2)), NOT_JUDGED)
    assert summed(carried["steps"]).tolist() == steps


def test_a_line_is_carried_to_half_a_level() -> None:
    trajectory = made_trajectory([5, 10, 15], (3, 2))
    layers = run_series(made_history([5]), trajectory, NOT_JUDGED)["layers"]
    for key, layer in (("1", 1), ("-1", 2)):
        rows = trajectory[trajectory["layer"] == layer]
        for name in ("weight_mean", "bias"):
            exact = rows.pivot(index="unit", columns="step", values=name)  # noqa: PD010 - no mean
            level = float(exact.max(axis=None) - exact.min(axis=None)) / series.LINE_LEVELS
            assert line_of(layers[key], name) == pytest.approx(exact.to_numpy(), abs=0.51 * level)
    assert layers["-1"]["number"] == 2


def test_a_line_that_never_moves_stays_where_it_is() -> None:
    trajectory = made_trajectory([5, 10], (2, 2)).assign(bias=np.float32(0.25))
    layer = run_series(made_history([5]), trajectory, NOT_JUDGED)["layers"]["1"]
    assert line_of(layer, "bias").tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_accuracies_are_carried_to_a_tenth_of_a_per_cent() -> None:
    history = pd.DataFrame(
        {"step": [5, 10, 10], "split": ["train", "train", "test"], "accuracy": [0.1234, 0.9, 1.0]}
    )
    accuracy = run_series(history, made_trajectory([5], (1, 1)), NOT_JUDGED)["metric"]
    assert summed(accuracy["train"]["levels"]).tolist() == [123, 900]
    assert summed(accuracy["train"]["steps"]).tolist() == [5, 10]
    assert accuracy["test"] == {"steps": [10], "levels": [1000]}


def test_of_a_wide_layer_the_first_units_are_carried_and_the_fates_of_all() -> None:
    fates = made_fates({"dead": [-1] * 99 + [7]})
    carried = run_series(made_history([5]), made_trajectory([5, 10], (100, 2)), fates)
    layer = carried["layers"]["1"]
    assert len(layer["lines"]["bias"]["levels"]) == series.UNITS_KEPT
    assert layer["since"]["dead"] == [-1] * 99 + [7]


def test_units_that_are_not_judged_have_no_fates() -> None:
    carried = run_series(made_history([5]), made_trajectory([5], (2, 2)), NOT_JUDGED)
    assert carried["layers"]["1"]["since"] == {}


def test_a_run_that_diverged_at_once_has_no_layers() -> None:
    nothing = made_trajectory([5], (2, 2))[:0]
    carried = run_series(made_history([5])[:0], nothing, NOT_JUDGED)
    assert carried["layers"] == {}
    assert carried["steps"] == carried["metric"]["train"]["steps"] == []


def test_packed_series_can_be_unpacked() -> None:
    carried = run_series(made_history([5]), made_trajectory([5, 10], (3, 2)), NOT_JUDGED)
    assert json.loads(zlib.decompress(base64.b64decode(pack(carried)))) == carried


def test_a_thousand_runs_of_wandering_units_fit_into_ten_megabytes() -> None:
    steps = list(range(1, 601))
    fates = made_fates({name: list(range(64)) for name in FATES})
    carried = run_series(made_history(steps), made_trajectory(steps, (64, 10)), fates)
    assert 1000 * len(pack(carried)) < 10e6


@pytest.mark.parametrize(
    ("hidden", "kept"), [(1, [1]), (3, [1, 2, 3]), (32, [1, 5, 10, 14, 19, 23, 28, 32])]
)
def test_hidden_layers_are_carried_evenly_from_the_first_to_the_last(hidden, kept) -> None:
    trajectory = made_trajectory([5, 10], (2,) * (hidden + 1))
    layers = run_series(made_history([5]), trajectory, NOT_JUDGED)["layers"]
    assert list(layers) == [*map(str, kept), "-1"]
    assert [layer["number"] for layer in layers.values()] == [*kept, hidden + 1]

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from actscope import tracking
from actscope.analysis import unit_statistics, units
from actscope.analysis.frames import StudyRuns, choose_runs
from actscope.analysis.shares import unit_share
from actscope.analysis.unit_statistics import INACTIVE
from actscope.analysis.units import Units
from actscope.artifacts.unit_fates import FATES, shares
from actscope.report.figures import units as units_figures
from actscope.report.tables import units as units_tables
from actscope.report.text import units as units_text
from tests.support.studies import Lab


def unit(seed: int, number: int, **changes: object) -> dict[str, object]:
    """A unit of layer 1 of relu at 0.1 of which nothing has become, unless told otherwise."""
    return {
        "variant": "",
        "activation": "relu",
        "lr": 0.1,
        "seed": seed,
        "run_id": f"run{seed}",
        "layer": 1,
        "unit": number,
        "is_output": False,
        "revivals": 0,
        "swing_weight_mean": np.nan,
        "swing_bias": np.nan,
        **dict.fromkeys(FATES, False),
        **{f"{fate}_since": -1 for fate in FATES},
        **changes,
    }


def flat(weight: float, bias: float) -> dict[str, object]:
    return {"flat": True, "flat_since": 7, "swing_weight_mean": weight, "swing_bias": bias}


@pytest.fixture
def fates() -> pd.DataFrame:
    """Two runs of four units: of the first two die, of the second one; five are flat."""
    dead = {"dead": True, "saturated": True, "saturated_since": 20}
    return pd.DataFrame(
        [
            unit(0, 0, **dead, **flat(-1.0, -1.0), dead_since=20),
            unit(0, 1, **dead, **flat(-1.0, 1.0), dead_since=40),
            unit(0, 2, **flat(1.0, 1.0)),
            unit(0, 3, revivals=2),
            unit(1, 0, **dead, dead_since=90),
            unit(1, 1, **flat(-1.0, -1.0)),
            unit(1, 2, **flat(0.0, 0.0)),
            unit(1, 3),
            unit(0, 0, layer=2, is_output=True),
            unit(1, 0, layer=2, is_output=True),
        ]
    )


def of(fates: pd.DataFrame) -> Units:
    return Units(fates, pd.DataFrame(), unrecorded=0)


@pytest.fixture
def hidden(fates: pd.DataFrame) -> pd.DataFrame:
    """The same without the output layer."""
    return fates[~fates["is_output"]]


def confused(fates: pd.DataFrame, layers: str, truth: str) -> dict[str, object]:
    table = unit_statistics.confusion(fates)
    own = (table["layers"] == layers) & (table["truth"] == truth) & (table["lr"] == "all")
    (row,) = table[own].to_dict("records")
    return {str(key): value for key, value in row.items()}


def test_a_share_is_over_the_units_of_all_runs(fates: pd.DataFrame) -> None:
    row = of(fates).by_layer.iloc[0]
    assert row["n"] == 2
    assert row["dead"] == 3 / 8
    assert np.isnan([row["dead_low"], row["dead_high"]]).all()  # two runs say too little
    # Since 20, 40 and 90.
    assert row["dead_onset"] == 40
    assert row["revivals"] == 2
    assert row["silent"] == 0
    assert np.isnan(row["silent_onset"])


def test_the_interval_of_a_share_is_over_the_runs(fates: pd.DataFrame) -> None:
    third = fates[fates["seed"] == 0].assign(seed=2, run_id="run2")
    row = of(pd.concat([fates, third])).by_layer.iloc[0]
    expected = unit_share([2, 1, 2], [4, 4, 4])
    assert (row["n"], row["dead"]) == (3, expected.share)
    assert (row["dead_low"], row["dead_high"]) == (expected.low, expected.high)


def test_units_of_one_seed_are_one_cluster_whatever_their_run() -> None:
    seeds = pd.Series([0, 1, 2] * 4)
    of_two_cells = pd.Series([True, False, False, True, True, False] * 2)
    found = unit_statistics.seed_share(of_two_cells, seeds)
    assert found == unit_share([4, 2, 0], [4, 4, 4])


def test_an_output_layer_has_no_dead_units_and_nothing_is_nan(fates: pd.DataFrame) -> None:
    table = units_tables.readable_by_layer(of(fates[fates["seed"] == 1]).by_layer)
    assert table["layer"].tolist() == ["1", "2, output"]
    assert table["dead, %"].tolist() == ["25.0", "–"]  # noqa: RUF001 - a dash in a cell is a dash
    assert table["silent since step"].tolist() == ["never", "never"]
    assert not table.astype(str).map(lambda text: "nan" in text.lower()).any(axis=None)


def test_a_flat_line_is_held_against_the_dead_and_the_saturated(fates: pd.DataFrame) -> None:
    row = confused(fates, "hidden", INACTIVE)
    assert [row[name] for name in ("tp", "fp", "fn", "tn")] == [2, 3, 1, 2]
    assert row["precision"] == 2 / 5
    assert row["recall"] == pytest.approx(2 / 3)
    assert (row["precision_seeds"], row["recall_seeds"]) == (2, 2)
    assert np.isnan([row["precision_low"], row["recall_high"]]).all()


def test_a_proportion_of_nothing_is_undefined_and_says_why(fates: pd.DataFrame) -> None:
    table = units_tables.readable_confusion(unit_statistics.confusion(fates))
    row = table[(table["layers"] == "output") & (table["lr"] == "all")].iloc[0]
    assert row["precision, %"] == "undefined: no unit is flat"
    assert row["recall, %"] == "undefined: no unit is silent"
    against_silent = table[(table["layers"] == "hidden") & (table["flat against"] == "silent")]
    assert set(against_silent["recall, %"]) == {"undefined: no unit is silent"}
    assert set(against_silent["precision, %"]) == {"0.0"}
    assert set(against_silent["precision: seeds"]) == {"2"}
    assert not table.astype(str).map(lambda text: "nan" in text).any(axis=None)


def test_rates_are_confused_one_by_one_and_together(hidden: pd.DataFrame) -> None:
    both = pd.concat([hidden, hidden.assign(lr=0.01, run_id=hidden["run_id"] + "slow")])
    table = unit_statistics.confusion(both)
    against_inactive = table[(table["layers"] == "hidden") & (table["truth"] == INACTIVE)]
    assert against_inactive["lr"].tolist() == ["0.01", "0.1", "all"]
    assert against_inactive["tp"].tolist() == [2, 2, 4]


def test_a_swing_is_negative_where_the_line_had_moved_down(fates: pd.DataFrame) -> None:
    cell, whole = unit_statistics.swings(fates).to_dict("records")
    assert cell["flat"] == whole["flat"] == 5
    assert cell["from_start"] == 1  # it had not moved at all
    assert cell["weight"] == 3 / 4
    assert cell["bias"] == 2 / 4
    assert cell["weight_seeds"] == 2


def test_what_is_seen_is_said_in_words(fates: pd.DataFrame) -> None:
    found = of(fates)
    ((inactive, eye, swing),) = units_text.in_words(found)
    assert inactive.startswith(
        "Share of layer 1's units that end dead or saturated: 37.5 % with relu at lr = 0.1"
    )
    assert "1 of 8 hidden units were dead at one probe and alive at the next, 2 times" in inactive
    assert "Of the 5 flat hidden units, 40.0 % are dead or saturated; of the 3 " in eye
    assert "Flat, but neither dead nor saturated: 3 of relu." in eye
    assert "No output unit is flat or silent." in eye
    assert "Of the 4 units of layer 1 that went flat during training, 75.0 %" in swing
    assert "1 more were flat from the first record on" in swing


def test_where_nothing_happens_that_is_said() -> None:
    found = of(pd.DataFrame([unit(0, 0), unit(0, 1)]).assign(is_output=[False, False]))
    vars(found)["by_layer"] = found.by_layer.assign(is_output=False, saturated=0.0)
    text = " ".join(next(iter(units_text.in_words(found))))
    assert "No unit of layer 1 ends dead or saturated." in text
    assert "No unit of layer 1 went flat" in text
    assert "nan" not in text


def test_of_many_rates_it_is_said_where_it_begins(fates: pd.DataFrame) -> None:
    layer = of(fates).by_layer.head(1)
    rates = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05]
    swept = pd.concat(
        layer.assign(activation=name, lr=lr, saturated=share)
        for name, last in (("a", 1.0), ("b", 1.0), ("c", 0.5))
        for lr, share in zip(rates, [0.0, 0.1, 0.5, 0.5, last, last], strict=True)
    )
    found = of(fates)
    vars(found)["by_layer"] = swept
    ((text, *_),) = units_text.in_words(found)
    assert "dead or saturated: 0.02 with a and b; no rate with c." in text


def test_layer_1_is_followed_from_probe_to_probe() -> None:
    probe = pd.DataFrame(
        {
            "step": [10, 10, 10, 20, 20, 20],
            "layer": [1, 1, 2, 1, 1, 2],
            "zero": [0.0, 0.5, 1.0, 0.0, 1.0, 1.0],
            "negligible": [0.98, 0.5, 1.0, 0.99, 1.0, 1.0],
        }
    )
    followed = units.inactive_units(probe)
    assert followed["step"].tolist() == [10, 20]
    assert followed["units"].tolist() == [2, 2]
    assert followed["inactive"].tolist() == [0, 2]


def test_shares_are_followed_step_by_step() -> None:
    cell = {"variant": "", "activation": "relu", "lr": 0.1, "units": 4}
    inactive = pd.DataFrame(
        {"seed": [0, 0, 1, 1, 2, 2], "step": [1, 2] * 3, "inactive": [0, 2, 1, 4, 2, 2]}
    )
    curve = unit_statistics.inactive_by_step(inactive.assign(**cell))
    assert curve["share"].tolist() == [3 / 12, 8 / 12]
    assert curve["share_high"].tolist() == [
        unit_share(hits, [4, 4, 4]).high for hits in ([0, 1, 2], [2, 4, 2])
    ]


def test_no_band_is_drawn_where_each_seed_counts_as_one_unit() -> None:
    shares = pd.DataFrame({"share": [0.0, 0.5], "share_low": [0.0, 0.3], "share_high": [0.5, 0.7]})
    band = units_figures.as_band(shares, "share")
    assert band["mean"].tolist() == [0.0, 0.5]
    assert band["high"].isna().tolist() == [True, False]


def test_an_output_layer_is_drawn_only_where_it_is_struck(fates: pd.DataFrame) -> None:
    layers = of(fates).by_layer
    rates = sorted(set(layers["lr"]))
    assert units_figures.layers_shown(layers) == [[(1, lr) for lr in rates]]
    struck = layers.assign(flat=0.1)
    assert units_figures.layers_shown(struck) == [[(n, lr) for lr in rates] for n in (1, 2)]


def test_verdicts_that_are_unknown_are_not_drawn(fates: pd.DataFrame) -> None:
    layers = of(fates).by_layer
    ax = units_figures.plot_unit_shares(layers[layers["is_output"]], ["relu"], Figure().subplots())
    assert len(ax.containers) == len(FATES) - len(unit_statistics.HIDDEN_ONLY)


# --- on real runs -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(lab: Lab, grid: str) -> StudyRuns:
    return choose_runs(grid, tracking.read_runs(lab.store, grid))


def test_the_units_of_every_run_are_looked_at(lab: Lab, runs: StudyRuns) -> None:
    found = units.read_units(lab.store, runs)
    assert len(found.fates) == 8 * (4 + 10)
    assert found.unrecorded == 0
    looks = found.inactive.groupby("run_id").size()
    assert looks.index.tolist() == sorted(runs.used["run_id"])
    assert len(set(looks)) == 1


def test_shares_are_those_that_each_run_noted_at_its_end(lab: Lab, runs: StudyRuns) -> None:
    for run_id, fates in units.read_units(lab.store, runs).fates.groupby("run_id"):
        for name, share in shares(fates).items():
            assert share == runs.unit_shares.loc[run_id, name]


def test_older_runs_without_a_record_are_counted(lab: Lab, grid: str) -> None:
    stored = tracking.read_runs(lab.store, grid)
    metrics = [name for name in stored if name.endswith(("/layer1", "/layer2", "/hidden"))]
    stored.loc[:2, metrics] = np.nan
    found = units.read_units(lab.store, choose_runs(grid, stored))
    assert found.unrecorded == 3
    assert found.fates["run_id"].nunique() == 5
    older = units.read_units(lab.store, choose_runs(grid, stored.drop(columns=metrics)))
    assert older.fates.empty
    assert older.unrecorded == 8

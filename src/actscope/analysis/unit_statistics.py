"""Statistics of units: how many have each fate, since when, and how well flat lines show it.

Units of one run are not independent, so intervals come from the differences between seeds.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.shares import Share, share_columns, unit_share
from actscope.analysis.stats import grouped
from actscope.artifacts.unit_fates import FATES, NEVER

HIDDEN_ONLY = ["dead", "saturated"]  # fates of an activation: the output layer has none
INACTIVE = "dead or saturated"
ALL_VALUES = "all"

# The fates that a flat line is compared with, and in which layers.
COMPARISONS = [("hidden", INACTIVE), ("hidden", "silent"), ("output", "silent")]


def by_layer(fates: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """One row a cell and layer, in the order of the runs, from Units.fates.

    Columns: `axis.cell`, `layer`, `is_output`, `n` (runs). For each fate: the share of the layer's
    units in all runs, as `dead`, its interval `dead_low` to `dead_high` (shares.unit_share), and
    `dead_onset`, the median step since when, over the units that have this fate. `revivals`, how
    often dead units came back, in total. NaN is what does not exist: a dead unit in the output
    layer, the interval of fewer than three runs, the onset of a fate that no unit has.
    """
    rows: list[dict[str, Any]] = []
    names = [*axis.cell, "layer"]
    for about, units in grouped(fates, names):
        is_output = bool(units["is_output"].iloc[0])
        row = {**about, "is_output": is_output, "n": units["run_id"].nunique()}
        for fate in FATES:
            known = units.iloc[:0] if is_output and fate in HIDDEN_ONLY else units
            row |= _columns(fate, seed_share(known[fate], known["seed"]))
            row[f"{fate}_onset"] = _onset(units, fate)
        row["revivals"] = np.nan if is_output else units["revivals"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _columns(name: str, found: Share) -> dict[str, float]:
    return {column: value for column, (value,) in share_columns(name, [found]).items()}


def _onset(units: pd.DataFrame, fate: str) -> float:
    since = units.loc[units[fate], f"{fate}_since"]
    return float(since[since != NEVER].median()) if (since != NEVER).any() else float("nan")


def seed_share(is_hit: "pd.Series[bool]", seeds: "pd.Series[int]") -> Share:
    """Share of true values among units; `seeds`: the seed of each unit's run.

    A cluster is a seed: in a cell a run, in several cells the runs that start from the same weights
    and see the same minibatches.
    """
    by_seed = is_hit.groupby(seeds.to_numpy(dtype=np.int64)).agg(["sum", "size"])
    return unit_share(by_seed["sum"].tolist(), by_seed["size"].tolist())


def inactive_by_step(inactive: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """One row a cell and probed step, from Units.inactive.

    Columns: `axis.cell`, `step`, `n` (runs), `share`, `share_low` and `share_high`.
    """
    names = [*axis.cell, "step"]
    cells: list[dict[str, Any]] = []
    shares: list[Share] = []
    for about, own in grouped(inactive, names):
        cells.append({**about, "n": len(own)})
        shares.append(unit_share(own["inactive"].tolist(), own["units"].tolist()))
    table = pd.DataFrame(cells, columns=[*names, "n"]).assign(**share_columns("share", shares))
    return table.sort_values(names, ignore_index=True)


# --- flat lines against fates -------------------------------------------------------------------


def confusion(fates: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """How well a flat line shows a fate: one row per variant, comparison and rate, and overall.

    Columns: `variant`, `layers` (`hidden` or `output`), `truth` (the fate to compare with), the
    axis as text (`all` for all values together); the numbers of units that are both, flat only,
    true only, neither: `tp`, `fp`, `fn`, `tn`; `precision` = tp / (tp + fp) and `recall` =
    tp / (tp + fn), each with its interval, `_low` to `_high`, and `_seeds`, the seeds that have
    such units.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates.groupby("variant", sort=False):
        for layers, truth in COMPARISONS:
            units = own[own["is_output"] == (layers == "output")]
            for value, some in _values_and_whole(units, axis):
                about = {"variant": variant, "layers": layers, "truth": truth, axis.column: value}
                rows.append(about | _confusion_of(some, is_true(some, truth)))
    return pd.DataFrame(rows)


def _values_and_whole(units: pd.DataFrame, axis: Axis) -> Iterator[tuple[str, pd.DataFrame]]:
    for value in axis.ordered(units[axis.column]):
        yield axis.text(value), units[units[axis.column] == value]
    yield ALL_VALUES, units


def is_true(fates: pd.DataFrame, truth: str) -> "pd.Series[bool]":
    return fates["dead"] | fates["saturated"] if truth == INACTIVE else fates[truth]


def _confusion_of(units: pd.DataFrame, truth: "pd.Series[bool]") -> dict[str, Any]:
    flat, seeds = units["flat"], units["seed"]
    return {
        "tp": int((flat & truth).sum()),
        "fp": int((flat & ~truth).sum()),
        "fn": int((~flat & truth).sum()),
        "tn": int((~flat & ~truth).sum()),
        **_counted_columns("precision", seed_share(truth[flat], seeds[flat])),
        **_counted_columns("recall", seed_share(flat[truth], seeds[truth])),
    }


def _counted_columns(name: str, found: Share) -> dict[str, float]:
    return {**_columns(name, found), f"{name}_seeds": found.clusters}


def swings(fates: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """The direction in which layer 1's units moved before they went flat: per cell, and overall.

    Columns: `variant`, `activation` and the axis (text; `all` for all together); `flat`, the units
    that went flat; `from_start`, those that were flat from the first record on; `weight` and
    `bias`, the share of the others whose mean weight, or bias, was lower when they went flat than
    at their first record, each with `_low`, `_high` and `_seeds`, as in `confusion`.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates[fates["layer"] == 1].groupby("variant", sort=False):
        for about, units in _cells_and_whole(own, axis):
            flat = units[units["flat"]]
            swung = flat[(flat[["swing_weight_mean", "swing_bias"]] != 0).any(axis=1)]
            weight = seed_share(swung["swing_weight_mean"] < 0, swung["seed"])
            bias = seed_share(swung["swing_bias"] < 0, swung["seed"])
            counts = {"flat": len(flat), "from_start": len(flat) - len(swung)}
            columns = _counted_columns("weight", weight) | _counted_columns("bias", bias)
            rows.append({"variant": variant, **about, **counts, **columns})
    return pd.DataFrame(rows)


def _cells_and_whole(
    fates: pd.DataFrame, axis: Axis
) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    for (name, value), units in fates.groupby(["activation", axis.column], sort=False):
        yield {"activation": str(name), axis.column: axis.text(value)}, units
    yield {"activation": ALL_VALUES, axis.column: ALL_VALUES}, fates

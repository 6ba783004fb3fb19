"""Statistics of units: how many have each fate, since when, and how well flat lines show it.

A share is a mean over runs, with its 95 % t-interval.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.stats import CELL, CONFIDENCE, Estimate, estimate, estimate_columns
from actscope.artifacts.unit_fates import FATES, NEVER

HIDDEN_ONLY = ["dead", "saturated"]  # fates of an activation: the output layer has none
INACTIVE = "dead or saturated"
ALL_RATES = "all"

# The fates that a flat line is compared with, and in which layers.
COMPARISONS = [("hidden", INACTIVE), ("hidden", "silent"), ("output", "silent")]


def by_layer(shares: pd.DataFrame, fates: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and layer, in the order of the runs, from Units.shares and Units.fates.

    Columns: CELL, `layer`, `is_output`, `n` (runs). For each fate v: the mean share of the layer's
    units over the runs, `v_mean`, `v_sd`, `v_low` and `v_high`; `v_onset`, the median step since
    when, over the units of all runs that have this fate. `revivals`, how often dead units came
    back, in total. NaN is what does not exist: a dead unit in the output layer, the interval of a
    single run, the onset of a fate that no unit has.
    """
    rows: list[dict[str, Any]] = []
    fates_of = dict(iter(fates.groupby([*CELL, "layer"], sort=False)))
    for key, runs in shares.groupby([*CELL, "layer"], sort=False):
        assert isinstance(key, tuple)
        units = fates_of[key]
        is_output = bool(runs["is_output"].iloc[0])
        row = {**dict(zip([*CELL, "layer"], key, strict=True)), "is_output": is_output}
        row["n"] = len(runs)
        for fate in FATES:
            is_known = not (is_output and fate in HIDDEN_ONLY)
            found = estimate(runs[fate].to_numpy(dtype=float)[: None if is_known else 0])
            row |= estimate_columns(fate, found) | {f"{fate}_onset": _onset(units, fate)}
        row["revivals"] = np.nan if is_output else units["revivals"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _onset(units: pd.DataFrame, fate: str) -> float:
    since = units.loc[units[fate], f"{fate}_since"]
    return float(since[since != NEVER].median()) if (since != NEVER).any() else float("nan")


# --- flat lines against fates -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Proportion:
    """A share of units: over all runs together, and as a mean over the runs.

    `low` and `high` are the 95 % interval of Wilson (1927) of `hits` out of `total`. It assumes
    independent units, but those of one run are not. `runs` is the mean share over the runs that
    have such units. All are NaN if there are no units.
    """

    hits: int
    total: int
    share: float
    low: float
    high: float
    runs: Estimate


def proportion(is_hit: "pd.Series[bool]", run_ids: "pd.Series[str]") -> Proportion:
    """Share of true values among units; `run_ids`: the run of each unit."""
    hits, total = int(is_hit.sum()), len(is_hit)
    by_run = estimate(np.asarray(is_hit.astype(float).groupby(run_ids).mean(), dtype=np.float64))
    if total == 0:
        unknown = float("nan")
        return Proportion(hits, total, unknown, unknown, unknown, by_run)
    from scipy import stats  # it takes half a second to import

    found = stats.binomtest(hits, total).proportion_ci(CONFIDENCE, "wilson")
    return Proportion(hits, total, hits / total, float(found.low), float(found.high), by_run)


def confusion(fates: pd.DataFrame) -> pd.DataFrame:
    """How well a flat line shows a fate: one row per variant, comparison and rate, and overall.

    Columns: `variant`, `layers` (`hidden` or `output`), `truth` (the fate to compare with), `lr`
    (text; `all` for all rates together); the numbers of units that are both, flat only, true only,
    neither: `tp`, `fp`, `fn`, `tn`; `precision` = tp / (tp + fp) and `recall` = tp / (tp + fn),
    each with the numbers of Proportion: `_low` and `_high`, and over the runs `_runs` (their
    number), `_runs_mean`, `_runs_low` and `_runs_high`.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates.groupby("variant", sort=False):
        for layers, truth in COMPARISONS:
            units = own[own["is_output"] == (layers == "output")]
            rates = [(_rate(at), at) for _, at in units.groupby("lr", sort=True)]
            for lr, some in [*rates, (ALL_RATES, units)]:
                about = {"variant": variant, "layers": layers, "truth": truth, "lr": lr}
                rows.append(about | _confusion_of(some, is_true(some, truth)))
    return pd.DataFrame(rows)


def is_true(fates: pd.DataFrame, truth: str) -> "pd.Series[bool]":
    return fates["dead"] | fates["saturated"] if truth == INACTIVE else fates[truth]


def _confusion_of(units: pd.DataFrame, truth: "pd.Series[bool]") -> dict[str, Any]:
    flat, run_ids = units["flat"], units["run_id"]
    counts = {
        "tp": int((flat & truth).sum()),
        "fp": int((flat & ~truth).sum()),
        "fn": int((~flat & truth).sum()),
        "tn": int((~flat & ~truth).sum()),
    }
    precision = proportion(truth[flat], run_ids[flat])
    recall = proportion(flat[truth], run_ids[truth])
    return {
        **counts,
        **_proportion_columns("precision", precision),
        **_proportion_columns("recall", recall),
    }


def _proportion_columns(measure: str, found: Proportion) -> dict[str, Any]:
    return {
        measure: found.share,
        f"{measure}_low": found.low,
        f"{measure}_high": found.high,
        f"{measure}_runs": found.runs.n,
        f"{measure}_runs_mean": float(found.runs.mean),
        f"{measure}_runs_low": float(found.runs.low),
        f"{measure}_runs_high": float(found.runs.high),
    }


def swings(fates: pd.DataFrame) -> pd.DataFrame:
    """The direction in which layer 1's units moved before they went flat: per cell, and overall.

    Columns: `variant`, `activation` and `lr` (text; `all` for all together); `flat`, the units that
    went flat; `from_start`, those that were flat from the first record on; `weight` and `bias`, the
    share of the others whose mean weight, or bias, was lower when they went flat than at their
    first record, each with the numbers of Proportion, as in `confusion`.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates[fates["layer"] == 1].groupby("variant", sort=False):
        cells = [
            ({"variant": variant, "activation": name, "lr": _rate(units)}, units)
            for (name, _), units in own.groupby(["activation", "lr"], sort=False)
        ]
        whole: dict[str, Any] = {"variant": variant, "activation": ALL_RATES, "lr": ALL_RATES}
        for about, units in [*cells, (whole, own)]:
            flat = units[units["flat"]]
            swung = flat[(flat[["swing_weight_mean", "swing_bias"]] != 0).any(axis=1)]
            weight = proportion(swung["swing_weight_mean"] < 0, swung["run_id"])
            bias = proportion(swung["swing_bias"] < 0, swung["run_id"])
            columns = _proportion_columns("weight", weight) | _proportion_columns("bias", bias)
            counts = {"flat": len(flat), "from_start": len(flat) - len(swung)}
            rows.append({**about, **counts, **columns})
    return pd.DataFrame(rows)


def _rate(rows: pd.DataFrame) -> str:
    return rate_text(rows["lr"].iloc[0])

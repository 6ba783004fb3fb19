"""Which units die, and when: the training's own evidence beside what the eye reads off a line.

artifacts.unit_fates defines the verdicts. Here they are counted: a share is a mean over runs, with
its 95 % t-interval. Runs that diverged are left out, for their units end in mid-training.
"""

# S seeds, T probed steps

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from actscope.analysis.frames import POINT, StudyRuns, averaged, one_under_another, read_each
from actscope.analysis.labels import rate_text
from actscope.analysis.run_tables import UnreadableRunError, read_probe_of, read_run_table
from actscope.analysis.stats import CELL, CONFIDENCE, Estimate, estimate
from actscope.artifacts.unit_fates import (
    NEVER,
    SATURATED_SHARE,
    VERDICTS,
    Records,
    shares,
    unit_fates,
)
from actscope.tracking import Store

HIDDEN_ONLY = ["dead", "saturated"]  # verdicts about an activation, which the output layer has none
GONE = "dead or saturated"
ALL_RATES = "all"

# What a flat line is held against, and in which layers.
COMPARISONS = [("hidden", GONE), ("hidden", "silent"), ("output", "silent")]


@dataclass(frozen=True, eq=False)
class Units:
    """What has become of the units of a study.

    `shares`: one row a run and layer: POINT, `run_id`, `layer`, `is_output`, and of each verdict
    the share of the layer's units. `fates`: one row a unit: POINT, `run_id`, `is_output`, and the
    columns of dying.unit_fates. `gone`: one row a run and probed step: POINT, `run_id`, `step`, and
    `gone`, the share of layer 1 that is dead or saturated. `unrecorded`: how many runs, beside
    those that diverged, carry no probes.
    """

    shares: pd.DataFrame
    fates: pd.DataFrame
    gone: pd.DataFrame
    unrecorded: int

    @cached_property
    def eye(self) -> pd.DataFrame:
        return confusion(self.fates)

    @cached_property
    def swings(self) -> pd.DataFrame:
        return swings(self.fates)


class Judged(NamedTuple):
    """What has become of the units of one run: `fates` and `gone` of Units, without the run."""

    fates: pd.DataFrame
    gone: pd.DataFrame


def judge(trajectory: pd.DataFrame, probe: pd.DataFrame) -> Judged:
    fates = unit_fates(trajectory, probe)
    is_output = fates["layer"] == fates["layer"].max()
    return Judged(fates.assign(is_output=is_output), gone_by_step(probe))


def probed(runs: StudyRuns) -> pd.DataFrame:
    """The runs that are used, did not diverge and carry probes."""
    finished = averaged(runs)
    # The units of a run that diverged end in the middle of something.
    has_probe = runs.unit_shares.loc[finished["run_id"]].notna().any(axis=1)
    return finished[has_probe.to_numpy()]


def read_units(store: Store, runs: StudyRuns) -> Units:
    """Look at the units of `probed(runs)`.

    Raises:
        UnreadableRunError: a file of a run cannot be read.

    """
    found = probed(runs)
    judged = read_each(store, runs.study, ["trajectory", "probe"], _read_judged, found)
    return gather_units(runs, [judged[run_id] for run_id in found["run_id"]])


def _read_judged(store: Store, study: str, run_id: str) -> Judged:
    trajectory = read_run_table("trajectory", store, study, run_id)
    return judge_units(trajectory, store, study, run_id)


def judge_units(trajectory: pd.DataFrame, store: Store, study: str, run_id: str) -> Judged:
    """What has become of the units of one of `probed(runs)`, whose probe is read.

    Raises:
        UnreadableRunError: its probe cannot be read, or nothing is recorded in it.

    """
    probe = read_probe_of(trajectory, store, study, run_id)
    if trajectory.empty or probe.empty:
        reason = "trajectory.parquet or probe.parquet has no rows"
        raise UnreadableRunError(study, run_id, reason)
    return judge(trajectory, probe)


def gather_units(runs: StudyRuns, judged: Sequence[Judged]) -> Units:
    """The units of a study, from what is judged of each of `probed(runs)`."""
    found = probed(runs)
    about = found[[*POINT, "run_id"]]
    by_run = {
        run_id: shares(own.fates) for run_id, own in zip(about["run_id"], judged, strict=True)
    }
    return Units(
        shares=share_rows(found, by_run),
        fates=one_under_another(about, [own.fates for own in judged]),
        gone=one_under_another(about, [own.gone for own in judged]),
        unrecorded=len(averaged(runs)) - len(found),
    )


def gone_by_step(probe: pd.DataFrame) -> pd.DataFrame:
    """Columns `step` and `gone`, the share of layer 1's units that are dead or saturated at it."""
    looks = Records.of(probe)
    zero, negligible = looks.column("zero", 1), looks.column("negligible", 1)
    is_gone = (zero == 1) | (negligible >= SATURATED_SHARE)
    return pd.DataFrame({"step": looks.steps, "gone": is_gone.mean(axis=1)})


def share_rows(runs: pd.DataFrame, by_run: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Units.shares, from the metrics `dead/layer1` and so on of each run, by its id."""
    rows = []
    for run in runs.to_dict("records"):
        found = by_run[run["run_id"]]
        layers = sorted({int(name.rpartition("layer")[2]) for name in found})
        rows += [
            {
                **{key: run[key] for key in [*POINT, "run_id"]},
                "layer": layer,
                "is_output": layer == layers[-1],
                **{verdict: found[f"{verdict}/layer{layer}"] for verdict in VERDICTS},
            }
            for layer in layers
        ]
    return pd.DataFrame(rows)


# --- how many, and since when -------------------------------------------------------------------


def by_layer(units: Units) -> pd.DataFrame:
    """One row a cell and layer, in the order of the runs.

    Columns: those of CELL, `layer`, `is_output`, `n` (runs); for each verdict v the share of the
    units over the runs, `v_mean`, `v_sd`, `v_low` and `v_high`, and `v_onset`, the median step
    since when, over the units of all the runs of which it holds; `revivals`, how often a dead unit
    came back, in all. NaN is what is not there: a dead unit in the output layer, the interval of a
    single run, the onset of what never began.
    """
    rows: list[dict[str, Any]] = []
    fates_of = dict(iter(units.fates.groupby([*CELL, "layer"], sort=False)))
    for key, runs in units.shares.groupby([*CELL, "layer"], sort=False):
        assert isinstance(key, tuple)
        fates = fates_of[key]
        is_output = bool(runs["is_output"].iloc[0])
        row = {**dict(zip([*CELL, "layer"], key, strict=True)), "is_output": is_output}
        row["n"] = len(runs)
        for verdict in VERDICTS:
            is_known = not (is_output and verdict in HIDDEN_ONLY)
            found = estimate(runs[verdict].to_numpy(dtype=float)[: None if is_known else 0])
            row |= _columns(verdict, found) | {f"{verdict}_onset": _onset(fates, verdict)}
        row["revivals"] = np.nan if is_output else fates["revivals"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _columns(verdict: str, found: Estimate) -> dict[str, float]:
    return {
        f"{verdict}_{name}": float(getattr(found, name)) for name in ("mean", "sd", "low", "high")
    }


def _onset(fates: pd.DataFrame, verdict: str) -> float:
    since = fates.loc[fates[verdict], f"{verdict}_since"]
    return float(since[since != NEVER].median()) if (since != NEVER).any() else float("nan")


def gone_curves(gone: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and probed step: CELL, `step`, `n`, `mean`, `low` and `high` of `gone`."""
    parts = []
    for key, rows in gone.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        table = rows.pivot(index="seed", columns="step", values="gone")  # noqa: PD010 - no mean
        found = estimate(table.to_numpy(dtype=float))  # [S, T]
        part = pd.DataFrame({"step": table.columns, "n": found.n, "mean": found.mean})
        part = part.assign(low=found.low, high=found.high)
        parts.append(part.assign(**dict[str, Any](zip(CELL, key, strict=True))))
    return pd.concat(parts, ignore_index=True)


# --- the eye against the evidence ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Proportion:
    """A share of some units: of those of all runs together, and as a mean over the runs.

    `low` and `high` are the 95 % interval of Wilson (1927) of `hits` out of `total`; it takes units
    for independent, which those of one run are not. `runs` is the mean of the shares of the runs
    that have any such unit. All are NaN where none has.
    """

    hits: int
    total: int
    share: float
    low: float
    high: float
    runs: Estimate


def proportion(is_hit: "pd.Series[bool]", run_ids: "pd.Series[str]") -> Proportion:
    """Share of true values, for units of these runs."""
    hits, total = int(is_hit.sum()), len(is_hit)
    by_run = estimate(np.asarray(is_hit.astype(float).groupby(run_ids).mean(), dtype=np.float64))
    if total == 0:
        unknown = float("nan")
        return Proportion(hits, total, unknown, unknown, unknown, by_run)
    found = scipy_stats.binomtest(hits, total).proportion_ci(CONFIDENCE, "wilson")
    return Proportion(hits, total, hits / total, float(found.low), float(found.high), by_run)


def confusion(fates: pd.DataFrame) -> pd.DataFrame:
    """What a flat line is worth as a sign: one row a comparison, variant and rate, and overall.

    Columns: `variant`, `layers` (`hidden` or `output`), `truth` (what it is held against), `lr`
    (text; `all` for all rates together); the units that are both, flat only, true only, neither:
    `tp`, `fp`, `fn`, `tn`; `precision` = tp / (tp + fp) and `recall` = tp / (tp + fn), each with
    the numbers of Proportion: `_low` and `_high`, and over the runs `_runs` (how many),
    `_runs_mean`, `_runs_low` and `_runs_high`.
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
    return fates["dead"] | fates["saturated"] if truth == GONE else fates[truth]


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
    """Which way layer 1's units had moved when they went flat, one row a cell, and overall.

    Columns: `variant`, `activation` and `lr` (text; `all` for all together); `flat`, the units that
    went flat; `from_start`, those of them that were flat from the first record on, so that no swing
    is on record; `weight` and `bias`, the share of the others whose mean weight, or bias, was lower
    when it went flat than at its first record, each with the numbers of Proportion, as in
    `confusion`.
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

"""Means, their uncertainty, and comparisons."""

# S seeds; `...` any further dimensions, such as epochs

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from actscope.analysis.axis import RATE, Axis
from actscope.metric import ACCURACY, Metric

CONFIDENCE = 0.95
OUTCOMES = ["learned", "failed", "diverged"]
NOT_TRAINED = "not trained"  # only of a point of a sweep, not of a run in a report
ESTIMATED = ["mean", "sd", "low", "high"]

# How an interval comes about and what it generalises to; the others are reasons for having none.
T = "t-interval over seeds"
INTERVAL = f"95 % {T}"
NO_PAIR, ONE_PAIR, NO_SPREAD = "no pair", "one pair", "all equal"
ROUNDING = 1e-6  # smaller differences of float32 accuracies over 10^5 examples are rounding
POWER = 0.8
LEAST_TO_PLAN = 5  # pairs: the standard deviation of fewer is too uncertain to plan by

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Mean, sample standard deviation and 95 % t-interval, each of shape [...]."""

    n: int
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats


def estimate(values: Floats) -> Estimate:
    """Mean over seeds of `values` [S, ...], with its 95 % t-interval.

    mean ± t(0.975, S - 1) · sd / sqrt(S), where sd² = Σ (value - mean)² / (S - 1) (Student, 1908).
    With one value, sd and interval are NaN; without values, also the mean. Equal values have no
    interval: their spread of zero says nothing of the next value.
    """
    n, rest = values.shape[0], values.shape[1:]
    unknown = np.full(rest, np.nan)
    if n == 0:
        return Estimate(n, unknown, unknown, unknown, unknown)
    constant = is_constant(values)
    mean = np.where(constant, values[0], values.mean(axis=0))
    if n == 1:
        return Estimate(n, mean, unknown, unknown, unknown)
    sd = np.where(constant, 0.0, values.std(axis=0, ddof=1))
    half = np.where(constant, np.nan, _t_quantile(n - 1) * sd / np.sqrt(n))
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_difference(first: "pd.Series[float]", second: "pd.Series[float]") -> Estimate:
    """Mean of first - second over the seeds (the index) that both have, with its 95 % t-interval.

    Runs of one seed share initial weights and minibatches, so their difference has less noise.
    """
    seeds = first.index.intersection(second.index)
    return estimate(np.asarray(first.loc[seeds] - second.loc[seeds], dtype=np.float64))


@dataclass(frozen=True)
class Comparison:
    """The first of two activations compared with the second, paired by seed.

    `n` pairs; `mean` and `sd` of their differences; the 95 % interval `low` to `high` of the mean;
    `method`, that of the interval, or the reason for having none; `p` of the paired t-test;
    `better`, the pairs in which the first is better, and `ties`; `pairs_needed` to detect a true
    difference of this size. Unknown values are None.
    """

    n: int
    method: str
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    better: int | None = None
    ties: int | None = None
    pairs_needed: int | None = None


def compare(used: pd.DataFrame, metric: Metric = ACCURACY, axis: Axis = RATE) -> pd.DataFrame:
    """One row per pair of activations of a variant and rate, in the order of `used`.

    Columns: `variant`, that of the axis, as `lr`, `first`, `second`; `first_learned` and
    `second_learned`, the number of runs that learned, and `first_runs` and `second_runs`, of how
    many; those of Comparison, on the final values of the metric (differences are first - second)
    in the pairs in which both runs learned; `p_holm`, `p` with Holm's correction over the whole
    table.
    """
    rows: list[dict[str, Any]] = []
    names = ["variant", axis.column]
    for about, runs in grouped(used, names):
        by_name = dict(iter(runs.groupby("activation", sort=False)))
        for pair in combinations(by_name, 2):
            finals = [finals_of_learned(by_name[name]) for name in pair]
            row = about.copy()
            for side, name, learned in zip(("first", "second"), pair, finals, strict=True):
                counts = {f"{side}_learned": len(learned), f"{side}_runs": len(by_name[name])}
                row |= {side: name, **counts}
            rows.append(row | vars(compare_pair(finals[0], finals[1], metric)))
    table = pd.DataFrame(rows, columns=[*names, *COMPARED])
    table["p_holm"] = holm([row["p"] for row in rows])
    return table


SIDE_COUNTS = [f"{side}_{count}" for side in ("first", "second") for count in ("learned", "runs")]
COMPARED = ["first", "second", *SIDE_COUNTS, *Comparison.__annotations__]


def compare_pair(
    first: "pd.Series[float]", second: "pd.Series[float]", metric: Metric = ACCURACY
) -> Comparison:
    """Compare two Series of values of a metric over the seeds (index) that both have.

    Interval and p agree: both are of Student's t. Equal differences have neither.
    """
    seeds = sorted(first.index.intersection(second.index))
    values = [np.asarray(own.loc[seeds], float) for own in (first, second)]
    differences = values[0] - values[1]
    n = len(differences)
    if n == 0:
        return Comparison(n, NO_PAIR)
    found = estimate(differences)
    mean = float(found.mean)
    better, ties = int((metric.gain(*values) > 0).sum()), int((differences == 0).sum())
    if n == 1:
        return Comparison(n, ONE_PAIR, mean, better=better, ties=ties)
    if is_constant(differences):
        return Comparison(n, NO_SPREAD, mean, 0.0, better=better, ties=ties)
    sd = float(found.sd)
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / (sd / math.sqrt(n))))
    needed = seeds_to_resolve(mean, sd) if n >= LEAST_TO_PLAN else None
    return Comparison(n, T, mean, sd, float(found.low), float(found.high), p, better, ties, needed)


def is_constant(values: Floats) -> NDArray[np.bool_]:
    """Whether values or their differences [S, ...] are equal up to rounding, of shape [...]."""
    return np.asarray(np.ptp(values, axis=0) < ROUNDING)


def seeds_to_resolve(gap: float, sd: float) -> int | None:
    """Fewest seeds with which a paired t-test at 5 % detects a true `gap` four times out of five.

    `sd`: the true standard deviation of the differences. The power of the two-sided test is that
    of the noncentral t distribution (Cohen, 1988). The search begins at the formula for a known sd,
    ((z(0.975) + z(0.8)) · sd / |gap|)², which is too small. None for a gap of 0 or of rounding.
    """
    if abs(gap) < ROUNDING:
        return None
    quantiles = special.ndtri((1 + CONFIDENCE) / 2) + special.ndtri(POWER)
    seeds = max(2, math.ceil((quantiles * sd / abs(gap)) ** 2))
    while sd > 0 and t_test_power(abs(gap) / sd, seeds) < POWER:
        seeds += 1
    return seeds


def t_test_power(effect: float, n: int) -> float:
    """Chance that a two-sided t-test at 5 % of n values detects a mean of `effect` true sds."""
    critical, shift = _t_quantile(n - 1), effect * math.sqrt(n)
    above = 1 - special.nctdtr(n - 1, shift, critical)
    return float(above + special.nctdtr(n - 1, shift, -critical))


def _t_quantile(degrees: int) -> float:
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Corrected p-values of a family of tests (Holm, 1979); None is not a test.

    The k-th smallest of m is multiplied by m - k + 1, and is at least the one before it.
    """
    corrected: list[float | None] = [None] * len(ps)
    tests = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    largest = 0.0
    for rank, (p, place) in enumerate(tests):
        largest = max(largest, min(1.0, (len(tests) - rank) * p))
        corrected[place] = largest
    return corrected


def grouped(
    table: pd.DataFrame, names: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The rows that have the same values in these columns, behind these values by name."""
    for key, rows in table.groupby(list(names), sort=False):
        assert isinstance(key, tuple)
        yield dict(zip(map(str, names), key, strict=True)), rows


def summarise(runs_of_all: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """One row per cell, in the order of the runs: outcomes, and metric of the runs that learned.

    Columns: `axis.cell`; `runs`, their number; `learned`, `failed` and `diverged`, those with each
    outcome; `outcomes`, the same in words, with a sweep's points that were not trained; `n`, the
    runs in the mean, which are those that learned; of their final values,
    `final_mean`, `final_sd`, `final_low` and `final_high`; where `runs_of_all` has `validation`,
    also `validation_mean`, NaN without validation examples.
    """
    rows: list[dict[str, Any]] = []
    for about, runs in grouped(runs_of_all, axis.cell):
        all_counts = {
            outcome: int((runs["outcome"] == outcome).sum()) for outcome in [*OUTCOMES, NOT_TRAINED]
        }
        counts = {outcome: all_counts[outcome] for outcome in OUTCOMES}
        found = estimate(np.asarray(finals_of_learned(runs), dtype=np.float64))
        rows.append(
            {
                **about,
                "runs": sum(counts.values()),
                **counts,
                "outcomes": in_words(all_counts),
                "n": found.n,
                **estimate_columns("final", found),
                **_validation_column(runs),
            }
        )
    return pd.DataFrame(rows)


def _validation_column(runs: pd.DataFrame) -> dict[str, float]:
    if "validation" not in runs:
        return {}
    return {"validation_mean": float(runs.loc[runs["outcome"] == "learned", "validation"].mean())}


def finals_of_learned(runs: pd.DataFrame) -> "pd.Series[float]":
    """Final values of the runs that learned, by seed where `runs` has it.

    A mean over runs that learned and runs that did not is the metric of neither.
    """
    learned = runs[runs["outcome"] == "learned"]
    return (learned.set_index("seed") if "seed" in learned else learned)["final"]


def is_mixed(cell: Mapping[Any, Any] | pd.DataFrame) -> Any:
    """Whether some runs of a cell, or of each cell of a table, learned and some did not."""
    return (cell["learned"] > 0) & (cell["learned"] < cell["runs"])


def in_words(counts: dict[str, int]) -> str:
    """Counts of outcomes as `3 learned, 1 failed`, without zeros."""
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count > 0)


def summarise_by_epoch(by_epoch: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """One row per cell and epoch: `axis.cell`, `epoch`, `n`, and `mean`, `sd`, `low`, `high`.

    `by_epoch` has `axis.point`, `epoch` and `value`; all seeds of a cell have the same epochs.
    Without rows the table is empty.
    """
    parts = [pd.DataFrame(columns=["epoch", "n", *ESTIMATED])] if by_epoch.empty else []
    for about, own in grouped(by_epoch, axis.cell):
        # Not pivot_table: it would average duplicates, which must not exist.
        table = own.pivot(index="seed", columns="epoch", values="value")  # noqa: PD010
        assert table.notna().all(axis=None), "seeds of a cell have different epochs"
        found = estimate(table.to_numpy(dtype=float))  # [S, epoch]
        part = pd.DataFrame({"epoch": table.columns, "n": found.n, **estimate_columns("", found)})
        parts.append(part.assign(**about))
    return pd.concat(parts, ignore_index=True).reindex(
        columns=[*axis.cell, "epoch", "n", *ESTIMATED]
    )


def estimate_columns(measure: str, found: Estimate) -> dict[str, Any]:
    """Mean, standard deviation and interval as columns `measure_mean` and so on."""
    prefix = f"{measure}_" if measure else ""
    values = {f"{prefix}{name}": getattr(found, name) for name in ESTIMATED}
    return {name: float(value) if value.ndim == 0 else value for name, value in values.items()}

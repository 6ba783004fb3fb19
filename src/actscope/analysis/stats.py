"""Means and their uncertainty, apart from any plot."""

# S seeds; `...` whatever dimensions follow, as epochs

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

CONFIDENCE = 0.95
CELL = ["variant", "activation", "lr"]  # what is never averaged over
OUTCOMES = ["learned", "failed", "diverged"]
NOT_TRAINED = "not trained"  # a point of a sweep; no run of a report ends so
MEASURES = ["final", "best"]
ESTIMATED = ["mean", "sd", "low", "high"]

BOOTSTRAP_FROM = 10  # pairs; of fewer too few different resamples can be drawn
RESAMPLES = 9999
ROUNDING = 1e-6  # accuracies are float32; of up to 10^5 examples they differ by more, or not at all
POWER = 0.8
T, BCA = (
    "t-interval",
    "BCa bootstrap interval",
)  # methods of an interval; the others say why there is none
NO_PAIR, ONE_PAIR, NO_SPREAD = "none in common", "one pair", "no spread"

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
    One value has no sd and no interval, none has no mean either: NaN. Equal values have an interval
    of width zero.
    """
    n, rest = values.shape[0], values.shape[1:]
    unknown = np.full(rest, np.nan)
    if n == 0:
        return Estimate(n, unknown, unknown, unknown, unknown)
    # Rounding makes the mean of three times 0.1 another number than 0.1, and its sd not zero.
    constant = (values == values[0]).all(axis=0)
    mean = np.where(constant, values[0], values.mean(axis=0))
    if n == 1:
        return Estimate(n, mean, unknown, unknown, unknown)
    sd = np.where(constant, 0.0, values.std(axis=0, ddof=1))
    half = special.stdtrit(n - 1, (1 + CONFIDENCE) / 2) * sd / np.sqrt(n)
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_difference(first: "pd.Series[float]", second: "pd.Series[float]") -> Estimate:
    """Mean of first - second over the seeds (the index) that both have, with its 95 % t-interval.

    Runs of one seed share start and minibatches, so their difference is less noisy than either.
    """
    seeds = first.index.intersection(second.index)
    return estimate(np.asarray(first.loc[seeds] - second.loc[seeds], dtype=np.float64))


@dataclass(frozen=True)
class Comparison:
    """How the first of two activations does against the second, paired by seed.

    `n` pairs; `mean` and `sd` of their differences; the 95 % interval `low` to `high` of the mean
    by `method`, which else says why there is none; `p` of the paired t-test; `improvement`, the
    probability that the first does better; `seeds_needed` to resolve a gap as large as the one
    seen. What is not known is None.
    """

    n: int
    method: str
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    improvement: float | None = None
    seeds_needed: int | None = None


def compare(used: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair of activations of a variant and rate, in the order of `used`.

    Columns: `variant`, `lr`, `first`, `second`; those of Comparison, on the final test accuracy as
    a fraction of 1 (differences are first - second); `p_holm`, `p` with Holm's correction over the
    pairs of this variant and rate. Runs that diverged have no accuracy and enter no pair.
    """
    rows: list[dict[str, Any]] = []
    for (variant, lr), runs in used.groupby(["variant", "lr"], sort=False):
        finals = {
            str(name): own.set_index("seed")["final"].dropna()
            for name, own in runs.groupby("activation", sort=False)
        }
        family = [
            {"variant": variant, "lr": lr, "first": first, "second": second}
            | vars(compare_pair(finals[first], finals[second]))
            for first, second in combinations(finals, 2)
        ]
        for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
            rows.append({**row, "p_holm": p})
    return pd.DataFrame(rows, columns=COMPARED)


COMPARED = ["variant", "lr", "first", "second", *Comparison.__annotations__, "p_holm"]


def compare_pair(first: "pd.Series[float]", second: "pd.Series[float]") -> Comparison:
    """Compare two Series of accuracies, fractions of 1, over the seeds (the index) both have.

    The interval of the mean difference is BCa bootstrap's (Efron, 1987; 9999 resamples of the
    pairs, seeded) from 10 pairs on, and below the t-interval. Equal differences have an interval of
    width zero, and no test.
    """
    seeds = sorted(first.index.intersection(second.index))
    differences = np.asarray(first.loc[seeds], float) - np.asarray(second.loc[seeds], float)
    n = len(differences)
    if n == 0:
        return Comparison(n, NO_PAIR)
    found = estimate(differences)
    mean, improvement = float(found.mean), probability_of_improvement(differences)
    if n == 1:
        return Comparison(n, ONE_PAIR, mean, improvement=improvement)
    sd, needed = float(found.sd), seeds_to_resolve(mean, float(found.sd))
    if is_constant(differences):
        return Comparison(n, NO_SPREAD, mean, 0.0, mean, mean, None, improvement, needed)
    low, high, method = _interval(differences, found)
    from scipy import stats  # a second to import, and a sweep needs but means

    p = float(stats.ttest_rel(first.loc[seeds], second.loc[seeds]).pvalue)
    return Comparison(n, method, mean, sd, low, high, p, improvement, needed)


def is_constant(values: Floats) -> bool:
    """Whether accuracies or their differences [S] differ by no more than rounding does."""
    return bool(np.ptp(values) < ROUNDING)


def probability_of_improvement(differences: Floats) -> float:
    """Share of the differences [S] above 0; one of exactly 0 counts half (Mann and Whitney, 1947).

    As in Agarwal et al. (2021), but over pairs: runs of one seed have more in common.
    """
    return float((differences > 0).mean() + (differences == 0).mean() / 2)


def seeds_to_resolve(gap: float, sd: float) -> int | None:
    """Seeds with which a two-sided test at 5 % sees a true `gap` four times out of five.

    n = ceil(((z(0.975) + z(0.8)) · sd / |gap|)²), at least 2, with z the normal quantiles (Cohen,
    1988, on paired differences of standard deviation `sd`). No number resolves a gap of 0, nor one
    that is due to rounding.
    """
    if abs(gap) < ROUNDING:
        return None
    quantiles = special.ndtri((1 + CONFIDENCE) / 2) + special.ndtri(POWER)
    return max(2, math.ceil((quantiles * sd / abs(gap)) ** 2))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Corrected p-values of a family of tests (Holm, 1979); None is no test and no member.

    The k-th smallest of m is multiplied by m - k + 1, and is never under the one before it.
    """
    corrected: list[float | None] = [None] * len(ps)
    tests = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    largest = 0.0
    for rank, (p, place) in enumerate(tests):
        largest = max(largest, min(1.0, (len(tests) - rank) * p))
        corrected[place] = largest
    return corrected


def _interval(differences: Floats, found: Estimate) -> tuple[float, float, str]:
    if len(differences) >= BOOTSTRAP_FROM:
        from scipy import stats

        low, high = stats.bootstrap(
            (differences,),
            np.mean,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            vectorized=True,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        return float(low), float(high), BCA
    return float(found.low), float(found.high), T


def summarise(runs_of_all: pd.DataFrame, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """One row a cell, in the order of the runs: n, outcomes, final and best test accuracy.

    Columns: those of CELL; `n`, the runs that enter the means, which diverged ones do not;
    `learned`, `failed`, `diverged`, their numbers, and `outcomes`, the same in words, with those of
    a sweep's points that were not trained; of each measure, as fractions of 1, `final_mean`, `_sd`,
    `_low` and `_high`.
    """
    rows: list[dict[str, Any]] = []
    for key, runs in runs_of_all.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        all_counts = {
            outcome: int((runs["outcome"] == outcome).sum()) for outcome in [*OUTCOMES, NOT_TRAINED]
        }
        counts = {outcome: all_counts[outcome] for outcome in OUTCOMES}
        counted = runs[~runs["outcome"].isin(["diverged", NOT_TRAINED])]
        row: dict[str, Any] = {**dict(zip(CELL, key, strict=True)), "n": len(counted), **counts}
        row["outcomes"] = in_words(all_counts)
        for measure in measures:
            row.update(estimate_columns(measure, estimate(counted[measure].to_numpy(dtype=float))))
        rows.append(row)
    return pd.DataFrame(rows)


def in_words(counts: dict[str, int]) -> str:
    """Outcomes as `3 learned, 1 failed`; those that did not occur are left out."""
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count > 0)


def summarise_by_epoch(accuracy: pd.DataFrame) -> pd.DataFrame:
    """`summarise_over` the epochs; all seeds of a cell have the same epochs."""
    found = summarise_over("epoch", "accuracy", accuracy)
    assert found["mean"].notna().all(), "seeds of a cell have different epochs"
    return found


def summarise_over(x: str, measure: str, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and value of `x`: CELL, `x`, `n`, and `mean`, `sd`, `low`, `high`.

    `rows` has CELL, `seed`, `x` and `measure`. Without rows the table is empty.
    """
    parts = [pd.DataFrame(columns=[x, "n", *ESTIMATED])] if rows.empty else []
    for key, own in rows.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        # Not pivot_table: it would average over what must not be there twice.
        table = own.pivot(index="seed", columns=x, values=measure)  # noqa: PD010
        found = estimate(table.to_numpy(dtype=float))  # [S, x]
        part = pd.DataFrame({x: table.columns, "n": found.n, **estimate_columns("", found)})
        parts.append(part.assign(**dict[str, Any](zip(CELL, key, strict=True))))
    return pd.concat(parts, ignore_index=True).reindex(columns=[*CELL, x, "n", *ESTIMATED])


def estimate_columns(measure: str, found: Estimate) -> dict[str, Any]:
    """Mean, standard deviation and interval as columns `measure_mean` and so on."""
    prefix = f"{measure}_" if measure else ""
    values = {f"{prefix}{name}": getattr(found, name) for name in ESTIMATED}
    return {name: float(value) if value.ndim == 0 else value for name, value in values.items()}

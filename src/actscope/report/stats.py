"""Means and their uncertainty, apart from any plot."""

# S seeds; `...` whatever dimensions follow, as epochs

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
CELL = ["variant", "activation", "lr"]  # what is never averaged over
OUTCOMES = ["learned", "failed", "diverged"]

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
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * sd / np.sqrt(n)
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_difference(first: "pd.Series[float]", second: "pd.Series[float]") -> Estimate:
    """Mean of first - second over the seeds (the index) that both have, with its 95 % t-interval.

    Runs of one seed share start and minibatches, so their difference is less noisy than either.
    """
    seeds = first.index.intersection(second.index)
    return estimate(np.asarray(first.loc[seeds] - second.loc[seeds], dtype=np.float64))


def summarise(used: pd.DataFrame) -> pd.DataFrame:
    """One row a cell, in the order of `used`: n, outcomes, final and best test accuracy.

    Columns: those of CELL; `n`, the runs that enter the means, which diverged ones do not;
    `learned`, `failed`, `diverged`, their numbers, and `outcomes`, the same in words;
    `final_mean`, `_sd`, `_low`, `_high`, and the same of `best`, as fractions of 1.
    """
    rows: list[dict[str, Any]] = []
    for key, runs in used.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        counts = {outcome: int((runs["outcome"] == outcome).sum()) for outcome in OUTCOMES}
        counted = runs[runs["outcome"] != "diverged"]
        row: dict[str, Any] = {**dict(zip(CELL, key, strict=True)), "n": len(counted), **counts}
        row["outcomes"] = in_words(counts)
        for measure in ("final", "best"):
            row.update(_columns(measure, estimate(counted[measure].to_numpy(dtype=float))))
        rows.append(row)
    return pd.DataFrame(rows)


def in_words(counts: dict[str, int]) -> str:
    """Outcomes as `3 learned, 1 failed`; those that did not occur are left out."""
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count > 0)


def summarise_by_epoch(accuracy: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and epoch: CELL, `epoch`, `n`, `mean`, `sd`, `low`, `high`.

    `accuracy` has CELL, `seed`, `epoch` and `accuracy`; all seeds of a cell have the same epochs.
    """
    parts = []
    for key, rows in accuracy.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        # Not pivot_table: it would average over what must not be there twice.
        table = rows.pivot(index="seed", columns="epoch", values="accuracy")  # noqa: PD010
        values = table.to_numpy(dtype=float)  # [S, epoch]
        assert np.isfinite(values).all(), f"seeds of {key} have not the same epochs"
        found = estimate(values)
        part = pd.DataFrame({"epoch": table.columns, **_columns("", found)})
        part.insert(1, "n", found.n)
        parts.append(part.assign(**dict[str, Any](zip(CELL, key, strict=True))))
    return pd.concat(parts, ignore_index=True)[[*CELL, *parts[0].columns[: -len(CELL)]]]


def _columns(measure: str, found: Estimate) -> dict[str, Any]:
    prefix = f"{measure}_" if measure else ""
    columns: dict[str, Any] = {}
    for name in ("mean", "sd", "low", "high"):
        value = getattr(found, name)
        columns[f"{prefix}{name}"] = float(value) if value.ndim == 0 else value
    return columns

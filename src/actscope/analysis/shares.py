"""Shares of runs and of units, with intervals that stay within 0 and 1."""

# C clusters: the runs that the units belong to

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from actscope.analysis.stats import CONFIDENCE

FEWEST_CLUSTERS = 3  # fewer say too little of how much clusters differ
TAILS = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


@dataclass(frozen=True)
class Share:
    """`share` of `n` runs or units in `clusters` runs, a fraction of 1, with its 95 % interval.

    The interval is for further seeds. It is NaN with fewer than three runs, and the share is NaN
    with none.
    """

    n: int
    clusters: int
    share: float
    low: float = float("nan")
    high: float = float("nan")


def run_share(hits: int, n: int) -> Share:
    """Share of independent runs, with the exact interval (Clopper and Pearson, 1934)."""
    if n == 0:
        return Share(n, n, float("nan"))
    low, high = _exact_interval(hits / n, n) if n >= FEWEST_CLUSTERS else (np.nan, np.nan)
    return Share(n, n, hits / n, low, high)


def unit_share(hits_by_run: Sequence[int], totals_by_run: Sequence[int]) -> Share:
    """Share of units over runs together; each argument [C]. Units of a run are not independent.

    The interval is that of Korn and Graubard (1998): the exact one for an effective number of
    units. That number is p (1 - p) / v · (t(0.975, n - 1) / t(0.975, C - 1))², at most n units. v
    is the variance of the ratio p between runs, C / (C - 1) · Σ (hits - p · total)² / n². If all
    units or none are hits, v tells nothing, and each run counts as one unit. Runs without units
    count nowhere.
    """
    totals = np.asarray(totals_by_run, dtype=float)
    hits = np.asarray(hits_by_run, dtype=float)[totals > 0]
    totals = totals[totals > 0]
    n, clusters = int(totals.sum()), len(totals)
    if n == 0:
        return Share(n, clusters, float("nan"))
    share = float(hits.sum() / n)
    if clusters < FEWEST_CLUSTERS:
        return Share(n, clusters, share)
    return Share(n, clusters, share, *_exact_interval(share, _effective_units(hits, totals)))


def share_columns(name: str, shares: Sequence[Share]) -> dict[str, list[float]]:
    """Shares of the rows of a table as columns `name`, `name_low` and `name_high`."""
    return {
        name: [found.share for found in shares],
        f"{name}_low": [found.low for found in shares],
        f"{name}_high": [found.high for found in shares],
    }


def _effective_units(hits: np.ndarray, totals: np.ndarray) -> float:
    n, clusters = totals.sum(), len(totals)
    share = hits.sum() / n
    if share in (0, 1):
        return clusters
    variance = clusters / (clusters - 1) * ((hits - share * totals) ** 2).sum() / n**2
    quantiles = special.stdtrit([n - 1, clusters - 1], TAILS[1])
    adjusted = share * (1 - share) * (quantiles[0] / quantiles[1]) ** 2
    return float(adjusted / variance) if adjusted < n * variance else float(n)


def _exact_interval(share: float, n: float) -> tuple[float, float]:
    """The interval of Clopper and Pearson for `share` of `n`, which need not be whole."""
    hits, others = n * share, n * (1 - share)
    low = special.betaincinv(hits, others + 1, TAILS[0]) if share > 0 else 0.0
    high = special.betaincinv(hits + 1, others, TAILS[1]) if share < 1 else 1.0
    return float(low), float(high)

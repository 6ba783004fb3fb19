"""The uncertainty of an accuracy over seeds and test examples, two sources of chance.

Each seed gives a network, and all networks see the same test examples. An interval over seeds says
what other seeds would give on these examples. One over both says what they would give on others.
"""

# S seeds, N test examples

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from actscope.analysis.stats import CONFIDENCE

RESAMPLES = 2000
AT_ONCE = 100  # resamples: enough to be fast, few enough for a small memory

Floats = NDArray[np.float64]
Correct = NDArray[np.bool_]
NOTHING_KNOWN: Mapping[str, Correct] = MappingProxyType({})  # by run id


@dataclass(frozen=True)
class CrossedEstimate:
    """A mean over seeds and examples, its standard error, and its 95 % interval."""

    seeds: int
    examples: int
    mean: float
    error: float
    low: float
    high: float


def estimate_over_both(values: NDArray[Any]) -> CrossedEstimate:
    """Mean of values [S, N], with an interval over seeds and examples.

    The variance of the mean is s²(seed) / S + s²(example) / N - s²(residual) / (S N): those of
    the means of seeds and of examples, without what both contain (Cornfield and Tukey, 1956;
    compare Miller, 2024). It is not less than that over seeds alone. Student's t has the degrees of
    freedom of Satterthwaite (1946). The interval is not shorter than that over seeds alone, which
    may have fewer degrees. Fewer than two seeds or examples have no interval.

    >>> round(estimate_over_both(np.array([[1, 0, 0, 0], [1, 0, 1, 0]])).error, 3)
    0.239
    """
    seeds, examples = values.shape
    mean = float(values.mean()) if values.size else float("nan")
    if seeds < 2 or examples < 2:
        return CrossedEstimate(seeds, examples, mean, *[float("nan")] * 3)
    parts, freedom = _variances(values.astype(np.float64))
    of_seeds, total = parts[0], max(parts[0], parts[0] + parts[1] - parts[2])
    if total == 0:
        return CrossedEstimate(seeds, examples, mean, 0.0, *[float("nan")] * 2)
    half = _half_width(of_seeds, seeds - 1)
    if total > of_seeds:
        degrees = total**2 / (parts**2 / freedom).sum()
        half = max(half, _half_width(total, degrees))
    return CrossedEstimate(seeds, examples, mean, math.sqrt(total), mean - half, mean + half)


def _half_width(variance: float, degrees: float) -> float:
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(variance)


def _variances(values: Floats) -> tuple[Floats, Floats]:
    """s²(seed) / S, s²(example) / N, s²(residual) / (S N), and the degrees of freedom of each."""
    seeds, examples = values.shape
    of_seed, of_example = values.mean(1), values.mean(0)
    residuals = values - of_seed[:, None] - of_example + values.mean()
    freedom = np.array([seeds - 1, examples - 1, (seeds - 1) * (examples - 1)], dtype=np.float64)
    squares = [np.square(of_seed - of_seed.mean()), np.square(of_example - of_example.mean())]
    sums = np.array([squares[0].sum(), squares[1].sum(), np.square(residuals).sum()])
    return sums / freedom / [seeds, examples, seeds * examples], freedom


UNKNOWN = CrossedEstimate(0, 0, *[float("nan")] * 4)


def cell_estimate(runs: pd.DataFrame, correct: Mapping[str, Correct]) -> CrossedEstimate:
    """`estimate_over_both` of the runs of a cell that learned; `correct`: by run id.

    UNKNOWN if it is not known of one of them about which test examples it is right.
    """
    learned = runs[runs["outcome"] == "learned"]
    matrix = correct_matrix(learned["run_id"], correct)
    return UNKNOWN if matrix is None else estimate_over_both(matrix)


def paired_difference(
    first: pd.DataFrame, second: pd.DataFrame, correct: Mapping[str, Correct]
) -> CrossedEstimate:
    """`estimate_over_both` of first - second, over the seeds with which both learned."""
    sides = [runs[runs["outcome"] == "learned"].set_index("seed") for runs in (first, second)]
    seeds = sides[0].index.intersection(sides[1].index).sort_values()
    run_ids = [run_id for side in sides for run_id in side.loc[seeds, "run_id"]]
    both = correct_matrix(run_ids, correct)
    if both is None:
        return UNKNOWN
    return estimate_over_both(both[: len(seeds)].astype(np.int8) - both[len(seeds) :])


def correct_matrix(run_ids: Iterable[str], correct: Mapping[str, Correct]) -> Correct | None:
    """Whether some runs are right about each test example, [S, N].

    None if there are no runs, it is not known of one of them, or N differs.
    """
    rows = [correct.get(run_id) for run_id in run_ids]
    known = [row for row in rows if row is not None]
    is_whole = len(known) == len(rows) > 0 and len({len(row) for row in known}) == 1
    return np.stack(known) if is_whole else None


def columns_over_both(found: Sequence[CrossedEstimate]) -> pd.DataFrame:
    """The columns `images`, `both_low` and `both_high` of a table with a row an estimate.

    `images`: the number of test examples, of any kind. Tables that users keep have this name.
    """
    return pd.DataFrame(
        {
            "images": [own.examples for own in found],
            "both_low": [own.low for own in found],
            "both_high": [own.high for own in found],
        }
    )


def shares_of_wins(
    cells: Sequence[Correct], seeds: Sequence[Sequence[int]], resamples: int = RESAMPLES
) -> Floats:
    """Share of resamples in which each cell has the highest mean accuracy; ties are shared.

    `cells`: of each cell, whether each run is right about each example, [S, N]; `seeds`: of each
    cell, the seeds of these runs. Seeds and examples are drawn with replacement, the same for all
    cells (Efron, 1979); a cell without any of the drawn seeds does not win.
    """
    known = sorted({seed for own in seeds for seed in own})
    places = [[known.index(seed) for seed in own] for own in seeds]
    rng = np.random.default_rng(0)
    wins = np.zeros(len(cells))
    for start in range(0, resamples, AT_ONCE):
        size = min(AT_ONCE, resamples - start)
        of_seed = rng.multinomial(len(known), [1 / len(known)] * len(known), size)  # [size, seeds]
        examples = cells[0].shape[1]
        of_example = rng.multinomial(examples, [1 / examples] * examples, size).astype(np.float32)
        means = np.stack(
            [
                _resampled_means(correct, of_seed[:, own], of_example)
                for correct, own in zip(cells, places, strict=True)
            ]
        )
        is_best = np.isclose(means, np.nanmax(means, axis=0), rtol=0, atol=1e-6)
        wins += (is_best / is_best.sum(axis=0)).sum(axis=1)
    return wins / resamples


def _resampled_means(correct: Correct, of_seed: NDArray[Any], of_example: NDArray[Any]) -> Floats:
    """Mean accuracy in each resample, from how often it has each seed and example; NaN: no seed."""
    by_seed = of_example @ correct.T.astype(np.float32) / of_example.shape[1]  # [size, S]
    drawn = of_seed.sum(1).astype(np.float64)
    drawn[drawn == 0] = np.nan
    means: Floats = (by_seed * of_seed).sum(1) / drawn
    return means

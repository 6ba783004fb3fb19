"""Which cell of a study is best, by how much, and how surely."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.seeds_and_examples import (
    NOTHING_KNOWN,
    Correct,
    CrossedEstimate,
    correct_matrix,
    shares_of_wins,
)
from actscope.analysis.seeds_and_examples import paired_difference as difference_over_both
from actscope.analysis.stats import Estimate, finals_of_learned, paired_difference
from actscope.metric import ACCURACY, Metric


@dataclass(frozen=True, eq=False)
class Lead:
    """The best cell, and the best cell of the next activation; None where there is none.

    `difference`: mean of best - second in the final metric, paired by seed; `over_both`, the same
    with an interval over seeds and examples. `passed_over`: the cells with a better mean than the
    best, in which not every run learned. `ranked`: the number of the other cells, the best among
    them. `is_validated`: whether they are ranked by validation.
    """

    passed_over: pd.DataFrame
    best: "pd.Series[float] | None" = None
    second: "pd.Series[float] | None" = None
    difference: Estimate | None = None
    over_both: CrossedEstimate | None = None
    ranked: int = 0
    is_validated: bool = False


def ranked_cells(cells: pd.DataFrame, metric: Metric = ACCURACY) -> pd.DataFrame:
    """The cells in which every run learned, the best first, by validation where there is any.

    The others are left out: a mean over some of the seeds cannot be compared.
    """
    learned = cells[(cells["runs"] > 0) & (cells["learned"] == cells["runs"])]
    known = learned.dropna(subset="final_mean")
    by, up = ranked_by(cells), metric.is_smallest_best
    return known.sort_values(by, ascending=up, kind="stable")


def ranked_by(cells: pd.DataFrame) -> str:
    """The column by which cells are ranked: of validation where all cells with a mean have one."""
    with_mean = cells[cells["n"] > 0]
    chosen_by = with_mean.get("validation_mean", pd.Series(dtype=float))
    is_validated = len(chosen_by) > 0 and chosen_by.notna().all()
    return "validation_mean" if is_validated else "final_mean"


def find_lead(
    used: pd.DataFrame,
    cells: pd.DataFrame,
    correct: Mapping[str, Correct] = NOTHING_KNOWN,
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> Lead:
    """The lead among the cells of one variant; `used`: the runs of all variants.

    `correct`: whether runs are right about each test example, by run id.
    """
    ranked, by = ranked_cells(cells, metric), ranked_by(cells)
    best_of_each = ranked.drop_duplicates("activation")
    if best_of_each.empty:
        return Lead(cells[cells["n"] > 0])
    best = best_of_each.iloc[0]
    lead = Lead(
        cells[metric.gain(cells[by], best[by]) > 0],
        best,
        ranked=len(ranked),
        is_validated=by == "validation_mean",
    )
    if len(best_of_each) == 1:
        return lead
    second = best_of_each.iloc[1]
    first_runs, second_runs = _runs_of(used, best, axis), _runs_of(used, second, axis)
    return replace(
        lead,
        second=second,
        difference=paired_difference(finals_of_learned(first_runs), finals_of_learned(second_runs)),
        over_both=difference_over_both(first_runs, second_runs, correct),
    )


def find_wins(
    used: pd.DataFrame, cells: pd.DataFrame, correct: Mapping[str, Correct], axis: Axis = RATE
) -> "pd.Series[float]":
    """Share of resamples in which each ranked cell of a variant has the highest test accuracy.

    Indexed as `cells`. Empty if it is not known of every run about which examples it is right.
    """
    ranked = ranked_cells(cells)  # by accuracy, as only classes are right or wrong
    runs = [_runs_of(used, cell, axis) for _, cell in ranked.iterrows()]
    whole = correct_matrix([run_id for own in runs for run_id in own["run_id"]], correct)
    if whole is None:
        return pd.Series(dtype=float)
    matrices = np.split(whole, np.cumsum([len(own) for own in runs])[:-1])
    seeds = [own["seed"].tolist() for own in runs]
    return pd.Series(shares_of_wins(matrices, seeds), ranked.index)


def _runs_of(used: pd.DataFrame, cell: "pd.Series[float]", axis: Axis) -> pd.DataFrame:
    return used[(used[axis.cell] == cell[axis.cell]).all(axis="columns")]

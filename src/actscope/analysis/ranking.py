"""Which cell of a study is best, and by how much."""

from dataclasses import dataclass

import pandas as pd

from actscope.analysis.stats import CELL, Estimate, paired_difference


@dataclass(frozen=True, eq=False)
class Lead:
    """The best cell, and the best cell of the next activation; None where there is none.

    `difference`: mean of best - second in final test accuracy, paired by seed. `passed_over`: the
    cells with a higher mean than the best, in which not every run learned.
    """

    passed_over: pd.DataFrame
    best: "pd.Series[float] | None" = None
    second: "pd.Series[float] | None" = None
    difference: Estimate | None = None


def ranked_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells in which every run learned, the best first.

    The others are left out: a mean over some of the seeds cannot be compared.
    """
    learned = cells[(cells["runs"] > 0) & (cells["learned"] == cells["runs"])]
    return learned.sort_values("final_mean", ascending=False, kind="stable")


def find_lead(used: pd.DataFrame, cells: pd.DataFrame) -> Lead:
    """The lead among the cells of one variant; `used`: the runs of all variants."""
    best_of_each = ranked_cells(cells).drop_duplicates("activation")
    if best_of_each.empty:
        return Lead(cells[cells["n"] > 0])
    best = best_of_each.iloc[0]
    passed_over = cells[cells["final_mean"] > best["final_mean"]]
    if len(best_of_each) == 1:
        return Lead(passed_over, best)
    second = best_of_each.iloc[1]
    difference = paired_difference(_finals(used, best), _finals(used, second))
    return Lead(passed_over, best, second, difference)


def _finals(used: pd.DataFrame, cell: "pd.Series[float]") -> "pd.Series[float]":
    """Final test accuracy of a cell's runs, by seed."""
    is_own = (used[CELL] == cell[CELL]).all(axis="columns")
    return used[is_own].set_index("seed")["final"]

"""What tuning is worth: the best of few trials, and one rate for all activations.

`trials` are those of analysis.tuned_tables.
"""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd

from actscope.analysis.factors import Factors
from actscope.analysis.stats import Floats, grouped
from actscope.metric import ACCURACY, Metric


def expected_best(values: Floats) -> Floats:
    """Expected maximum of k of the n values, drawn without replacement, for k = 1 to n, [n].

    The mean over all subsets of k values: that of rank i is the maximum of C(i - 1, k - 1) of the
    C(n, k) subsets (Dodge et al., 2019, in the unbiased form of Tang et al., 2020).
    """
    ordered, n = np.sort(values), len(values)
    return np.array(
        [
            sum(comb(i, k - 1) * value for i, value in enumerate(ordered)) / comb(n, k)
            for k in range(1, n + 1)
        ]
    )


def budget(
    trials: pd.DataFrame, first_seed: int, factors: Factors, metric: Metric = ACCURACY
) -> pd.DataFrame:
    """One row a cell and number of trials: the metric of the best of so many, on validation.

    Columns: Factors.cell, `k`, `of`, the trials of the cell with the first seed, and `expected`, of
    expected_best. A lost run counts as chance, or as the worst trial where chance is unknown.
    """
    parts = [pd.DataFrame(columns=[*factors.cell, "k", "of", "expected"])]
    own_seed = trials[trials["seed"] == first_seed]
    for cell, own in grouped(own_seed, factors.cell):
        n = len(own)
        values = _with_lost(own, "validation", trials["validation"], metric)
        gains: Floats = metric.gain(np.asarray(values, np.float64), np.zeros(n))
        expected = metric.gain(expected_best(gains), np.zeros(n))
        part = pd.DataFrame({"k": range(1, n + 1), "of": n, "expected": expected})
        parts.append(part.assign(**cell))
    return pd.concat(parts[1:] or parts, ignore_index=True)[parts[0].columns]


def _with_lost(
    rows: pd.DataFrame, name: str, of_all: "pd.Series[float]", metric: Metric
) -> "pd.Series[float]":
    """A column of some trials, in which lost ones count as chance."""
    worst = of_all.max() if metric.is_smallest_best else of_all.min()
    return rows[name].fillna(rows["chance"]).fillna(worst)


def shared(
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    first_seed: int,
    factors: Factors,
    metric: Metric = ACCURACY,
) -> pd.DataFrame:
    """One row a cell and rate that all activations of its settings tried with the first seed.

    Columns: Factors.cell, `lr`, `validation` of the trial, NaN of a lost run, `rank` among the
    activations at this rate, `tuned`, the mean on validation at the chosen rate, and
    `tuned_rank`. Rank 1 is the best. A lost run and a cell without a rate count as `budget` says.
    """
    own = trials[trials["seed"] == first_seed]
    of_all = own.groupby(factors.settings, sort=False)["activation"].transform("nunique")
    tried = own.groupby([*factors.settings, "lr"], sort=False)["activation"].transform("nunique")
    rows = own.loc[tried == of_all, [*factors.cell, "lr", "validation", "chance"]]
    tuned = chosen[factors.cell].assign(tuned=chosen["validation"])
    rows = rows.merge(tuned, on=factors.cell)
    for name, of in (("rank", "validation"), ("tuned_rank", "tuned")):
        values = rows.assign(value=_with_lost(rows, of, trials["validation"], metric))
        groups = values.groupby([*factors.settings, "lr"], sort=False)["value"]
        rows[name] = groups.rank(method="min", ascending=metric.is_smallest_best).astype(int)
    return rows.drop(columns="chance").reset_index(drop=True)


def agreement(shared_rates: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """One row a setting and rate: how well one rate for all ranks the activations.

    Columns: Factors.settings, `lr`, `pairs` of activations, those that have the `same` order as
    with tuned rates (ties in either do not), the `best` activations at this rate and the
    `tuned_best`.
    """
    rows = []
    for about, own in grouped(shared_rates, [*factors.settings, "lr"]):
        ranks = own[["rank", "tuned_rank"]].to_numpy(int)
        orders = [np.sign(a - b) for a, b in combinations(ranks, 2)]
        same = sum(int(order[0] == order[1] != 0) for order in orders)
        rows.append(
            about
            | {"pairs": len(orders), "same": same}
            | {
                name: " and ".join(own.loc[own[of] == 1, "activation"])
                for name, of in (("best", "rank"), ("tuned_best", "tuned_rank"))
            }
        )
    columns = [*factors.settings, "lr", "pairs", "same", "best", "tuned_best"]
    return pd.DataFrame(rows, columns=columns)

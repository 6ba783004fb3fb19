"""The edge of trainability: up to which learning rate an activation learns."""

from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE
from actscope.analysis.labels import rate_text
from actscope.analysis.shares import run_share, share_columns
from actscope.analysis.stats import OUTCOMES

LEARNS_FROM = 0.8  # of the runs, such as 4 of 5


def outcome_shares(cells: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: `RATE.cell`, `runs`, and the share of each outcome, as `learned`.

    `learned_low` and `learned_high`: the exact interval of the share. `cells`: of stats.summarise.
    Diverged runs are among the runs: they did not learn.
    """
    table = cells[[*RATE.cell, "runs"]]
    for outcome in OUTCOMES:
        counts = zip(cells[outcome], cells["runs"], strict=True)
        shares = [run_share(int(count), int(runs)) for count, runs in counts]
        table = table.assign(**share_columns(outcome, shares))
    return table


def edges(outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row per variant and activation, from `outcome_shares`.

    An activation learns at a rate if at least 80 % of its runs learned. Columns: `variant`,
    `activation`; `everywhere_up_to`, the largest rate such that the activation learns at it and at
    all smaller ones of the sweep; `largest`, the largest rate at which it learns; NaN if there is
    none. `first` and `last`, the smallest and the largest rate of the sweep; `rates`, their number;
    `fewest_runs` at a rate; `gaps`, the rates below `largest` at which it fails, as text.
    """
    rows: list[dict[str, Any]] = []
    for (variant, activation), own in outcomes.groupby(["variant", "activation"], sort=False):
        swept = own.sort_values("lr")
        rates = swept["lr"].to_numpy(dtype=float)
        # A ratio of counts: 4 / 5 is not under 0.8 by rounding.
        learns = swept["learned"].to_numpy(dtype=float) >= LEARNS_FROM - 1e-9
        unbroken = np.logical_and.accumulate(learns)
        largest = rates[learns].max() if learns.any() else float("nan")
        rows.append(
            {
                "variant": variant,
                "activation": activation,
                "everywhere_up_to": rates[unbroken].max() if unbroken.any() else float("nan"),
                "largest": largest,
                "first": rates[0],
                "last": rates[-1],
                "rates": len(rates),
                "fewest_runs": int(swept["runs"].min()),
                "gaps": ", ".join(map(rate_text, rates[~learns & (rates < largest)])),
            }
        )
    return pd.DataFrame(rows)


def rates_drawn(found: pd.DataFrame) -> pd.DataFrame:
    """The rates whose trajectories are drawn: the first, the largest that learns, the last.

    Columns: `variant`, `activation`, `lr`. `found`: of `edges`.
    """
    drawn = found.melt(["variant", "activation"], ["first", "largest", "last"], value_name="lr")
    return drawn.dropna()[["variant", "activation", "lr"]].drop_duplicates()

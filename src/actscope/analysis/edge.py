"""The edge of trainability: up to which learning rate an activation learns."""

from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import rate_text
from actscope.analysis.stats import OUTCOMES

FINE_FROM = 8  # rates: a panel for each of so many could not be read
LEARNS_FROM = 0.8  # of the seeds, as 4 of 5


def is_fine(runs: StudyRuns) -> bool:
    """Whether a study sweeps the rate finely enough for its edge to be looked for."""
    return runs.used["lr"].nunique() >= FINE_FROM


def outcome_shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Of `stats.summarise`: `variant`, `activation`, `lr`, `runs`, and the share of each outcome.

    Diverged runs count among the runs: they did not learn.
    """
    runs = cells[OUTCOMES].sum(axis=1)
    shares = cells[OUTCOMES].div(runs, axis=0)
    return cells[["variant", "activation", "lr"]].assign(
        runs=runs, **{outcome: shares[outcome] for outcome in OUTCOMES}
    )


def edges(outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row a variant and activation, from `outcome_shares`.

    A rate is learned at if at least 80 % of its runs have learned. Columns: `variant`,
    `activation`; `everywhere_up_to`, the largest rate such that it and all smaller ones swept are
    learned at, and `largest`, the largest rate that is learned at, whatever the smaller ones are;
    NaN where there is none. `first`, `last`, the rates swept, and `rates`, how many; `fewest_runs`
    at a rate; `gaps`, the rates under `largest` that are not learned at, as text.
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
    """`variant`, `activation` and `lr` whose trajectories are drawn: first, largest learned, last.

    `found` is that of `edges`.
    """
    drawn = found.melt(["variant", "activation"], ["first", "largest", "last"], value_name="lr")
    return drawn.dropna()[["variant", "activation", "lr"]].drop_duplicates()


MOST_PANELS = 5  # where each shows a rate

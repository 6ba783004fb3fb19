"""The edge of trainability: up to which learning rate an activation learns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from actscope.report.answer import join
from actscope.report.frames import StudyRuns, rate_text
from actscope.report.stats import OUTCOMES
from actscope.report.tables import DASH, Table, without_empty_variant

FINE_FROM = 8  # rates: a panel for each of so many could not be read
LEARNS_FROM = 0.8  # of the seeds, as 4 of 5

RULE = (
    "An activation learns at a rate if at least 80 % of its runs there have learned; those that "
    "diverged have not. It learns everywhere up to a rate if it learns there and at every smaller "
    "rate swept; its largest rate that learns may lie above ones at which it fails."
)
RATES_DRAWN = (
    "Of the many rates three are drawn: the smallest, the largest at which the activation learns, "
    "and the largest."
)


def is_fine(runs: StudyRuns) -> bool:
    """Whether a study sweeps the rate finely enough for its edge to be looked for."""
    return runs.used["lr"].nunique() >= FINE_FROM


def outcome_map(cells: pd.DataFrame) -> pd.DataFrame:
    """Of `stats.summarise`: `variant`, `activation`, `lr`, `runs`, and the share of each outcome.

    Diverged runs count among the runs: they did not learn.
    """
    runs = cells[OUTCOMES].sum(axis=1)
    shares = cells[OUTCOMES].div(runs, axis=0)
    return cells[["variant", "activation", "lr"]].assign(
        runs=runs, **{outcome: shares[outcome] for outcome in OUTCOMES}
    )


def edges(outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row a variant and activation, from `outcome_map`.

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


def answer(cells: pd.DataFrame) -> list[list[str]]:
    """`in_words`, from `stats.summarise`."""
    return list(in_words(edges(outcome_map(cells))))


def in_words(found: pd.DataFrame) -> Iterator[list[str]]:
    """Sentences on each variant: who learns up to where, in order of the edge."""
    for variant, own in found.groupby("variant", sort=False):
        start = f"With {variant!s}: " if variant else ""
        yield [start + _on_the_best(own), *_on_the_worst(own), *_on_gaps(own)]


def _on_the_best(own: pd.DataFrame) -> str:
    if own["largest"].isna().all():
        return "At no rate did any activation learn."
    top = own[own["largest"] == own["largest"].max()]
    names, lr = join(top["activation"].tolist()), rate_text(top["largest"].iloc[0])
    verb = (
        "has the highest edge: it learns" if len(top) == 1 else "have the highest edge: they learn"
    )
    is_open = bool((top["largest"] == top["last"]).any())
    return f"{names} {verb} at lr = {lr}{', the largest rate swept, or beyond' if is_open else ''}."


def _on_the_worst(own: pd.DataFrame) -> Iterator[str]:
    never = own.loc[own["largest"].isna(), "activation"].tolist()
    if never:
        yield f"{join(never)} {'learns' if len(never) == 1 else 'learn'} at none."
    able = own[own["largest"].notna()]
    if len(able) > 1 and able["largest"].min() < able["largest"].max():
        low = able[able["largest"] == able["largest"].min()]
        lr = rate_text(low["largest"].iloc[0])
        factor = able["largest"].max() / low["largest"].iloc[0]
        yield (
            f"The lowest edge is that of {join(low['activation'].tolist())}, at {lr}: "
            f"{factor:.3g} times lower."
        )


def _on_gaps(own: pd.DataFrame) -> Iterator[str]:
    broken = own[own["gaps"] != ""]
    if len(broken):
        yield (
            f"Under {'its' if len(broken) == 1 else 'their'} largest rate "
            f"{join(broken['activation'].tolist())} also "
            f"{'fails' if len(broken) == 1 else 'fail'} at smaller ones."
        )


def tables_of(outcomes: pd.DataFrame, found: pd.DataFrame) -> list[Table]:
    """The tables of the section, from `outcome_map` and `edges`."""
    shares = outcomes.assign(
        lr=[rate_text(lr) for lr in outcomes["lr"]],
        **{name: [f"{100 * share:.0f}" for share in outcomes[name]] for name in OUTCOMES},
    ).rename(columns={name: f"{name}, %" for name in OUTCOMES})
    shares = without_empty_variant(shares)
    return [
        Table("edge", "Up to which rate each learns", found, readable(found), is_folded=False),
        Table("outcomes", "Share of each outcome by activation and rate", outcomes, shares),
    ]


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`edges` in words."""
    rows = found.to_dict("records")
    table = pd.DataFrame(
        {
            "variant": found["variant"],
            "activation": found["activation"],
            "learns everywhere up to": [_edge_text(row, "everywhere_up_to") for row in rows],
            "largest rate that learns": [_edge_text(row, "largest") for row in rows],
            "fails below it at": [gaps or DASH for gaps in found["gaps"]],
            "rates": found["rates"],
            "fewest runs at a rate": found["fewest_runs"],
        }
    )
    return without_empty_variant(table)


def _edge_text(row: dict[Any, Any], which: str) -> str:
    lr = row[which]
    if np.isnan(lr):
        smallest = rate_text(row["first"])
        return "no rate" if which == "largest" else f"fails at the smallest, {smallest}"
    return f"{rate_text(lr)}, the largest swept" if lr == row["last"] else rate_text(lr)

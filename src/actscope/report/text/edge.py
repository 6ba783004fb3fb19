"""Sentences on the edge of trainability."""

from collections.abc import Iterator

import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.report.text.study import join

RULE = (
    "An activation learns at a rate if at least 80 % of its runs there learned; a diverged run did "
    "not learn. This is about these runs: the table of outcomes has the exact interval of each "
    "share over seeds. An activation learns up to a rate if it learns at that rate and at every "
    "smaller rate of the sweep. Its largest rate that learns may be above rates at which it fails."
)
RATES_DRAWN = (
    "Three rates are drawn: the smallest, the largest at which the activation learns, and the "
    "largest of the sweep."
)


def answer(found: pd.DataFrame) -> Iterator[list[str]]:
    """Sentences on each variant, from edge.edges: the highest and the lowest edge, and gaps."""
    for variant, own in found.groupby("variant", sort=False):
        start = f"With {variant!s}: " if variant else ""
        yield [start + _on_the_best(own), *_on_the_worst(own), *_on_gaps(own)]


def _on_the_best(own: pd.DataFrame) -> str:
    if own["largest"].isna().all():
        return "No activation learned at any rate."
    top = own[own["largest"] == own["largest"].max()]
    names, lr = join(top["activation"].tolist()), rate_text(top["largest"].iloc[0])
    verb = (
        "has the highest edge: it learns" if len(top) == 1 else "have the highest edge: they learn"
    )
    is_open = bool((top["largest"] == top["last"]).any())
    note = ", the largest rate of the sweep; the edge may be higher" if is_open else ""
    return f"{names} {verb} at lr = {lr}{note}."


def _on_the_worst(own: pd.DataFrame) -> Iterator[str]:
    never = own.loc[own["largest"].isna(), "activation"].tolist()
    if never:
        yield f"{join(never)} {'learns' if len(never) == 1 else 'learn'} at no rate."
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
            f"{join(broken['activation'].tolist())} {'fails' if len(broken) == 1 else 'fail'} at "
            f"some rates below {'its' if len(broken) == 1 else 'their'} largest."
        )

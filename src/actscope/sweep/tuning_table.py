"""Prints the cells of a tuned study."""

import re
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope.parsing import flat_settings
from actscope.sweep.grid_variants import variants_of
from actscope.sweep.tuned_cells import TunedCell

NO_RATE = "none"
LEGEND = (
    f"A number is the chosen rate; {NO_RATE}: each rate lost a seed; *: at the edge of its grid."
)
GROUP = re.compile(r"\b\w+\.(?=\w+=)")  # of a setting's name: `model.` of model.depth=1


def print_cells(console: Console, cells: Sequence[TunedCell]) -> None:
    """Print the stage or the choice of each cell, and the number of runs to train next.

    A row is a variant, a column an activation.
    """
    rows: dict[str, dict[str, str]] = {}
    for variant, each in zip(
        variants_of([flat_settings(c.cell) for c in cells]), cells, strict=True
    ):
        rows.setdefault(GROUP.sub("", variant), {})[each.cell.activation.name] = _in_words(each)
    names = list(dict.fromkeys(each.cell.activation.name for each in cells))
    metric = cells[0].cell.train.judged_by
    table = Table(title=f"The learning rate of each cell, chosen by validation {metric.words}")
    for heading in ("", *names):
        table.add_column(Text(heading), overflow="fold")
    for variant, row in rows.items():
        table.add_row(Text(variant), *(Text(row.get(name, "")) for name in names))
    console.print(table)
    if any(each.plan.choice is not None for each in cells):
        console.print(LEGEND)
    stages = Counter(each.stage for each in cells)
    counts = ", ".join(f"{count} {stage}" for stage, count in stages.items())
    missing = sum(len(each.missing()) for each in cells)
    console.print(f"cells   {len(cells)}: {counts}; {missing} runs to train next")


def _in_words(each: TunedCell) -> str:
    choice = each.plan.choice
    if choice is None:
        return each.stage
    if choice.rate is None:
        return NO_RATE
    rate = f"{choice.rate:.3g}{'*' if choice.flag else ''}"
    left = len(each.missing())
    return f"{rate} ({len(each.wanted()) - left}/{len(each.wanted())})" if left else rate

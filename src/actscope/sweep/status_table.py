"""Prints the state of each point of a grid."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope.sweep.grid_variants import variants_of
from actscope.sweep.point_status import PointStatus, State
from actscope.tracking import GridPoint

MARKS = {  # of each state, with its style
    State.FINISHED: ("#", "green"),
    State.RUNNING: (">", "cyan"),
    State.FAILED: ("x", "red"),
    State.STALE: ("~", "yellow"),
    State.MISSING: (".", "dim"),
}


def print_statuses(
    console: Console,
    grid: Sequence[GridPoint],
    statuses: Sequence[PointStatus],
    searched: Collection[str] = (),
) -> None:
    """Draw the grid, one mark a seed; print what has changed since stale points were trained.

    `searched`: the settings that were searched. They have no grid, so trials stand in a row.
    """
    counts = Counter(status.state for status in statuses)
    legend = [f"{MARKS[state][0]} {counts[state]} {state}" for state in State if counts[state]]
    table = trials_table(grid, statuses, searched) if searched else status_table(grid, statuses)
    console.print(table)
    console.print("   ".join(legend), markup=False)
    changes = Counter(s.changed for s in statuses if s.state is State.STALE)
    for parts, count in changes.items():
        console.print(f"{count} stale. Changed since their training: {', '.join(parts)}")
    for cell, status in zip(grid, statuses, strict=True):
        if status.state is State.FAILED and status.attempt is not None:
            line = f"failed: {cell.name}: {status.attempt.reason}"
            console.print(line, markup=False, soft_wrap=True)


def status_table(grid: Sequence[GridPoint], statuses: Sequence[PointStatus]) -> Table:
    """A table with a row a variant and activation, a column a rate, and one mark a seed."""
    marks: dict[tuple[str, str], dict[float, Text]] = {}
    variants = variants_of([cell.settings for cell in grid])
    for variant, cell, status in zip(variants, grid, statuses, strict=True):
        row = marks.setdefault((variant, cell.settings["activation"]), {})
        row.setdefault(cell.settings["lr"], Text()).append(*MARKS[status.state])
    rates = sorted({cell.settings["lr"] for cell in grid})
    table = Table(title="One mark for each point, by activation and learning rate")
    shown = slice(None if any(variants) else 1, None)  # no column of variants if there is one only
    for heading in (*("variant", "activation")[shown], *(f"{rate:g}" for rate in rates)):
        table.add_column(Text(heading), overflow="fold")  # a cut name could hide the difference
    for names, row in marks.items():
        cells = [row.get(rate, Text()) for rate in rates]
        table.add_row(*map(Text, names[shown]), *cells)
    return table


def trials_table(
    grid: Sequence[GridPoint], statuses: Sequence[PointStatus], searched: Collection[str]
) -> Table:
    """A table with a row a cell: its trials in their order, one mark a seed."""
    cells = [{k: v for k, v in each.settings.items() if k not in searched} for each in grid]
    rows: dict[tuple[str, str], dict[tuple[str, ...], Text]] = {}
    for variant, cell, status in zip(variants_of(cells), grid, statuses, strict=True):
        trial = tuple(str(cell.settings.get(name)) for name in searched)
        row = rows.setdefault((variant, cell.settings["activation"]), {})
        row.setdefault(trial, Text()).append(*MARKS[status.state])
    table = Table(title="The trials of each cell in their order, one mark for each seed")
    shown = slice(None if any(variant for variant, _ in rows) else 1, None)
    for heading in (*("variant", "activation")[shown], "trials"):
        table.add_column(heading, overflow="fold")
    for names, row in rows.items():
        table.add_row(*map(Text, names[shown]), Text(" ").join(row.values()))
    return table

"""Draws the accuracies of a grid as wide as a terminal allows."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from actscope.analysis.labels import rate_text
from actscope.sweep.accuracy_grid import AccuracyGrid, GridCell
from actscope.sweep.grid_cells import FINAL, LIVE, Form, meanings

LONGEST_NAME = 24  # of an activation on one line
UNLIMITED = 10_000  # columns

Lines = Mapping[str, Sequence[Text]]  # cells by activation


class CellKey(NamedTuple):
    """Which cell of a grid: of which group, activation and rate."""

    group: str
    activation: str
    rate: float


class GridTable:
    """A table with a row an activation and a column a rate, in the widest form that fits.

    `accuracy`: what it is measured on; `best`: the best cell of each group, once all have ended.
    """

    def __init__(
        self,
        grid: AccuracyGrid,
        accuracy: str,
        *,
        is_final: bool = False,
        best: Sequence[CellKey] = (),
    ) -> None:
        self.grid, self.accuracy, self.is_final = grid, accuracy, is_final
        self.best = frozenset(best)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for form in FINAL if self.is_final else LIVE:
            parts = self._tables(form, self.grid.rates)
            if _width(console, options, parts) <= options.max_width:
                break
        else:
            parts = self._bands(form, options.max_width)
        yield Text(form.caption.format(self.accuracy), style="italic")
        yield from parts
        legend = meanings(self.grid, form, has_best=bool(self.best))
        yield Columns(legend, padding=(0, 3))

    def _tables(self, form: Form, rates: Sequence[float]) -> list[RenderableType]:
        texts = {
            CellKey(heading, name, rate): self._cell(form, CellKey(heading, name, rate), row[rate])
            for heading, rows in self.grid.groups.items()
            for name, row in rows.items()
            for rate in rates
            if rate in row
        }
        widths = [
            max([1, *(text.cell_len for key, text in texts.items() if key.rate == rate)])
            for rate in rates
        ]
        draw = _with_ticks if form.is_narrow else _with_headings
        parts: list[RenderableType] = []
        for heading, rows in self.grid.groups.items():
            if heading:
                parts.append(Text(heading, style="bold"))
            lines = {
                name: [texts.get(CellKey(heading, name, rate), Text()) for rate in rates]
                for name in rows
            }
            parts.append(draw(form, rates, widths, lines, self._name_width))
        return parts

    def _cell(self, form: Form, key: CellKey, cell: GridCell) -> Text:
        text = form.write(cell)
        return form.as_best(text) if key in self.best else text

    @property
    def _name_width(self) -> int:
        names = [name for rows in self.grid.groups.values() for name in rows]
        return min(LONGEST_NAME, max(map(len, names)))

    def _bands(self, form: Form, width: int) -> list[RenderableType]:
        """The same table in several, each with as many rates as fit."""
        at_once = max(1, (width - self._name_width - 1) // (1 + form.gap))
        rates = self.grid.rates
        return [
            part
            for start in range(0, len(rates), at_once)
            for part in self._tables(form, rates[start : start + at_once])
        ]


class LiveTable:
    """A grid's table while it fills: drawn again only if something changed, cut to the screen."""

    def __init__(self, grid: AccuracyGrid, accuracy: str, below: int) -> None:
        self.grid, self.below = grid, below  # `below`: lines to leave free
        self.table = GridTable(grid, accuracy)
        self.drawn: tuple[tuple[int, int], list[list[Segment]]] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(1, console.size.height - self.below)
        state = (self.grid.done, options.max_width)
        if self.drawn is None or self.drawn[0] != state:
            with self.grid.filling:
                whole = console.render_lines(self.table, options.update(height=None), pad=False)
            self.drawn = state, whole
        lines = self.drawn[1]
        is_cut = len(lines) > room
        for line in lines[: room - is_cut]:
            yield from line
            yield Segment.line()
        if is_cut:
            yield Text(f"… and {len(lines) - room + 1} lines more", "dim")


def _width(console: Console, options: ConsoleOptions, parts: Sequence[RenderableType]) -> int:
    wide = options.update(width=UNLIMITED)
    tables = [part for part in parts if not isinstance(part, Text)]
    return max(Measurement.get(console, wide, table).maximum for table in tables)


def _with_headings(
    form: Form, rates: Sequence[float], widths: Sequence[int], lines: Lines, name: int
) -> Table:
    table = Table(
        Column("activation", min_width=name, max_width=max(name, 10), overflow="fold"),
        *(
            Column(rate_text(rate), min_width=width, no_wrap=True)
            for rate, width in zip(rates, widths, strict=True)
        ),
        box=None,
        padding=(0, form.gap, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    return _filled(table, lines)


def _with_ticks(
    form: Form, rates: Sequence[float], widths: Sequence[int], lines: Lines, name: int
) -> Group:
    table = Table.grid(
        Column(min_width=name + 1, max_width=name + 1, overflow="fold"),
        *(Column(min_width=width + form.gap, no_wrap=True) for width in widths),
    )
    edges = accumulate((width + form.gap for width in widths), initial=name + 1)
    return Group(_ticks(rates, list(edges)), _filled(table, lines))


def _filled(table: Table, lines: Lines) -> Table:
    for activation, cells in lines.items():
        table.add_row(Text(activation), *cells)
    return table


def _ticks(rates: Sequence[float], edges: Sequence[int]) -> Text:
    """The rates above their columns, where there is room. `edges`: of the columns, and the end."""
    line = ""
    for rate, edge in zip(rates, edges, strict=False):
        label = rate_text(rate)
        has_room = not line or len(line) + 1 < edge
        if has_room and edge + len(label) <= edges[-1]:
            line = line.ljust(edge) + label
    return Text(line, style="bold", no_wrap=True, overflow="crop")

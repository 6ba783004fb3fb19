"""Draws the final values of a grid as wide as a terminal allows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from actscope.analysis.labels import rate_text
from actscope.sweep.grid_cells import Form, forms, meanings
from actscope.sweep.result_grid import Measured, ResultGrid

LONGEST_NAME = 24  # of an activation on one line
NAME_GAP = 2
NAMES = "activation"  # heads them

Lines = Mapping[str, Sequence[Text]]  # cells by activation


class CellKey(NamedTuple):
    """A cell of a grid, by its group, activation and rate."""

    group: str
    activation: str
    rate: float


class GridTable:
    """A table with a row an activation and a column a rate, in the widest form that fits.

    `best`: the best cell of each group, once all have ended.
    """

    def __init__(
        self,
        grid: ResultGrid,
        *,
        is_final: bool = False,
        best: Sequence[CellKey] = (),
    ) -> None:
        self.grid, self.is_final = grid, is_final
        self.measured = Measured.of(grid.points)
        self.best = frozenset(best)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rates = self.grid.rates
        for form in forms(self.measured.metric, is_final=self.is_final):
            texts = self._texts(form)
            widths = _widths(form, rates, texts)
            whole = self._name_width + sum(widths.values()) + form.gap * len(rates)
            if whole <= options.max_width:
                break
        yield Text(form.caption.format(self.measured), style="italic")
        # Only the narrowest form may not fit: then the rates stand in bands below each other.
        room = options.max_width - self._name_width
        at_once = max(1, room // (max(widths.values()) + form.gap))
        if whole <= options.max_width:
            at_once = len(rates)
        for start in range(0, len(rates), at_once):
            band = rates[start : start + at_once]
            yield from self._tables(form, {rate: widths[rate] for rate in band}, texts)
        legend = meanings(self.grid, form, has_best=bool(self.best))
        yield Columns(legend, padding=(0, 3))

    @property
    def _name_width(self) -> int:
        names = [name for rows in self.grid.groups.values() for name in rows]
        return min(LONGEST_NAME, max(len(NAMES), *map(len, names))) + NAME_GAP

    def _texts(self, form: Form) -> dict[CellKey, Text]:
        texts = {
            CellKey(heading, name, rate): form.write(cell)
            for heading, rows in self.grid.groups.items()
            for name, row in rows.items()
            for rate, cell in row.items()
        }
        return texts | {key: form.as_best(texts[key]) for key in self.best}

    def _tables(
        self, form: Form, widths: Mapping[float, int], texts: Mapping[CellKey, Text]
    ) -> Iterator[RenderableType]:
        draw = _with_ticks if form.is_narrow else _with_headings
        for heading, rows in self.grid.groups.items():
            if heading:
                yield Text(heading, style="bold")
            lines = {
                name: [texts.get(CellKey(heading, name, rate), Text()) for rate in widths]
                for name in rows
            }
            yield draw(form, widths, lines, self._name_width)


class LiveTable:
    """A grid's table while it fills: drawn again only if something changed, cut to the screen."""

    def __init__(self, grid: ResultGrid, below: int) -> None:
        self.grid, self.below = grid, below  # `below`: lines to leave free
        self.table = GridTable(grid)
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


def _widths(form: Form, rates: Sequence[float], texts: Mapping[CellKey, Text]) -> dict[float, int]:
    """The width of each rate's column without its gap."""
    widths = {rate: 1 if form.is_narrow else len(rate_text(rate)) for rate in rates}
    for key, text in texts.items():
        widths[key.rate] = max(widths[key.rate], text.cell_len)
    return widths


def _with_headings(form: Form, widths: Mapping[float, int], lines: Lines, name: int) -> Table:
    table = Table(
        Column(NAMES, width=name, overflow="fold"),
        *(Column(rate_text(rate), width=width + form.gap) for rate, width in widths.items()),
        box=None,
        padding=0,
        header_style="bold",
    )
    return _filled(table, lines)


def _with_ticks(form: Form, widths: Mapping[float, int], lines: Lines, name: int) -> Group:
    table = Table.grid(
        Column(width=name, overflow="fold"),
        *(Column(width=width + form.gap) for width in widths.values()),
    )
    edges = accumulate((width + form.gap for width in widths.values()), initial=name)
    return Group(_ticks(list(widths), list(edges)), _filled(table, lines))


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

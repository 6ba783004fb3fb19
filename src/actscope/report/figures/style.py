"""What all figures of a report share: styles, bytes, panels, axes and legends.

In each module of figures `plot_` functions take a frame and Axes, `draw_` ones make a Figure.
"""

import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis as DrawnAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullFormatter

from actscope.analysis.axis import MOST_PANELS, RATE, Axis
from actscope.analysis.labels import SHIPPED, activation_order, number_range
from actscope.artifacts.drawing import own_style
from actscope.artifacts.palette import (
    ACTIVATION_COLOURS,
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    RED,
    SKY,
)

STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E6EA",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "svg.fonttype": "path",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.hspace": 0.03,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
DPI = 120
SLIDE_WIDTH = 1920  # pixels
MARKERS_A_LINE = 8
GREY = "#5F6670"

DASHED, DOTTED, DASHDOT, LONG = (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2))


@dataclass(frozen=True)
class LineStyle:
    """The style of an activation in every figure; dashes and marker help without colour."""

    colour: str
    dashes: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """The arguments of matplotlib for a line in this style."""
        return {"color": self.colour, "linestyle": self.dashes, "marker": self.marker}


# In the order of labels.SHIPPED: the article's five differ in all of colour, dashes and marker.
DASHES_AND_MARKERS = (
    ("-", "o"),
    (DASHED, "s"),
    (DASHDOT, "^"),
    (DOTTED, "D"),
    (LONG, "v"),
    ("-", "P"),
    (DASHED, "X"),
    (DOTTED, "<"),
    (DASHDOT, ">"),
    (LONG, "p"),
    ("-", "h"),
    (DASHED, "*"),
    (DASHDOT, "8"),
    ("-", "d"),
)
STYLES = [
    LineStyle(ACTIVATION_COLOURS[name], dashes, marker)
    for name, (dashes, marker) in zip(SHIPPED, DASHES_AND_MARKERS, strict=True)
]
OTHERS = [
    LineStyle(colour, dashes, marker)
    for marker, dashes in (("o", DASHED), ("s", DOTTED), ("^", "-"))
    for colour in (BLACK, SKY, PINK, RED, GREEN, ORANGE, BLUE)
]


def line_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """Style of each activation, in their order: a fixed one if shipped, else the next free one."""
    styles, others = dict(zip(SHIPPED, STYLES, strict=True)), cycle(OTHERS)
    return {name: styles.get(name) or next(others) for name in activation_order(names)}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw and render in the style of a report's figures until the block exits."""
    with own_style(STYLE):
        yield


def render(figure: Figure) -> dict[str, bytes]:
    """Bytes of a figure as `png` and `svg`; the same figure always gives the same bytes."""
    # savefig would draw everything twice. Here the layout is computed once for both kinds.
    _place_empty_labels(figure)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    _keep_ticks(figure)
    figure.set_dpi(DPI)
    png, svg = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def _place_empty_labels(figure: Figure) -> None:
    """Spare matplotlib the search for a place for each label, which it makes for empty ones too."""
    for axis in _axes_of(figure):
        if not axis.get_label_text():
            axis.set_label_coords(0.5, 0.5)


def _keep_ticks(figure: Figure) -> None:
    """Keep the ticks of the layout, which matplotlib would compute several times for each file."""
    for axis in _axes_of(figure):
        places, formatter = list(axis.get_majorticklocs()), axis.get_major_formatter()
        labels = FixedFormatter(formatter.format_ticks(places))
        labels.set_offset_string(formatter.get_offset())
        axis.set_major_locator(FixedLocator(places))
        axis.set_major_formatter(labels)


def _axes_of(figure: Figure) -> Iterator[DrawnAxis]:
    for ax in figure.axes:
        yield from (ax.xaxis, ax.yaxis)


def render_slide(figure: Figure) -> bytes:
    """PNG, SLIDE_WIDTH pixels wide, of a figure that `render` has laid out.

    Its layout is that of the smaller PNG, so to compute it again would only cost time.
    """
    png = io.BytesIO()
    figure.set_dpi((SLIDE_WIDTH + 0.5) / figure.get_figwidth())  # the canvas drops the half pixel
    # On slides speed counts more than the last tenth of a file.
    options = {"compress_level": 3}
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None}, pil_kwargs=options)
    return png.getvalue()


# --- panels -------------------------------------------------------------------------------------


class Panels:
    """A figure with a panel of `size` (inches) for each item; each row begins a new line of panels.

    It iterates over the Axes and the item of each panel. Rows longer than `columns` are broken into
    lines of similar length. With `shared_y` only the first panel of a line has labels on its y
    axis.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[Any]],
        size: tuple[float, float],
        *,
        title: str = "",
        columns: int = 5,
        shared_y: bool = False,
    ) -> None:
        length = max(math.ceil(len(row) / math.ceil(len(row) / columns)) for row in rows)
        lines = [row[at : at + length] for row in rows for at in range(0, len(row), length)]
        width = max(len(line) for line in lines)
        figsize = (max(size[0] * width, 6) + 0.4, size[1] * len(lines) + 0.5)
        self.figure = Figure(figsize=figsize, layout="constrained")
        if title:
            self.figure.suptitle(title)
        self.axes: list[Axes] = []
        self.items = [item for row in rows for item in row]
        grid = self.figure.subplots(len(lines), width, squeeze=False)
        for line, places in zip(lines, grid, strict=True):
            self.axes.extend(places[: len(line)])
            for ax in places[1:]:
                ax.tick_params(labelleft=not shared_y)
            for ax in places[len(line) :]:
                ax.remove()

    def __iter__(self) -> Iterator[tuple[Axes, Any]]:
        return zip(self.axes, self.items, strict=True)

    def add_legend(
        self, handles: Sequence[Artist], title: str = "", *, columns: int, handlelength: int = 2
    ) -> None:
        """A legend below the panels."""
        sizes: dict[str, Any] = {"ncols": columns, "handlelength": handlelength}
        self.figure.legend(handles=handles, title=title, loc="outside lower center", **sizes)

    def add_styles(self, styles: Mapping[str, LineStyle], title: str) -> None:
        """A legend of lines by their names."""
        handles = [Line2D([], [], markersize=5, label=n, **s.line) for n, s in styles.items()]
        fitting = min(len(handles), int(self.figure.get_figwidth() / 2.2))
        columns = 4 if len(handles) == 4 else fitting
        self.add_legend(handles, title, columns=columns, handlelength=4)


def panel_title(cells: pd.DataFrame, axis: Axis = RATE, *, enlarged: bool) -> str:
    """Value of these cells with their `seeds_text`: `lr = 0.1 (n = 5)`."""
    where = axis.equals(cells[axis.column].iloc[0])
    return f"{where}{', enlarged' if enlarged else ''} ({seeds_text(cells)})"


def seeds_text(cells: pd.DataFrame) -> str:
    """The runs in each mean or share: `n = 5`, or `n = 3 to 5`."""
    return f"n = {number_range(cells['n'])}"


# --- lines, axes and legends --------------------------------------------------------------------


def plot_line(
    x: "pd.Series[float]",
    y: "pd.Series[float]",
    style: LineStyle,
    ax: Axes,
    *,
    shift: int = 0,
    size: float = 3.5,
) -> None:
    """A line with few markers; those of lines with another `shift` are elsewhere."""
    every = max(1, len(x) // MARKERS_A_LINE)
    first = max(0, min(shift * every // 5, len(x) - 1))
    ax.plot(x, y, markersize=size, markevery=(first, every), **style.line)


def plot_band(
    x: "pd.Series[float]",
    rows: pd.DataFrame,
    style: LineStyle,
    ax: Axes,
    *,
    opacity: float,
    scale: float = 100.0,
    shift: int = 0,
    size: float = 3.5,
) -> None:
    """`plot_line` of `scale` times `mean`, with a band from `low` to `high` where known."""
    plot_line(x, scale * rows["mean"], style, ax, shift=shift, size=size)
    low, high = scale * rows["low"], scale * rows["high"]
    ax.fill_between(x, low, high, color=style.colour, alpha=opacity, linewidth=0)


def name_rows(names: Collection[str], ax: Axes) -> None:
    """The y axis of rows: the first name is at the top, at 0."""
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)


def value_axis(values: Collection[float], ax: Axes, axis: Axis = RATE) -> None:
    """The x axis of numbers: a scale of logarithms where all are positive.

    At most five are labelled; of more rates, the powers of ten are.
    """
    if min(values) > 0:
        ax.set_xscale("log")
        ax.set_xlim(min(values) / 1.1, max(values) * 1.1)
    if not axis.is_rate or len(set(values)) <= MOST_PANELS:
        ax.set_xticks(axis.shown(values))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.text(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(axis.label)

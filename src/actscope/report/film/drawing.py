"""Draws the pictures of a film: what stays is drawn once, and each frame moves the rest."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from actscope.analysis.labels import rate_text
from actscope.report.film.panels import (
    BLUE,
    BRIGHTNESS,
    DARK,
    GREY,
    PALE,
    RED,
    CellsPanel,
    MetricPanel,
    WeightsPanel,
    weight_limits,
)
from actscope.report.film.scenes import Array, FilmedRun, spread

SIZE, DPI = (12.0, 8.6), 100  # inches; a README shows the picture at two thirds of it
STYLE: dict[str, Any] = {
    "font.size": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "text.color": DARK,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
# In shares of the picture: the halves, and bottom and height of their panels.
STARTS, WIDTH = (0.08, 0.57), 0.415
CELLS, METRIC, WEIGHTS = (0.675, 0.155), (0.468, 0.147), (0.15, 0.25)


class Half:
    """The half of a film that shows one run."""

    def __init__(self, figure: Figure, left: float, run: FilmedRun, shown: Array) -> None:
        self.run = run
        has_learned = run.outcome == "learned"
        colour = BLUE if has_learned else RED
        sign = "\N{CHECK MARK}" if has_learned else "\N{MULTIPLICATION X}"
        verb = {"learned": "learns", "failed": "fails"}.get(run.outcome, "diverges")
        words = f"{sign} learning rate {rate_text(run.lr)} {verb}"
        head = figure.text(left, 0.9, words, weight="bold", color=colour)
        fit(head, 22, WIDTH)
        self.count = figure.text(left, 0.845, "", fontsize=19)
        places = [
            figure.add_axes((left, bottom, WIDTH, height))
            for bottom, height in (CELLS, METRIC, WEIGHTS)
        ]
        self.cells = CellsPanel(places[0], run)
        self.metric = MetricPanel(places[1], run, colour)
        self.weights = WeightsPanel(places[2], run, shown)

    def artists(self) -> Iterator[Artist]:
        """What changes from frame to frame, in the order of drawing."""
        yield self.count
        for panel in (self.cells, self.metric, self.weights):
            yield from panel.moving

    def show(self, step: int) -> None:
        """Move what moves to a step."""
        scene = self.run.at(step)
        self.count.set_text(f"{scene.gone} of {len(scene.active)} units pass no gradient")
        self.cells.show(scene)
        self.metric.show(scene)
        self.weights.show(scene)


class Picture:
    """The picture of a film: two runs side by side at one step. `shown`: all its steps."""

    def __init__(self, title: str, runs: Sequence[FilmedRun], shown: Array) -> None:
        self.figure = Figure(figsize=SIZE, dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        self.last = int(shown[-1])
        about = self.figure.text(STARTS[0], 0.957, title, color=GREY)
        fit(about, 16, 0.63)
        right = STARTS[1] + WIDTH
        self.clock = self.figure.text(right, 0.957, "", fontsize=18, ha="right", weight="bold")
        self.halves = [
            Half(self.figure, left, run, shown) for left, run in zip(STARTS, runs, strict=True)
        ]
        self._share_axes(shown, weight_limits(runs))
        self._add_legend()
        self.moving = [self.clock, *(artist for half in self.halves for artist in half.artists())]
        for artist in self.moving:
            artist.set_animated(True)
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def at(self, step: int) -> Array:
        """The pixels at a step, [height, width, 3]."""
        self.clock.set_text(f"minibatch {step} of {self.last}")
        for half in self.halves:
            half.show(step)
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())[:, :, :3].copy()

    def _share_axes(self, shown: Array, limits: tuple[float, float, float]) -> None:
        """Give both halves the same axes, over the film's steps as its time spreads them."""
        first, last = int(shown[0]), int(shown[-1])
        tens = [10**power for power in range(1, 9) if first < 10**power < last / 2]
        ticks = sorted({first, *tens, last})
        for half in self.halves:
            for panel in (half.metric, half.weights):
                panel.ax.set_xticks(spread(ticks), [str(tick) for tick in ticks])
                margin = 0.02 * (spread(last) - spread(first)) or 1.0
                panel.ax.set_xlim(spread(first), spread(last) + margin)
            half.metric.ax.tick_params(labelbottom=False)
            half.weights.ax.set_xlabel("minibatches", color=GREY)
            half.weights.limit(*limits)

    def _add_legend(self) -> None:
        def square(colour: Any) -> Line2D:
            return Line2D([], [], color=colour, marker="s", ls="", ms=13)

        crossed = Line2D([], [], color=PALE, marker="x", ls="", ms=8, mew=2)
        entries: dict[str, Any] = {
            "gradient on all examples of the minibatch": square(BRIGHTNESS(1.0)),
            "on few": square(BRIGHTNESS(0.0)),
            "on none": (square(DARK), crossed),
        }
        self.figure.legend(
            entries.values(),
            entries.keys(),
            loc="lower center",
            ncols=len(entries),
            frameon=False,
            fontsize=14.5,
            handletextpad=0.3,
            columnspacing=1.6,
        )


def fit(text: Text, size: float, share: float) -> None:
    """Give a text this size, or a smaller one if it is wider than a share of the picture."""
    text.set_fontsize(size)
    figure = text.get_figure(root=True)
    assert figure is not None
    width = text.get_window_extent().width
    text.set_fontsize(size * min(1.0, share * figure.bbox.width / width))

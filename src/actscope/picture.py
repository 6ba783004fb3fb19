"""The article's five panels of one run as a picture."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from actscope.panels import PANELS, draw_panels
from actscope.train import RunResult


def save_trajectories(result: RunResult, path: Path) -> None:
    """Draw the panels of one run, one under the other."""
    figure, axes = _empty_panels()
    figure.suptitle(f"{result.point}: {result.outcome}")
    draw_panels(result.history, result.trajectory, axes)
    axes[-1].set_xlabel("minibatches")
    # zlib's first level: a tenth larger than its sixth, and a third of the time.
    figure.savefig(path, dpi=90, pil_kwargs={"compress_level": 1})


def _empty_panels() -> tuple[Figure, Sequence[Axes]]:
    figure, axes = _panels()
    for ax in axes:
        for drawn in [*ax.lines, *ax.texts]:
            drawn.remove()
        ax.relim()
        ax.axis((0, 1, 0, 1))  # as it is made: what is empty keeps the limits that it has
    for ax in axes:  # not before the last has its limits: they share the axis of steps
        ax.autoscale()
    return figure, axes


@cache
def _panels() -> tuple[Figure, Sequence[Axes]]:
    """A figure for all runs of this process: to make one takes as long as to draw on it."""
    figure = Figure(figsize=(6.4, 9.6))
    FigureCanvasAgg(figure)
    # By hand: a layout engine takes as long as all the rest of the drawing.
    figure.subplots_adjust(left=0.12, right=0.97, top=0.94, bottom=0.05, hspace=0.25)
    axes = list(figure.subplots(len(PANELS), 1, sharex=True))
    for ax in axes:
        ax.locator_params(nbins=5)  # ticks and their labels are half of the drawing
    return figure, axes

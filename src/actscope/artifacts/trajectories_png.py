"""The article's five panels of one run as a picture."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from actscope.artifacts.drawing import Axes, Figure, FigureCanvasAgg, own_style
from actscope.artifacts.panels import PANELS, draw_panels
from actscope.engine.result import RunResult


def save_trajectories(result: RunResult, path: Path) -> None:
    """Draw the panels of one run below each other and save them as PNG."""
    with own_style():
        canvas, axes = _empty_panels()
        canvas.figure.suptitle(f"{result.point}: {result.outcome}")
        draw_panels(result.history, result.trajectory, axes)
        axes[-1].set_xlabel("minibatches")
        canvas.draw()
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    # 256 colours look the same, in a third of the bytes and half of the time.
    few = drawn.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    few.save(path, "png", compress_level=1)


def _empty_panels() -> tuple[FigureCanvasAgg, Sequence[Axes]]:
    canvas, axes = _panels()
    for ax in axes:
        for drawn in [*ax.lines, *ax.texts]:
            drawn.remove()
        ax.relim()
        ax.axis((0, 1, 0, 1))  # the initial limits, which an empty panel keeps
    for ax in axes:  # after all have their limits, as they share the axis of steps
        ax.autoscale()
    return canvas, axes


@cache
def _panels() -> tuple[FigureCanvasAgg, Sequence[Axes]]:
    """A figure for all runs of this process, as creating one takes as long as drawing on it."""
    figure = Figure(figsize=(6.4, 9.6), dpi=90)
    # Fixed, because a layout engine takes as long as the rest of the drawing.
    figure.subplots_adjust(left=0.12, right=0.97, top=0.94, bottom=0.05, hspace=0.25)
    axes = list(figure.subplots(len(PANELS), 1, sharex=True))
    for ax in axes:
        ax.locator_params(nbins=5)  # ticks and labels take half of the time
    return FigureCanvasAgg(figure), axes

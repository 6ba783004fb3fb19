"""The files that a run leaves behind."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from safetensors.torch import save

from actscope.config import nested_settings
from actscope.panels import PANELS, draw_panels
from actscope.train import RunResult


def write(result: RunResult, folder: Path, *, plotly: bool = False) -> None:
    """Write all artifacts of a run: config.yaml, history.parquet, trajectory.parquet, ...

    `plotly`: whether trajectories.html is among them.
    """
    OmegaConf.save(OmegaConf.create(nested_settings(result.point)), folder / "config.yaml")
    write_parquet(result.history, folder / "history.parquet")
    write_parquet(result.trajectory, folder / "trajectory.parquet")
    write_parquet(result.probe, folder / "probe.parquet")
    # Not save_file: it makes a file that only its owner may read.
    (folder / "model.safetensors").write_bytes(save(result.state))
    save_trajectories(result, folder / "trajectories.png")
    if plotly:
        from actscope import interactive  # to import plotly takes a second

        interactive.save_trajectories(result, folder / "trajectories.html")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, compression="zstd", index=False)


def save_trajectories(result: RunResult, path: Path) -> None:
    """Draw the article's five panels of one run."""
    figure, axes = _empty_panels()
    figure.suptitle(f"{result.point}: {result.outcome}")
    draw_panels(result.history, result.trajectory, axes)
    axes[-1].set_xlabel("minibatches")
    figure.savefig(path, dpi=90)


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
    return figure, list(figure.subplots(len(PANELS), 1, sharex=True))

"""The article's five panels: how the accuracy and the units of a run move, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from actscope.artifacts.drawing import Axes

UNITS_SHOWN = 10  # of a hidden layer, as in the article
STEPS_SHOWN = 1000  # more than a picture has dots in its width
ACCURACY_SHOWN = (0, 102)  # per cent: a line at 100 stays in sight
# Okabe and Ito's palette, then again dashed: ten lines that a colour-blind eye tells apart.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"]
UNIT_STYLES = [(colour, line) for line in ("-", "--") for colour in COLOURS]


@dataclass(frozen=True)
class Panel:
    """What one panel shows; `layer` counts from the last (-1: the output layer)."""

    title: str
    quantity: str
    layer: int


@dataclass(frozen=True)
class Line:
    """A line of a panel: its values, and how it looks in matplotlib's words."""

    name: str
    by_step: "pd.Series[float]"
    colour: str
    style: str


PANELS = [
    Panel("(1) training accuracy, %", "accuracy", 0),
    Panel("(2) output layer: mean weight", "weight_mean", -1),
    Panel("(3) output layer: bias", "bias", -1),
    Panel("(4) layer 1: mean weight", "weight_mean", 1),
    Panel("(5) layer 1: bias", "bias", 1),
]


def draw_panels(history: pd.DataFrame, trajectory: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Draw the five panels of one run, a line a unit; one that is flat no longer learns."""
    for panel, ax in zip(PANELS, axes, strict=True):
        # In the middle, as matplotlib writes a power of ten that ticks share on the left.
        ax.set_title(panel.title, fontsize="small", y=1.0)
        draw_panel(history, trajectory, panel, ax)


def draw_panel(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """Draw one panel of one run, by minibatches done; where there is but one, as a dot."""
    lines = lines_of(history, trajectory, panel)
    for line in lines:
        ax.plot(
            line.by_step.index,
            line.by_step,
            color=line.colour,
            linestyle=line.style,
            linewidth=0.8,
            marker="." if len(line.by_step) == 1 else "",
        )
    if panel.layer == 0:
        ax.set_ylim(ACCURACY_SHOWN)
    if not lines:  # it diverged at once
        ax.text(0.5, 0.5, "nothing recorded", transform=ax.transAxes, ha="center", color="grey")
    return ax


def lines_of(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel) -> list[Line]:
    """The lines of a panel, a unit each, at most ten; none where nothing was recorded."""
    if panel.layer == 0:
        train = history[history["split"] == "train"].set_index("step")["accuracy"]
        lines = [Line("accuracy", _thinned(100 * train), "black", "-")]
    else:
        layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
        rows = trajectory[(trajectory["layer"] == layer) & (trajectory["unit"] < UNITS_SHOWN)]
        table = rows.pivot(index="step", columns="unit", values=panel.quantity)  # noqa: PD010 - faster
        lines = [
            Line(f"unit {unit}", _thinned(values), *look)
            for (unit, values), look in zip(table.items(), UNIT_STYLES, strict=False)
        ]
    return [line for line in lines if len(line.by_step) > 0]


def _thinned(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.iloc[:: max(1, len(values) // STEPS_SHOWN)]

"""The article's five panels: how the accuracy and the units of a run move, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

UNITS_SHOWN = 10  # of a hidden layer, as in the article
STEPS_SHOWN = 1000  # more than a picture has dots in its width
# Okabe and Ito's palette, then again dashed: ten lines that a colour-blind eye tells apart.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"]
UNIT_STYLES = [(colour, line) for line in ("-", "--") for colour in COLOURS]


@dataclass(frozen=True)
class Panel:
    """What one panel shows; `layer` counts from the last (-1: the output layer)."""

    title: str
    quantity: str
    layer: int


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
        ax.set_title(panel.title, fontsize="small", loc="left", y=1.0)
        draw_panel(history, trajectory, panel, ax)


def draw_panel(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """Draw one panel of one run, by minibatches done."""
    drawn = draw_accuracy(history, ax) if panel.layer == 0 else draw_units(trajectory, panel, ax)
    if not drawn.has_data():  # it diverged at once
        ax.text(0.5, 0.5, "nothing recorded", transform=ax.transAxes, ha="center", color="grey")
    return drawn


def draw_accuracy(history: pd.DataFrame, ax: Axes) -> Axes:
    """Accuracy on the training minibatches, in per cent."""
    train = history[history["split"] == "train"].set_index("step")["accuracy"]
    ax.set_ylim(0, 102)  # a line at 100 % stays in sight
    return _draw_line(100 * train, ax, color="black")


def draw_units(trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """One line a unit of the panel's layer, at most ten."""
    layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
    rows = trajectory[(trajectory["layer"] == layer) & (trajectory["unit"] < UNITS_SHOWN)]
    lines = rows.pivot(index="step", columns="unit", values=panel.quantity)  # noqa: PD010 - faster
    for unit, (colour, style) in zip(lines.columns, UNIT_STYLES, strict=False):
        _draw_line(lines[unit], ax, color=colour, style=style)
    return ax


def _draw_line(values: "pd.Series[float]", ax: Axes, color: str, style: str = "-") -> Axes:
    """Draw values by step; where there is but one, as a dot."""
    shown = values.iloc[:: max(1, len(values) // STEPS_SHOWN)]
    if len(shown) > 0:
        marker = "." if len(shown) == 1 else ""
        ax.plot(shown.index, shown, color=color, linestyle=style, linewidth=0.8, marker=marker)
    return ax

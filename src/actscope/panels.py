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
        ax.set_title(panel.title, fontsize="small", loc="left")
        draw_panel(history, trajectory, panel, ax)


def draw_panel(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """Draw one panel of one run, by minibatches done."""
    if panel.layer == 0:
        return draw_accuracy(history, ax)
    return draw_units(trajectory, panel, ax)


def draw_accuracy(history: pd.DataFrame, ax: Axes) -> Axes:
    """Accuracy on the training minibatches, in per cent."""
    train = history[history["split"] == "train"]
    train = train.iloc[:: _stride(len(train))]
    ax.plot(train["step"], 100 * train["accuracy"], color="black", linewidth=0.8)
    ax.set_ylim(0, 102)  # a line at 100 % stays in sight
    return ax


def draw_units(trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """One line a unit of the panel's layer, at most ten."""
    layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
    rows = trajectory[(trajectory["layer"] == layer) & (trajectory["unit"] < UNITS_SHOWN)]
    lines = rows.pivot(index="step", columns="unit", values=panel.quantity)  # noqa: PD010 - much faster
    lines = lines.iloc[:: _stride(len(lines))]
    for unit, (colour, style) in zip(lines.columns, UNIT_STYLES, strict=False):
        ax.plot(
            lines.index,
            lines[unit],
            color=colour,
            linestyle=style,
            linewidth=0.8,
            label=f"unit {unit}",
        )
    return ax


def _stride(steps: int) -> int:
    return -(-max(steps, 1) // STEPS_SHOWN)

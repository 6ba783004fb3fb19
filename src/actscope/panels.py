"""The article's five panels: how a run's accuracy and the units of its layers move, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

UNITS_SHOWN = 10  # of a hidden layer, as in the article
# Okabe and Ito's palette, then the same again dashed: ten lines that a colour-blind eye tells apart.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"]
UNIT_STYLES = [(colour, line) for line in ("-", "--") for colour in COLOURS]


@dataclass(frozen=True)
class Panel:
    """What one panel shows; `layer` counts from the last (-1: the output layer)."""

    title: str
    quantity: str
    layer: int


PANELS = [
    Panel("(1) training accuracy", "accuracy", 0),
    Panel("(2) output layer: mean weight", "weight_mean", -1),
    Panel("(3) output layer: bias", "bias", -1),
    Panel("(4) layer 1: mean weight", "weight_mean", 1),
    Panel("(5) layer 1: bias", "bias", 1),
]


def draw_panels(history: pd.DataFrame, trajectory: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Draw the five panels of one run into five Axes, a line a unit; a flat line no longer learns."""
    train = history[history["split"] == "train"]
    for panel, ax in zip(PANELS, axes, strict=True):
        ax.set_title(panel.title, fontsize="small", loc="left")
        if panel.layer == 0:
            ax.plot(train["step"], train["accuracy"], color="black", linewidth=0.8)
            ax.set_ylim(0, 1)
        else:
            draw_units(trajectory, panel, ax)


def draw_units(trajectory: pd.DataFrame, panel: Panel, ax: Axes) -> Axes:
    """One line a unit of the panel's layer, at most ten."""
    layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
    rows = trajectory[(trajectory["layer"] == layer) & (trajectory["unit"] < UNITS_SHOWN)]
    for (unit, lines), (colour, style) in zip(rows.groupby("unit"), UNIT_STYLES, strict=False):
        ax.plot(
            lines["step"],
            lines[panel.quantity],
            color=colour,
            linestyle=style,
            linewidth=0.8,
            label=f"unit {unit}",
        )
    return ax

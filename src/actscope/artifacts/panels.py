"""The article's five panels: metric, weights and biases of a run, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from actscope.artifacts.unit_fates import Array, Records
from actscope.metric import METRICS, Metric

if TYPE_CHECKING:  # it takes a second to import, and a worker draws without it
    from actscope.artifacts.drawing import Axes

UNITS_SHOWN = 10  # of a hidden layer, as in the article
STEPS_SHOWN = 500  # about as many as a picture has pixels in its width
TOP = 102  # per cent of an axis, so that a line at 100 is visible
# Okabe and Ito's palette, solid and dashed: ten lines that colour-blind readers can distinguish.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"]
UNIT_STYLES = [(colour, line) for line in ("-", "--") for colour in COLOURS]


@dataclass(frozen=True)
class Panel:
    """The quantity and layer of one panel. `layer`: 0 for the whole network, -1 for the output."""

    title: str
    quantity: str
    layer: int


@dataclass(frozen=True)
class Line:
    """A line of a panel: numbers by step, and their colour and style in matplotlib's terms."""

    name: str
    steps: Array
    numbers: Array
    colour: str
    style: str


UNIT_PANELS = [
    Panel("(2) output layer: mean weight", "weight_mean", -1),
    Panel("(3) output layer: bias", "bias", -1),
    Panel("(4) layer 1: mean weight", "weight_mean", 1),
    Panel("(5) layer 1: bias", "bias", 1),
]


def panels_of(metric: Metric) -> list[Panel]:
    """The panels of a run that is judged by this metric."""
    return [Panel(metric.heading(f"(1) training {metric.words}"), metric.name, 0), *UNIT_PANELS]


def limits_of(panel: Panel, lines: Sequence[Line]) -> tuple[float, float]:
    """Lowest and highest value of the first panel's axis."""
    metric = METRICS[panel.quantity]
    top = metric.part(TOP)
    if top is None:
        top = TOP / 100 * max((float(line.numbers.max()) for line in lines), default=0.0) or 1.0
    return metric.scale * metric.axis[0], top


def draw_panel(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel, ax: "Axes") -> "Axes":
    """Draw one panel of one run by minibatch; a line of a single step is drawn as a dot."""
    lines = lines_of(history, trajectory, panel)
    for line in lines:
        ax.plot(
            line.steps,
            line.numbers,
            color=line.colour,
            linestyle=line.style,
            linewidth=0.8,
            marker="." if len(line.steps) == 1 else "",
        )
    if panel.layer == 0:
        ax.set_ylim(limits_of(panel, lines))
    if not lines:  # the run diverged at once
        ax.text(0.5, 0.5, "nothing recorded", transform=ax.transAxes, ha="center", color="grey")
    return ax


def lines_of(history: pd.DataFrame, trajectory: pd.DataFrame, panel: Panel) -> list[Line]:
    """The lines of a panel, one a unit, at most ten; none if nothing was recorded."""
    if panel.layer == 0:
        lines = [_metric_line(history, METRICS[panel.quantity])]
    else:
        layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
        lines = _unit_lines(trajectory, panel.quantity, layer)
    return [line for line in lines if len(line.steps) > 0]


def _metric_line(history: pd.DataFrame, metric: Metric) -> Line:
    values = history[metric.name].to_numpy()
    is_shown = (history["split"] == "train").to_numpy(bool) & np.isfinite(values)
    steps = history["step"].to_numpy()[is_shown]
    shown = _shown(len(steps))
    return Line(metric.words, steps[shown], metric.drawn(values[is_shown])[shown], "black", "-")


def _unit_lines(trajectory: pd.DataFrame, quantity: str, layer: int) -> list[Line]:
    if trajectory.empty:
        return []
    records = Records.of(trajectory)
    shown = _shown(len(records.steps))
    columns = records.column(quantity, layer)[shown, :UNITS_SHOWN].T
    return [
        Line(f"unit {unit}", records.steps[shown], values, *style)
        for unit, (values, style) in enumerate(zip(columns, UNIT_STYLES, strict=False))
    ]


def _shown(steps: int) -> slice:
    """The steps that are drawn."""
    return slice(None, None, max(1, steps // STEPS_SHOWN))

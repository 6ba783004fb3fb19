"""The figures of the edge of trainability: outcome, and metric over the rate or another axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.labels import activation_order, rate_text
from actscope.artifacts.palette import RED
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import full_limits
from actscope.report.figures.metric import BY_VALUE, plot_by_value
from actscope.report.figures.style import (
    GREY,
    LineStyle,
    Panels,
    line_styles,
    name_rows,
    value_axis,
)

HIGHLIGHTED = 5  # activations in one panel; more get one panel each, with the others in grey
NO_RUN = "#B9C0C9"
SHADES = LinearSegmentedColormap.from_list("learned", ["#EAF1F8", "#74A9D3", "#0B4A7F"])


def draw_by_value(
    title: str,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> Figure:
    """The final metric over the axis of one variant; one panel each if many activations."""
    styles = line_styles(cells["activation"])
    groups = [list(styles)] if len(styles) <= HIGHLIGHTED else [[name] for name in styles]
    size = (6.4, 3.6) if len(groups) == 1 else (2.3, 2.1)
    panels = Panels([groups], size, title=title, shared_y=True)
    for ax, shown in panels:
        plot_activations(cells, runs, shown, styles, ax, metric, axis)
        if len(groups) > 1:
            ax.set_title(shown[0])
    panels.axes[0].set_ylabel(f"final {metric.label}")
    if len(groups) == 1:
        panels.add_styles(styles, BY_VALUE)
    return panels.figure


def plot_activations(
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    shown: Sequence[str],
    styles: Mapping[str, LineStyle],
    ax: Axes,
    metric: Metric,
    axis: Axis,
) -> Axes:
    """The activations shown as `signs_in_words` says; the means of the others in grey."""
    for name in styles:
        rows = cells[cells["activation"] == name].sort_values(axis.column)
        if name not in shown:
            ax.plot(
                rows[axis.column], metric.scale * rows["final_mean"], color="#CDD2D8", linewidth=0.8
            )
    for name in shown:
        own, own_runs = (table[table["activation"] == name] for table in (cells, runs))
        plot_by_value(own, own_runs, styles[name], ax, metric, axis)
    value_axis(cells[axis.column], ax, axis)
    ax.set_ylim(full_limits(runs["final"], metric))
    return ax


def draw_outcome_map(title: str, outcomes: pd.DataFrame, edges: pd.DataFrame) -> Figure:
    """Share of runs that learned at each activation and rate of one variant, and the edge."""
    names = activation_order(outcomes["activation"])
    rates = sorted(set(outcomes["lr"]))
    size = (2.2 + 0.4 * len(rates), 1.9 + 0.3 * len(names))
    figure = Figure(figsize=(max(size[0], 6), size[1]), layout="constrained")
    if title:
        figure.suptitle(title)
    ax = figure.subplots()
    plot_outcome_map(outcomes, names, rates, ax)
    for place, name in enumerate(names):
        _mark_edge(edges[edges["activation"] == name]["largest"], rates, place, ax)
    cell: dict[str, Any] = {"linestyle": "", "marker": "s", "markersize": 9}
    sign: dict[str, Any] = {"linestyle": "", "color": "black", "markersize": 6}
    handles = [
        Line2D([], [], markerfacecolor=SHADES(1.0), color=GREY, label="all learned", **cell),
        Line2D([], [], markerfacecolor=SHADES(0.5), color=GREY, label="half learned", **cell),
        Line2D([], [], markerfacecolor=SHADES(0.0), color=GREY, label="none learned", **cell),
        Line2D([], [], marker="_", label="some failed", **sign),
        Line2D([], [], marker="x", label="some diverged", **sign),
        Line2D([], [], color=RED, linewidth=3, label="largest rate that learns"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def plot_outcome_map(
    outcomes: pd.DataFrame, names: Sequence[str], rates: Sequence[float], ax: Axes
) -> Axes:
    """One row per activation, one column per rate; darker where more runs learned.

    A dash marks failed runs, a cross diverged runs; grey cells have no run.
    """
    places = {name: place for place, name in enumerate(names)}
    columns = {lr: column for column, lr in enumerate(rates)}
    learned = np.full((len(names), len(rates)), np.nan)
    for row in outcomes.to_dict("records"):
        x, y = columns[row["lr"]], places[row["activation"]]
        learned[y, x] = row["learned"]
        signs = [mark for mark, what in (("_", "failed"), ("x", "diverged")) if row[what] > 0]
        ink = "white" if row["learned"] > 0.5 else "black"
        for number, mark in enumerate(signs):
            at = x + 0.4 * (number - (len(signs) - 1) / 2)
            ax.plot([at], [y], marker=mark, markersize=5, color=ink, markeredgewidth=1.2)
    ax.set_facecolor(NO_RUN)
    corners = np.arange(len(rates) + 1) - 0.5, np.arange(len(names) + 1) - 0.5
    ax.pcolormesh(*corners, learned, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    ax.grid(visible=False)
    ax.set_xticks(range(len(rates)), [rate_text(lr) for lr in rates], rotation=90)
    name_rows(names, ax)
    ax.set_xlim(-0.5, len(rates) - 0.5)
    ax.set_xlabel("learning rate")
    return ax


def _mark_edge(largest: "pd.Series[float]", rates: Sequence[float], place: int, ax: Axes) -> None:
    for lr in largest.dropna():
        right = list(rates).index(lr) + 0.5
        ax.plot([right, right], [place - 0.42, place + 0.42], color=RED, linewidth=3, clip_on=False)

"""The figures of the metric on the test: by epoch, at the end, and over the axis."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.labels import activation_order
from actscope.analysis.stats import INTERVAL, is_mixed
from actscope.artifacts.palette import RED
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import panel_rows
from actscope.report.figures.style import (
    GREY,
    LineStyle,
    Panels,
    line_styles,
    name_rows,
    panel_title,
    plot_band,
)

# --- by epoch -----------------------------------------------------------------------------------


def draw_by_epoch(
    title: str,
    curves: pd.DataFrame,
    failed: pd.DataFrame,
    cells: pd.DataFrame,
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> Figure:
    """The metric by epoch of one variant: one panel per rate, on the full scale and enlarged.

    `failed`: the metric by epoch of each run that failed.
    """
    drawn = pd.concat([curves["mean"], failed["value"]])
    rows = panel_rows(cells, axis.ordered(cells[axis.column]), drawn, metric)
    panels = Panels(rows, (3.1, 2.6), title=title)
    styles = line_styles(cells["activation"])
    for ax, (value, limits) in panels:
        cell, own, alone = (at[at[axis.column] == value] for at in (cells, curves, failed))
        plot_by_epoch(own, alone, styles, ax, metric)
        is_enlarged = limits[0] > 0
        absent = "" if is_enlarged else undrawn(cell)
        ax.set_title(panel_title(cell, axis, enlarged=is_enlarged) + absent)
        ax.set_ylim(*limits)
        ax.set_xlabel("epoch")
        ax.set_ylabel(metric.label)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    panels.add_styles(styles, CURVES)
    return panels.figure


CURVES = f"mean of the n runs that learned; band or bar: {INTERVAL}\nthin: a run that failed"


def plot_by_epoch(
    curves: pd.DataFrame,
    failed: pd.DataFrame,
    styles: Mapping[str, LineStyle],
    ax: Axes,
    metric: Metric,
    by: str = "activation",
) -> Axes:
    """Mean of the metric by epoch, one line per value of `by`, with its 95 % band where known.

    A thin line is a run that failed. After a single epoch: one dot per value, with its interval.
    """
    for (name, _), run in failed.groupby([by, "seed"], sort=False):
        values, style = metric.drawn(run["value"]), styles[str(name)]
        marker = "." if len(run) == 1 else ""
        ax.plot(run["epoch"], values, color=style.colour, linewidth=0.5, alpha=0.6, marker=marker)
    names = [name for name in styles if name in set(curves[by])]
    if len(names) > 0 and curves["epoch"].max() == 1:
        return _plot_single_epoch(curves.set_index(by).loc[names], styles, ax, metric.scale)
    opacity = 0.18 if len(names) <= 6 else 0.06  # bands of many lines hide the lines
    for place, name in enumerate(names):
        rows, style = curves[curves[by] == name], styles[name]
        plot_band(
            rows["epoch"], rows, style, ax, opacity=opacity, scale=metric.scale, shift=place, size=4
        )
    return ax


def _plot_single_epoch(
    rows: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes, scale: float
) -> Axes:
    """`rows`: one per line, by its name."""
    places = 1 + 0.08 * (np.arange(len(rows)) - (len(rows) - 1) / 2)
    for name, x in zip(rows.index, places, strict=True):
        style, mean = styles[name], scale * rows["mean"][name]
        half = scale * rows["high"][name] - mean
        ax.errorbar([x], [mean], [half], color=style.colour, marker=style.marker, capsize=2)
    ax.set_xlim(0, 2)
    return ax


def undrawn(cells: pd.DataFrame) -> str:
    """Further lines of a title that name the activations without a curve."""
    names = activation_order(cells.loc[cells["diverged"] == cells["runs"], "activation"])
    text = textwrap.fill(f"no line, as all runs diverged: {', '.join(names)}", 44)
    return f"\n{text}" if names else ""


# --- at the end ---------------------------------------------------------------------------------


WIDTH_OF_SIGNS = 8  # inches that the legend of draw_final needs with two columns


def draw_final(
    title: str,
    used: pd.DataFrame,
    cells: pd.DataFrame,
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> Figure:
    """The final metric of every run of one variant: one panel per rate and scale."""
    rows = panel_rows(cells, axis.ordered(cells[axis.column]), used["final"], metric)
    styles = line_styles(cells["activation"])
    size = (3.1, max(2.2, 1.1 + 0.36 * len(styles)))  # less leaves no room beside the legend
    panels = Panels(rows, size, title=title, shared_y=True)
    for ax, (value, limits) in panels:
        cell, runs = (table[table[axis.column] == value] for table in (cells, used))
        ax.set_xlim(*limits)
        plot_final(runs, cell, styles, ax, metric)
        ax.set_title(panel_title(cell, axis, enlarged=limits[0] > 0))
        ax.set_xlabel(f"final {metric.label}")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    columns = 2 if panels.figure.get_figwidth() > WIDTH_OF_SIGNS else 1
    panels.add_legend(_final_signs(), columns=columns)
    return panels.figure


def _final_signs() -> list[Line2D]:
    dot: dict[str, Any] = {"color": GREY, "linestyle": "", "markersize": 4}
    bar: dict[str, Any] = {"color": "black", "marker": "|", "markersize": 9}
    return [
        Line2D([], [], marker="o", label="a run that learned", **dot),
        Line2D([], [], label=f"mean of the n runs that learned, {INTERVAL}", **bar),
        Line2D([], [], marker="o", label="a run that failed", **dot, fillstyle="none"),
        Line2D([], [], label="the same, where not every run learned", **bar, linestyle=MIXED),
        Line2D([], [], marker="<", label="it goes on beyond the panel", **dot),
    ]


MIXED = (0, (1, 1.2))
# A run's dot is this much off its row, so that equal runs do not hide each other.
JITTER = 0.09 * np.array([0, -1, 1, -0.5, 0.5])


def plot_final(
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    styles: Mapping[str, LineStyle],
    ax: Axes,
    metric: Metric = ACCURACY,
) -> Axes:
    """One row per activation: each run as a dot, the mean of those that learned as a tick."""
    for place, (name, style) in enumerate(styles.items()):
        own = runs[runs["activation"] == name]
        shifts = place + 0.18 + np.resize(JITTER, len(own))
        for outcome, fill in (("learned", "full"), ("failed", "none")):
            is_shown = (own["outcome"] == outcome).to_numpy()
            ax.plot(
                metric.drawn(own["final"][is_shown]),
                shifts[is_shown],
                linestyle="",
                marker=style.marker,
                markersize=4.5,
                fillstyle=fill,
                color=style.colour,
                alpha=0.65,
                markeredgewidth=0 if fill == "full" else 0.8,
            )
        for cell in cells[cells["activation"] == name].to_dict("records"):
            _plot_mean(cell, place - 0.18, ax, metric)
    name_rows(styles, ax)
    return ax


def _plot_mean(cell: Mapping[Any, Any], place: float, ax: Axes, metric: Metric) -> None:
    left, right = ax.get_xlim()
    mean, low, high = (metric.scale * cell[f"final_{name}"] for name in ("mean", "low", "high"))
    if left <= mean <= right:
        ax.plot([mean], [place], color="black", marker="|", markersize=9)
        dashes = MIXED if is_mixed(cell) else "-"
        ax.plot([low, high], [place, place], color="black", linewidth=1, linestyle=dashes)
        for end, sign, is_beyond in ((left, "<", low < left), (right, ">", high > right)):
            if is_beyond:
                ax.plot([end], [place], color=GREY, marker=sign, markersize=4, clip_on=False)
    elif mean < left:
        ax.text(
            left,
            place,
            f" ◂ {mean:.{metric.decimals - 1}f}",
            va="center",
            fontsize="small",
            color=GREY,
        )
    if cell["learned"] < cell["runs"]:
        text = f"{cell['learned']} of {cell['runs']} learned "
        ax.text(right, place - 0.12, text, ha="right", va="bottom", fontsize="x-small", color=RED)


# --- over the axis ------------------------------------------------------------------------------

BY_VALUE = f"mean of the runs that learned; band: {INTERVAL}"


def signs_in_words(axis: Axis = RATE) -> str:
    """What the signs of `plot_by_value` mean."""
    return (
        f"The line is the mean over the runs that learned, with its {INTERVAL}. A ring marks a "
        f"{axis.one} at which some runs learned and some did not. A small dot is a run that "
        f"failed. A cross on the axis marks a {axis.one} at which a run diverged."
    )


def plot_by_value(
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    style: LineStyle,
    ax: Axes,
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> Axes:
    """Mean final metric over the axis, as `signs_in_words` says; a bar if it has only one value.

    `cells` and `runs`: those of the line.
    """
    x = axis.column
    rows = cells.sort_values(x)
    own = rows.rename(columns={f"final_{x}": x for x in ("mean", "low", "high")})
    scale = metric.scale
    plot_band(own[x], own, style, ax, opacity=0.18, scale=scale)
    if len(own) == 1:
        ax.vlines(own[x], scale * own["low"], scale * own["high"], color=style.colour)
    sign: dict[str, Any] = {"linestyle": "", "color": style.colour}
    mixed = own[is_mixed(own)]
    ax.plot(mixed[x], scale * mixed["mean"], marker="o", markersize=8, fillstyle="none", **sign)
    failed = runs[runs["outcome"] == "failed"]
    ax.plot(failed[x], metric.drawn(failed["final"]), marker=".", markersize=3, alpha=0.6, **sign)
    on_axis = ax.get_xaxis_transform()
    for value in rows.loc[rows["diverged"] > 0, x]:
        ax.plot([value], [0], transform=on_axis, clip_on=False, marker="x", markersize=5, **sign)
    return ax

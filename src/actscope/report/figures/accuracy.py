"""The figures of test accuracy: by epoch, at the end, and over the rate."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from actscope.analysis.labels import activation_order
from actscope.report.figures.style import (
    GREY,
    MARKERS_A_LINE,
    PANELS_A_ROW,
    LineStyle,
    activation_legend,
    flat,
    line_styles,
    panel_grid,
    panel_rows,
    panel_title,
    plot_band,
)

# --- by epoch -----------------------------------------------------------------------------------


def draw_accuracy(title: str, curves: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Test accuracy by epoch of one variant: one panel per rate, on the full scale and enlarged."""
    rows = panel_rows(cells, sorted(set(cells["lr"])))
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.1, 2.6), title=title)
    styles = line_styles(cells["activation"])
    for ax, (lr, limits) in zip(axes, flat(rows), strict=True):
        cell = cells[cells["lr"] == lr]
        plot_accuracy(curves[curves["lr"] == lr], styles, ax)
        is_enlarged = limits[0] > 0
        absent = "" if is_enlarged else undrawn(cell)
        ax.set_title(panel_title(cell, enlarged=is_enlarged) + absent)
        ax.set_ylim(*limits)
        ax.set_xlabel("epoch")
        ax.set_ylabel("test accuracy (%)")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    spread = "bar" if curves["epoch"].max() == 1 else "band"
    activation_legend(figure, styles, cells["activation"], f"mean; {spread}: 95 % t-interval")
    return figure


def plot_accuracy(
    curves: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes, by: str = "activation"
) -> Axes:
    """Mean test accuracy by epoch, one line per value of `by`, with its 95 % band if n > 1.

    After a single epoch: one dot per value, with its interval.
    """
    names = [name for name in styles if name in set(curves[by])]
    if len(names) > 0 and curves["epoch"].max() == 1:
        return _plot_single_epoch(curves.set_index(by).loc[names], styles, ax)
    opacity = 0.18 if len(names) <= 6 else 0.06  # bands of many lines hide the lines
    for place, name in enumerate(names):
        rows = curves[curves[by] == name]
        style = styles[name]
        every = max(1, len(rows) // MARKERS_A_LINE)
        ax.plot(
            rows["epoch"],
            100 * rows["mean"],
            color=style.colour,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=4,
            # Shifted from line to line, so that markers do not hide each other.
            markevery=(min(place * every // 5, len(rows) - 1), every),
        )
        low, high = 100 * rows["low"], 100 * rows["high"]
        ax.fill_between(rows["epoch"], low, high, color=style.colour, alpha=opacity, linewidth=0)
    return ax


def _plot_single_epoch(rows: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes) -> Axes:
    """`rows`: one per line, by its name."""
    places = 1 + 0.08 * (np.arange(len(rows)) - (len(rows) - 1) / 2)
    for name, x in zip(rows.index, places, strict=True):
        style, mean = styles[name], 100 * rows["mean"][name]
        half = 100 * rows["high"][name] - mean
        ax.errorbar([x], [mean], [half], color=style.colour, marker=style.marker, capsize=2)
    ax.set_xlim(0, 2)
    return ax


def undrawn(cells: pd.DataFrame) -> str:
    """Further lines of a title that name the activations without a curve."""
    names = activation_order(cells.loc[cells["n"] == 0, "activation"])
    text = textwrap.fill(f"no line, as all runs diverged: {', '.join(names)}", 44)
    return f"\n{text}" if names else ""


# --- at the end ---------------------------------------------------------------------------------


def draw_final(title: str, used: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Final test accuracy of every seed of one variant: one panel per rate and scale."""
    rows = panel_rows(cells, sorted(set(cells["lr"])))
    names = activation_order(cells["activation"])
    figure, axes = panel_grid(
        rows, PANELS_A_ROW, (3.1, 1.1 + 0.3 * len(names)), title=title, shared_y=True
    )
    styles = line_styles(names)
    for ax, (lr, limits) in zip(axes, flat(rows), strict=True):
        cell = cells[cells["lr"] == lr]
        ax.set_xlim(*limits)
        plot_final(used[used["lr"] == lr], cell, names, styles, ax)
        ax.set_title(panel_title(cell, enlarged=limits[0] > 0))
        ax.set_xlabel("final test accuracy (%)")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    dot: dict[str, Any] = {"color": GREY, "linestyle": "", "markersize": 4}
    handles = [
        Line2D([], [], marker="o", label="one seed", **dot),
        Line2D([], [], color="black", marker="|", markersize=9, label="mean with 95 % t-interval"),
        Line2D([], [], marker="<", label="mean below this panel's range", **dot),
    ]
    is_enlarged = len(rows) > 1
    figure.legend(handles=handles[: 2 + is_enlarged], loc="outside lower center", ncols=3)
    return figure


def plot_final(
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    names: Sequence[str],
    styles: Mapping[str, LineStyle],
    ax: Axes,
) -> Axes:
    """One row per activation: seeds as dots, the mean as a tick with its 95 % interval."""
    left, right = ax.get_xlim()
    for place, name in enumerate(names):
        style = styles[name]
        seeds = runs[(runs["activation"] == name) & (runs["outcome"] != "diverged")]
        ax.plot(
            100 * seeds["final"],
            np.full(len(seeds), place + 0.14),
            linestyle="",
            marker=style.marker,
            markersize=4.5,
            color=style.colour,
            alpha=0.65,
            markeredgewidth=0,
        )
        for row in cells[cells["activation"] == name].itertuples():
            _plot_mean(row, place - 0.14, (left, right), ax)
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    return ax


def _plot_mean(row: Any, place: float, limits: tuple[float, float], ax: Axes) -> None:
    mean = 100 * row.final_mean
    if row.n == 0:
        ax.text(sum(limits) / 2, place, row.outcomes, ha="center", va="center", fontsize="x-small")
    elif mean < limits[0]:
        ax.text(limits[0], place, f" ◂ {mean:.1f}", va="center", fontsize="small", color=GREY)
    else:
        ax.plot([mean], [place], color="black", marker="|", markersize=9)
        ax.plot(
            [100 * row.final_low, 100 * row.final_high], [place, place], color="black", linewidth=1
        )
        if row.diverged > 0:
            text = f"{row.diverged} diverged "
            ax.text(limits[1], place, text, ha="right", va="center", fontsize="x-small", color=GREY)


# --- over the rate ------------------------------------------------------------------------------


def plot_by_rate(cells: pd.DataFrame, style: LineStyle, ax: Axes) -> Axes:
    """Mean final accuracy over the rate with its 95 % band; a bar if there is only one rate.

    A cross on the axis marks a rate at which a run diverged; the mean leaves such runs out.
    """
    rows = cells.sort_values("lr")
    own = rows.rename(columns={f"final_{x}": x for x in ("mean", "low", "high")})
    plot_band(own["lr"], own, style, ax, opacity=0.18)
    if len(own) == 1:
        ax.vlines(own["lr"], 100 * own["low"], 100 * own["high"], color=style.colour)
    cross: dict[str, Any] = {"marker": "x", "markersize": 5, "color": style.colour}
    on_axis = ax.get_xaxis_transform()
    for lr in rows.loc[rows["diverged"] > 0, "lr"]:
        ax.plot([lr], [0], transform=on_axis, clip_on=False, **cross)
    return ax

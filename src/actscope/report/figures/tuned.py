"""The figures of a tuned study over its main factor: test accuracy, leads, and the budget."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.labels import activation_order
from actscope.analysis.stats import INTERVAL
from actscope.report.figures.style import (
    GREY,
    PANELS_A_ROW,
    Limits,
    LineStyle,
    activation_legend,
    enlarged_limits,
    line_styles,
    lower_limit,
    panel_grid,
    seeds_text,
)

ACCURACY_SIGNS = f"mean of the n runs that learned; band or bar: {INTERVAL}"
LEAD_SIGNS = f"mean of n pairs; bar: {INTERVAL}"
BUDGET_PANELS = 3  # values of the axis in the figure of the budget
SPREAD = 0.2  # doublings of the axis over which the bars of activations are spread
MARGIN = 0.35  # doublings beside the lowest and the highest value of the axis
FAR = 4  # a lead this many times as large as the median one gets the others a panel of their own


# --- test accuracy and leads --------------------------------------------------------------------


def draw_tuned_accuracy(judged: pd.DataFrame, factors: Factors) -> Figure:
    """Test accuracy of the chosen rates; `judged`: those rows of tuned_tables.judged."""
    cells = judged.rename(columns={"learned": "n"})
    panels = _panels(cells, factors)
    rows = [[(key, own, limits) for key, own in panels] for limits in _accuracy_scales(cells)]
    return _draw(rows, factors, "test accuracy (%)", ACCURACY_SIGNS, has_bands=True)


def draw_leads(leads: pd.DataFrame, factors: Factors) -> Figure:
    """Leads over the better of ReLU and LeakyReLU; `leads`: of tuned_tables.leads."""
    panels = _panels(leads, factors)
    ends = 100 * leads[["mean", "low", "high"]].to_numpy(float)
    scales = [_around(ends), *_enlarged_around(ends)]
    rows = [[(key, own, limits) for key, own in panels] for limits in scales]
    return _draw(rows, factors, "lead (points)", LEAD_SIGNS, zero=True)


def _accuracy_scales(cells: pd.DataFrame) -> list[Limits]:
    """The full scale, and an enlarged one; only this where it has all means."""
    full, enlarged = (0.0, 102.0), enlarged_limits(cells.rename(columns={"mean": "final_mean"}))
    if enlarged is None:
        return [full]
    return [enlarged] if 100 * cells["mean"].min() > enlarged[0] else [full, enlarged]


Panel = tuple[str, pd.DataFrame]


def _panels(table: pd.DataFrame, factors: Factors) -> list[Panel]:
    groups = table.groupby(factors.panel, sort=False)
    return [(setting_text(own.iloc[0], factors.panel), own) for _, own in groups]


def _around(ends: Any) -> Limits:
    """A range of points that has all these ends and zero."""
    known = [0.0, *ends[np.isfinite(ends)]]
    margin = max(0.08 * (max(known) - min(known)), 0.05)
    return float(min(known) - margin), float(max(known) + margin)


def _enlarged_around(ends: Any) -> Iterator[Limits]:
    """A smaller range where some leads are so large that the others cannot be seen."""
    sizes = np.abs(ends[:, 0][np.isfinite(ends[:, 0])])
    most = FAR * float(np.median(sizes)) if len(sizes) else 0.0
    if 0 < most < 0.5 * float(sizes.max(initial=0)):
        low, high = _around(ends)
        yield max(low, -most), min(high, most)


def _draw(
    rows: Sequence[Sequence[tuple[str, pd.DataFrame, Limits]]],
    factors: Factors,
    label: str,
    signs: str,
    *,
    has_bands: bool = False,
    zero: bool = False,
) -> Figure:
    """A figure with a panel for each title, table and range of percents."""
    table = pd.concat([own for _, own, _ in rows[0]])
    names = activation_order(table["activation"])
    styles = line_styles(names)
    axis = factors.axis
    height = 3.0 if axis is not None else 1.1 + 0.3 * len(names)
    figure, axes = panel_grid(rows, PANELS_A_ROW, (4.4, height), shared_y=axis is None)
    widest = rows[0][0][2]
    for ax, (title, own, limits) in zip(axes, [item for row in rows for item in row], strict=True):
        enlarged = "" if limits == widest else "enlarged"
        words = ", ".join(text for text in (title, enlarged) if text)
        known = own[own["n"] > 0]
        seeds = seeds_text(known if len(known) else own)
        ax.set_title(f"{words} ({seeds})" if words else seeds)
        if axis is None:
            plot_dots(own, names, styles, ax)
            ax.set_xlim(*limits)
            ax.set_xlabel(label)
        else:
            plot_over_factor(own, axis, styles, ax, has_bands=has_bands)
            ax.set_ylim(*limits)
            ax.set_ylabel(label)
        if zero:
            (ax.axvline if axis is None else ax.axhline)(0, color=GREY, linewidth=1.2, zorder=1)
    if axis is None:
        figure.supxlabel(signs, fontsize="small", color=GREY)
    else:
        activation_legend(figure, styles, names, signs)
    return figure


def plot_over_factor(
    rows: pd.DataFrame,
    axis: str,
    styles: Mapping[str, LineStyle],
    ax: Axes,
    *,
    has_bands: bool,
) -> Axes:
    """A line an activation over a factor: `mean` in per cent with a band or bars, gaps for NaN.

    Bars are side by side, so that all can be seen.
    """
    values = sorted(set(rows[axis]))
    names = [name for name in styles if name in set(rows["activation"])]
    opacity = 0.18 if len(names) <= 6 else 0.1
    spread = np.linspace(-0.5, 0.5, len(names)) * SPREAD if len(names) > 1 else [0.0]
    for name, shift in zip(names, spread, strict=True):
        own = rows[rows["activation"] == name].set_index(axis).reindex(values)
        style = styles[name]
        x = np.array(values, float) * (1 if has_bands else 2.0**shift)
        mean, low, high = (100 * own[end].to_numpy(float) for end in ("mean", "low", "high"))
        line = {"color": style.colour, "linestyle": style.dashes, "linewidth": 1.3}
        ax.plot(x, mean, marker=style.marker, markersize=4, **line)
        if has_bands and len(values) > 1:
            ax.fill_between(x, low, high, color=style.colour, alpha=opacity, linewidth=0)
        else:
            ax.vlines(x, low, high, color=style.colour, linewidth=1.1)
    factor_axis(values, axis, ax)
    return ax


def factor_axis(values: Sequence[float], name: str, ax: Axes) -> None:
    """The horizontal axis of a factor, with a tick for each value; by doublings if it can be."""
    if min(values) > 0:
        ax.set_xscale("log", base=2)
        ax.set_xlim(min(values) / 2**MARGIN, max(values) * 2**MARGIN)
    ax.xaxis.set_major_locator(FixedLocator(list(values)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel(short_name(name))


def plot_dots(
    rows: pd.DataFrame, names: Sequence[str], styles: Mapping[str, LineStyle], ax: Axes
) -> Axes:
    """A row an activation: `mean` in per cent with its interval."""
    for place, name in enumerate(names):
        for row in rows[rows["activation"] == name].to_dict("records"):
            style = styles[name]
            ax.hlines(place, 100 * row["low"], 100 * row["high"], color=style.colour)
            ax.plot(100 * row["mean"], place, marker=style.marker, color=style.colour)
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    return ax


# --- the budget ---------------------------------------------------------------------------------


def draw_budget(budget: pd.DataFrame, factors: Factors) -> Figure:
    """Expected best validation accuracy over the number of trials, at few values of the axis."""
    shown = budget
    if factors.axis is not None:
        shown = budget[budget[factors.axis].isin(_few(sorted(set(budget[factors.axis]))))]
    groups = [own for _, own in shown.groupby(factors.settings, sort=False)]
    rows = [
        [own for own in groups if setting_text(own.iloc[0], factors.panel) == panel]
        for panel in dict.fromkeys(setting_text(own.iloc[0], factors.panel) for own in groups)
    ]
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.3, 2.5), shared_y=True)
    styles = line_styles(budget["activation"])
    lowest = lower_limit(shown["expected"].astype(float))
    for ax, own in zip(axes, [own for row in rows for own in row], strict=True):
        plot_budget(own, styles, ax)
        title = setting_text(own.iloc[0], factors.settings)
        ax.set_title(f"{title} ({trials_text(own)})" if title else trials_text(own))
        ax.set_ylim(lowest, 100.5)
    axes[0].set_ylabel("expected best (%)")
    activation_legend(figure, styles, budget["activation"], "")
    return figure


def plot_budget(rows: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes) -> Axes:
    """A line an activation: expected best validation accuracy of k trials."""
    for name in activation_order(rows["activation"]):
        own, style = rows[rows["activation"] == name], styles[name]
        ax.plot(
            *(own["k"], 100 * own["expected"].astype(float)),
            color=style.colour,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=3.5,
        )
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.set_xlabel("trials")
    return ax


def trials_text(rows: pd.DataFrame) -> str:
    """The trials of each cell: `of 7 trials`, or `of 7 to 9 trials`."""
    low, high = int(rows["of"].min()), int(rows["of"].max())
    return f"of {low} trials" if low == high else f"of {low} to {high} trials"


def _few(values: Sequence[float]) -> list[float]:
    places = np.linspace(0, len(values) - 1, min(len(values), BUDGET_PANELS)).round().astype(int)
    return [values[place] for place in places]

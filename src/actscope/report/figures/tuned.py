"""The figures of a tuned study over its main factor: the metric, leads, and the budget."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.labels import activation_order, number_range
from actscope.analysis.stats import INTERVAL
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import Limits, enlarged_limits, full_limits, high_limits
from actscope.report.figures.style import (
    GREY,
    LineStyle,
    Panels,
    line_styles,
    name_rows,
    seeds_text,
)

MEAN_SIGNS = f"mean of the n runs that learned; band or bar: {INTERVAL}"
LEAD_SIGNS = f"mean of n pairs; bar: {INTERVAL}"
BUDGET_PANELS = 3  # values of the axis in the figure of the budget
SPREAD = 0.2  # doublings of the axis over which the bars of activations are spread
MARGIN = 0.35  # doublings beside the lowest and the highest value of the axis
LEAST_MARGIN = 0.05  # per cent
FAR = 4  # a lead this many times as large as the median one gets the others a panel of their own


# --- the metric and leads -----------------------------------------------------------------------


def draw_judged(judged: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY) -> Figure:
    """The metric at the chosen rates on the test; `judged`: those rows of tuned_tables.judged."""
    cells = judged.rename(columns={"learned": "n"})
    panels = _panels(cells, factors)
    rows = [[(key, own, limits) for key, own in panels] for limits in _scales(cells, metric)]
    return _draw(rows, factors, metric.scale, f"test {metric.label}", MEAN_SIGNS, has_bands=True)


def draw_leads(leads: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY) -> Figure:
    """Leads over the better of ReLU and LeakyReLU; `leads`: of tuned_tables.leads."""
    panels = _panels(leads, factors)
    ends = metric.scale * leads[["mean", "low", "high"]].to_numpy(float)
    least = LEAST_MARGIN * metric.scale / 100
    scales = [_around(ends, least), *_enlarged_around(ends, least)]
    rows = [[(key, own, limits) for key, own in panels] for limits in scales]
    unit = f" ({metric.difference_unit})" if metric.difference_unit else f" in {metric.words}"
    return _draw(rows, factors, metric.scale, f"lead{unit}", LEAD_SIGNS, zero=True)


def _scales(cells: pd.DataFrame, metric: Metric) -> list[Limits]:
    """The full scale, and an enlarged one; only this where it has all means."""
    full = full_limits(cells["high"].fillna(cells["mean"]), metric)
    enlarged = enlarged_limits(cells.rename(columns={"mean": "final_mean"}), metric)
    if enlarged is None:
        return [full]
    return [enlarged] if metric.scale * cells["mean"].min() > enlarged[0] else [full, enlarged]


Panel = tuple[str, pd.DataFrame]


def _panels(table: pd.DataFrame, factors: Factors) -> list[Panel]:
    groups = table.groupby(factors.panel, sort=False)
    return [(setting_text(own.iloc[0], factors.panel), own) for _, own in groups]


def _around(ends: Any, least: float) -> Limits:
    """A range that has all these ends and zero, with a margin of at least `least`."""
    known = [0.0, *ends[np.isfinite(ends)]]
    margin = max(0.08 * (max(known) - min(known)), least)
    return float(min(known) - margin), float(max(known) + margin)


def _enlarged_around(ends: Any, least: float) -> Iterator[Limits]:
    """A smaller range where some leads are so large that the others cannot be seen."""
    sizes = np.abs(ends[:, 0][np.isfinite(ends[:, 0])])
    most = FAR * float(np.median(sizes)) if len(sizes) else 0.0
    if 0 < most < 0.5 * float(sizes.max(initial=0)):
        low, high = _around(ends, least)
        yield max(low, -most), min(high, most)


def _draw(
    rows: Sequence[Sequence[tuple[str, pd.DataFrame, Limits]]],
    factors: Factors,
    scale: float,
    label: str,
    signs: str,
    *,
    has_bands: bool = False,
    zero: bool = False,
) -> Figure:
    """A figure with a panel for each title, table and range; `scale`: of its values."""
    table = pd.concat([own for _, own, _ in rows[0]])
    styles = line_styles(table["activation"])
    axis = factors.axis
    height = 3.0 if axis is not None else 1.1 + 0.3 * len(styles)
    panels = Panels(rows, (4.4, height), shared_y=axis is None)
    widest = rows[0][0][2]
    for ax, (title, own, limits) in panels:
        enlarged = "" if limits == widest else "enlarged"
        words = ", ".join(text for text in (title, enlarged) if text)
        known = own[own["n"] > 0]
        seeds = seeds_text(known if len(known) else own)
        ax.set_title(f"{words} ({seeds})" if words else seeds)
        if axis is None:
            plot_dots(own, styles, ax, scale)
            ax.set_xlim(*limits)
            ax.set_xlabel(label)
        else:
            plot_over_factor(own, axis, styles, ax, scale, has_bands=has_bands)
            ax.set_ylim(*limits)
            ax.set_ylabel(label)
        if zero:
            (ax.axvline if axis is None else ax.axhline)(0, color=GREY, linewidth=1.2, zorder=1)
    if axis is None:
        panels.figure.supxlabel(signs, fontsize="small", color=GREY)
    else:
        panels.add_styles(styles, signs)
    return panels.figure


def plot_over_factor(
    rows: pd.DataFrame,
    axis: str,
    styles: Mapping[str, LineStyle],
    ax: Axes,
    scale: float = 100.0,
    *,
    has_bands: bool,
) -> Axes:
    """A line an activation over a factor: `mean`, scaled, with a band or bars, gaps for NaN.

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
        mean, low, high = (scale * own[end].to_numpy(float) for end in ("mean", "low", "high"))
        ax.plot(x, mean, markersize=4, linewidth=1.3, **style.line)
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


def plot_dots(rows: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes, scale: float) -> Axes:
    """A row an activation: `mean`, scaled, with its interval."""
    for place, (name, style) in enumerate(styles.items()):
        for row in rows[rows["activation"] == name].to_dict("records"):
            ax.hlines(place, scale * row["low"], scale * row["high"], color=style.colour)
            ax.plot(scale * row["mean"], place, marker=style.marker, color=style.colour)
    name_rows(styles, ax)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    return ax


# --- the budget ---------------------------------------------------------------------------------


def draw_budget(budget: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY) -> Figure:
    """Expected best metric on validation over the number of trials, at few values of the axis."""
    shown = budget
    if factors.axis is not None:
        shown = budget[budget[factors.axis].isin(_few(sorted(set(budget[factors.axis]))))]
    groups = [own for _, own in shown.groupby(factors.settings, sort=False)]
    rows = [
        [own for own in groups if setting_text(own.iloc[0], factors.panel) == panel]
        for panel in dict.fromkeys(setting_text(own.iloc[0], factors.panel) for own in groups)
    ]
    panels = Panels(rows, (3.3, 2.5), shared_y=True)
    styles = line_styles(budget["activation"])
    limits = high_limits(shown["expected"].astype(float), metric, 100.5)
    for ax, own in panels:
        plot_over_trials(own, "k", "expected", styles, ax, metric.scale)
        title = setting_text(own.iloc[0], factors.settings)
        count = f"of {number_range(own['of'])} trials"
        ax.set_title(f"{title} ({count})" if title else count)
        ax.set_ylim(limits)
    panels.axes[0].set_ylabel(f"expected best{f' ({metric.unit})' if metric.unit else ''}")
    panels.add_styles(styles, "")
    return panels.figure


def plot_over_trials(
    rows: pd.DataFrame,
    x: str,
    y: str,
    styles: Mapping[str, LineStyle],
    ax: Axes,
    scale: float,
    drawstyle: Literal["default", "steps-post"] = "default",
) -> Axes:
    """A line an activation: the column y, scaled, over x, a number of trials."""
    for name in activation_order(rows["activation"]):
        own = rows[rows["activation"] == name]
        values = scale * own[y].astype(float)
        ax.plot(own[x], values, markersize=3.5, drawstyle=drawstyle, **styles[name].line)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.set_xlabel("trials")
    return ax


def _few(values: Sequence[float]) -> list[float]:
    places = np.linspace(0, len(values) - 1, min(len(values), BUDGET_PANELS)).round().astype(int)
    return [values[place] for place in places]

"""The figures of a tuned study over the learning rate: the metric, and trainability."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from actscope.analysis.factors import Factors, short_name
from actscope.analysis.labels import activation_order, number_range
from actscope.artifacts.palette import RED
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import high_limits
from actscope.report.figures.style import GREY, Panels

COLUMNS = 4  # panels a row
DIGITS = 4  # of a rate: 0.0016 / 2 and 0.0004 * 2 differ in their last bits
TICKS = [50, 70, 80, 90, 95, 100]  # per cent
LABELS = 6  # rates that have a label on the map
ALL_LOST_COLOUR = "#D9DDE2"
LOST_STEP = 0.035  # between the crosses of two lines, in heights of a panel
MAP_SIGNS = "a number counts lost runs"
RATE_SIGNS = "a ring is the chosen rate; a cross is a lost run"


def draw_by_rate(
    title: str,
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    factors: Factors,
    metric: Metric = ACCURACY,
) -> Figure:
    """The metric on validation over the rate: a panel an activation, a line a value of the axis.

    `trials` and `chosen`: those of one panel of Factors.panel.
    """
    names = activation_order(trials["activation"])
    panels = Panels([names], (2.75, 2.3), title=title, shared_y=True, columns=COLUMNS)
    values = _values(trials, factors)
    colours = _colours(len(values))
    limits = trials["lr"].min() / 1.4, trials["lr"].max() * 1.4
    means = trials.groupby([*factors.cell, "lr"])["validation"].mean()
    heights = high_limits(means, metric, 101)
    for ax, name in panels:
        own, choice = (table[table["activation"] == name] for table in (trials, chosen))
        for place, (value, colour) in enumerate(zip(values, colours, strict=True)):
            from_worst = 0.025 + LOST_STEP * place
            height = 1 - from_worst if metric.is_smallest_best else from_worst
            plot_trials(
                _at(own, factors, value), _at(choice, factors, value), colour, height, ax, metric
            )
        ax.set_title(f"{name} ({runs_a_rate(own, factors)})")
        log_axis(limits, ax)
        ax.set_ylim(heights)
        ax.set_xlabel("learning rate")
    panels.axes[0].set_ylabel(f"validation {metric.label}")
    signs = _line_signs(values, colours, factors)
    panels.add_legend(signs, RATE_SIGNS, columns=min(8, len(values) + 2))
    return panels.figure


def log_axis(limits: tuple[float, float], ax: Axes) -> None:
    """A horizontal axis by powers of ten, with few labels: panels are narrow."""
    ax.set_xscale("log")
    ax.set_xlim(*limits)
    ax.xaxis.set_major_locator(LogLocator(numticks=4))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def plot_trials(
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    colour: Any,
    height: float,
    ax: Axes,
    metric: Metric = ACCURACY,
) -> Axes:
    """Mean over the trials that learned at each rate; crosses at a height for lost runs."""
    means = trials.groupby("lr")["validation"].mean().dropna()
    ax.plot(means.index, metric.scale * means, ".-", color=colour, markersize=4, linewidth=1.2)
    lost = trials.loc[trials["validation"].isna(), "lr"].unique()
    at_edge, heights = ax.get_xaxis_transform(), [height] * len(lost)
    ax.plot(lost, heights, "x", transform=at_edge, markersize=3.5, color=colour)
    known = chosen[chosen["lr"].notna()]
    values = metric.scale * known["validation"]
    ax.plot(known["lr"], values, "o", markersize=7.5, fillstyle="none", color=colour)
    return ax


def runs_a_rate(trials: pd.DataFrame, factors: Factors) -> str:
    """The runs of each cell at each rate: `n = 1 to 5`."""
    return f"n = {number_range(trials.groupby([*factors.cell, 'lr']).size())}"


def _line_signs(values: Sequence[float], colours: Sequence[Any], factors: Factors) -> list[Line2D]:
    if factors.axis is None:
        return [Line2D([], [], color=colours[0], marker=".", label="mean of the runs that learned")]
    name = short_name(factors.axis)
    return [
        Line2D([], [], color=colour, marker=".", label=f"{name} {value:g}")
        for value, colour in zip(values, colours, strict=True)
    ]


def _values(trials: pd.DataFrame, factors: Factors) -> list[float]:
    return [0.0] if factors.axis is None else sorted(set(trials[factors.axis]))


def _at(table: pd.DataFrame, factors: Factors, value: float) -> pd.DataFrame:
    return table if factors.axis is None else table[table[factors.axis] == value]


def _colours(count: int) -> list[Any]:
    return [shades()(place) for place in np.linspace(0.9 if count > 1 else 0.4, 0.0, count)]


def shades() -> Colormap:
    """A sequential map whose lightness grows evenly, so that colour-blind readers can use it."""
    return mpl.colormaps["viridis"]


# --- trainability -------------------------------------------------------------------------------


def draw_trainability(
    title: str,
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    factors: Factors,
    metric: Metric = ACCURACY,
) -> Figure:
    """The map of axis and rate: a panel an activation, coloured by its mean on validation.

    `trials` and `chosen`: those of one panel of Factors.panel.
    """
    assert factors.axis is not None
    names = activation_order(trials["activation"])
    rates = sorted(set(_rounded(trials["lr"])))
    values = sorted(set(trials[factors.axis]))
    size = (max(2.3, 0.17 * len(rates) + 0.6), max(2.0, 0.9 + 0.22 * len(values)))
    panels = Panels([names], size, title=title, shared_y=True, columns=COLUMNS)
    colours = Colours.of(trials, metric)
    for ax, name in panels:
        own, choice = (table[table["activation"] == name] for table in (trials, chosen))
        plot_trainability(own, choice, factors.axis, values, rates, ax, colours)
        ax.set_title(f"{name} ({runs_a_rate(own, factors)})")
        ax.set_xlabel("learning rate")
    panels.axes[0].set_ylabel(short_name(factors.axis))
    scale = mpl.cm.ScalarMappable(colours.norm, colours.shades)
    label = f"mean validation {metric.label}"
    bar = panels.figure.colorbar(scale, ax=panels.axes, label=label, shrink=0.8)
    if metric.is_bounded:
        bar.set_ticks([metric.scale / 100 * tick for tick in TICKS])
    handles = [
        Patch(facecolor="white", edgecolor=RED, linewidth=1.5, label="chosen rate"),
        Patch(facecolor=ALL_LOST_COLOUR, label="all runs lost"),
        Patch(facecolor="white", edgecolor=GREY, linewidth=0.6, label="not tried"),
    ]
    panels.add_legend(handles, MAP_SIGNS, columns=3)
    return panels.figure


class Colours(NamedTuple):
    """How shown values of a metric are coloured: the better, the lighter."""

    metric: Metric
    norm: Normalize

    @classmethod
    def of(cls, trials: pd.DataFrame, metric: Metric) -> "Colours":
        if metric.is_bounded:  # most are above 90 %, so these get most of the colours
            return cls(metric, PowerNorm(3, 0, metric.scale))
        return cls(metric, Normalize(0, metric.scale * trials["validation"].max()))

    @property
    def shades(self) -> Colormap:
        return shades().reversed() if self.metric.is_smallest_best else shades()

    def is_dark(self, value: float) -> bool:
        place = float(self.norm(value))
        return (1 - place if self.metric.is_smallest_best else place) < 0.5


def plot_trainability(
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    axis: str,
    values: Sequence[float],
    rates: Sequence[float],
    ax: Axes,
    colours: Colours,
) -> Axes:
    """One row a value of the axis, one column a rate; the number of lost runs, if there are any."""
    rows = {value: place for place, value in enumerate(values)}
    columns = {rate: place for place, rate in enumerate(rates)}
    means = np.full((len(values), len(rates)), np.nan)
    tidy = trials.assign(lr=_rounded(trials["lr"]))
    for _, own in tidy.groupby([axis, "lr"]):
        x, y = columns[own["lr"].iloc[0]], rows[own[axis].iloc[0]]
        lost = int(own["validation"].isna().sum())
        means[y, x] = colours.metric.scale * own["validation"].mean()
        ink = "white" if colours.is_dark(means[y, x]) else "black"
        if lost == len(own):
            _add_box(ax, x, y, facecolor=ALL_LOST_COLOUR)
        if lost:
            ax.text(x, y, str(lost), ha="center", va="center", fontsize=6, color=ink)
    corners = np.arange(len(rates) + 1) - 0.5, np.arange(len(values) + 1) - 0.5
    ax.pcolormesh(*corners, means, cmap=colours.shades, norm=colours.norm, edgecolors="white")
    known = chosen[chosen["lr"].notna()]
    for value, lr in zip(known[axis], _rounded(known["lr"]), strict=True):
        _add_box(ax, columns[lr], rows[value], fill=False, edgecolor=RED, linewidth=1.5)
    ax.grid(visible=False)
    every = -(-len(rates) // LABELS)
    ax.set_xticks(range(0, len(rates), every), [f"{rate:.2g}" for rate in rates[::every]])
    ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    ax.set_yticks(range(len(values)), [f"{value:g}" for value in values])
    return ax


def _add_box(ax: Axes, x: int, y: int, **style: Any) -> None:
    ax.add_patch(mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, **style))


def _rounded(rates: "pd.Series[float]") -> "pd.Series[float]":
    return rates.map(lambda rate: float(f"{rate:.{DIGITS}g}"))

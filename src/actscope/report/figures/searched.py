"""The figures of a searched study: the metric over a setting, and the best trial so far."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.labels import activation_order
from actscope.artifacts.palette import RED
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import high_limits
from actscope.report.figures.style import GREY, Panels, line_styles
from actscope.report.figures.tuned import plot_over_trials
from actscope.report.figures.tuned_rates import COLUMNS, log_axis, shades
from actscope.tuning_settings import Choices, Range

FAILED_HEIGHT = 0.03  # of the crosses from the edge of the worst values, in heights of a panel
SIGNS = {  # of the states of a trial
    "finished": {"marker": "o", "fillstyle": "full"},
    "pruned": {"marker": "v", "fillstyle": "none"},
    "failed": {"marker": "x", "fillstyle": "full"},
}


def draw_search(
    title: str,
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
    name: str,
    values: Range | Choices,
    metric: Metric = ACCURACY,
) -> Figure:
    """The metric of the trials on validation over one setting: a panel an activation.

    `trials` and `chosen`: those of one cell of each activation. `values`: that could be tried.
    """
    activations = activation_order(trials["activation"])
    panels = Panels([activations], (2.75, 2.3), title=title, shared_y=True, columns=COLUMNS)
    heights = high_limits(trials.loc[trials["state"] != "failed", "validation"], metric, 101)
    for ax, activation in panels:
        own, best = (table[table["activation"] == activation] for table in (trials, chosen))
        ax.set_ylim(heights)
        setting_axis(name, values, ax)
        plot_search(own, best, name, values, ax, metric)
        counts = own["state"].value_counts()
        ax.set_title(f"{activation} (n = {counts.get('finished', 0)} finished of {len(own)})")
    panels.axes[0].set_ylabel(f"validation {metric.label}")
    panels.add_legend(list(_signs()), columns=4)
    return panels.figure


def plot_search(
    trials: pd.DataFrame,
    best: pd.DataFrame,
    name: str,
    values: Range | Choices,
    ax: Axes,
    metric: Metric = ACCURACY,
) -> Axes:
    """One mark a trial, by its state; failed ones at the worst edge, and a ring at the best."""
    for state, signs in SIGNS.items():
        own = trials[trials["state"] == state]
        x = places(own[name], values)
        if state == "failed":
            height = 1 - FAILED_HEIGHT if metric.is_smallest_best else FAILED_HEIGHT
            heights, transform = [height] * len(own), ax.get_xaxis_transform()
        else:
            heights, transform = list(metric.scale * own["validation"]), ax.transData
        ax.plot(x, heights, transform=transform, color=_colour(state), **_dots(signs))
    known = best[best["flag"] == ""]
    ring = {"marker": "o", "fillstyle": "none", "markersize": 9}
    best_heights = metric.scale * known["validation"]
    ax.plot(places(known[name], values), best_heights, **_dots(ring), color=RED)
    return ax


def places(found: "pd.Series[Any]", values: Range | Choices) -> list[float]:
    """Where values are on the axis: choices stand side by side."""
    if isinstance(values, Range):
        return [float(value) for value in found]
    return [float(values.index(value)) for value in found]


def setting_axis(name: str, values: Range | Choices, ax: Axes) -> None:
    """The horizontal axis of a setting, as wide as the space that was searched."""
    ax.set_xlabel("learning rate" if name == "lr" else short_name(name))
    if not isinstance(values, Range):
        ax.set_xticks(range(len(values)), [str(value) for value in values])
        ax.set_xlim(-0.5, len(values) - 0.5)
    elif values.log:
        log_axis((values.low / 1.2, values.high * 1.2), ax)
    else:
        margin = 0.04 * (values.high - values.low)
        ax.set_xlim(values.low - margin, values.high + margin)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _signs() -> Sequence[Line2D]:
    ring = Line2D([], [], marker="o", linestyle="", color=RED, fillstyle="none", markersize=9)
    ring.set_label("best")
    states = [
        Line2D([], [], color=_colour(state), label=state, **_dots(signs))
        for state, signs in SIGNS.items()
    ]
    return [*states, ring]


def _dots(signs: dict[str, Any]) -> dict[str, Any]:
    return {"linestyle": "", "markersize": 4.5, **signs}


def _colour(state: str) -> Any:
    return shades()(0.4) if state == "finished" else GREY


# --- the best so far ----------------------------------------------------------------------------


def draw_best(trials: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY) -> Figure:
    """The best metric of a finished trial on validation so far, over the number of trials."""
    groups = [own for _, own in trials.groupby(factors.settings, sort=False)]
    panels = Panels([groups], (3.6, 2.6), shared_y=True)
    styles = line_styles(trials["activation"])
    heights = high_limits(trials["best"].astype(float), metric, 100.5)
    for ax, own in panels:
        plot_over_trials(own, "number", "best", styles, ax, metric.scale, "steps-post")
        title = setting_text(own.iloc[0], factors.settings)
        count = f"{own['number'].max()} trials"
        ax.set_title(f"{title} ({count})" if title else count)
        ax.set_ylim(heights)
    panels.axes[0].set_ylabel(f"best validation {metric.label}")
    panels.add_styles(styles, "")
    return panels.figure

"""The figure of all seeds, with the article's single one among them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from actscope.analysis.axis import RATE, Axis
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.style import GREY, LineStyle, Panels, line_styles, name_rows

ROW = 0.8  # height that the sorted seeds of an activation take, of the distance of two rows


def draw_seeds(
    title: str, used: pd.DataFrame, seed: int, metric: Metric = ACCURACY, axis: Axis = RATE
) -> Figure:
    """The final metric of the seeds of one variant, sorted; one panel per rate."""
    runs = used[used["outcome"] != "diverged"]
    values, styles = axis.ordered(runs[axis.column]), line_styles(runs["activation"])
    size = (3.6, 1.1 + 0.55 * len(styles))
    panels = Panels([values], size, title=title, shared_y=True)
    for ax, value in panels:
        own = runs[runs[axis.column] == value]
        plot_seeds(own, styles, seed, ax, metric)
        ax.set_title(axis.equals(value))
        ax.set_xlabel(f"final {metric.label}")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    handles = [
        Line2D([], [], marker="o", label="one seed", color=GREY, linestyle="", markersize=4),
        Line2D([], [], marker="*", label=f"seed {seed}", color="black", linestyle="", markersize=9),
    ]
    panels.add_legend(handles, columns=2)
    return panels.figure


def plot_seeds(
    runs: pd.DataFrame, styles: Mapping[str, LineStyle], seed: int, ax: Axes, metric: Metric
) -> Axes:
    """One row per activation: its runs by the metric, the best on top; a star is `seed`."""
    order = [metric.is_smallest_best, False]
    for place, (name, style) in enumerate(styles.items()):
        own = runs[runs["activation"] == name].sort_values(["final", "seed"], ascending=order)
        x = metric.scale * own["final"].to_numpy()
        y = place + ROW * ((np.arange(len(own)) + 0.5) / max(1, len(own)) - 0.5)
        ax.plot(x, y, linestyle="", marker="o", markersize=3, color=style.colour)
        is_marked = (own["seed"] == seed).to_numpy(dtype=bool)
        ax.plot(x[is_marked], y[is_marked], linestyle="", marker="*", markersize=9, color="black")
        for rank in np.flatnonzero(is_marked):
            # Seeds below it are to the left, so this place is empty.
            ax.annotate(
                f"{rank + 1} of {len(own)}",
                (x[rank], y[rank]),
                xytext=(6, -9),
                textcoords="offset points",
                fontsize="x-small",
                color=GREY,
            )
    name_rows(styles, ax)
    ax.margins(x=0.12)
    return ax

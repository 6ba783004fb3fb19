"""The figures that compare two studies, with one line per study."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actscope.analysis.labels import activation_order
from actscope.metric import ACCURACY, Metric
from actscope.report.figures.limits import full_limits, panel_rows
from actscope.report.figures.metric import BY_VALUE, CURVES, plot_by_epoch, plot_by_value
from actscope.report.figures.style import (
    STYLES,
    LineStyle,
    Panels,
    panel_title,
    seeds_text,
    value_axis,
)


def draw_by_rate(
    title: str,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    studies: Sequence[str],
    metric: Metric = ACCURACY,
) -> Figure:
    """The final metric over the rate of one variant: one panel per activation."""
    rows = panel_rows(cells, activation_order(cells["activation"]), runs["final"], metric)
    panels = Panels(rows, (2.7, 2.5), title=title, shared_y=True)
    styles = study_styles(studies)
    for ax, (name, limits) in panels:
        own, own_runs = (table[table["activation"] == name] for table in (cells, runs))
        for study, style in styles.items():
            line, dots = (table[table["study"] == study] for table in (own, own_runs))
            plot_by_value(line, dots, style, ax, metric)
        enlarged = ", enlarged" if limits[0] > 0 else ""
        ax.set_title(f"{name}{enlarged} ({seeds_text(own)})")
        value_axis(cells["lr"], ax)
        ax.set_ylim(*limits)
        if name == rows[0][0][0]:
            ax.set_ylabel(f"final {metric.label}")
    panels.add_styles(styles, BY_VALUE)
    return panels.figure


def draw_by_epoch(
    title: str,
    curves: pd.DataFrame,
    failed: pd.DataFrame,
    cells: pd.DataFrame,
    studies: Sequence[str],
    metric: Metric = ACCURACY,
) -> Figure:
    """The metric by epoch of one variant: one panel per activation and rate."""
    rates = sorted(set(cells["lr"]))
    rows = [[(name, lr) for lr in rates] for name in activation_order(cells["activation"])]
    panels = Panels(rows, (2.7, 2.1), title=title, shared_y=True)
    styles = study_styles(studies)
    for ax, (name, lr) in panels:
        at = (cells["activation"] == name) & (cells["lr"] == lr)
        ax.set_title(f"{name}, {panel_title(cells[at], enlarged=False)}" if at.any() else "no run")
        own, alone = (
            table[(table["activation"] == name) & (table["lr"] == lr)] for table in (curves, failed)
        )
        plot_by_epoch(own, alone, styles, ax, metric, by="study")
        ax.set_ylim(full_limits(pd.concat([curves["mean"], failed["value"]]), metric))
        ax.set_xlim(0, pd.concat([curves["epoch"], failed["epoch"]]).max() + 1)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
        if lr == rates[0]:
            ax.set_ylabel(metric.label)
        if (name, lr) in rows[-1]:
            ax.set_xlabel("epoch")
    panels.add_styles(styles, CURVES)
    return panels.figure


def study_styles(studies: Sequence[str]) -> dict[str, LineStyle]:
    """The styles of two studies: those of the first two activations."""
    return dict(zip(studies, STYLES[:2], strict=True))

"""The figures of trajectories: the article's five panels, one column per run."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actscope.artifacts.panels import UNITS_SHOWN, Panel, draw_panel, panels_of
from actscope.metric import ACCURACY, METRICS, Metric


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run whose trajectories are drawn; `where`: its place on the axis, as `lr = 0.1`.

    `layer_names`: of a user's own network, or none.
    """

    where: str
    outcome: str
    history: pd.DataFrame
    trajectory: pd.DataFrame
    layer_names: Sequence[str] = ()


def draw_trajectories(title: str, runs: Sequence[Drawn], metric: Metric = ACCURACY) -> Figure:
    """The article's five panels, one column per run, in the order of the runs."""
    figure = Figure(figsize=(max(1.3 + 2.9 * len(runs), 5), 9.8), layout="constrained")
    panels = panels_of(metric)
    axes = figure.subplots(len(panels), len(runs), squeeze=False, sharex="col")
    figure.suptitle(title)
    for column, run in enumerate(runs):
        axes[0, column].set_title(f"{run.where}: {run.outcome}")
        axes[-1, column].set_xlabel("minibatches")
        for row, panel in enumerate(panels):
            draw_panel(run.history, run.trajectory, panel, axes[row, column])
    for row, panel in enumerate(panels):
        own = row > 0 and not share_limits(axes[row])
        note = "\n(scales differ)" if own else ""
        axes[row, 0].set_ylabel(panel_label(panel, runs) + note)
        if not own:
            for ax in axes[row, 1:]:
                ax.tick_params(labelleft=False)
    figure.align_ylabels(axes[:, 0])
    return figure


def panel_label(panel: Panel, runs: Sequence[Drawn]) -> str:
    """Title of a panel as in the article: `(4) layer 1: mean weight` and `10 of 64 units` below."""
    if panel.layer == 0:
        return f"(1) training {METRICS[panel.quantity].label}\nby minibatch"
    recorded = [run for run in runs if len(run.trajectory)]
    if not recorded:
        return panel.title.replace(": ", ":\n")
    number, what = panel.title.split(" ", 1)[0], panel.title.split(": ")[1]
    layers = [_layer(panel, run) for run in recorded]
    names = {name for name, _ in layers}
    other = "output layer" if panel.layer == -1 else f"layer {panel.layer}"
    where = names.pop() if len(names) == 1 else other
    return f"{number} {where}:\n{what}, {_units_in_words({units for _, units in layers})}"


def _layer(panel: Panel, run: Drawn) -> tuple[str, int]:
    """The number and name of a run's layer, as `layer 1 (conv1)`, and how many units it has."""
    number = int(run.trajectory["layer"].max()) if panel.layer == -1 else panel.layer
    name = dict(enumerate(run.layer_names, 1)).get(number)
    units = run.trajectory.loc[run.trajectory["layer"] == number, "unit"].nunique()
    return f"layer {number}{f' ({name})' if name else ''}", units


def _units_in_words(counts: Set[int]) -> str:
    """The units that are drawn of layers with so many."""
    if len(counts) > 1:
        return f"at most {UNITS_SHOWN} units"
    (count,) = counts
    return f"all {count} units" if count <= UNITS_SHOWN else f"{UNITS_SHOWN} of {count} units"


def share_limits(axes: Sequence[Axes]) -> bool:
    """Give the panels of a row one y-range, unless that would make the lines of one look flat.

    A flat line is read as a unit that no longer learns. With one range, lines of a good rate would
    look like that next to a rate at which the weights explode. Returns whether it is shared.
    """
    limits = [ax.get_ylim() for ax in axes if ax.has_data()]
    if not limits:
        return True
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    if any(own_high - own_low < (high - low) / 4 for own_low, own_high in limits):
        return False
    for ax in axes:
        ax.set_ylim(low, high)
    return True

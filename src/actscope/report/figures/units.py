"""The figures of the fates of units: how many, in which layer, and since when."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.labels import activation_order
from actscope.artifacts.palette import BLACK, BLUE, ORANGE, RED
from actscope.report.figures.style import (
    DASHDOT,
    DASHED,
    DOTTED,
    LineStyle,
    Panels,
    line_styles,
    name_rows,
    panel_title,
    plot_band,
    value_axis,
)

LAYERS_SHOWN = (
    "The first and the last hidden layer are shown. The output layer has no activation that could "
    "die; it is shown if any of its units is silent or flat."
)
PALE = "A pale mark is no unit or every unit; there each seed counts as one unit."
NO_BAND = (
    "Where no unit or every unit is, no band is drawn: there each seed counts as one unit, and the "
    "interval is that of n runs with one outcome."
)
FATE_STYLES = {
    "dead": LineStyle(BLACK, "-", "X"),
    "saturated": LineStyle(RED, DASHDOT, "D"),
    "silent": LineStyle(BLUE, DASHED, "o"),
    "flat": LineStyle(ORANGE, DOTTED, "s"),
}


def draw_unit_shares(title: str, layers: pd.DataFrame, axis: Axis = RATE) -> Figure:
    """Share of units by fate of one variant: one row per layer shown, one panel per rate."""
    names = activation_order(layers["activation"])
    rows = layers_shown(layers, axis)
    panels = Panels(rows, (3.6, 1 + 0.42 * len(names)), title=title, shared_y=True)
    for ax, (layer, value) in panels:
        cells = layers[(layers["layer"] == layer) & (layers[axis.column] == value)]
        plot_unit_shares(cells, names, ax)
        ax.set_title(f"{layer_title(layer, cells)}, {panel_title(cells, axis, enlarged=False)}")
        ax.set_xlabel("share of the layer's units (%)")
    panels.add_styles(FATE_STYLES, "share; bar: 95 % interval over seeds")
    return panels.figure


def layer_title(layer: int, cells: pd.DataFrame) -> str:
    """Such as `layer 1 conv1`; the layer before the logits is called output, once."""
    name = cells["layer_name"].iloc[0] if "layer_name" in cells else ""
    output = "(output)" if cells["is_output"].any() and name != "output" else ""
    return " ".join(filter(None, [f"layer {layer}", name, output]))


def plot_unit_shares(cells: pd.DataFrame, names: Sequence[str], ax: Axes) -> Axes:
    """One row per activation: the share of each fate with its interval."""
    rows = cells.set_index("activation")
    for place, name in enumerate(names):
        if place % 2:
            ax.axhspan(place - 0.5, place + 0.5, color="#F4F5F7", linewidth=0)
        for number, (fate, style) in enumerate(FATE_STYLES.items()):
            if name not in rows.index or np.isnan(rows[fate][name]):
                continue
            share, low, high = (100 * rows[f"{fate}{end}"][name] for end in ("", "_low", "_high"))
            ax.errorbar(
                [share],
                [place + 0.2 * (number - 1.5)],
                xerr=None if np.isnan(low) else [[share - low], [high - share]],
                color=style.colour,
                marker=style.marker,
                markersize=4.5,
                linewidth=1.2,
                alpha=1 if 0 < share < 100 else 0.3,  # as PALE says
            )
    ax.grid(visible=False, axis="y")
    name_rows(names, ax)
    ax.set_xlim(-3, 103)
    return ax


def layers_shown(layers: pd.DataFrame, axis: Axis = RATE) -> list[list[tuple[int, Any]]]:
    """The layers of Units.by_layer that are drawn, as LAYERS_SHOWN says, with their values.

    A row each for the first and the last hidden layer, and for the output layer, which may have
    other numbers at other values.
    """
    output = layers[layers["is_output"]]
    is_struck = ((output["silent"] > 0) | (output["flat"] > 0)).any()
    first: list[tuple[int, Any]] = []
    last, outputs = first[:], first[:]
    for value in axis.ordered(layers[axis.column]):
        own = layers[layers[axis.column] == value]
        *hidden, end = sorted(set(own["layer"]))
        first.append((hidden[0], value))
        last += [(hidden[-1], value)] if len(hidden) > 1 else []
        outputs += [(end, value)] if is_struck else []
    return [row for row in (first, last, outputs) if row]


def draw_inactive(title: str, curves: pd.DataFrame, axis: Axis) -> Figure:
    """Share of layer 1 that is dead or saturated by step of one variant: one panel per rate."""
    rows = [axis.ordered(curves[axis.column])]
    panels = Panels(rows, (3.6, 2.8), title=title, shared_y=True)
    styles = line_styles(curves["activation"])
    for ax, value in panels:
        own = curves[curves[axis.column] == value]
        plot_inactive(own, styles, ax)
        ax.set_title(panel_title(own, axis, enlarged=False))
        ax.set_xlabel("minibatches")
    panels.axes[0].set_ylabel("dead or saturated (%)")
    panels.add_styles(styles, "share; band: 95 % interval over seeds")
    return panels.figure


def plot_inactive(curves: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes) -> Axes:
    """One line per activation, with its 95 % band if n > 2."""
    for name in activation_order(curves["activation"]):
        rows = curves[curves["activation"] == name]
        plot_band(rows["step"], as_band(rows, "share"), styles[name], ax, opacity=0.12)
    ax.set_xlim(left=0)
    ax.set_ylim(-3, 103)
    return ax


def as_band(rows: pd.DataFrame, share: str) -> pd.DataFrame:
    """The columns of a share under the names that `plot_band` draws, as NO_BAND says."""
    ends = rows[[f"{share}_low", f"{share}_high"]].set_axis(["low", "high"], axis=1)
    return ends.where(rows[share].between(0, 1, inclusive="neither")).assign(mean=rows[share])


def draw_unit_shares_by_rate(title: str, layers: pd.DataFrame) -> Figure:
    """Share of layer 1's units by fate over the rate, of one variant, for many rates."""
    names = activation_order(layers["activation"])
    panels = Panels([names], (2.3, 2.1), title=title, shared_y=True)
    for ax, name in panels:
        rows = layers[(layers["activation"] == name) & (layers["layer"] == 1)].sort_values("lr")
        for fate, style in FATE_STYLES.items():
            plot_band(rows["lr"], as_band(rows, fate), style, ax, opacity=0.12)
        ax.set_title(name)
        value_axis(layers["lr"], ax)
        ax.set_ylim(-3, 103)
    panels.axes[0].set_ylabel("layer 1's units (%)")
    panels.add_styles(FATE_STYLES, "share; band: 95 % interval over seeds")
    return panels.figure

"""The figure of the activation functions: each with its derivative."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actscope.analysis.activation_curves import value_and_slope
from actscope.analysis.known_classes import check_known
from actscope.config import Activation
from actscope.errors import ConfigError
from actscope.report.figures.style import DASHED, GREY, Panels, line_styles


def draw_functions(activations: Mapping[str, Activation]) -> Figure:
    """Each activation function, by its title, with its derivative."""
    columns = min(len(activations), 5)
    panels = Panels([list(activations.items())], (2.15, 2.3), columns=columns)
    colours = line_styles(activation.name for activation in activations.values())
    for ax, (title, activation) in panels:
        ax.set_title(title, fontsize="medium")
        ax.set_xlabel("input x")
        try:
            check_known(activation)
            curve = function_curve(activation)
        except ConfigError:  # such as classes of other people, which are not imported
            ax.text(0.5, 0.5, "not drawn:\nunknown class", transform=ax.transAxes, ha="center")
            continue
        plot_function(curve, colours[activation.name].colour, ax)
    panels.axes[0].set_ylabel("f(x) and its slope")
    handles = [
        Line2D([], [], color=GREY, label="function f(x)"),
        Line2D([], [], color=GREY, linestyle=DASHED, label="derivative"),
    ]
    panels.add_legend(handles, columns=2)
    return panels.figure


def function_curve(activation: Activation) -> pd.DataFrame:
    """Columns `x` from -4 to 4, `value` and `slope`, the derivative, NaN at a jump.

    Raises:
        ConfigError: the function's code is missing or unusable.

    """
    x = np.linspace(-4, 4, 802)  # never at 0 itself
    value, slope = value_and_slope(activation, x)
    # Over a step of 0.01 a smooth slope changes by at most 0.02; more is a corner.
    gaps = np.concatenate([[False], np.abs(np.diff(slope)) > 0.04])
    return pd.DataFrame({"x": x, "value": value, "slope": np.where(gaps, np.nan, slope)})


def plot_function(curve: pd.DataFrame, colour: str, ax: Axes) -> Axes:
    """Function solid, derivative dashed with a gap where it jumps."""
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.plot(curve["x"], curve["value"], color=colour)
    ax.plot(curve["x"], curve["slope"], color=colour, linestyle=DASHED, linewidth=1.2)
    ax.set_xlim(-4, 4)
    ax.set_ylim(-2.2, 4.2)
    return ax

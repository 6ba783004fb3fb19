"""The figure of the signal in untrained networks, layer by layer."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from actscope.report.figures.style import Panels, line_styles, plot_line, seeds_text

# Quantity, title, and whether its axis is logarithmic.
PANELS = (
    ("mean_square", "mean square of the outputs", True),
    ("gradient", "gradient, root mean square", True),
    ("cosine", "cosine of two examples' outputs", False),
    ("rank", "effective rank of the outputs", False),
)


def draw_signal(signal: pd.DataFrame) -> Figure:
    """Four statistics over the layers; `signal`: of signal_by_layer, of one variant."""
    panels = Panels([PANELS], (4.4, 2.6), columns=2)
    styles = line_styles(signal["activation"])
    for ax, (quantity, title, is_log) in panels:
        for name, style in styles.items():
            own = signal[signal["activation"] == name]
            plot_line(own["layer"], own[quantity], style, ax, size=4)
        _finish(ax, title, is_log=is_log)
    panels.add_styles(styles, f"mean of {seeds_text(signal)} at step 0")
    return panels.figure


def _finish(ax: Axes, title: str, *, is_log: bool) -> None:
    ax.set_title(title)
    ax.set_xlabel("hidden layer")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if is_log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())

"""The figures of a report. `plot_` functions take a frame and Axes, `draw_` ones make a Figure."""

import ast
import io
import math
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from actscope.config import Activation
from actscope.errors import ConfigError
from actscope.model import make_function
from actscope.panels import PANELS, UNITS_SHOWN, Panel, draw_panel
from actscope.report.frames import SHIPPED, activation_order, rate_text

STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E6EA",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "svg.fonttype": "path",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.hspace": 0.03,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
DPI = 120
PANELS_A_ROW = 5
MARKERS_A_LINE = 8
RATES_LABELLED = 5  # on an axis; of more only the powers of ten are
GREY = "#5F6670"

# Okabe and Ito's colours; their yellow is too faint on white.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
DASHED, DOTTED, DASHDOT, LONG = (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2))


@dataclass(frozen=True)
class LineStyle:
    """How an activation looks in every figure: three signs, so that colour alone tells nothing."""

    colour: str
    dashes: Any
    marker: str


# In the order of frames.SHIPPED: the article's five differ in all three.
STYLES = [
    LineStyle(BLUE, "-", "o"),
    LineStyle(ORANGE, DASHED, "s"),
    LineStyle(GREEN, DASHDOT, "^"),
    LineStyle(RED, DOTTED, "D"),
    LineStyle(PINK, LONG, "v"),
    LineStyle(SKY, "-", "P"),
    LineStyle(BLACK, DASHED, "X"),
    LineStyle(BLUE, DOTTED, "<"),
    LineStyle(ORANGE, DASHDOT, ">"),
    LineStyle(GREEN, LONG, "p"),
    LineStyle(RED, "-", "h"),
    LineStyle(PINK, DASHED, "*"),
    LineStyle(SKY, DASHDOT, "8"),
    LineStyle(BLACK, "-", "d"),
]
OTHERS = [
    LineStyle(colour, dashes, marker)
    for marker, dashes in (("o", DASHED), ("s", DOTTED), ("^", "-"))
    for colour in (BLACK, SKY, PINK, RED, GREEN, ORANGE, BLUE)
]


def line_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """Style of each activation: always its own for a shipped one, the next free one for others."""
    styles = dict(zip(SHIPPED, STYLES, strict=True))
    others = [name for name in activation_order(names) if name not in styles]
    return styles | {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(others)}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Context to draw and render in: a user's own matplotlib settings do not reach the figures."""
    with matplotlib.rc_context():
        matplotlib.style.use(["default", STYLE])
        # Not a part of styles; unset, the ids in an SVG are random.
        matplotlib.rcParams["svg.hashsalt"] = "actscope"
        yield


def render(figure: Figure) -> dict[str, bytes]:
    """Bytes of a figure as `png` and `svg`, the same for the same figure on any day."""
    # Not savefig, which draws everything twice: it is laid out once, and drawn once for each kind.
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    figure.set_dpi(DPI)
    png, svg = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return {"png": png.getvalue(), "svg": svg.getvalue()}


# --- each activation function -------------------------------------------------------------------


def draw_functions(activations: Mapping[str, Activation]) -> Figure:
    """Each activation function, by its title, with its derivative."""
    columns = min(len(activations), 5)
    figure, axes = panel_grid([list(activations)], columns, (2.15, 2.3))
    colours = line_styles(activation.name for activation in activations.values())
    for ax, (title, activation) in zip(axes, activations.items(), strict=True):
        ax.set_title(title, fontsize="medium")
        ax.set_xlabel("input x")
        try:
            curve = function_curve(activation)
        except ConfigError:
            ax.text(0.5, 0.5, "its code is not here", transform=ax.transAxes, ha="center")
            continue
        plot_function(curve, colours[activation.name].colour, ax)
    axes[0].set_ylabel("f(x) and its slope")
    handles = [
        Line2D([], [], color=GREY, label="function f(x)"),
        Line2D([], [], color=GREY, linestyle=DASHED, label="derivative"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def function_curve(activation: Activation) -> pd.DataFrame:
    """Columns `x` from -4 to 4, `value` and `slope`, the derivative by autograd, NaN at a jump.

    Raises:
        ConfigError: the function's code is not there.

    """
    x = torch.linspace(-4, 4, 802, dtype=torch.float64, requires_grad=True)  # never at 0 itself
    value = make_function(activation).double()(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    slopes = slope.numpy().copy()
    # Over a step of 0.01 a smooth slope changes by 0.02 at most; more is an edge of the function.
    slopes[1:][np.abs(np.diff(slopes)) > 0.04] = np.nan
    return pd.DataFrame({"x": x.detach().numpy(), "value": value.detach().numpy(), "slope": slopes})


def plot_function(curve: pd.DataFrame, colour: str, ax: Axes) -> Axes:
    """Function solid, derivative dashed, broken where it jumps."""
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.plot(curve["x"], curve["value"], color=colour)
    ax.plot(curve["x"], curve["slope"], color=colour, linestyle=DASHED, linewidth=1.2)
    ax.set_xlim(-4, 4)
    ax.set_ylim(-2.2, 4.2)
    return ax


def activation_of(params: Mapping[str, object]) -> Activation:
    """The activation that a run's parameters describe.

    Raises:
        ConfigError: they describe none.

    """
    prefix = "activation.function."
    arguments = {
        key.removeprefix(prefix): _literal(str(value))
        for key, value in params.items()
        if key.startswith(prefix) and isinstance(value, str)
    }
    function = str(arguments.pop("_target_", ""))
    name, batch_norm = str(params["activation"]), params.get("activation.batch_norm") == "True"
    return Activation(name, function, tuple(sorted(arguments.items())), batch_norm)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


# --- test accuracy by epoch ---------------------------------------------------------------------


def draw_accuracy(title: str, curves: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Test accuracy by epoch of one variant: a panel a rate, on the full scale and enlarged."""
    rows = panel_rows(cells, sorted(set(cells["lr"])))
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.1, 2.6))
    if title:
        figure.suptitle(title)
    styles = line_styles(cells["activation"])
    for ax, (lr, limits) in zip(axes, flat(rows), strict=True):
        cell = cells[cells["lr"] == lr]
        plot_accuracy(curves[curves["lr"] == lr], styles, ax)
        is_enlarged = limits[0] > 0
        absent = "" if is_enlarged else undrawn(cell)
        ax.set_title(panel_title(cell, enlarged=is_enlarged) + absent)
        ax.set_ylim(*limits)
        ax.set_xlabel("epoch")
        ax.set_ylabel("test accuracy (%)")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    spread = "bar" if curves["epoch"].max() == 1 else "band"
    _activation_legend(figure, styles, cells["activation"], f"mean; {spread}: 95 % t-interval")
    return figure


def plot_accuracy(
    curves: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes, by: str = "activation"
) -> Axes:
    """Mean test accuracy by epoch, a line each of `by`, with its 95 % band where n > 1.

    After a single epoch: a dot an activation, side by side, with its interval.
    """
    names = [name for name in styles if name in set(curves[by])]
    if len(names) > 0 and curves["epoch"].max() == 1:
        return _plot_single_epoch(curves, styles, ax)
    opacity = 0.18 if len(names) <= 6 else 0.06  # bands of many lines hide the lines
    for place, name in enumerate(names):
        rows = curves[curves[by] == name]
        style = styles[name]
        every = max(1, len(rows) // MARKERS_A_LINE)
        ax.plot(
            rows["epoch"],
            100 * rows["mean"],
            color=style.colour,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=4,
            # Shifted from line to line: markers on top of one another tell nothing.
            markevery=(min(place * every // 5, len(rows) - 1), every),
        )
        low, high = 100 * rows["low"], 100 * rows["high"]
        ax.fill_between(rows["epoch"], low, high, color=style.colour, alpha=opacity, linewidth=0)
    return ax


def _plot_single_epoch(curves: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes) -> Axes:
    rows = curves.set_index("activation")
    names = activation_order(rows.index)
    for name, x in zip(
        names, 1 + 0.08 * (np.arange(len(names)) - (len(names) - 1) / 2), strict=True
    ):
        style, mean = styles[name], 100 * rows["mean"][name]
        half = 100 * rows["high"][name] - mean
        ax.errorbar([x], [mean], [half], color=style.colour, marker=style.marker, capsize=2)
    ax.set_xlim(0, 2)
    return ax


def undrawn(cells: pd.DataFrame) -> str:
    """Further lines of a title that name the activations without a curve."""
    names = activation_order(cells.loc[cells["n"] == 0, "activation"])
    text = textwrap.fill(f"no line, all diverged: {', '.join(names)}", 44)
    return f"\n{text}" if names else ""


# --- final test accuracy ------------------------------------------------------------------------


def draw_final(title: str, used: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Final test accuracy of every seed of one variant: a panel a rate, full scale and enlarged."""
    rows = panel_rows(cells, sorted(set(cells["lr"])))
    names = activation_order(cells["activation"])
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.1, 1.1 + 0.3 * len(names)), shared_y=True)
    if title:
        figure.suptitle(title)
    styles = line_styles(names)
    for ax, (lr, limits) in zip(axes, flat(rows), strict=True):
        cell = cells[cells["lr"] == lr]
        ax.set_xlim(*limits)
        plot_final(used[used["lr"] == lr], cell, names, styles, ax)
        ax.set_title(panel_title(cell, enlarged=limits[0] > 0))
        ax.set_xlabel("final test accuracy (%)")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    dot: dict[str, Any] = {"color": GREY, "linestyle": "", "markersize": 4}
    handles = [
        Line2D([], [], marker="o", label="a seed", **dot),
        Line2D([], [], color="black", marker="|", markersize=9, label="mean with 95 % t-interval"),
        Line2D([], [], marker="<", label="mean left of the panel", **dot),
    ]
    is_enlarged = len(rows) > 1
    figure.legend(handles=handles[: 2 + is_enlarged], loc="outside lower center", ncols=3)
    return figure


def plot_final(
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    names: Sequence[str],
    styles: Mapping[str, LineStyle],
    ax: Axes,
) -> Axes:
    """A row an activation: every seed as a dot, the mean as a tick with its 95 % interval."""
    left, right = ax.get_xlim()
    for place, name in enumerate(names):
        style = styles[name]
        seeds = runs[(runs["activation"] == name) & (runs["outcome"] != "diverged")]
        ax.plot(
            100 * seeds["final"],
            np.full(len(seeds), place + 0.14),
            linestyle="",
            marker=style.marker,
            markersize=4.5,
            color=style.colour,
            alpha=0.65,
            markeredgewidth=0,
        )
        for row in cells[cells["activation"] == name].itertuples():
            _plot_mean(row, place - 0.14, (left, right), ax)
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    return ax


def _plot_mean(row: Any, place: float, limits: tuple[float, float], ax: Axes) -> None:
    mean = 100 * row.final_mean
    if row.n == 0:
        ax.text(sum(limits) / 2, place, row.outcomes, ha="center", va="center", fontsize="x-small")
    elif mean < limits[0]:
        ax.text(limits[0], place, f" ◂ {mean:.1f}", va="center", fontsize="small", color=GREY)
    else:
        ax.plot([mean], [place], color="black", marker="|", markersize=9)
        ax.plot(
            [100 * row.final_low, 100 * row.final_high], [place, place], color="black", linewidth=1
        )
        if row.diverged > 0:
            text = f"{row.diverged} diverged "
            ax.text(limits[1], place, text, ha="right", va="center", fontsize="x-small", color=GREY)


# --- the article's five panels ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run whose trajectories are drawn."""

    lr: float
    outcome: str
    history: pd.DataFrame
    trajectory: pd.DataFrame


def draw_trajectories(title: str, runs: Sequence[Drawn]) -> Figure:
    """The article's five panels, a column a rate.

    The columns stand as the runs do.
    """
    figure = Figure(figsize=(max(1.3 + 2.9 * len(runs), 5), 9.8), layout="constrained")
    axes = figure.subplots(len(PANELS), len(runs), squeeze=False, sharex="col")
    figure.suptitle(title)
    for column, run in enumerate(runs):
        axes[0, column].set_title(f"lr = {rate_text(run.lr)}: {run.outcome}")
        axes[-1, column].set_xlabel("minibatches")
        for row, panel in enumerate(PANELS):
            draw_panel(run.history, run.trajectory, panel, axes[row, column])
    for row, panel in enumerate(PANELS):
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
        return f"{panel.title.removesuffix(', %')} (%)\nby minibatch"
    trajectory = max((run.trajectory for run in runs), key=len)
    if trajectory.empty:
        return panel.title.replace(": ", ":\n")
    layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
    units = trajectory.loc[trajectory["layer"] == layer, "unit"].nunique()
    number, what = panel.title.split(" ", 1)[0], panel.title.split(": ")[1]
    shown = f"all {units}" if units <= UNITS_SHOWN else f"{UNITS_SHOWN} of {units}"
    return f"{number} layer {layer}:\n{what}, {shown} units"


def share_limits(axes: Sequence[Axes]) -> bool:
    """Give the panels of a row one y-range, unless that would press one's lines flat.

    A flat line is read as a unit that no longer learns. Beside a rate at which the weights explode,
    the lines of a rate at which all is well would look just like that.
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


# --- which units die ----------------------------------------------------------------------------

VERDICT_STYLES = {
    "dead": LineStyle(BLACK, "-", "X"),
    "saturated": LineStyle(RED, DASHDOT, "D"),
    "silent": LineStyle(BLUE, DASHED, "o"),
    "flat": LineStyle(ORANGE, DOTTED, "s"),
}


def draw_unit_shares(title: str, layers: pd.DataFrame, shown: Sequence[int]) -> Figure:
    """Share of the units with each verdict, of one variant: a row a layer shown, a panel a rate."""
    names = activation_order(layers["activation"])
    rates = sorted(set(layers["lr"]))
    rows = [[(layer, lr) for lr in rates] for layer in shown]
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.6, 1 + 0.42 * len(names)), shared_y=True)
    if title:
        figure.suptitle(title)
    for ax, (layer, lr) in zip(axes, flat(rows), strict=True):
        cells = layers[(layers["layer"] == layer) & (layers["lr"] == lr)]
        plot_unit_shares(cells, names, ax)
        output = " (output)" if cells["is_output"].any() else ""
        ax.set_title(f"layer {layer}{output}, {panel_title(cells, enlarged=False)}")
        ax.set_xlabel("share of the layer's units (%)")
    style_legend(figure, VERDICT_STYLES, "mean; bar: 95 % t-interval")
    return figure


def plot_unit_shares(cells: pd.DataFrame, names: Sequence[str], ax: Axes) -> Axes:
    """A row an activation: under one another the share of each verdict, with its interval."""
    rows = cells.set_index("activation")
    for place, name in enumerate(names):
        if place % 2:
            ax.axhspan(place - 0.5, place + 0.5, color="#F4F5F7", linewidth=0)
        for number, (verdict, style) in enumerate(VERDICT_STYLES.items()):
            if name not in rows.index or np.isnan(rows[f"{verdict}_mean"][name]):
                continue
            mean = 100 * rows[f"{verdict}_mean"][name]
            half = 100 * rows[f"{verdict}_high"][name] - mean
            ax.errorbar(
                [mean],
                [place + 0.2 * (number - 1.5)],
                xerr=None if np.isnan(half) else [half],
                color=style.colour,
                marker=style.marker,
                markersize=4.5,
                linewidth=1.2,
                clip_on=not (mean in (0, 100) and not half > 0),
            )
    ax.grid(visible=False, axis="y")
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-3, 103)
    return ax


def draw_gone(title: str, curves: pd.DataFrame, names: Iterable[str]) -> Figure:
    """Share of layer 1 that is dead or saturated, step by step, of one variant: a panel a rate."""
    rows = [sorted(set(curves["lr"]))]
    figure, axes = panel_grid(rows, PANELS_A_ROW, (3.6, 2.8), shared_y=True)
    if title:
        figure.suptitle(title)
    styles = line_styles(names)
    for ax, lr in zip(axes, rows[0], strict=True):
        plot_gone(curves[curves["lr"] == lr], styles, ax)
        ax.set_title(panel_title(curves[curves["lr"] == lr], enlarged=False))
        ax.set_xlabel("minibatches")
    axes[0].set_ylabel("dead or saturated (%)")
    _activation_legend(figure, styles, names, "mean; band: 95 % t-interval")
    return figure


def plot_gone(curves: pd.DataFrame, styles: Mapping[str, LineStyle], ax: Axes) -> Axes:
    """A line an activation, with its 95 % band where n > 1."""
    for name in activation_order(curves["activation"]):
        rows = curves[curves["activation"] == name]
        _plot_band(rows["step"], rows, styles[name], ax, opacity=0.12)
    ax.set_xlim(left=0)
    ax.set_ylim(-3, 103)
    return ax


def draw_unit_shares_by_rate(title: str, layers: pd.DataFrame) -> Figure:
    """Share of layer 1's units with each verdict over the rate, of one variant, for many rates."""
    names = activation_order(layers["activation"])
    figure, axes = panel_grid([names], PANELS_A_ROW, (2.3, 2.1), shared_y=True)
    if title:
        figure.suptitle(title)
    for ax, name in zip(axes, names, strict=True):
        rows = layers[(layers["activation"] == name) & (layers["layer"] == 1)].sort_values("lr")
        for verdict, style in VERDICT_STYLES.items():
            own = rows.rename(columns={f"{verdict}_{x}": x for x in ("mean", "low", "high")})
            _plot_band(own["lr"], own, style, ax, opacity=0.12)
        ax.set_title(name)
        rate_axis(layers["lr"], ax)
        ax.set_ylim(-3, 103)
    axes[0].set_ylabel("layer 1's units (%)")
    style_legend(figure, VERDICT_STYLES, "mean; band: 95 % t-interval")
    return figure


# --- the edge of trainability -------------------------------------------------------------------

HIGHLIGHTED = 5  # activations: of more, each has a panel with the others behind it
NO_RUN = "#B9C0C9"
SHADES = LinearSegmentedColormap.from_list("learned", ["#EAF1F8", "#74A9D3", "#0B4A7F"])


def draw_edge_accuracy(title: str, cells: pd.DataFrame) -> Figure:
    """Final test accuracy over the rate of one variant; of many activations a panel each."""
    names = activation_order(cells["activation"])
    panels = [names] if len(names) <= HIGHLIGHTED else [[name] for name in names]
    size = (6.4, 3.6) if len(panels) == 1 else (2.3, 2.1)
    figure, axes = panel_grid([panels], PANELS_A_ROW, size, shared_y=True)
    if title:
        figure.suptitle(title)
    styles = line_styles(names)
    for ax, shown in zip(axes, panels, strict=True):
        plot_edge_accuracy(cells, shown, styles, ax)
        if len(panels) > 1:
            ax.set_title(shown[0])
    axes[0].set_ylabel("final test accuracy (%)")
    if len(panels) == 1:
        _activation_legend(figure, styles, names, "mean; band: 95 % t-interval")
    return figure


def plot_edge_accuracy(
    cells: pd.DataFrame, shown: Sequence[str], styles: Mapping[str, LineStyle], ax: Axes
) -> Axes:
    """Mean over the rate with its 95 % band for those shown, a grey line for the others.

    A cross on the axis: a rate at which a run diverged; such runs are not in the mean.
    """
    for name in activation_order(cells["activation"]):
        rows = cells[cells["activation"] == name].sort_values("lr")
        if name not in shown:
            ax.plot(rows["lr"], 100 * rows["final_mean"], color="#CDD2D8", linewidth=0.8)
    for name in shown:
        plot_by_rate(cells[cells["activation"] == name], styles[name], ax)
    rate_axis(cells["lr"], ax)
    ax.set_ylim(0, 102)
    return ax


def plot_by_rate(cells: pd.DataFrame, style: LineStyle, ax: Axes) -> Axes:
    """Mean final accuracy over the rate with its 95 % band, or a bar where there is one rate.

    A cross on the axis: a rate at which a run diverged; such runs are not in the mean.
    """
    rows = cells.sort_values("lr")
    own = rows.rename(columns={f"final_{x}": x for x in ("mean", "low", "high")})
    _plot_band(own["lr"], own, style, ax, opacity=0.18)
    if len(own) == 1:
        ax.vlines(own["lr"], 100 * own["low"], 100 * own["high"], color=style.colour)
    cross: dict[str, Any] = {"marker": "x", "markersize": 5, "color": style.colour}
    on_axis = ax.get_xaxis_transform()
    for lr in rows.loc[rows["diverged"] > 0, "lr"]:
        ax.plot([lr], [0], transform=on_axis, clip_on=False, **cross)
    return ax


def draw_outcome_map(title: str, outcomes: pd.DataFrame, edges: pd.DataFrame) -> Figure:
    """How many runs learned at each activation and rate of one variant, and where the edge is."""
    names = activation_order(outcomes["activation"])
    rates = sorted(set(outcomes["lr"]))
    size = (2.2 + 0.4 * len(rates), 1.9 + 0.3 * len(names))
    figure = Figure(figsize=(max(size[0], 6), size[1]), layout="constrained")
    if title:
        figure.suptitle(title)
    ax = figure.subplots()
    plot_outcome_map(outcomes, names, rates, ax)
    for place, name in enumerate(names):
        _mark_edge(edges[edges["activation"] == name]["largest"], rates, place, ax)
    cell: dict[str, Any] = {"linestyle": "", "marker": "s", "markersize": 9}
    sign: dict[str, Any] = {"linestyle": "", "color": "black", "markersize": 6}
    handles = [
        Line2D([], [], markerfacecolor=SHADES(1.0), color=GREY, label="all learned", **cell),
        Line2D([], [], markerfacecolor=SHADES(0.5), color=GREY, label="half", **cell),
        Line2D([], [], markerfacecolor=SHADES(0.0), color=GREY, label="none", **cell),
        Line2D([], [], marker="_", label="some failed", **sign),
        Line2D([], [], marker="x", label="some diverged", **sign),
        Line2D([], [], color=RED, linewidth=3, label="largest rate that learns"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def plot_outcome_map(
    outcomes: pd.DataFrame, names: Sequence[str], rates: Sequence[float], ax: Axes
) -> Axes:
    """A row an activation, a column a rate: the darker, the more runs learned; signs for the rest.

    A dash where runs failed, a cross where some diverged; grey where there is no run.
    """
    places = {name: place for place, name in enumerate(names)}
    columns = {lr: column for column, lr in enumerate(rates)}
    learned = np.full((len(names), len(rates)), np.nan)
    for row in outcomes.to_dict("records"):
        x, y = columns[row["lr"]], places[row["activation"]]
        learned[y, x] = row["learned"]
        signs = [mark for mark, what in (("_", "failed"), ("x", "diverged")) if row[what] > 0]
        ink = "white" if row["learned"] > 0.5 else "black"
        for number, mark in enumerate(signs):
            at = x + 0.4 * (number - (len(signs) - 1) / 2)
            ax.plot([at], [y], marker=mark, markersize=5, color=ink, markeredgewidth=1.2)
    ax.set_facecolor(NO_RUN)
    corners = np.arange(len(rates) + 1) - 0.5, np.arange(len(names) + 1) - 0.5
    ax.pcolormesh(*corners, learned, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    ax.grid(visible=False)
    ax.set_xticks(range(len(rates)), [rate_text(lr) for lr in rates], rotation=90)
    ax.set_yticks(range(len(names)), list(names))
    ax.set_xlim(-0.5, len(rates) - 0.5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("learning rate")
    return ax


def _mark_edge(largest: "pd.Series[float]", rates: Sequence[float], place: int, ax: Axes) -> None:
    for lr in largest.dropna():
        right = list(rates).index(lr) + 0.5
        ax.plot([right, right], [place - 0.42, place + 0.42], color=RED, linewidth=3, clip_on=False)


# --- what the figures have in common ------------------------------------------------------------


def panel_grid(
    rows: Sequence[Sequence[Any]],
    columns: int,
    size: tuple[float, float],
    *,
    shared_y: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel of `size` (inches) for each item; each row begins a new line of panels.

    Rows longer than `columns` are broken into lines of about one length. With `shared_y` only the
    first panel of a line has labels at its ordinate.
    """
    length = max(math.ceil(len(row) / math.ceil(len(row) / columns)) for row in rows)
    lines = [row[at : at + length] for row in rows for at in range(0, len(row), length)]
    width = max(len(line) for line in lines)
    figure = Figure(
        figsize=(max(size[0] * width, 6) + 0.4, size[1] * len(lines) + 0.5), layout="constrained"
    )
    axes = figure.subplots(len(lines), width, squeeze=False)
    kept: list[Axes] = []
    for line, places in zip(lines, axes, strict=True):
        kept.extend(places[: len(line)])
        for ax in places[1:]:
            ax.tick_params(labelleft=not shared_y)
        for ax in places[len(line) :]:
            ax.remove()
    return figure, kept


def enlarged_limits(cells: pd.DataFrame) -> "Limits | None":
    """Range of the enlarged scale, in per cent: where the cells that learned differ.

    It begins no lower than where their median is at two thirds of it. None where no two cells
    learned, or so little that there is nothing to enlarge.
    """
    learned = 100 * cells[(cells["n"] > 0) & (cells["failed"] == 0)]["final_mean"]
    if len(learned) < 2:
        return None
    lowest, highest = learned.min(), learned.max()
    margin = max(highest - lowest, 0.2)  # of a point: less is noise
    start = max(100 - 3 * (100 - learned.median()), lowest - 1.5 * margin)
    start = np.floor(10 * start) / 10 if margin < 1 else np.floor(start)
    return (float(start), float(min(100.2, highest + margin))) if start >= 40 else None


def panel_title(cells: pd.DataFrame, *, enlarged: bool) -> str:
    """Rate of these cells and the runs in each mean: `lr = 0.1 (n = 5)`, or `(n = 3 to 5)`."""
    rate = rate_text(cells["lr"].iloc[0])
    return f"lr = {rate}{', enlarged' if enlarged else ''} ({seeds_text(cells)})"


def seeds_text(cells: pd.DataFrame) -> str:
    low, high = cells["n"].min(), cells["n"].max()
    return f"n = {low}" if low == high else f"n = {low} to {high}"


Limits = tuple[float, float]
Item = TypeVar("Item")


def panel_rows(cells: pd.DataFrame, items: Sequence[Item]) -> list[list[tuple[Item, Limits]]]:
    """Item and range of accuracy of each panel: a row on the full scale, perhaps one enlarged."""
    enlarged = enlarged_limits(cells)
    scales = [(0.0, 102.0), *([enlarged] if enlarged else [])]
    return [[(item, limits) for item in items] for limits in scales]


def flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [item for row in rows for item in row]


def _plot_band(
    x: "pd.Series[float]", rows: pd.DataFrame, style: LineStyle, ax: Axes, *, opacity: float
) -> None:
    """Line of `mean` in per cent, with the band from `low` to `high` where there is one."""
    every = max(1, len(rows) // MARKERS_A_LINE)
    ax.plot(
        x,
        100 * rows["mean"],
        color=style.colour,
        linestyle=style.dashes,
        marker=style.marker,
        markersize=3.5,
        markevery=every,
    )
    low, high = 100 * rows["low"], 100 * rows["high"]
    ax.fill_between(x, low, high, color=style.colour, alpha=opacity, linewidth=0)


def rate_axis(rates: Collection[float], ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlim(min(rates) / 1.1, max(rates) * 1.1)
    if len(few := sorted(set(rates))) <= RATES_LABELLED:
        ax.set_xticks(few)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda lr, _: rate_text(lr)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("learning rate")


def _activation_legend(
    figure: Figure, styles: Mapping[str, LineStyle], names: Iterable[str], title: str
) -> None:
    names = activation_order(names)
    style_legend(figure, {name: styles[name] for name in names}, title)


def style_legend(figure: Figure, styles: Mapping[str, LineStyle], title: str) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=style.colour,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=5,
            label=name,
        )
        for name, style in styles.items()
    ]
    figure.legend(
        handles=handles,
        title=title,
        loc="outside lower center",
        ncols=4 if len(handles) == 4 else min(len(handles), int(figure.get_figwidth() / 2.2)),
        handlelength=4,
    )

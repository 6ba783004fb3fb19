"""The panels of a film: units as cells, the metric so far, and the weights of each unit."""

# K steps shown, U units

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap

from actscope.report.film.scenes import Array, FilmedRun, Scene, Series, spread

DARK, GREY, PALE = "#20242A", "#5F6670", "#9AA1AB"
BLUE, RED = "#0072B2", "#C04000"  # of a run that learned, and of one that did not
# The lightness tells them apart without colours, and a cross marks a unit that is gone.
BRIGHTNESS: Colormap = LinearSegmentedColormap.from_list(
    "active", ["#1C659C", "#3FA3E0", "#86D3FA"]
).with_extremes(under=DARK, bad="white")
LEAST = 1e-9  # under any share of a minibatch
TICKS_A_SIDE = 3  # of zero
FEW_EPOCHS = 10
COLUMNS_TO_ROWS = 4  # of a grid of cells; between half of it and twice it


class CellsPanel:
    """A cell for each unit: the brighter, the larger the share of the minibatch with a slope."""

    def __init__(self, ax: Axes, run: FilmedRun) -> None:
        units = run.active.shape[1]
        rows, columns = grid_shape(units)
        self.x, self.y = np.arange(units) % columns + 0.5, np.arange(units) // columns + 0.5
        self.shares = np.full((rows, columns), np.nan)
        ax.set_axis_off()
        ax.set_ylim(rows, 0)
        place = ax.get_window_extent()
        size = min(place.width / columns, place.height / rows) * 72 / ax.figure.dpi  # points
        self.cells = ax.pcolormesh(
            self.shares,
            cmap=BRIGHTNESS,
            vmin=LEAST,
            vmax=1,
            edgecolors="white",
            linewidth=0.08 * size,
        )
        (self.crosses,) = ax.plot([], [], "x", color=PALE, ms=0.38 * size, mew=0.07 * size)
        self.moving = [self.cells, self.crosses]

    def show(self, scene: Scene) -> None:
        is_gone = scene.active == 0
        self.shares.flat[: len(is_gone)] = scene.active
        self.cells.set_array(self.shares)
        self.crosses.set_data(self.x[is_gone], self.y[is_gone])


class MetricPanel:
    """The metric by minibatch of the training, and on the test or validation examples by epoch."""

    def __init__(self, ax: Axes, run: FilmedRun, colour: str) -> None:
        self.ax, self.split = ax, run.split
        self.metric = run.metric
        self._set_axis(run)
        (self.train,) = ax.plot([], [], color=colour, linewidth=1.8)
        diamond = 8 if len(run.judged.steps) <= FEW_EPOCHS else 5
        (self.judged,) = ax.plot([], [], "D", color=DARK, markersize=diamond)
        size = 17 if run.split == "test" else 14  # the other word, validation, is longer
        above: dict[str, Any] = {"transform": ax.transAxes, "fontsize": size, "weight": "bold"}
        self.train_text = ax.text(0, 1.1, "", color=colour, **above)
        self.judged_text = ax.text(1, 1.1, "", ha="right", **above)
        self.moving = [self.train, self.judged, self.train_text, self.judged_text]

    def _set_axis(self, run: FilmedRun) -> None:
        """From 0 to the best value; or where that is 0 to the largest value of the run."""
        metric, ax = self.metric, self.ax
        top = metric.part(104)
        if top is None:
            ax.set_ylim(0, 1.04 * max(map(_largest, (run.train, run.judged))) or 1.0)
            return
        # A network without the inputs guesses a class, or the mean.
        chance = metric.scale * metric.chance_of(run.classes)
        ticks = [chance, metric.scale / 2, metric.scale]
        ax.set_ylim(0, top)
        ax.set_yticks(ticks, ["chance", *(f"{tick:g}{metric.behind}" for tick in ticks[1:])])
        ax.axhline(chance, color=GREY, linewidth=1, linestyle=(0, (1, 2)))

    def _text(self, value: float) -> str:
        return f"{self.metric.scale * value:.{self.metric.decimals - 2}f}{self.metric.behind}"

    def show(self, scene: Scene) -> None:
        train, judged = scene.train, scene.judged
        self.train.set_data(spread(train.steps), self.metric.drawn(train.values))
        self.judged.set_data(spread(judged.steps), self.metric.drawn(judged.values))
        now = f" {self._text(train.values[-1])}" if len(train.values) else ""
        self.train_text.set_text(f"training {self.metric.words}{now}")
        if len(judged.values):
            now = f"{self.split} {self._text(judged.values[-1])}"
            self.judged_text.set_text(f"\N{BLACK DIAMOND} {now}")


def _largest(series: Series) -> float:
    return float(series.values.max(initial=0.0, where=np.isfinite(series.values)))


class WeightsPanel:
    """The mean incoming weight of each unit, by step: blue, or dashed grey without a gradient."""

    def __init__(self, ax: Axes, run: FilmedRun, shown: Array) -> None:
        self.ax = ax
        self.places = np.unique([run.place(step) for step in shown])
        self.steps, self.weights = run.steps[self.places], run.weight_mean[self.places]
        self.alive = np.where(run.active[self.places] > 0, self.weights, np.nan)
        ax.set_title("mean incoming weight of each unit", loc="left", fontsize=15)
        (self.grey,) = ax.plot([], [], color=PALE, linewidth=1.1, linestyle=(0, (4, 2.5)))
        (self.blue,) = ax.plot([], [], color=BLUE, linewidth=1.2, alpha=0.8)
        (self.crosses,) = ax.plot([], [], "x", color=DARK, markersize=6, mew=1.5)
        (self.dots,) = ax.plot([], [], "o", color=BLUE, markersize=4.5)
        self.moving = [self.grey, self.blue, self.crosses, self.dots]

    def limit(self, linear: float, low: float, high: float) -> None:
        """Scale the weights by `weight_limits`."""
        self.ax.set_yscale("symlog", linthresh=linear)
        self.ax.set_ylim(low, high)
        powers = linear * 10.0 ** np.arange(1 + math.log10(max(-low, high) / linear) // 1)
        powers = powers[:: math.ceil(len(powers) / TICKS_A_SIDE)]
        ticks = [tick for tick in (*-powers[::-1], 0.0, *powers) if low <= tick <= high]
        labels = [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks]
        self.ax.set_yticks(ticks, labels)
        self.ax.minorticks_off()

    def show(self, scene: Scene) -> None:
        so_far = np.searchsorted(self.steps, scene.step, side="right")
        x, weights = spread(self.steps[:so_far]), self.weights[:so_far]
        self.grey.set_data(*_as_one_line(x, weights))
        self.blue.set_data(*_as_one_line(x, self.alive[:so_far]))
        is_gone, last = scene.active == 0, np.full(len(scene.active), x[-1])
        self.crosses.set_data(last[is_gone], weights[-1][is_gone])
        self.dots.set_data(last[~is_gone], weights[-1][~is_gone])


def grid_shape(units: int) -> tuple[int, int]:
    """Rows and columns for the cells of so many units, with the fewest places left empty."""
    wanted = math.sqrt(COLUMNS_TO_ROWS * units)
    fewest, most = math.ceil(wanted / math.sqrt(2)), math.floor(wanted * math.sqrt(2))
    columns = min(range(fewest, most + 1), key=lambda count: (-units % count, abs(count - wanted)))
    return math.ceil(units / columns), columns


def weight_limits(runs: Sequence[FilmedRun]) -> tuple[float, float, float]:
    """Up to where an axis for the weights of all runs is linear, and its lowest and highest value.

    Linear within the power of ten around the first weights: what moves away from there shows.
    """
    first = max(float(np.abs(run.weight_mean[0]).max()) for run in runs)
    low = min(float(run.weight_mean.min()) for run in runs)
    high = max(float(run.weight_mean.max()) for run in runs)
    linear = 10.0 ** math.ceil(math.log10(first or 1.0))
    return linear, min(1.3 * low, -linear), max(1.3 * high, linear)


def _as_one_line(x: Array, lines: Array) -> tuple[Array, Array]:
    """Lines [K, U] over x [K] as one, with a gap after each."""
    units = lines.shape[1]
    ended = np.concatenate([lines, np.full((1, units), np.nan)])
    return np.tile(np.append(x, np.nan), units), ended.T.ravel()

"""Metrics: what a run is judged by, and how its values are shown."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

Values = TypeVar("Values")  # a number, a Series or an array


@dataclass(frozen=True)
class Metric:
    """A number that says how good a network is on some examples.

    `name`: in MLflow's keys, as `test/accuracy_final`, and in column names; `words`: in sentences;
    `direction`: which value is best; `limits`: of its values. A shown value is `scale` times the
    value, with `decimals`, in `unit`; a difference has one decimal more, in `difference_unit`.
    `axis`: the values that a figure shows; None: up to the largest. `chance`: the value of guessing
    without the inputs, with ten classes; NaN if it depends on the data.

    Example:
        >>> ACCURACY.show(0.97204), ACCURACY.difference(-0.0031), R2.show(0.5)
        ('97.20 %', '-0.310', '0.5000')

    """

    name: str
    words: str
    direction: Literal["max", "min"]
    limits: tuple[float, float]
    axis: tuple[float, float | None]
    chance: float
    scale: float = 1.0
    decimals: int = 4
    unit: str = ""
    difference_unit: str = ""

    def __reduce__(self) -> tuple[Callable[[str], "Metric"], tuple[str]]:
        # In each process there is one of each, so that `metric is ACCURACY` holds.
        return _named, (self.name,)

    @property
    def is_smallest_best(self) -> bool:
        return self.direction == "min"

    @property
    def best_word(self) -> str:
        """What the best of some values is called."""
        return "lowest" if self.is_smallest_best else "highest"

    @property
    def too(self) -> str:
        """What a value is that is too good."""
        return "low" if self.is_smallest_best else "high"

    @property
    def beyond(self) -> str:
        """Where an interval may reach that no value can."""
        end = self.limits[0] if self.is_smallest_best else self.limits[1]
        return f"{'below' if self.is_smallest_best else 'above'} {self.scale * end:g}{self.behind}"

    @property
    def is_bounded(self) -> bool:
        """Whether figures show it from 0 to 1."""
        return self.axis == (0, 1)

    def chance_of(self, classes: float) -> float:
        """The value of guessing among so many classes; NaN: a run of an older version, with ten."""
        return 1 / classes if self is ACCURACY and classes > 0 else self.chance

    def gain(self, first: Values, second: Values) -> Values:
        """How much better the first is than the second, in units of the metric."""
        better, worse = (second, first) if self.is_smallest_best else (first, second)
        return better - worse  # type: ignore[operator,no-any-return]

    def drawn(self, values: Values) -> Values:
        """Values (an array or a Series) as figures show them: scaled, and within the axis."""
        low, high = self.axis
        return self.scale * values.clip(low, high)  # type: ignore[attr-defined,no-any-return]

    def part(self, per_cent: float) -> float | None:
        """A shown value at so many per cent of an axis from 0 to 1; None of another axis."""
        return self.scale * per_cent / 100 if self.is_bounded else None

    @property
    def cut_off(self) -> str:
        """A sentence on the values that figures do not show, or ''."""
        return f" {self.title} below 0 is drawn at 0." if self.limits[0] < self.axis[0] else ""

    def number(self, value: float) -> str:
        """A value as it is shown, without its unit; '' if it is unknown."""
        return f"{self.scale * value:.{self.decimals}f}" if math.isfinite(value) else ""

    def show(self, value: float) -> str:
        """A value with its unit."""
        return f"{self.number(value)}{self.behind}"

    def difference(self, value: float) -> str:
        """A difference with its sign, without its unit."""
        decimals = self.decimals + 1
        rounded = round(self.scale * value, decimals) + 0.0  # no -0.000
        return f"{rounded:+.{decimals}f}"

    def signed(self, value: float) -> str:
        """A difference with its sign in as many decimals as a value, without its unit."""
        return f"{self.scale * value:+.{self.decimals}f}"

    @property
    def rounding(self) -> int:
        """Decimals of a shown value beyond which differences are rounding."""
        return self.decimals + 2

    @property
    def behind(self) -> str:
        """The unit behind a number: ` %`, or nothing."""
        return f" {self.unit}" if self.unit else ""

    @property
    def difference_behind(self) -> str:
        """The unit behind a difference: ` points`, or nothing."""
        return f" {self.difference_unit}" if self.difference_unit else ""

    def heading(self, name: str) -> str:
        """The heading of a column of values: `mean, %`."""
        return f"{name}, {self.unit}" if self.unit else name

    def final_in_words(self, test: float, validation: float) -> str:
        """The final value of a run: on the test, or if it was not tested on validation.

        An unknown one is NaN.
        """
        split = "validation" if math.isnan(test) else "test"
        final = four_digits(test, validation)
        return f"final {split} {self.words} {final}" if final else f"no test {self.words}"

    def difference_heading(self, name: str) -> str:
        """The heading of a column of differences: `difference, points`."""
        return f"{name}, {self.difference_unit}" if self.difference_unit else name

    @property
    def label(self) -> str:
        """The label of an axis: `accuracy (%)`."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def plural(self) -> str:
        """What several values are called."""
        return f"{self.words.removesuffix('y')}ies" if self.words.endswith("y") else self.words

    @property
    def title(self) -> str:
        """Its words at the beginning of a title."""
        return f"{self.words[0].upper()}{self.words[1:]}"


ACCURACY = Metric(
    "accuracy",
    "accuracy",
    "max",
    limits=(0, 1),
    axis=(0, 1),
    chance=0.1,
    scale=100.0,
    decimals=2,
    unit="%",
    difference_unit="points",
)
R2 = Metric("r2", "R²", "max", limits=(-math.inf, 1), axis=(0, 1), chance=0.0)
RMSE = Metric("rmse", "RMSE", "min", limits=(0, math.inf), axis=(0, None), chance=math.nan)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (ACCURACY, R2, RMSE)}
)
# Of each loss; the first is the default, and decides whether a run learned.
METRICS_OF_LOSS: Mapping[str, tuple[Metric, ...]] = MappingProxyType(
    {"cross_entropy": (ACCURACY,), "mse": (R2, RMSE)}
)


def _named(name: str) -> Metric:
    return METRICS[name]


def metric_of(settings: Mapping[str, object]) -> Metric:
    """The metric of a run by its settings, which have the names of the command line.

    A run without these settings is an older one, and is judged by its accuracy.
    """
    found = METRICS.get(str(settings.get("train.metric")))
    return found or METRICS_OF_LOSS.get(str(settings.get("train.loss")), (ACCURACY,))[0]


def four_digits(test: float, validation: float) -> str:
    """The final value of a run, as Metric.final_in_words has it; '' if both are unknown."""
    final = validation if math.isnan(test) else test
    return "" if math.isnan(final) else f"{final:.4f}"


def learned_by(metric: Metric) -> Metric:
    """The metric of the same loss that decides whether a run learned."""
    return next(group[0] for group in METRICS_OF_LOSS.values() if metric in group)

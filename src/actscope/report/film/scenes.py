"""What a film shows of a run, step by step, and for how long: the first steps the longest.

Most units die at the first steps.
"""

# T recorded steps, U units of the filmed layer

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from actscope.analysis.run_tables import judged_split
from actscope.artifacts.unit_fates import Records
from actscope.errors import ConfigError, ReportError
from actscope.metric import ACCURACY, Metric

SECONDS = 10.0  # of motion
TICK_MS = 100
FIRST_MS, LAST_MS = 800, 2200  # the first and the last frame are held for longer
EARLY = 5  # a step's time falls in proportion to this many steps plus its number

Array = np.ndarray[Any, np.dtype[Any]]


class Frame(NamedTuple):
    step: int
    milliseconds: int


def frames(steps: Array, seconds: float = SECONDS) -> list[Frame]:
    """The frames of a film over these recorded steps, in increasing order; each step once."""
    ticks = np.linspace(spread(steps[0]), spread(steps[-1]), max(2, int(1000 * seconds / TICK_MS)))
    places = np.searchsorted(spread(steps), ticks + 1e-9, side="right") - 1
    shown, counts = np.unique(places, return_counts=True)
    holds = TICK_MS * counts
    holds[0] += FIRST_MS
    holds[-1] += LAST_MS
    return [Frame(int(steps[at]), int(ms)) for at, ms in zip(shown, holds, strict=True)]


def spread(step: Any) -> Any:
    """Place of a step in the film's time and on its axes, and back with `gathered`."""
    return np.log1p(np.asarray(step, dtype=float) / EARLY)


def gathered(place: Any) -> Any:
    """The step at a place."""
    return EARLY * np.expm1(place)


@dataclass(frozen=True, eq=False)
class Series:
    """A metric by step: `steps` and `values`, both [T]."""

    steps: Array
    values: Array

    def until(self, step: int) -> "Series":
        shown = np.searchsorted(self.steps, step, side="right")
        return Series(self.steps[:shown], self.values[:shown])


@dataclass(frozen=True, eq=False)
class Scene:
    """A run at a step. `active` [U]: the share of the minibatch on which each unit has a slope."""

    step: int
    active: Array
    train: Series
    judged: Series

    @property
    def gone(self) -> int:
        """The number of units that pass no gradient."""
        return int((self.active == 0).sum())


@dataclass(frozen=True, eq=False)
class FilmedRun:
    """The lines of a run that a film shows.

    `steps` [T]; `weight_mean` and `active` [T, U], of trajectory.parquet; `train`: `metric` on
    each minibatch; `judged`: that on the examples `split`, by epoch; `classes`: number of output
    units.
    """

    lr: float
    outcome: str
    steps: Array
    weight_mean: Array
    active: Array
    train: Series
    judged: Series
    split: str
    classes: int
    metric: Metric

    @classmethod
    def of(
        cls,
        lr: float,
        outcome: str,
        history: pd.DataFrame,
        trajectory: pd.DataFrame,
        layer: int,
        metric: Metric = ACCURACY,
    ) -> Self:
        """The lines of a run's tables.

        Raises:
            ConfigError: the run has no such hidden layer.
            ReportError: the run recorded nothing.

        """
        if trajectory.empty:
            raise ReportError(
                f"film.rates: the run at {lr} recorded no step before it diverged. Choose another."
            )
        records = Records.of(trajectory)
        hidden = int(records.layers.max()) - 1
        if layer > hidden:
            raise ConfigError(f"film.layer={layer}: must be a hidden layer, from 1 to {hidden}.")
        split = judged_split(history)
        return cls(
            lr,
            outcome,
            records.steps,
            records.column("weight_mean", layer),
            records.column("active", layer),
            _series(history, "train", metric),
            _series(history, split, metric),
            split,
            classes=int((records.layers == hidden + 1).sum()),
            metric=metric,
        )

    def place(self, step: int) -> int:
        """Index of the last record up to a step; the first record for earlier steps."""
        return max(0, int(np.searchsorted(self.steps, step, side="right")) - 1)

    def at(self, step: int) -> Scene:
        place = self.place(step)
        return Scene(
            int(self.steps[place]),
            self.active[place],
            self.train.until(step),
            self.judged.until(step),
        )


def _series(history: pd.DataFrame, split: str, metric: Metric) -> Series:
    own = history[history["split"] == split]
    return Series(own["step"].to_numpy(), own[metric.name].to_numpy(dtype=np.float64))

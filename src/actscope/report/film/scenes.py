"""What a film shows of a run: the numbers of its tables, step by step."""

# T recorded steps, U units of the filmed layer

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from actscope.analysis.run_tables import judged_split
from actscope.artifacts.unit_fates import Records
from actscope.errors import ConfigError, ReportError
from actscope.metric import ACCURACY, Metric
from actscope.report.film.timeline import Array


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
    each minibatch; `judged`: that on the images `split`, by epoch; `classes`: number of output
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

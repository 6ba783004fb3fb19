"""What the untrained network does with the signal, from the rows of step 0 in `layers.parquet`.

A unit is born dead if its slope is zero on the whole probe set before the first step (Lu et al.,
2020). No gradient passes a layer of such units only: the layers before it cannot be trained.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class BornDead:
    """`units`: share of the hidden units; `layers`: number of layers without another unit."""

    units: float
    layers: int

    @property
    def network(self) -> bool:
        """Whether a layer is dead; with ReLU all examples then have the same output."""
        return self.layers > 0

    @classmethod
    def of(cls, layers: pd.DataFrame, hidden: Sequence[int]) -> Self:
        """From a run's `layers`, with its step 0, and the widths of its hidden layers."""
        dead = _at_start(layers, "dead")
        return cls(float(np.average(dead, weights=hidden)), int((dead == 1).sum()))


def start_metrics(layers: pd.DataFrame, hidden: Sequence[int]) -> dict[str, float]:
    """Summary of step 0, named `start/dead_units` and so on, without what is not finite.

    `hidden`: widths of the hidden layers. None for a run that diverged before its first step.
    """
    if layers.empty:
        return {}
    born_dead = BornDead.of(layers, hidden)
    found = {
        "dead_units": born_dead.units,
        "dead_layers": float(born_dead.layers),
        "signal_a_layer": _factor(_at_start(layers, "mean_square")),
        "gradient_a_layer": _factor(_at_start(layers, "gradient")[::-1]),
        "cosine": float(_at_start(layers, "cosine")[-1]),
        "rank": float(_at_start(layers, "rank")[-1]),
    }
    return {f"start/{name}": value for name, value in found.items() if math.isfinite(value)}


def _at_start(layers: pd.DataFrame, statistic: str) -> Array:
    """A statistic of each hidden layer at step 0."""
    is_start = layers["step"].to_numpy() == 0
    found: Array = layers[statistic].to_numpy(dtype=float)[is_start]
    return found[:-1]


def _factor(values: Array) -> float:
    """Geometric mean of the factors from each value to the next; NaN if there is none."""
    if len(values) < 2 or values[0] == 0:
        return math.nan
    return float((values[-1] / values[0]) ** (1 / (len(values) - 1)))

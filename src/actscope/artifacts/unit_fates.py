"""Decides which units are dead, saturated, silent or flat at the end of a run, and since when.

All fates are about the end of a run and tell since when they hold. docs/dying.md has the
definitions in words and formulas.
"""

# T recorded steps, U units of a layer

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

SATURATED_SHARE = 0.99  # of the probe set on which a saturated unit's slope is negligible
SILENT_CHANGE = 1e-5  # of the weights' length; a silent unit changes by less in a step
FLAT_HEIGHT = 0.005  # of the panel's height; a flat line stays within it
NEVER = -1  # in a `..._since` column

FATES = ["dead", "saturated", "silent", "flat"]
MOST_LAYERS = 4  # of a network that has its shares by every layer

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Late:
    """The last tenth of a run of `total` steps."""

    total: int

    def holds(self, since: Array) -> Array:
        """Whether something that holds since a step (or NEVER) held in all of the last tenth."""
        always: Array = (since != NEVER) & (since <= self.total - self.total / 10)
        return always


def unit_fates(trajectory: pd.DataFrame, probe: pd.DataFrame) -> pd.DataFrame:
    """The verdicts on each unit at the end of a run, one row a unit.

    Columns: `layer`, `unit`; for each fate v of FATES `v` (bool) and `v_since` (step, -1:
    never); `revivals`, how often a dead unit came back; `swing_weight_mean` and `swing_bias`, how
    far the line had moved from its start, at step 0, when it went flat (0 if it was flat from the
    start), or at the last record if it did not; `height_weight_mean` and `height_bias`, those of
    the layer's panels.

    dead: its slope is exactly zero on the whole probe set (at the last probe). saturated: it is
    negligible on 99 % of it. silent: no step of the last tenth changed its weights by more than
    1e-5 of their length. flat: both its lines, mean weight and bias, stayed within 0.5 % of their
    panels' height through the last tenth.
    """
    if trajectory.empty or probe.empty:
        return pd.DataFrame()
    lines, probes = Records.of(trajectory), Records.of(probe)
    layers = [_fates_of_layer(lines, probes, layer) for layer in np.unique(lines.layers)]
    return pd.DataFrame({name: np.concatenate([own[name] for own in layers]) for name in layers[0]})


def shares(fates: pd.DataFrame) -> dict[str, float]:
    """Share of a layer's units with each fate, and of all hidden units.

    Named `dead/layer1` and so on, and `dead/hidden`. Of a network of more than MOST_LAYERS layers
    only the first, the last hidden and the output layer have a share.
    """
    if fates.empty:
        return {}
    layers = fates["layer"].to_numpy()
    output = layers.max()
    numbers = range(1, output + 1) if output <= MOST_LAYERS else (1, output - 1, output)
    groups = {f"layer{number}": layers == number for number in numbers}
    groups["hidden"] = layers < output
    return {
        f"{fate}/{group}": float(fates[fate].to_numpy()[units].mean())
        for fate in FATES
        for group, units in groups.items()
    }


@dataclass(frozen=True)
class Records:
    """A table with one row a step, layer and unit, in this order, as arrays.

    `steps` [T]; `layers` [U]: the layer of each unit; `rows`: the table, its columns are [T, U].
    """

    rows: pd.DataFrame
    steps: Array
    layers: Array

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Self:
        steps = rows["step"].unique()
        return cls(rows, steps, rows["layer"].to_numpy(dtype=np.int64)[: len(rows) // len(steps)])

    def column(self, quantity: str, layer: int) -> Array:
        """A quantity of a layer's units, [T, U]."""
        values = self.rows[quantity].to_numpy(dtype=np.float64)
        return values.reshape(len(self.steps), -1)[:, self.layers == layer]


def _fates_of_layer(lines: Records, probes: Records, layer: int) -> dict[str, Array]:
    """The columns of `unit_fates` for the units of a layer."""
    weight_mean, bias = lines.column("weight_mean", layer), lines.column("bias", layer)
    is_dead = probes.column("zero", layer) == 1.0
    is_saturated = probes.column("negligible", layer) >= SATURATED_SHARE
    length = probes.column("weight_norm", layer)[-1]
    is_silent = lines.column("update_norm", layer) <= SILENT_CHANGE * length
    is_silent[lines.steps == 0] = False  # no step is taken yet
    flat = np.stack([_flat_since(lines.steps, weight_mean), _flat_since(lines.steps, bias)])
    since = {
        "dead": _since(probes.steps, is_dead),
        "saturated": _since(probes.steps, is_saturated),
        "silent": _since(lines.steps, is_silent),
        "flat": np.where(flat.min(0) == NEVER, NEVER, flat.max(0)),
    }
    late = Late(int(lines.steps[-1]))
    units = weight_mean.shape[1]
    fates: dict[str, Array] = {"layer": np.full(units, layer), "unit": np.arange(units)}
    for fate in FATES:
        at_last = fate in ("dead", "saturated")
        holds = since[fate] != NEVER if at_last else late.holds(since[fate])
        fates[fate] = holds
        fates[f"{fate}_since"] = np.where(holds, since[fate], NEVER)
    fates["revivals"] = (is_dead[:-1] & ~is_dead[1:]).sum(0)
    for name, line in (("weight_mean", weight_mean), ("bias", bias)):
        fates[f"swing_{name}"] = _swing(lines.steps, line, fates["flat_since"])
        fates[f"height_{name}"] = np.full(units, np.ptp(line))
    return fates


def _since(steps: Array, holds: Array) -> Array:
    """First step from which each column of `holds` [T, U] is true to the end, or NEVER."""
    to_the_end = np.logical_and.accumulate(holds[::-1])[::-1]
    return np.where(to_the_end.any(0), steps[to_the_end.argmax(0)], NEVER)


def _flat_since(steps: Array, line: Array) -> Array:
    """First step from which each column of `line` [T, U] stays within the flat band to the end."""
    if len(steps) == 1:
        return np.full(line.shape[1], NEVER)
    height = line.max() - line.min()
    highest = np.maximum.accumulate(line[::-1])[::-1]
    lowest = np.minimum.accumulate(line[::-1])[::-1]
    # A single record is not a line.
    return _since(steps[:-1], (highest - lowest)[:-1] <= FLAT_HEIGHT * height)


def _swing(steps: Array, line: Array, since: Array) -> Array:
    at = np.searchsorted(steps, np.where(since == NEVER, steps[-1], since))
    moved: Array = line[at, np.arange(line.shape[1])] - line[0]
    return moved

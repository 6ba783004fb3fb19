"""Which units die, and when: ground truth from the training, and what the eye reads off a line.

All verdicts are about the end of a run and tell since when they hold. docs/dying.md has the
definitions in words and formulas.
"""

# T recorded steps, U units of a layer

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SATURATED_SHARE = 0.99  # of the probe set on which a saturated unit's slope is negligible
SILENT_CHANGE = 1e-5  # of the weights' own length: a smaller change in a step is silence
FLAT_HEIGHT = 0.005  # of the panel's height: a line that stays within it looks flat
NEVER = -1  # in a `..._since` column

VERDICTS = ["dead", "saturated", "silent", "flat"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Late:
    """The last tenth of a run of `total` steps."""

    total: int

    def holds(self, since: Array) -> Array:
        """Whether what has held since a step (or NEVER) held through all of it."""
        held: Array = (since != NEVER) & (since <= self.total - self.total / 10)
        return held


def unit_fates(trajectory: pd.DataFrame, probe: pd.DataFrame) -> pd.DataFrame:
    """One row a unit: what has become of it.

    Columns: `layer`, `unit`; for each verdict v of VERDICTS `v` (bool) and `v_since` (step, -1:
    never); `revivals`, how often a dead unit came back; `swing_weight_mean` and `swing_bias`, how
    far the line had moved from its first record when it went flat (NaN where it did not).

    dead: its slope is exactly zero on the whole probe set (at the last probe). saturated: it is
    negligible on 99 % of it. silent: no step of the last tenth changed its weights by more than
    1e-5 of their length. flat: both its lines, mean weight and bias, stayed within 0.5 % of their
    panels' height through the last tenth.
    """
    if trajectory.empty or probe.empty:
        return pd.DataFrame()
    return pd.concat(
        [
            _fates_of_layer(layer, lines, probe[probe["layer"] == layer])
            for layer, lines in trajectory.groupby("layer")
        ],
        ignore_index=True,
    )


def shares(fates: pd.DataFrame) -> dict[str, float]:
    """Share of each layer's units with each verdict, named `dead/layer1` and so on."""
    if fates.empty:
        return {}
    by_layer = fates.groupby("layer")[VERDICTS].mean()
    return {
        f"{verdict}/layer{layer}": float(share)
        for verdict in VERDICTS
        for layer, share in by_layer[verdict].items()
    }


def _fates_of_layer(layer: Any, lines: pd.DataFrame, probe: pd.DataFrame) -> pd.DataFrame:
    steps, weight_mean = _table(lines, "weight_mean")
    bias = _table(lines, "bias")[1]
    probed, zero = _table(probe, "zero")
    negligible = _table(probe, "negligible")[1]
    length = _table(probe, "weight_norm")[1][-1]
    change = _table(lines, "update_norm")[1]

    is_dead = zero == 1.0
    since = {
        "dead": _since(probed, is_dead),
        "saturated": _since(probed, negligible >= SATURATED_SHARE),
        "silent": _since(steps, change <= SILENT_CHANGE * length),
        "flat": np.where(
            (flat := np.stack([_flat_since(steps, weight_mean), _flat_since(steps, bias)])).min(0)
            == NEVER,
            NEVER,
            flat.max(0),
        ),
    }
    late = Late(int(steps[-1]))
    fates = pd.DataFrame({"layer": layer, "unit": np.arange(weight_mean.shape[1])})
    for verdict in VERDICTS:
        at_last = verdict in ("dead", "saturated")
        holds = since[verdict] != NEVER if at_last else late.holds(since[verdict])
        fates[verdict] = holds
        fates[f"{verdict}_since"] = np.where(holds, since[verdict], NEVER)
    fates["revivals"] = (is_dead[:-1] & ~is_dead[1:]).sum(0)
    for name, line in (("weight_mean", weight_mean), ("bias", bias)):
        fates[f"swing_{name}"] = _swing(steps, line, fates["flat_since"].to_numpy())
    return fates


def _table(rows: pd.DataFrame, quantity: str) -> tuple[Array, Array]:
    """Steps [T] and the quantity [T, U], from rows in order of step and unit."""
    steps = rows["step"].unique()
    return steps, rows[quantity].to_numpy(dtype=np.float64).reshape(len(steps), -1)


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
    # The last record alone is no line.
    return _since(steps[:-1], (highest - lowest)[:-1] <= FLAT_HEIGHT * height)


def _swing(steps: Array, line: Array, since: Array) -> Array:
    at = np.searchsorted(steps, np.maximum(since, steps[0]))
    moved = line[at, np.arange(line.shape[1])] - line[0]
    return np.where(since == NEVER, np.nan, moved)

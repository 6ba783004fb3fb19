"""What the explorer carries of a run: its series at few steps and in few levels, packed small.

A thousand runs have to fit into one page that opens at once, so a run gets about 5 kB: lines are
drawn a few hundred pixels high and wide, and show no more than this.
"""

# K steps carried, U units carried

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.artifacts.unit_fates import FATES, Records
from actscope.engine.history import SPLITS

STEPS_CARRIED = 36
UNITS_CARRIED = 64  # of a layer: its first ones
ACCURACIES_CARRIED = 60  # rows of a split
ACCURACY_LEVELS = 1000  # a tenth of a per cent
LINE_LEVELS = 200  # from a layer's lowest value to its highest: a panel has fewer pixels
ACTIVE_LEVELS = 25  # 4 per cent
# Units die early: more of the carried steps lie in the beginning.
CROWDING = 1.5

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Line:
    """How finely a quantity of a layer's units is carried: `parts` between its limits.

    None: the lowest and the highest value of the layer.
    """

    parts: int = LINE_LEVELS
    limits: tuple[float, float] | None = None


OUTPUT = {"weight_mean": Line(), "bias": Line()}
HIDDEN = {**OUTPUT, "active": Line(ACTIVE_LEVELS, (0, 1))}


def run_series(
    history: pd.DataFrame, trajectory: pd.DataFrame, fates: pd.DataFrame
) -> dict[str, Any]:
    """The series of a run, ready to be packed.

    `fates`: those of dying.unit_fates, empty where the units are not judged. Whole numbers in a row
    are differences, each from the one before it: `steps` [K]; the accuracies of each split, in
    ACCURACY_LEVELS; the `levels` [U, K] of a line, from `low` to `high`. `layers` are the first,
    "1", and the output, "-1", as in panels.Panel; none where nothing is recorded.
    """
    accuracy = {split: _accuracy(history, split) for split in SPLITS}
    if trajectory.empty:
        return {"accuracy": accuracy, "steps": [], "layers": {}}
    records = Records.of(trajectory)
    places = _carried(len(records.steps), STEPS_CARRIED)
    return {
        "accuracy": accuracy,
        "steps": _differences(records.steps[places]),
        "layers": {
            key: _layer(records, places, layer, quantities) | {"since": _since(fates, layer)}
            for key, layer, quantities in (("1", 1, HIDDEN), ("-1", records.layers.max(), OUTPUT))
        },
    }


def pack(series: Mapping[str, Any]) -> str:
    """Series as text that needs no escaping: base64 of deflated JSON."""
    text = json.dumps(series, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _carried(count: int, most: int) -> Array:
    """Places of at most that many of `count` records, the first and the last among them."""
    places = np.linspace(0, 1, min(most, count)) ** CROWDING * (count - 1)
    return np.unique(places.round().astype(int))


def _accuracy(history: pd.DataFrame, split: str) -> dict[str, list[int]]:
    own = np.flatnonzero(history["split"] == split)
    kept = own[_carried(len(own), ACCURACIES_CARRIED)]
    accuracy = history["accuracy"].to_numpy(dtype=np.float64)[kept]
    levels = _levels(accuracy, 0, 1, ACCURACY_LEVELS)
    steps = history["step"].to_numpy()[kept]
    return {"steps": _differences(steps), "levels": _differences(levels)}


def _layer(
    records: Records, places: Array, layer: int, quantities: Mapping[str, Line]
) -> dict[str, Any]:
    """The lines of a layer's units."""
    tables = {name: records.column(name, layer)[places, :UNITS_CARRIED] for name in quantities}
    lines = {name: _lines(table, quantities[name]) for name, table in tables.items()}
    return {"number": int(layer), "lines": lines}


def _lines(table: Array, line: Line) -> dict[str, Any]:
    """A quantity of a layer [K, U], quantised."""
    low, high = line.limits or (float(table.min()), float(table.max()))
    levels = _levels(table, low, high, line.parts)
    return {
        "low": float(f"{low:.6g}"),
        "high": float(f"{high:.6g}"),
        "parts": line.parts,
        "levels": _differences(levels.T),
    }


def _since(fates: pd.DataFrame, layer: int) -> dict[str, list[int]]:
    """Since which step each fate holds of each unit of the layer, dying.NEVER where it does not.

    Nothing where the units are not judged.
    """
    if fates.empty:
        return {}
    own = fates["layer"].to_numpy() == layer
    return {name: fates[f"{name}_since"].to_numpy()[own].tolist() for name in FATES}


def _levels(values: Array, low: float, high: float, parts: int) -> Array:
    """Each value as the nearest of `parts` + 1 levels from `low` to `high`."""
    return np.asarray(((values - low) / ((high - low) or 1.0) * parts).round().astype(int))


def _differences(values: Array) -> list[Any]:
    """Along the last dimension, from 0 on."""
    differences: list[Any] = np.diff(values, prepend=0).tolist()
    return differences

"""The explorer's reduced copy of a run: its series at few steps and in few levels, compressed.

A page with a thousand runs must open fast, so a run gets about 5 kB. Lines are drawn a few hundred
pixels wide and high, and would not show more.
"""

# K steps kept, U units kept

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.artifacts.unit_fates import FATES, Records
from actscope.engine.recorded import SPLITS
from actscope.metric import ACCURACY, Metric

STEPS_KEPT = 36
UNITS_KEPT = 64  # of a layer: its first ones
LAYERS_KEPT = 8  # hidden ones
ROWS_KEPT = 60  # of a split
METRIC_LEVELS = 1000  # of accuracy a tenth of a per cent
LINE_LEVELS = 200  # from a layer's lowest value to its highest: a panel has fewer pixels
ACTIVE_LEVELS = 25  # 4 per cent
# Units die early, so the kept steps are closer together at the start.
CROWDING = 1.5

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Line:
    """The precision of a quantity of a layer's units: `parts` levels between its limits.

    None: the lowest and the highest value of the layer.
    """

    parts: int = LINE_LEVELS
    limits: tuple[float, float] | None = None


OUTPUT = {"weight_mean": Line(), "bias": Line()}
HIDDEN = {**OUTPUT, "active": Line(ACTIVE_LEVELS, (0, 1))}


def run_series(
    history: pd.DataFrame,
    trajectory: pd.DataFrame,
    fates: pd.DataFrame,
    metric: Metric = ACCURACY,
) -> dict[str, Any]:
    """The series of a run, ready to be packed.

    `fates`: of unit_fates.unit_fates, empty if unknown. Lists of integers hold the differences of
    neighbours: `steps` [K]; the metric of each split, in METRIC_LEVELS up to `high`; the `levels`
    [U, K] of a line, from `low` to `high`. `layers` are hidden layers by their numbers, and the
    output layer, "-1", as in panels.Panel; there are none if nothing is recorded.
    """
    drawn = metric.drawn(history[metric.name])
    high = metric.part(100) or _largest(drawn)
    values = {split: _metric(history, drawn, high, split) for split in SPLITS}
    if trajectory.empty:
        return {"metric": values, "high": high, "steps": [], "layers": {}}
    records = Records.of(trajectory)
    places = _kept(len(records.steps), STEPS_KEPT)
    output = int(records.layers.max())
    hidden = [(str(layer), layer, HIDDEN) for layer in _layers_kept(output - 1)]
    return {
        "metric": values,
        "high": high,
        "steps": _differences(records.steps[places]),
        "layers": {
            key: _layer(records, places, layer, quantities) | {"since": _since(fates, layer)}
            for key, layer, quantities in (*hidden, ("-1", output, OUTPUT))
        },
    }


def pack(series: Mapping[str, Any]) -> str:
    """Series as text without characters to escape: base64 of deflated JSON."""
    text = json.dumps(series, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _layers_kept(hidden: int) -> list[int]:
    """Numbers of at most LAYERS_KEPT hidden layers, evenly from the first to the last."""
    layers: list[int] = (
        np.linspace(1, hidden, min(hidden, LAYERS_KEPT)).round().astype(int).tolist()
    )
    return layers


def _kept(count: int, most: int) -> Array:
    """Indices of at most `most` of `count` records, with the first and the last."""
    places = np.linspace(0, 1, min(most, count)) ** CROWDING * (count - 1)
    return np.unique(places.round().astype(int))


def _largest(drawn: "pd.Series[float]") -> float:
    return float(f"{drawn[np.isfinite(drawn)].max():.6g}") if len(drawn) else 1.0


def _metric(
    history: pd.DataFrame, drawn: "pd.Series[float]", high: float, split: str
) -> dict[str, list[int]]:
    own = np.flatnonzero((history["split"] == split) & np.isfinite(drawn))
    kept = own[_kept(len(own), ROWS_KEPT)]
    levels = _levels(drawn.to_numpy(dtype=np.float64)[kept], 0, high, METRIC_LEVELS)
    steps = history["step"].to_numpy()[kept]
    return {"steps": _differences(steps), "levels": _differences(levels)}


def _layer(
    records: Records, places: Array, layer: int, quantities: Mapping[str, Line]
) -> dict[str, Any]:
    """The lines of a layer's units."""
    tables = {name: records.column(name, layer)[places, :UNITS_KEPT] for name in quantities}
    lines = {name: _lines(table, quantities[name]) for name, table in tables.items()}
    return {"number": int(layer), "lines": lines}


def _lines(table: Array, line: Line) -> dict[str, Any]:
    """A quantised quantity of a layer, from values [K, U]."""
    low, high = line.limits or (float(table.min()), float(table.max()))
    levels = _levels(table, low, high, line.parts)
    return {
        "low": float(f"{low:.6g}"),
        "high": float(f"{high:.6g}"),
        "parts": line.parts,
        "levels": _differences(levels.T),
    }


def _since(fates: pd.DataFrame, layer: int) -> dict[str, list[int]]:
    """The step since which each unit of the layer has each fate, or unit_fates.NEVER.

    Empty if the fates are unknown.
    """
    if fates.empty:
        return {}
    own = fates["layer"].to_numpy() == layer
    return {name: fates[f"{name}_since"].to_numpy()[own].tolist() for name in FATES}


def _levels(values: Array, low: float, high: float, parts: int) -> Array:
    """Each value as the nearest of `parts` + 1 levels from `low` to `high`."""
    return np.asarray(((values - low) / ((high - low) or 1.0) * parts).round().astype(int))


def _differences(values: Array) -> list[Any]:
    """Differences of neighbours along the last dimension, starting from 0."""
    differences: list[Any] = np.diff(values, prepend=0).tolist()
    return differences

"""Compares the artifacts of a run with a new result, bit by bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file

from actscope.engine.result import RunResult
from actscope.errors import first_line
from actscope.tracking import TABLES

LATER = ("layers", "predictions")  # tables that runs of older versions lack
KEYS = ("step", "split", "layer", "unit")  # columns that locate a number in a table

Array = np.ndarray[Any, Any]


def differences(folder: Path, result: RunResult) -> list[str]:
    """Where a result's numbers differ from the artifacts of a run; empty if they are identical.

    A run of an older version lacks tables; these are not compared.
    """
    paths = {name: folder / f"{name}.parquet" for name in TABLES}
    found = [
        _compare_table(path, getattr(result, name))
        for name, path in paths.items()
        if name not in LATER or path.exists()
    ]
    found.append(_compare_model(folder / "model.safetensors", result))
    return [difference for difference in found if difference]


@dataclass(frozen=True)
class Difference:
    """How an array differs from the recorded one.

    `count`: numbers that differ. `first`: index of the first one, `before` and `now` its values.
    `at_most`: the largest difference; inf if a number is not finite, and for texts.
    """

    name: str
    count: int
    first: tuple[int, ...]
    before: object
    now: object
    at_most: float


def _compare_table(path: Path, now: pd.DataFrame) -> str:
    try:
        before = arrays_of(pd.read_parquet(path))
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        return f"{path.name} cannot be read ({first_line(error)})"
    arrays = arrays_of(now)
    if form := different_shape(before, arrays):
        return f"{path.name} has a different shape: {form}"
    found = compare(before, arrays)
    first = min(found, key=lambda difference: difference.first, default=None)
    if first is None:
        return ""
    place = ", ".join(f"{key} {arrays[key][first.first]}" for key in KEYS if key in arrays)
    return f"{path.name}: {_describe(found, first, arrays)} at {place})"


def _compare_model(path: Path, result: RunResult) -> str:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        return f"{path.name} cannot be read ({first_line(error)})"
    before, now = ({n: s[n].numpy() for n in sorted(s)} for s in (tensors, result.state))
    if form := different_shape(before, now):
        return f"{path.name} has a different shape: {form}"
    found = compare(before, now)
    if not found:
        return ""
    return f"{path.name}: {_describe(found, found[0], now)} at {list(found[0].first)})"


def _describe(found: Sequence[Difference], first: Difference, arrays: Mapping[str, Array]) -> str:
    count = sum(difference.count for difference in found)
    total = sum(array.size for array in arrays.values())
    at_most = max(difference.at_most for difference in found)
    return (
        f"{count} of {total} numbers differ by up to {at_most:.3g} (first {first.name}: "
        f"{first.before} then, {first.now} now,"
    )


def arrays_of(table: pd.DataFrame) -> dict[str, Array]:
    return {str(name): column.to_numpy() for name, column in table.items()}


def different_shape(before: Mapping[str, Array], now: Mapping[str, Array]) -> str:
    """The first array with another type or shape than before; empty if there is none."""
    for name in [*before, *now]:
        was, is_now = (
            f"{arrays[name].dtype}{list(arrays[name].shape)}" if name in arrays else "absent"
            for arrays in (before, now)
        )
        if was != is_now:
            return f"{name} was {was}, is {is_now} now"
    return ""


def compare(before: Mapping[str, Array], now: Mapping[str, Array]) -> list[Difference]:
    """Differences, bit by bit, of arrays with equal types and shapes."""
    found = []
    for name in now:
        old, new = np.atleast_1d(before[name], now[name])  # a buffer may have no dimension
        where = np.nonzero(_bits(old) != _bits(new))
        if len(where[0]) == 0:
            continue
        first = tuple(int(axis[0]) for axis in where)
        at_most = np.inf
        if new.dtype.kind != "O":
            with np.errstate(invalid="ignore"):
                gaps = np.abs(old[where].astype(float) - new[where].astype(float))
            at_most = float(np.nan_to_num(gaps, nan=np.inf).max())
        found.append(Difference(name, len(where[0]), first, old[first], new[first], at_most))
    return found


def _bits(array: Array) -> Array:
    """Floats as integers: -0.0 differs from 0.0. All NaN are equal, as a file keeps one kind."""
    if array.dtype.kind != "f":
        return array
    return np.where(np.isnan(array), array.dtype.type(np.nan), array).view(f"u{array.itemsize}")

"""Read the tables of runs from their files, and check that they are complete and valid."""

# T recorded steps, U units of all layers

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pyarrow import ArrowException  # type: ignore[import-untyped]

from actscope import tracking
from actscope.engine.recorded import LAYER_STATISTICS, LOSS, MEASURES, PROBE, SPLITS, TRAJECTORY
from actscope.errors import ReportError, StoreError
from actscope.metric import ACCURACY, METRICS
from actscope.tracking import Store
from actscope.tracking.errors import is_missing

READERS: Mapping[str, Callable[[Store, str, str], pd.DataFrame]] = {
    "history": tracking.read_history,
    "trajectory": tracking.read_trajectory,
    "probe": tracking.read_probe,
    "layers": tracking.read_layers,
    "predictions": tracking.read_predictions,
}
UNIT = ["layer", "unit"]
NUMBERS = {
    "history": ["step", "epoch", LOSS],
    "trajectory": ["step", *UNIT, *TRAJECTORY],
    "probe": ["step", *UNIT, *PROBE],
    "layers": ["step", "layer", *LAYER_STATISTICS],
}
LATER = {"scale"}  # columns that runs of older versions lack
# Before a run diverges, a layer's outputs may overflow. If they are zero they have no cosine.
NEED_NOT_BE_FINITE = {*MEASURES, "update_norm", "weight_norm", *LAYER_STATISTICS} - {"dead"}

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")


class UnreadableRunError(ReportError):
    """A file of a run is missing or invalid."""

    def __init__(self, study: str, run_id: str, reason: str) -> None:
        super().__init__(study, run_id, reason)
        self.study, self.run_id, self.reason = study, run_id, reason

    def __str__(self) -> str:
        return f"study={self.study}: a file of run {self.run_id} cannot be read: {self.reason}"


class MissingTableError(UnreadableRunError):
    """The run has no such file."""


def read_run_table(name: str, store: Store, study: str, run_id: str) -> pd.DataFrame:
    """Read the table of this name in READERS, and check it.

    Raises:
        MissingTableError: the run has no such table.
        UnreadableRunError: the table is invalid.
        StoreError: the store does not answer.

    """
    # No reason quotes an error, whose text may contain a path of this machine.
    try:
        table = READERS[name](store, study, run_id)
    except StoreError as error:
        if not is_missing(error):
            raise
        raise MissingTableError(study, run_id, f"{name}.parquet is missing") from error
    except FileNotFoundError as error:
        raise MissingTableError(study, run_id, f"{name}.parquet is missing") from error
    except (OSError, ValueError, TypeError, LookupError, ArrowException) as error:
        reason = f"{name}.parquet is damaged ({type(error).__name__})"
        raise UnreadableRunError(study, run_id, reason) from error
    if fault := table_fault(name, table):
        raise UnreadableRunError(study, run_id, f"{name}.parquet {fault}")
    return table


def read_probe_of(trajectory: pd.DataFrame, store: Store, study: str, run_id: str) -> pd.DataFrame:
    """Read the probe of a run, and check that it has the units of its trajectory.

    Raises:
        MissingTableError, StoreError: as `read_run_table`.
        UnreadableRunError: it has other units, or is invalid.

    """
    probe = read_run_table("probe", store, study, run_id)
    recorded, probed = _units_of(trajectory), _units_of(probe)
    if len(recorded) and len(probed) and not np.array_equal(recorded, probed):
        reason = "probe.parquet and trajectory.parquet have different units"
        raise UnreadableRunError(study, run_id, reason)
    return probe


def read_correct(store: Store, study: str, run_id: str) -> Array | None:
    """Whether a run is right about each test example; None for a run of an older version.

    Raises:
        UnreadableRunError: the table is invalid.
        StoreError: the store does not answer.

    """
    try:
        return read_run_table("predictions", store, study, run_id)["correct"].to_numpy()
    except MissingTableError:
        return None


def table_fault(name: str, table: pd.DataFrame) -> str:
    """The fault of a table, or ''."""
    if name == "predictions":
        is_whole = list(table.columns) == ["correct"] and table["correct"].dtype == bool
        return "" if is_whole else "is not one column of true and false"
    there = list(table.columns)
    for column in [*NUMBERS[name], *(_metrics_in(table) if name == "history" else ())]:
        if column in LATER and column not in there:
            continue
        if there.count(column) != 1 or (values := table[column].to_numpy()).dtype.kind not in "iuf":
            return f"has no numeric column {column}"
        if column not in NEED_NOT_BE_FINITE and not np.isfinite(values).all():
            return f"has values of {column} that are not finite"
    if name == "history":
        return _history_fault(table)
    return _layers_fault(table) if name == "layers" else _units_fault(table)


def epochs_fault(history: pd.DataFrame, epochs: int) -> str:
    """The fault of a history that lacks values of its epochs, or ''."""
    split = judged_split(history)
    found = history.loc[history["split"] == split, "epoch"].round().tolist()
    if found != list(range(1, epochs + 1)):
        what = METRICS[_metrics_in(history)[0]].words
        return f"history.parquet does not have one {split} {what} for each of the {epochs} epochs"
    return ""


def judged_split(history: pd.DataFrame) -> str:
    """The split on which each epoch of a run was evaluated."""
    return "validation" if (history["split"] == "validation").any() else "test"


def _metrics_in(history: pd.DataFrame) -> list[str]:
    """The metrics that a history has; accuracy if it has none, which is its fault."""
    return [name for name in METRICS if name in history] or [ACCURACY.name]


def _history_fault(history: pd.DataFrame) -> str:
    if "split" not in history or not history["split"].isin(SPLITS).all():
        return f"has splits other than {' and '.join(SPLITS)}"
    for name in _metrics_in(history):
        low, high = METRICS[name].limits
        if not history[name].between(low, high).all():
            return f"has values of {name} outside {low:g} to {high:g}"
    for split in SPLITS:
        steps = history["step"].to_numpy()[history["split"] == split]
        if (steps[1:] <= steps[:-1]).any():
            return "has steps that do not increase"
    return ""


def _units_fault(table: pd.DataFrame) -> str:
    """The fault of a table that is not one row per step and unit, in order, or ''."""
    if table.empty:
        return ""
    steps, units, first = table["step"].to_numpy(), _units_in(table), _units_of(table)
    layers = np.unique(first[:, 0])
    is_whole = len(table) % len(first) == 0 and len(np.unique(first, axis=0)) == len(first)
    if is_whole:
        by_step = steps.reshape(-1, len(first))  # [T, U]
        is_whole = bool(
            (by_step == by_step[:, :1]).all()
            and (np.diff(by_step[:, 0]) > 0).all()
            and (units.reshape(-1, *first.shape) == first).all()
            and np.array_equal(layers, np.arange(1, len(layers) + 1))
        )
    return "" if is_whole else "does not have one row for each step and unit"


def _layers_fault(table: pd.DataFrame) -> str:
    """The fault of a table that is not one row per step and layer, in order, or ''."""
    as_units = table[["step", "layer"]].assign(unit=0)
    return "does not have one row for each step and layer" if _units_fault(as_units) else ""


def _units_of(table: pd.DataFrame) -> Array:
    """Layer and unit of each row of the first step, [U, 2]."""
    steps = table["step"].to_numpy()
    later = np.flatnonzero(steps != steps[:1])
    return _units_in(table)[: later[0] if len(later) else len(steps)]


def _units_in(table: pd.DataFrame) -> Array:
    """Layer and unit of each row; much faster than to choose both columns at once."""
    return np.column_stack([table[name].to_numpy() for name in UNIT])


def read_each_run(
    store: Store,
    study: str,
    tables: Sequence[str],
    read: Callable[[Store, str, str], T],
    runs: pd.DataFrame,
) -> dict[str, T]:
    """Call `read` on each of these rows of StudyRuns.runs; its results, by run id.

    `tables`: those of tracking.TABLES that `read` reads.
    """
    groups = tracking.run_groups(runs["pack"], runs["run_id"])
    read_run_group = partial(tracking.read_run_group, store, study, tables, read)
    return dict(chain.from_iterable(store.read_in_order(read_run_group, groups)))


def stack_tables(
    keys: pd.DataFrame, tables: Sequence[pd.DataFrame], columns: Sequence[str] = ()
) -> pd.DataFrame:
    """One table of many, one for each row of `keys`; each row gets the columns of its key first.

    `columns`: those of the result, besides the keys', if there are no tables.
    """
    if not tables:
        return pd.DataFrame(columns=[*keys.columns, *columns])
    places = np.repeat(np.arange(len(keys)), [len(table) for table in tables])
    repeated = keys.take(places).reset_index(drop=True)
    return pd.concat([repeated, pd.concat(tables, ignore_index=True)], axis=1)

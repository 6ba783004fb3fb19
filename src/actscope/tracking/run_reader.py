"""Read runs and their tables from a store."""

from typing import Any

import pandas as pd
from pyarrow import parquet  # type: ignore[import-untyped]

from actscope.tracking.errors import store_errors
from actscope.tracking.rows import RunRow
from actscope.tracking.server_store import ServerStore
from actscope.tracking.store import Store

RUN_ID = "run_id"  # a column of packed tables
PARAMS, METRICS = "params.", "metrics."  # prefixes of their columns
TAGS = (
    "outcome",
    "reason",
    "sweep",
    "signature",
    "signature.config",
    "signature.data",
    "signature.code",
    "signature.activation_code",
    "signature.model_code",
    "pack",
    "layers",
    "trial",
    "classes",
)


def read_runs(store: Store, study: str) -> pd.DataFrame:
    """All runs of a study's points, finished or not, oldest first.

    Columns: `run_id`, `name`, `status`, `started` and `ended` (ms since 1970), `outcome`, `reason`,
    `signature`, `signature.config`, `.data`, `.code`, `.activation_code`, `.model_code`, `sweep`,
    `commit`, `dirty`, `pack` (the name of its packed tables), `layers` (JSON, the names of the
    layers of a user's own network), `trial` (JSON, the trial of a search), `classes` (the number of
    classes, as text). The parameters, as text, are `params.lr` and so on; the metrics' last values,
    as numbers, are `metrics.test/accuracy_final` and so on. These are the names of MLflow's own
    tables, so no parameter or metric can hide another column.

    Raises:
        StoreError: there is no such study, or the store cannot be read.

    """
    experiment = store.find_experiment(study)
    with store_errors(store.location):
        rows = list(map(_columns, store.point_rows(experiment.experiment_id)))
    frame = pd.DataFrame(rows)
    return frame.sort_values(["started", "run_id"], ignore_index=True) if rows else frame


def read_history(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "history.parquet")


def read_trajectory(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "trajectory.parquet")


def read_probe(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "probe.parquet")


def read_layers(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "layers.parquet")


def read_predictions(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "predictions.parquet")


def _read_table(store: Store, study: str, run_id: str, name: str) -> pd.DataFrame:
    if (
        isinstance(store, ServerStore)
        and (packed := _packed_table(store, run_id, name)) is not None
    ):
        return packed
    # pandas would take twice as long: such tables are small and many.
    with store.artifact(study, run_id, name) as path, parquet.ParquetFile(path) as file:
        table: pd.DataFrame = file.read(use_threads=False).to_pandas()
    return table


def _packed_table(store: ServerStore, run_id: str, name: str) -> pd.DataFrame | None:
    if store.packed_tables is None or not (store.packed_tables / name).exists():
        return None
    of_run = parquet.read_table(store.packed_tables / name, filters=[(RUN_ID, "==", run_id)])
    if not len(of_run):
        return None
    table: pd.DataFrame = of_run.drop_columns(RUN_ID).to_pandas()
    return table


def _columns(run: RunRow) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "started": run.started,
        "ended": run.ended,
        **{key: run.tags.get(f"actscope.{key}") for key in TAGS},
        "commit": run.tags.get("mlflow.source.git.commit"),
        "dirty": run.tags.get("actscope.git_dirty"),
        **{f"{PARAMS}{key}": value for key, value in run.params.items()},
        **{f"{METRICS}{key}": value for key, value in run.metrics.items()},
    }

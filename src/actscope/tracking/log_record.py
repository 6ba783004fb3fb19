"""Log a run's record to a store, in the order that makes what is FINISHED complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from actscope.errors import StoreError
from actscope.tracking.errors import is_already_there, store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.local_store import LocalStore
from actscope.tracking.run_record import (
    ARTIFACTS_TAG,
    MetricRow,
    RunRecord,
    artifacts_tag,
    dataset_input,
)
from actscope.tracking.sqlite_rows import TESTED_SCHEMAS, SqliteRows
from actscope.tracking.store import Store

ENTITIES_A_BATCH = 1000  # MLflow's limit on metrics, parameters and tags together
PARAMS_A_BATCH = 100  # MLflow's limit on parameters, and on tags


class RunRows(Protocol):
    """Writes a run, but for its artifacts, in the order of these methods."""

    def open_run(self, experiment_id: str, record: RunRecord) -> tuple[str, str]:
        """Create a run with a record's name, tags and start; its id and its artifacts' address."""

    def log_start(self, run_id: str, record: RunRecord) -> None:
        """Log what is known before the training: parameters and data sets."""

    def log_metrics(self, run_id: str, metrics: Sequence[MetricRow]) -> None:
        """Log metrics of a run in training."""

    def end_run(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        """Log what is known after the training; the status last. This may be repeated."""


@dataclass(frozen=True)
class ClientRows:
    """RunRows by MLflow's client."""

    store: Store

    def open_run(self, experiment_id: str, record: RunRecord) -> tuple[str, str]:
        info = open_run(self.store, experiment_id, record).info
        return info.run_id, info.artifact_uri

    def log_start(self, run_id: str, record: RunRecord) -> None:
        self.store.client.log_batch(run_id, params=_params(record))
        log_inputs(self.store, run_id, record)

    def log_metrics(self, run_id: str, metrics: Sequence[MetricRow]) -> None:
        for start in range(0, len(metrics), ENTITIES_A_BATCH):
            batch = [Metric(*row) for row in metrics[start : start + ENTITIES_A_BATCH]]
            self.store.client.log_batch(run_id, metrics=batch)

    def end_run(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        self.log_end(run_id, record, tags)
        self.store.client.set_terminated(run_id, record.status, record.ended)

    def log_end(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        """Log parameters, tags and metrics, but not the status."""
        params, last_tags = _params(record), [RunTag(*tag) for tag in tags.items()]
        for start in range(PARAMS_A_BATCH, max(len(params), len(last_tags)), PARAMS_A_BATCH):
            more = slice(start, start + PARAMS_A_BATCH)
            self.store.client.log_batch(run_id, params=params[more], tags=last_tags[more])
        params, last_tags = params[:PARAMS_A_BATCH], last_tags[:PARAMS_A_BATCH]
        room = ENTITIES_A_BATCH - len(params) - len(last_tags)
        self.log_metrics(run_id, record.metrics[:-room])
        last = [Metric(*row) for row in record.metrics[-room:]]
        self.store.client.log_batch(run_id, metrics=last, params=params, tags=last_tags)


def rows_of(store: Store) -> RunRows:
    """How runs are written into a store: into the database itself, where its schema is known."""
    if isinstance(store, LocalStore) and store.schema in TESTED_SCHEMAS:
        return SqliteRows(store.database)
    return ClientRows(store)


def open_run(store: Store, experiment_id: str, record: RunRecord) -> Run:
    """Create a run with a record's name, tags and start by MLflow's client."""
    return store.client.create_run(experiment_id, record.started, record.tags, run_name=record.name)


def log_inputs(store: Store, run_id: str, record: RunRecord) -> None:
    """Log a record's data sets. The first run with a data set makes its row for the study."""
    if not record.inputs:
        return
    datasets = [dataset_input(i) for i in record.inputs]
    try:
        store.client.log_inputs(run_id, datasets=datasets)
    except StoreError as error:
        if not is_already_there(error):
            raise
        # Another process made the row after MLflow searched for it: now MLflow finds it.
        store.client.log_inputs(run_id, datasets=datasets)


def fill_run(
    store: Store,
    rows: RunRows,
    run_id: str,
    record: RunRecord,
    folder: Path,
    artifact_uri: str | None = None,
) -> None:
    """Log what is known after the training: artifacts first, the status last.

    This may be repeated. `folder`: of the artifacts. `artifact_uri`: where the store wants them; if
    it is None, the store is asked.
    """
    _log_artifacts(store, run_id, folder, artifact_uri)
    rows.end_run(run_id, record, _last_tags(record))


def log_content(store: Store, run_id: str, record: RunRecord, folder: Path) -> None:
    """Log artifacts, metrics, parameters and tags by MLflow's client."""
    _log_artifacts(store, run_id, folder, None)
    ClientRows(store).log_end(run_id, record, _last_tags(record))


def deliver(store: Store, experiment_id: str, record: RunRecord, folder: Path) -> str:
    """Write a complete run from a record; returns its id. `folder`: of the artifacts.

    By MLflow's client, which checks what it is given: a record may come from outside.
    """
    tags = dict(record.tags)
    if tags.get("actscope.kind") == "point":
        tags |= signs_of_life()  # so that no other process closes it as abandoned
    run_id = str(open_run(store, experiment_id, replace(record, tags=tags)).info.run_id)
    log_inputs(store, run_id, record)
    fill_run(store, ClientRows(store), run_id, record, folder)
    return run_id


def _log_artifacts(store: Store, run_id: str, folder: Path, artifact_uri: str | None) -> None:
    if artifact_uri is None:
        store.client.log_artifacts(run_id, str(folder))
    else:
        with store_errors(store.location):
            repository = get_artifact_repository(artifact_uri, store.uri)
            repository.log_artifacts(str(folder))  # type: ignore[no-untyped-call]


def _last_tags(record: RunRecord) -> dict[str, str]:
    """All tags but the signs of life: those of the run may be newer."""
    life = signs_of_life().keys()
    tags = {key: value for key, value in record.tags.items() if key not in life}
    if record.artifacts:
        tags[ARTIFACTS_TAG] = artifacts_tag(record.artifacts)
    return tags


def _params(record: RunRecord) -> list[Param]:
    return [Param(key, value) for key, value in record.params.items()]

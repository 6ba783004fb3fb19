"""Log a run's record to a store, in the order that makes what is FINISHED complete."""

from dataclasses import replace
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from actscope.tracking.client_rows import ClientRows, log_inputs, open_run
from actscope.tracking.errors import store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.rows import RunRows
from actscope.tracking.run_record import ARTIFACTS_TAG, RunRecord, artifacts_tag
from actscope.tracking.store import Store


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

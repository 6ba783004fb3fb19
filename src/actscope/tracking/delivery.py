"""Writes a run of the offline queue into its store, by MLflow's client."""

from dataclasses import replace
from pathlib import Path

from actscope.tracking.client_rows import log_content, open_run
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.limits import check_limits
from actscope.tracking.log_record import last_tags
from actscope.tracking.run_record import ARTIFACTS, RECORD_TAG, RunRecord, read_record
from actscope.tracking.store import Store


def deliver_run(store: Store, path: Path) -> str:
    """Write one queued run unless that was done before; returns its name."""
    record = read_record(path)
    check_limits(record, str(path))
    experiment_id = _experiment_of(store, record)
    query = f"tags.`{RECORD_TAG}` = '{record.id}'"
    statuses = {run.info.run_id: run.info.status for run in store.search(experiment_id, query)}
    if record.status not in statuses.values() and not _is_finished_by_another(
        store, experiment_id, record
    ):
        if record.run_id is not None and statuses.pop(record.run_id, None) == "RUNNING":
            run_id = record.run_id
        else:
            run_id = _open(store, experiment_id, record)
        log_content(store, run_id, record, last_tags(record), path / ARTIFACTS)
        store.client.set_terminated(run_id, record.status, record.ended)
    for left, status in statuses.items():
        if status == "RUNNING":  # by an interrupted delivery
            store.client.delete_run(left)
    return record.name


def _open(store: Store, experiment_id: str, record: RunRecord) -> str:
    """Open a run for a record; returns its id."""
    tags = dict(record.tags)
    if tags.get("actscope.kind") == "point":
        tags |= signs_of_life()  # so that no other process closes it as abandoned
    return str(open_run(store, experiment_id, replace(record, tags=tags)).info.run_id)


def _experiment_of(store: Store, record: RunRecord) -> str:
    """Id of the experiment that holds a record's run or sweep: its study may have been renamed."""
    for run_id in (record.run_id, record.tags.get("mlflow.parentRunId")):
        if run_id is not None and (experiment_id := store.find_experiment_of(run_id)) is not None:
            return experiment_id
    return store.ensure_experiment(record.study)


def _is_finished_by_another(store: Store, experiment_id: str, record: RunRecord) -> bool:
    """Whether another run of the record's sweep has finished its point.

    A worker that was cut off may queue a run whose point another worker was then given.
    """
    signature = record.tags.get("actscope.signature")
    if record.status != "FINISHED" or record.sweep is None or signature is None:
        return False
    query = f"tags.`actscope.signature` = '{signature}' and attributes.status = 'FINISHED'"
    return any(
        run.data.tags.get("actscope.sweep") == record.sweep
        for run in store.search(experiment_id, query)
    )

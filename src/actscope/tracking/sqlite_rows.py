"""Writes runs into the tables of a local store as MLflow's client would.

MLflow makes six transactions and hundreds of objects a run, which takes ten times as long. A
test holds the rows of both against each other.
"""

import math
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actscope.setting_types import MLFLOWS_OWN
from actscope.tracking.run_record import Input, MetricRow, RunRecord
from actscope.tracking.sqlite import connected

LARGEST = 1.7976931348623157e308  # stands for infinity
RUN_NAME, USER = "mlflow.runName", "mlflow.user"

ADD_EXPERIMENT = """
    INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,
                             last_update_time)
    VALUES (:id, :name, :artifacts, 'active', :now, :now)
"""
ADD_EXPERIMENT_TAG = """
    INSERT OR REPLACE INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)
"""
ADD_RUN = """
    INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,
                      start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
    SELECT :id, :name, 'UNKNOWN', '', '', :user, 'RUNNING', :started, '', 'active',
           rtrim(artifact_location, '/') || '/' || :id || '/artifacts', experiment_id
    FROM experiments WHERE experiment_id = :experiment AND lifecycle_stage = 'active'
"""
ADD_TAG = "INSERT OR REPLACE INTO tags (run_uuid, key, value) VALUES (?, ?, ?)"
ADD_PARAM = "INSERT OR IGNORE INTO params (run_uuid, key, value) VALUES (?, ?, ?)"
ADD_METRIC = """
    INSERT OR IGNORE INTO metrics (run_uuid, key, value, timestamp, step, is_nan)
    VALUES (?, ?, ?, ?, ?, ?)
"""
ADD_LATEST = """
    INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    value = excluded.value, timestamp = excluded.timestamp, step = excluded.step,
    is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
"""
ADD_DATASET = """
    INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type,
                                    dataset_source, dataset_schema, dataset_profile)
    SELECT ?, experiment_id, ?, ?, ?, ?, ?, ? FROM runs WHERE run_uuid = ?
"""
ADD_INPUT = """
    INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type,
                                  destination_id, step)
    SELECT ?, 'DATASET', dataset_uuid, 'RUN', run_uuid, 0 FROM datasets
    JOIN runs USING (experiment_id) WHERE run_uuid = ? AND datasets.name = ? AND digest = ?
"""
ADD_INPUT_TAG = "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)"
FIND_RUN = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
SET_TAG = """
    INSERT OR REPLACE INTO tags (run_uuid, key, value)
    SELECT run_uuid, ?, ? FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'
"""
END_RUN = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"


@dataclass(frozen=True)
class SqliteRows:
    """RunRows of a database whose schema is one of TESTED_SCHEMAS; errors are sqlite3's."""

    database: Path

    def create_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        with _transaction(self.database) as connection:
            experiment_id = _add_experiment(connection, name, artifacts)
            connection.executemany(ADD_EXPERIMENT_TAG, _of(experiment_id, tags))
        return experiment_id

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        with _transaction(self.database) as connection:
            connection.execute(ADD_EXPERIMENT_TAG, [experiment_id, name, value])

    def open_runs(self, experiment_id: str, records: Sequence[RunRecord]) -> list[tuple[str, str]]:
        """All of them or none, in one transaction: each waits for the disk."""
        with _transaction(self.database) as connection:
            return [_open_run(connection, experiment_id, record) for record in records]

    def log_metrics(self, run_id: str, metrics: Sequence[MetricRow]) -> None:
        with _transaction(self.database, run_id) as connection:
            _add_metrics(connection, run_id, metrics)

    def end_run(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        with _transaction(self.database, run_id) as connection:
            connection.executemany(ADD_PARAM, _of(run_id, record.params))
            connection.executemany(ADD_TAG, _of(run_id, tags))
            _add_metrics(connection, run_id, record.metrics)
            connection.execute(END_RUN, [record.status, record.ended, run_id])

    def status(self, run_id: str) -> str:
        with connected(self.database) as connection:
            query = "SELECT status FROM runs WHERE run_uuid = ?"
            row = connection.execute(query, [run_id]).fetchone()
        if row is None:
            raise sqlite3.IntegrityError(f"there is no run {run_id}")
        return str(row[0])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with _transaction(self.database) as connection:
            for key, value in tags.items():
                _check(connection.execute(SET_TAG, [key, value, run_id]), run_id)

    def close(self, run_id: str, status: str, ended: int) -> None:
        with _transaction(self.database) as connection:
            closed = connection.execute(
                f"{END_RUN} AND lifecycle_stage = 'active'", [status, ended, run_id]
            )
            _check(closed, run_id)


def make_tables(database: Path, script: str, artifacts: str) -> None:
    """Make a database by a script, with the experiment that MLflow makes in each.

    `artifacts`: the address of that experiment's artifacts.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(script)
        _add_experiment(connection, MLFLOWS_OWN, artifacts, number=0)


@contextmanager
def _transaction(database: Path, run_id: str | None = None) -> Iterator[sqlite3.Connection]:
    """All or nothing is written. `run_id`: a run that must be there, and not in MLflow's trash."""
    with connected(database) as connection:
        # Else a transaction that reads first may fail where another process writes.
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if run_id is not None and not connection.execute(FIND_RUN, [run_id]).fetchone():
                raise sqlite3.IntegrityError(f"run {run_id} was deleted")
            yield connection


def _check(changed: sqlite3.Cursor, run_id: str) -> None:
    if changed.rowcount == 0:
        raise sqlite3.IntegrityError(f"there is no active run {run_id}")


def _open_run(
    connection: sqlite3.Connection, experiment_id: str, record: RunRecord
) -> tuple[str, str]:
    run_id = uuid.uuid4().hex
    tags = {RUN_NAME: record.name, **record.tags}
    about = {"id": run_id, "name": record.name, "started": record.started}
    about |= {"user": tags.get(USER, "unknown"), "experiment": experiment_id}
    if connection.execute(ADD_RUN, about).rowcount == 0:
        raise sqlite3.IntegrityError(f"there is no active experiment {experiment_id}")
    connection.executemany(ADD_TAG, _of(run_id, tags))
    connection.executemany(ADD_PARAM, _of(run_id, record.params))
    for given in record.inputs:
        _add_input(connection, run_id, given)
    query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
    (address,) = connection.execute(query, [run_id]).fetchone()
    return run_id, address


def _of(owner_id: str, values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    return ((owner_id, key, value) for key, value in values.items())


def _add_experiment(
    connection: sqlite3.Connection, name: str, artifacts: str | None, number: int | None = None
) -> str:
    """Returns the experiment's id. `number`: None: the next that is free."""
    about = {"id": number, "name": name, "artifacts": artifacts, "now": int(time.time() * 1000)}
    return str(connection.execute(ADD_EXPERIMENT, about).lastrowid)


def _add_metrics(connection: sqlite3.Connection, run_id: str, metrics: Sequence[MetricRow]) -> None:
    rows = [
        (run_id, key, _storable(value), timestamp, step, math.isnan(value))
        for key, value, timestamp, step in metrics
    ]
    connection.executemany(ADD_METRIC, rows)
    latest: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        if row[1] not in latest or _order(row) > _order(latest[row[1]]):
            latest[row[1]] = row
    connection.executemany(ADD_LATEST, latest.values())


def _order(row: tuple[Any, ...]) -> tuple[int, int, float]:
    """Of a metric's values the latest is that of the highest step, then time, then value."""
    _, _, value, timestamp, step, _ = row
    return step, timestamp, value


def _storable(value: float) -> float:
    """The value as MLflow stores it: NaN as 0, an infinity as the largest number."""
    return 0.0 if math.isnan(value) else max(-LARGEST, min(LARGEST, value))


def _add_input(connection: sqlite3.Connection, run_id: str, given: Input) -> None:
    """Add a data set to a run; the first run with it makes its row for the experiment."""
    about = (given.name, given.digest, given.source_type, given.source, given.schema, given.profile)
    connection.execute(ADD_DATASET, [uuid.uuid4().hex, *about, run_id])
    input_id = uuid.uuid4().hex
    added = connection.execute(ADD_INPUT, [input_id, run_id, given.name, given.digest]).rowcount
    if added:
        connection.executemany(ADD_INPUT_TAG, _of(input_id, given.tags))

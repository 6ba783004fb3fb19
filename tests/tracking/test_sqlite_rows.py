"""Runs written into a database's tables are those that MLflow's client writes."""

import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _get_latest_schema_revision

from actscope.tracking import local_store
from actscope.tracking.client_rows import ClientRows
from actscope.tracking.local_store import LocalStore
from actscope.tracking.rows import RunRows
from actscope.tracking.run_record import Input, RunRecord
from actscope.tracking.schema import (
    TESTED_SCHEMAS,
    installed_schema,
    missing_tables,
    script_of,
)
from actscope.tracking.sqlite import count_finished
from actscope.tracking.sqlite_rows import SqliteRows
from tests.support.mlflows_schema import definitions, script_of_database
from tests.support.stores import store_at
from tests.support.tracked import new_store

DIGITS = Input("digits", "ab" * 18, "actscope", "{}", None, '{"train": 3}', {"context": "training"})
MORE = Input("more", "cd" * 18, "actscope", "{}", "a schema")
STARTED = RunRecord(
    id="1",
    study="tests",
    name="relu lr=0.01 seed=0",
    status="RUNNING",
    started=1_700_000_000_000,
    tags={"actscope.kind": "point", "mlflow.note.content": "grün"},
    params={"lr": "0.01", "activation": "relu", "model.init_std": "None"},
    inputs=(DIGITS, MORE),
)
SHOWN = [("train/loss", 2.5, 10, 1), ("train/loss", 2.25, 11, 2), ("test/accuracy", 0.5, 11, 2)]
ENDED = RunRecord(
    id="1",
    study="tests",
    name=STARTED.name,
    status="FINISHED",
    started=STARTED.started,
    ended=1_700_000_009_000,
    params=STARTED.params,
    metrics=(
        ("train/loss", 1.5, 12, 3),
        ("train/loss", 2.25, 11, 2),  # already there
        ("test/accuracy", 0.75, 12, 1),  # a step before the latest
        ("dead/layer1", math.nan, 12, 0),
        ("test/loss", math.inf, 12, 1),
        ("test/loss", -math.inf, 12, 0),
        ("twice", 1.0, 12, 0),
        ("twice", 1.0, 12, 0),
        *((f"many/{number}", number / 7, 13, number) for number in range(2100)),
    ),
)
TAGS = {"mine": "first", "mlflow.note.content": "grün"}
LAST_TAGS = {"actscope.kind": "point", **{f"tag{number}": "x" for number in range(150)}}

# Columns of the tables of a run, without ids that are random.
TABLES = {
    "runs": "name, source_type, source_name, entry_point_name, user_id, status, start_time, "
    "end_time, source_version, lifecycle_stage, experiment_id, deleted_time",
    "tags": "key, value",
    "params": "key, value",
    "metrics": "key, value, timestamp, step, is_nan",
    "latest_metrics": "key, value, timestamp, step, is_nan",
    "datasets": "experiment_id, name, digest, dataset_source_type, dataset_source, "
    "dataset_schema, dataset_profile",
    "inputs": "source_type, destination_type, step",
    "input_tags": "name, value",
}


def make_store(folder: Path) -> LocalStore:
    store = new_store(folder)
    assert isinstance(store, LocalStore)
    return store


def write_two_runs(store: LocalStore, rows: RunRows) -> list[tuple[str, str]]:
    """Two runs of one study, the second without what is known at the end."""
    experiment_id = store.ensure_experiment("tests")
    opened = rows.open_runs(experiment_id, [STARTED, STARTED])
    for run_id, _ in opened:
        rows.log_metrics(run_id, SHOWN)
    rows.end_run(opened[0][0], ENDED, LAST_TAGS)
    rows.set_tags(opened[1][0], {"mine": "first", "other": "1"})
    rows.set_tags(opened[1][0], {"mine": "second"})
    assert rows.status(opened[1][0]) == "RUNNING"
    rows.close(opened[1][0], "KILLED", ENDED.started + 7)
    assert [rows.status(run_id) for run_id, _ in opened] == ["FINISHED", "KILLED"]
    return opened


def tables_of(store: LocalStore) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(store.database)) as connection, connection:
        return {
            table: sorted(map(repr, connection.execute(f"SELECT {columns} FROM {table}")))  # noqa: S608
            for table, columns in TABLES.items()
        }


def test_the_rows_are_those_of_mlflows_client(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / name) for name in ("tables", "client")]
    for store, rows in zip(
        stores, (SqliteRows(stores[0].database), ClientRows(stores[1])), strict=True
    ):
        for run_id, address in write_two_runs(store, rows):
            assert address == f"{store.folder.as_uri()}/artifacts/tests/{run_id}/artifacts"
            assert store.client.get_run(run_id).info.artifact_uri == address
    own, mlflows = map(tables_of, stores)
    assert len(own["metrics"]) == 2 * 3 + 6 + 2100
    for table in TABLES:
        assert own[table] == mlflows[table], table


def test_mlflows_client_reads_them(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    run_id = write_two_runs(store, SqliteRows(store.database))[0][0]
    run = MlflowClient(store.uri).get_run(run_id)
    assert (run.info.run_name, run.info.status) == (STARTED.name, "FINISHED")
    assert run.data.params == STARTED.params
    assert run.data.metrics["train/loss"] == 1.5
    assert math.isnan(run.data.metrics["dead/layer1"])
    assert sorted(i.dataset.name for i in run.inputs.dataset_inputs) == ["digits", "more"]


def test_finished_runs_are_counted(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    write_two_runs(store, SqliteRows(store.database))  # one of them is finished
    assert [count_finished(store.database, study) for study in ("tests", "other")] == [1, 0]
    assert count_finished(tmp_path / "missing.db", "tests") == 0
    (tmp_path / "damaged.db").write_text("no database")
    assert count_finished(tmp_path / "damaged.db", "tests") == 0


def test_the_end_may_be_written_twice(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    rows = SqliteRows(store.database)
    run_id = write_two_runs(store, rows)[0][0]
    before = tables_of(store)
    rows.end_run(run_id, ENDED, LAST_TAGS)
    assert tables_of(store) == before


def test_an_end_that_fails_leaves_nothing_of_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    rows = SqliteRows(store.database)
    run_id = write_two_runs(store, rows)[1][0]
    before = tables_of(store)
    refuse = "CREATE TRIGGER full BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'full'); END"
    with closing(sqlite3.connect(store.database)) as connection, connection:
        connection.execute(refuse)
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        rows.end_run(run_id, ENDED, LAST_TAGS)
    assert tables_of(store) == before


def test_a_run_of_a_deleted_study_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    experiment_id = store.ensure_experiment("tests")
    store.client.delete_experiment(experiment_id)
    with pytest.raises(sqlite3.IntegrityError, match="no active experiment"):
        SqliteRows(store.database).open_runs(experiment_id, [STARTED])


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    experiment_id = store.ensure_experiment("tests")

    def write(_: int) -> None:
        rows = SqliteRows(store.database)
        ((run_id, _),) = rows.open_runs(experiment_id, [STARTED])
        rows.end_run(run_id, ENDED, LAST_TAGS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    tables = tables_of(store)
    assert len(tables["runs"]) == 24
    assert len(tables["datasets"]) == 2
    assert len(tables["inputs"]) == 48


def test_a_new_database_is_as_mlflow_makes_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    assert script_of_database(store.database) == script_of(installed_schema())
    (default,) = MlflowClient(store.uri).search_experiments()
    assert (default.experiment_id, default.name) == ("0", "Default")
    assert default.artifact_location == f"{store.folder.as_uri()}/artifacts/Default"


def test_the_script_of_the_installed_schema_is_mlflows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = _get_latest_schema_revision()
    assert newest == installed_schema()
    assert newest in TESTED_SCHEMAS
    monkeypatch.setattr(local_store, "TESTED_SCHEMAS", set())  # so MLflow makes the database
    made = script_of_database(make_store(tmp_path).database)
    assert definitions(script_of(newest)) == definitions(made)


def test_an_experiment_is_that_of_mlflows_client(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / name) for name in ("tables", "client")]
    written = [SqliteRows(stores[0].database), ClientRows(stores[1])]
    for rows in written:
        assert rows.create_experiment("study", "file:///somewhere", TAGS) == "1"
        rows.set_experiment_tag("1", "mine", "second")
    own, mlflows = (MlflowClient(store.uri).get_experiment("1") for store in stores)
    assert own.tags == mlflows.tags == {**TAGS, "mine": "second"}
    assert own.artifact_location == mlflows.artifact_location == "file:///somewhere"
    assert own.workspace == mlflows.workspace
    assert abs(own.creation_time - mlflows.creation_time) < 60_000
    assert own.last_update_time == own.creation_time


def test_two_experiments_of_one_name_are_refused(tmp_path: Path) -> None:
    rows = SqliteRows(make_store(tmp_path).database)
    rows.create_experiment("study", "file:///somewhere", TAGS)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        rows.create_experiment("study", "file:///somewhere", TAGS)


def test_a_missing_table_is_named() -> None:
    tables = {*Base.metadata.tables, "alembic_version"}
    assert missing_tables(installed_schema(), {*tables, "mine"}) == []
    assert missing_tables(installed_schema(), tables - {"runs"}) == ["runs"]


def test_another_schema_is_left_to_mlflow(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    assert isinstance(store.rows, SqliteRows)
    with closing(sqlite3.connect(store.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'newer'")
    assert isinstance(store_at(store.uri).rows, ClientRows)


def test_a_run_in_the_trash_is_not_changed(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    run_id = write_two_runs(store, store.rows)[0][0]
    store.client.delete_run(run_id)
    before = tables_of(store)
    for change in (
        lambda: store.rows.set_tags(run_id, {"mine": "1"}),
        lambda: store.rows.close(run_id, "KILLED", 1),
    ):
        with pytest.raises(sqlite3.IntegrityError, match=f"no active run {run_id}"):
            change()
    assert tables_of(store) == before
    assert store.rows.status(run_id) == "FINISHED"
    with pytest.raises(sqlite3.IntegrityError, match="no run nothing"):
        store.rows.status("nothing")

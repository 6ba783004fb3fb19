"""Runs in a real SQLite store."""

import multiprocessing
import pickle
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from actscope import tracking
from actscope.artifacts.metrics import epoch_metrics
from actscope.config import Tracking
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.errors import StoreError
from actscope.report.figures.style import line_styles
from actscope.sweep.worker import finish_run
from actscope.tracking import GridPoint, Store, Sweep, sqlite_rows
from tests.support.making import BN_RELU, RELU, make_point
from tests.support.stores import store_at
from tests.support.tracked import begin_run

STUDY = "tests"


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


@pytest.fixture(scope="module")
def result() -> RunResult:
    point = make_point(BN_RELU, hidden=(3,), epochs=3, batch_size=100, every=3)
    return train_stack([point], load_data(point.data))[0]


def log(store: Store, result: RunResult, sweep_id: str = "s1") -> tuple[str, Sweep]:
    sweep = tracking.begin_sweep(store, STUDY, sweep_id, [GridPoint.of(result.point)])
    run = begin_run(store, sweep, result.point, load_data(result.point.data))
    finish_run(store, run, result)
    tracking.end_sweep(store, sweep, "FINISHED")
    assert run.run_id is not None
    return run.run_id, sweep


def test_ctrl_c_does_not_cut_short_what_mlflow_imports_for_a_store(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = []

    def interrupted(module: str) -> None:
        signal.raise_signal(signal.SIGINT)
        imported.append(module)

    monkeypatch.setattr("actscope.tracking.local_store.import_module", interrupted)
    store = tracking.open_store(settings)
    with pytest.raises(KeyboardInterrupt):
        store.connect()
    assert imported == ["mlflow.store.tracking.sqlalchemy_store"]


def test_a_run_holds_what_the_contract_says(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    run_id, sweep = log(store, result)
    client = MlflowClient(settings.uri)
    run = client.get_run(run_id)

    assert run.info.run_name == "bn_relu lr=0.01 seed=0"
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == STUDY
    assert run.data.tags["mlflow.parentRunId"] == sweep.parent_run_id
    assert run.data.tags["actscope.outcome"] == str(result.outcome)
    assert run.data.tags["actscope.accuracy"] == f"{result.test_final:.4f}"
    name = result.point.activation.name
    assert run.data.tags["mlflow.runColor"] == line_styles([name])[name].colour
    assert run.data.tags["actscope.signature.data"] == load_data(result.point.data).sha256
    assert len(run.data.tags["actscope.signature"]) == 64
    assert run.data.params["activation"] == "bn_relu"
    assert run.data.params["model.hidden"] == "[3]"
    assert run.inputs.dataset_inputs[0].dataset.digest == load_data(result.point.data).sha256[:36]
    names = {artifact.path for artifact in client.list_artifacts(run_id)}
    assert names == {
        "config.yaml",
        "history.parquet",
        "trajectory.parquet",
        "layers.parquet",
        "predictions.parquet",
        "probe.parquet",
        "trajectories.svg",
        "model.safetensors",
    }


def test_metrics_are_the_history_by_epoch(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    run_id, _ = log(store, result)
    client = MlflowClient(settings.uri)
    test = result.history[result.history["split"] == "test"]
    series = client.get_metric_history(run_id, "test/accuracy")
    assert [metric.step for metric in series] == [1, 2, 3]
    assert [metric.value for metric in series] == pytest.approx(test["accuracy"].tolist())
    last = client.get_run(run_id).data.metrics
    assert last["test/accuracy_final"] == pytest.approx(test["accuracy"].iloc[-1])
    assert last["test/accuracy_best"] == pytest.approx(test["accuracy"].max())
    assert last["test/loss_best"] == pytest.approx(test["loss"].min())
    unit = client.get_metric_history(run_id, "layer1/unit02/weight_mean")
    rows = result.trajectory.query("layer == 1 and unit == 2").set_index("step")["weight_mean"]
    assert len(unit) == min(15, len(rows))
    assert [metric.value for metric in unit] == pytest.approx(rows[[m.step for m in unit]].tolist())
    assert (unit[0].step, unit[-1].step) == (0, rows.index[-1])


def metrics_of(store: Store, run_id: str) -> list[tuple[str, int, float]]:
    keys = store.client.get_run(run_id).data.metrics
    points = [m for key in keys for m in store.client.get_metric_history(run_id, key)]
    return sorted((m.key, m.step, m.value) for m in points)


def test_a_run_in_training_shows_its_epochs_and_in_the_end_has_each_once(
    settings: Tracking, result: RunResult
) -> None:
    store = tracking.open_store(settings)
    whole, sweep = log(store, result)
    run = begin_run(store, sweep, result.point, load_data(result.point.data))
    assert run.run_id is not None
    for epoch in (1, 2):
        history = result.history
        done = history[history["epoch"] <= epoch]
        tracking.show_progress(store, run, epoch_metrics(done))
        shown = store.client.get_metric_history(run.run_id, "test/accuracy")
        assert [metric.step for metric in shown] == list(range(1, epoch + 1))
    finish_run(store, run, result)
    assert metrics_of(store, run.run_id) == metrics_of(store, whole)


def test_what_is_read_back_is_what_was_written(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    run_id, _ = log(store, result)
    pd.testing.assert_frame_equal(tracking.read_history(store, STUDY, run_id), result.history)
    pd.testing.assert_frame_equal(tracking.read_trajectory(store, STUDY, run_id), result.trajectory)
    pd.testing.assert_frame_equal(tracking.read_probe(store, STUDY, run_id), result.probe)
    weights = load_file(store.artifact_path(STUDY, run_id, "model.safetensors"))
    assert weights.keys() == result.state.keys()
    assert all(torch.equal(weights[name], result.state[name]) for name in weights)
    row = tracking.read_runs(store, STUDY).iloc[0]
    assert (row["run_id"], row["status"], row["params.lr"]) == (run_id, "FINISHED", "0.01")


def test_the_parent_run_holds_the_grid(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    _, sweep = log(store, result)
    assert sweep.parent_run_id is not None
    (attempt,) = tracking.read_summaries(store, sweep.experiment_id, {"actscope.kind": "sweep"})
    assert tracking.sweeps.read_grid(store, STUDY, attempt) == [GridPoint.of(result.point)]


def test_artifacts_are_found_after_the_project_moved(
    settings: Tracking, result: RunResult, tmp_path: Path
) -> None:
    run_id, _ = log(tracking.open_store(settings), result)
    (tmp_path / "mlruns").rename(tmp_path / "moved")
    moved = tracking.locate_store(Tracking(f"sqlite:///{tmp_path}/moved/mlflow.db"))
    pd.testing.assert_frame_equal(tracking.read_history(moved, STUDY, run_id), result.history)


def test_a_failed_run_is_closed_with_its_reason(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    sweep = tracking.begin_sweep(store, STUDY, "s1", [GridPoint.of(result.point)])
    run = begin_run(store, sweep, result.point, load_data(result.point.data))
    assert run.run_id is not None
    tracking.fail_run(store, run, ValueError("the third weight is odd\nand more"))
    row = tracking.read_runs(store, STUDY).iloc[0]
    assert (row["status"], row["reason"]) == ("FAILED", "ValueError: the third weight is odd")
    text = store.artifact_path(STUDY, run.run_id, "traceback.txt").read_text()
    assert "and more" in text


def test_the_end_of_a_sweep_leaves_nothing_running(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    sweep = tracking.begin_sweep(store, STUDY, "s1", [GridPoint.of(result.point)])
    other = tracking.begin_sweep(store, STUDY, "s2", [GridPoint.of(result.point)])
    for of in (sweep, other):
        begin_run(store, of, result.point, load_data(result.point.data))
    tracking.end_sweep(store, sweep, "FAILED")
    status = tracking.read_runs(store, STUDY).set_index("sweep")["status"]
    assert status.to_dict() == {"s1": "KILLED", "s2": "RUNNING"}


def test_runs_that_begin_at_once_are_read_in_their_order(settings: Tracking) -> None:
    store = tracking.open_store(settings)
    points = [make_point(RELU, seed=seed) for seed in range(20)]
    sweep = tracking.begin_sweep(store, STUDY, "s1", [GridPoint.of(p) for p in points])
    with patch.object(sqlite_rows, "_transaction", wraps=sqlite_rows._transaction) as transaction:
        runs = tracking.begin_runs(store, sweep, points, load_data(points[0].data))
    assert transaction.call_count == 1  # each waits for the disk
    assert tracking.read_runs(store, STUDY)["run_id"].tolist() == [run.run_id for run in runs]


def test_more_runs_than_a_page_are_all_read(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tracking.open_store(settings)
    point = make_point(RELU)
    sweep = tracking.begin_sweep(store, STUDY, "s1", [GridPoint.of(point)])
    ids = {begin_run(store, sweep, point, load_data(point.data)).run_id for _ in range(7)}
    monkeypatch.setattr(tracking.store, "RUNS_A_PAGE", 3)
    assert set(tracking.read_runs(store, STUDY)["run_id"]) == ids


def test_some_attempts_are_those_among_all(settings: Tracking, result: RunResult) -> None:
    store = tracking.open_store(settings)
    other = make_point(RELU, lr=0.5)
    sweep = tracking.begin_sweep(
        store, STUDY, "s1", [GridPoint.of(result.point), GridPoint.of(other)]
    )
    for point in (result.point, other):
        run = begin_run(store, sweep, point, load_data(point.data), stack=str(point.lr))
    finish_run(store, run, result)

    def asked(**words: Any) -> list[tracking.RunSummary]:
        return tracking.read_summaries(store, sweep.experiment_id, **words)

    first, second, third = asked()
    assert asked(tags={tracking.STACK: "0.5", "actscope.sweep": "s1"}) == [third]
    assert asked(tags={tracking.STACK: "0.5", "actscope.sweep": "another"}) == []
    assert asked(tags={"actscope.kind": "sweep"}) == [first]
    assert asked(is_unfinished=True) == [first, second]


def _open_and_begin(uri: str, sweep_id: str) -> str:
    store = tracking.open_store(Tracking(uri))
    return tracking.begin_sweep(store, STUDY, sweep_id, [GridPoint.of(make_point())]).experiment_id


@pytest.mark.slow
def test_a_fresh_store_survives_four_processes_at_once(settings: Tracking) -> None:
    assert settings.uri is not None
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        ids = pool.starmap(_open_and_begin, [(settings.uri, f"s{i}") for i in range(4)])
    assert len(set(ids)) == 1
    with closing(sqlite3.connect(settings.uri.removeprefix("sqlite:///"))) as database, database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (parents,) = database.execute("SELECT count(*) FROM runs").fetchone()
    assert parents == 4


def test_runs_that_are_the_first_to_name_a_data_set_do_not_collide(settings: Tracking) -> None:
    """MLflow looks for the data set's row, then writes it: two processes can both find none."""
    store, point = tracking.open_store(settings), make_point()
    data, runners = load_data(point.data), 4
    for study in ("one", "two", "three"):
        sweep = tracking.begin_sweep(store, study, "s1", [GridPoint.of(point)])
        together = threading.Barrier(runners)

        def begin(sweep: Sweep = sweep, together: threading.Barrier = together) -> str | None:
            own = store_at(store.uri)
            together.wait()
            return begin_run(own, sweep, point, data).run_id

        with ThreadPoolExecutor(runners) as pool:
            ids = [run.result() for run in [pool.submit(begin) for _ in range(runners)]]
        inputs = [store.client.get_run(run_id).inputs.dataset_inputs for run_id in ids]
        assert [[i.dataset.name for i in of] for of in inputs] == [["digits"]] * runners


def test_a_store_travels_without_its_connection(settings: Tracking) -> None:
    store = tracking.open_store(settings)
    travelled = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
    assert travelled == store
    assert "client" not in vars(travelled)


def test_an_unknown_study_is_named_with_those_there_are(
    settings: Tracking, result: RunResult
) -> None:
    store = tracking.open_store(settings)
    log(store, result)
    with pytest.raises(StoreError, match=r"study=nothing.*only these: tests"):
        tracking.read_runs(store, "nothing")


def test_reading_makes_no_store(settings: Tracking, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="` to make one"):
        tracking.read_runs(tracking.locate_store(settings), STUDY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["file:///tmp/runs", "mlruns", "ftp://somewhere"])
def test_a_kind_of_store_that_cannot_be_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match="SQLite"):
        tracking.locate_store(Tracking(uri))


def test_garbage_in_place_of_the_database_is_one_line(settings: Tracking, tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"cannot be opened: .*not a database") as error:
        tracking.open_store(settings)
    assert len(str(error.value).splitlines()) == 1

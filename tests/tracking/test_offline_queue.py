"""Stores that are unreachable while runs begin and end: nothing is lost, nothing is there twice."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from rich.console import Console
from sqlalchemy import event
from sqlalchemy.engine import Engine

from actscope import tracking
from actscope.artifacts.metrics import epoch_metrics
from actscope.commands.main import main
from actscope.config import Tracking
from actscope.errors import StoreError
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_sweep
from actscope.sweep.worker import finish_run
from actscope.tracking import Store, offline_queue
from actscope.tracking.bundle.bundle import export_study, import_bundle
from actscope.tracking.sqlite_rows import SqliteRows
from tests.support.making import RELU, make_point
from tests.support.queues import isolate_queue
from tests.support.serving import Server, serving
from tests.support.stores import store_at
from tests.support.tracked import (
    STUDY,
    begin,
    begin_sweep,
    empty_database,
    finished_once,
    log,
    new_store,
    runs_of,
    trained,
)

LOG_STEPS = ("log_inputs", "log_artifacts", "log_batch", "set_terminated")
LOCKED = MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate_queue(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Nobody else may use the database, and nobody waits for long."""

    def impatient(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 50"), parameters

    event.listen(Engine, "before_cursor_execute", impatient, retval=True)
    database = sqlite3.connect(str(store))
    try:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("actscope.tracking.sqlite.SECONDS_FOR_A_QUERY", 0.05)
            yield
    finally:
        database.close()
        event.remove(Engine, "before_cursor_execute", impatient)


def raising(error: Exception) -> Mock:
    return Mock(side_effect=error)


def deliver(store: Store) -> list[str]:
    return offline_queue.deliver_queued(store)


def waiting(store: Store) -> list[Path]:
    return offline_queue.read_queue(store).waiting


def statuses(store: Store) -> list[str]:
    return sorted(tracking.read_runs(store, STUDY)["status"])


def queue_two(store: Store) -> tuple[str, str]:
    """Put two finished runs into the queue: of the first the store knows that it began."""
    first, second = trained()[:2]
    sweep = begin_sweep(store, trained()[:2])
    opened = begin(store, sweep, first)
    time.sleep(0.002)  # runs that begin within a millisecond have no order
    with locked(store):
        unknown = begin(store, sweep, second)
        finish_run(store, opened, first)
        finish_run(store, unknown, second)
    offline_queue._next_try.clear()  # the half minute is over
    assert opened.run_id is not None
    assert unknown.run_id is None
    return opened.run_id, unknown.record.id


class TestTraining:
    def test_goes_on_while_the_database_is_locked(self, store: Store) -> None:
        opened, unknown = queue_two(store)
        assert re.fullmatch(r"[0-9a-f]{32}", unknown)
        assert [path.name for path in waiting(store)][1] == unknown
        assert statuses(store) == ["RUNNING"]
        assert deliver(store) == [str(result.point) for result in trained()[:2]]
        ids = finished_once(store, trained()[:2])
        assert ids[0] == opened
        assert statuses(store) == ["FINISHED", "FINISHED"]
        assert waiting(store) == []
        assert deliver(store) == []
        assert len(tracking.read_runs(store, STUDY)) == 2

    def test_what_was_queued_is_like_any_run(self, store: Store) -> None:
        queue_two(store)
        before = int(time.time() * 1000)
        time.sleep(0.01)
        deliver(store)
        runs = tracking.read_runs(store, STUDY)
        assert set(runs["sweep"]) == {"s1"}
        assert (runs["started"] <= runs["ended"]).all()
        assert (runs["ended"] <= before).all()
        parents = set()
        for run_id in runs["run_id"]:
            run = store.client.get_run(run_id)
            parents.add(run.data.tags["mlflow.parentRunId"])
            assert run.data.params["lr"] == "0.01"
            assert len(run.inputs.dataset_inputs) == 1
            assert len(run.data.tags["actscope.parcel"]) == 32
            history = store.client.get_metric_history(run_id, "test/accuracy")
            assert [metric.step for metric in history] == [1, 2, 3]
        assert len(parents) == 1

    def test_a_failure_waits_as_well(self, store: Store) -> None:
        result = trained()[0]
        sweep = begin_sweep(store, [result])
        with locked(store):
            run = begin(store, sweep, result)
            tracking.fail_run(store, run, ValueError("the third weight is odd"))
        deliver(store)
        row = tracking.read_runs(store, STUDY).iloc[0]
        assert (row["status"], row["reason"]) == ("FAILED", "ValueError: the third weight is odd")
        path = store.artifact_path(STUDY, row["run_id"], "traceback.txt")
        assert "the third weight is odd" in path.read_text()

    def test_a_run_that_was_only_half_begun_becomes_whole(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = trained()[0]
        sweep = begin_sweep(store, [result])
        with monkeypatch.context() as patch:
            locked = sqlite3.OperationalError("database is locked")
            patch.setattr(SqliteRows, "log_start", raising(locked))
            run = begin(store, sweep, result)
        finish_run(store, run, result)
        deliver(store)
        (finished,) = finished_once(store, [result])
        assert store.client.get_run(finished).data.params["lr"] == "0.01"
        assert statuses(store) == ["FINISHED"]

    def test_metrics_shown_before_the_store_went_away_are_there_once(self, store: Store) -> None:
        result = trained()[0]
        sweep = begin_sweep(store, [result])
        run = begin(store, sweep, result)
        first = result.history[result.history["epoch"] <= 1]
        tracking.show_progress(store, run, epoch_metrics(first))
        with locked(store):
            tracking.show_progress(store, run, epoch_metrics(result.history))  # not shown
            finish_run(store, run, result)
        offline_queue._next_try.clear()
        deliver(store)
        told = store.client.get_metric_history(run.run_id, "test/accuracy")
        assert [metric.step for metric in told] == [1, 2, 3]
        finished_once(store, [result])

    def test_a_store_that_was_away_is_left_alone_for_half_a_minute(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        result = trained()[0]
        sweep = begin_sweep(store, [result])
        now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: now)
        open_run = Mock(side_effect=sqlite3.OperationalError("database is locked"))
        monkeypatch.setattr(SqliteRows, "open_run", open_run)
        begin(store, sweep, result)
        now += 29
        begin(store, sweep, result)
        assert open_run.call_count == 1
        now += 2
        begin(store, sweep, result)
        assert open_run.call_count == 2
        assert len(caplog.messages) == 2
        assert "sync` delivers" in caplog.messages[0]
        assert "(database is locked)" in caplog.messages[0]

    def test_a_refusal_is_a_reason_to_queue_as_well(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = trained()[0]
        run = begin(store, begin_sweep(store, [result]), result)
        with monkeypatch.context() as patch:
            patch.setattr(
                LocalArtifactRepository, "log_artifacts", raising(OSError(28, "disk full"))
            )
            finish_run(store, run, result)
        assert len(waiting(store)) == 1
        assert not offline_queue.is_known_unreachable(store)
        deliver(store)
        finished_once(store, [result])


class TestDelivery:
    @pytest.mark.parametrize("end", ["killed", "deleted"])
    def test_a_run_that_was_closed_meanwhile_is_made_anew(self, store: Store, end: str) -> None:
        opened, _ = queue_two(store)
        if end == "killed":
            store.client.set_terminated(opened, "KILLED")
        else:
            store.client.delete_run(opened)
        deliver(store)
        assert opened not in finished_once(store, trained()[:2])
        assert deliver(store) == []

    @pytest.mark.parametrize(
        ("step", "number"),
        [
            ("create_run", 1),
            *((step, number) for step in LOG_STEPS for number in (1, 2)),
        ],
    )
    @pytest.mark.parametrize("is_done", [False, True], ids=["before", "behind"])
    def test_what_was_cut_short_ends_as_one_run(
        self,
        store: Store,
        step: str,
        number: int,
        is_done: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Cut short before or behind each request, of the run that is open and of the other."""
        queue_two(store)
        owner = LocalArtifactRepository if step == "log_artifacts" else MlflowClient
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, failing_once(getattr(owner, step), number, is_done))
            with pytest.raises(StoreError, match=r"is unreachable .*The others stay in"):
                deliver(store)
        deliver(store)
        finished_once(store, trained()[:2])
        assert statuses(store) == ["FINISHED", "FINISHED"]
        assert deliver(store) == []

    @pytest.mark.parametrize("step", ["rename", "rmtree"])
    def test_what_was_delivered_and_not_removed_is_not_delivered_again(
        self, store: Store, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue_two(store)
        with monkeypatch.context() as patch:
            patch.setattr(
                *((Path, step) if step == "rename" else (offline_queue.shutil, step)), cut_off
            )
            with pytest.raises(KeyboardInterrupt):
                deliver(store)
        deliver(store)
        finished_once(store, trained()[:2])
        assert statuses(store) == ["FINISHED", "FINISHED"]
        assert [path.name for path in offline_queue.queue_folder(store).iterdir()] == [".lock"]

    def test_what_is_half_written_is_no_record(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = trained()[0]
        with locked(store), monkeypatch.context() as patch:
            sweep_of = tracking.Sweep("s1", STUDY, "1", None)
            run = begin(store, sweep_of, result)
            patch.setattr(Path, "rename", cut_off)
            with pytest.raises(KeyboardInterrupt):
                finish_run(store, run, result)
        assert len(list(offline_queue.queue_folder(store).iterdir())) == 1
        assert waiting(store) == []
        assert deliver(store) == []

    def test_a_damaged_parcel_stays_and_stops_no_other(self, store: Store) -> None:
        queue_two(store)
        first, second = waiting(store)
        (first / "artifacts" / "history.parquet").write_bytes(b"")
        with pytest.raises(StoreError, match=r"1 runs in .* cannot be delivered, 1 others were"):
            deliver(store)
        assert waiting(store) == [first]
        assert not second.exists()
        (first / "run.json").write_text("{")
        with pytest.raises(StoreError, match="is not a JSON object"):
            deliver(store)
        assert first.exists()

    def test_a_parcel_that_no_store_can_hold_makes_no_run(self, store: Store) -> None:
        queue_two(store)
        _, second = waiting(store)
        record = json.loads((second / "run.json").read_text())
        for change, told in (
            ({"metrics": [["loss", 0.5, 0, 2**70]]}, r"metrics\.0\.3: "),
            ({"tags": {**record["tags"], "": "x"}}, "Names may"),
        ):
            (second / "run.json").write_text(json.dumps({**record, **change}))
            with pytest.raises(StoreError, match=told):
                deliver(store)
            assert statuses(store) == ["FINISHED"]
            assert second.exists()

    def test_a_damaged_parcel_stops_no_sweep(self, store: Store) -> None:
        queue_two(store)
        (waiting(store)[0] / "run.json").write_text("{")
        said = StringIO()
        point = make_point(RELU, hidden=(3,), epochs=1, every="epoch", seed=77)
        console = Console(file=said, width=200)
        results = run_sweep([point], Tracking(store.uri), "s2", Resources(0, 1), console)
        assert isinstance(results[point], Done)
        assert "1 runs in" in said.getvalue()
        assert "cannot be delivered, 1 others were" in said.getvalue()

    def test_a_parcel_for_another_store_stays(self, store: Store) -> None:
        queue_two(store)
        assert store.folder is not None
        (store.folder / "other.db").write_bytes(empty_database())
        other = store_at(f"sqlite:///{store.folder}/other.db")
        assert deliver(other) == []
        assert len(waiting(store)) == 2

    @pytest.mark.slow
    def test_two_processes_deliver_each_run_once_and_one_may_be_killed(self, store: Store) -> None:
        """The other kills itself behind its first status; this one waits, and does the rest."""
        queue_two(store)
        other = subprocess.Popen(
            [
                sys.executable,
                "-c",
                KILLED_MIDWAY,
                store.uri,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        with other.stdout:
            assert other.stdout.readline() == "delivering\n"
        assert deliver(store) == [str(result.point) for result in trained()[:2]]
        assert other.wait(timeout=60) == -signal.SIGKILL
        finished_once(store, trained()[:2])
        assert statuses(store) == ["FINISHED", "FINISHED"]

    def test_no_secret_is_written(self) -> None:
        store = store_at("http://me:secret@127.0.0.1:9/base/")
        assert store.location.name_in_queue == "http://127.0.0.1:9/base"


def failing_once(call: Callable[..., Any], number: int, is_done: bool) -> Callable[..., Any]:
    """A call that is cut off the so-manieth time, before or behind what it does."""
    made = 0

    def failing(*arguments: Any, **settings: Any) -> Any:
        nonlocal made
        made += 1
        if made == number and not is_done:
            raise LOCKED
        answer = call(*arguments, **settings)
        if made == number:
            raise LOCKED
        return answer

    return failing


KILLED_MIDWAY = """
import os, signal, sys, time
from pathlib import Path
from mlflow import MlflowClient
from actscope import tracking
from actscope.config import Tracking
from actscope.tracking import offline_queue

set_terminated = MlflowClient.set_terminated

def killed(*arguments):
    print("delivering", flush=True)
    time.sleep(0.5)
    set_terminated(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

MlflowClient.set_terminated = killed
store = tracking.locate_store(Tracking(sys.argv[1]))
offline_queue.deliver_queued(store)
"""


def cut_off(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


class Answer(BaseHTTPRequestHandler):
    """Answers every request with the same status, late where the status is 0."""

    status = 0

    def answer(self) -> None:
        if self.status == 0:
            time.sleep(1.5)
            return
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no")

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - as http.server wants them

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.mark.parametrize(
    ("status", "is_unreachable"),
    [
        *((500, True), (502, True), (503, True), (504, True), (429, True), (0, True)),
        *((400, False), (401, False), (403, False), (404, False)),
    ],
)
def test_a_server_is_away_when_it_cannot_answer_and_not_when_it_refuses(
    status: int, is_unreachable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    handler = type("Handler", (Answer,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        store = store_at(f"http://127.0.0.1:{server.server_port}")
        (tmp_path / "a.txt").write_text("abc")
        repository = repository_of(store)
        for call in (
            lambda: store.client.get_run("1"),
            lambda: store.client.create_run("1"),
            lambda: repository.log_artifacts(str(tmp_path)),
        ):
            with pytest.raises((*tracking.errors.STORE_ERRORS, MlflowException)) as error:
                call()
            assert offline_queue.is_unreachable(store, error.value) is is_unreachable
        server.shutdown()
        thread.join()


def repository_of(store: Store) -> Any:
    return get_artifact_repository("mlflow-artifacts:/1/2/artifacts", store.uri)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server") as server:
        yield server


@pytest.mark.slow
def test_a_server_comes_and_goes_and_has_each_run_once(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, results = server.store, trained()
    assert_a_run_costs_a_request_a_file_and_five_more(server)
    assert told_by_sync(store, capsys).startswith("nothing to deliver: no run waits in ")

    sweep = begin_sweep(store, results)
    opened = begin(store, sweep, results[0])
    server.kill()
    finish_run(store, opened, results[0])
    for result in results[1:]:
        run = begin(store, sweep, result)
        assert run.run_id is None
        finish_run(store, run, result)
    line = told_by_sync(store, capsys, code=1)
    assert re.fullmatch(r"actscope: .*Connection refused.* 3 runs wait in .*\n", line)
    assert len(waiting(store)) == 3

    server.start()
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", killing(server))
        with pytest.raises(StoreError, match=r"is unreachable .*: 1 runs were delivered"):
            deliver(store)
    assert len(waiting(store)) == 2

    server.start()
    *names, last = told_by_sync(store, capsys).splitlines()
    assert names == [str(result.point) for result in results[1:]]
    assert last == f"2 runs delivered to the store {store}"
    runs = tracking.read_runs(store, STUDY)
    assert runs["status"].tolist() == ["FINISHED"] * 3
    assert runs["name"].tolist() == [str(result.point) for result in results]
    assert opened.run_id in finished_once(store, results)
    assert told_by_sync(store, capsys).startswith("nothing to deliver")
    assert_a_study_goes_out_and_comes_back(store, tmp_path)


def assert_a_run_costs_a_request_a_file_and_five_more(server: Server) -> None:
    result = trained()[0]
    sweep = begin_sweep(server.store, [result], "s0")
    before = len(server.requests())
    run_id = log(server.store, sweep, result)
    asked = server.requests()[before:]
    assert asked[:3] == ["POST /runs/create", "POST /runs/log-batch", "POST /runs/log-inputs"]
    assert [line.split("/")[0] for line in asked[3:11]] == ["PUT -artifacts"] * 8
    assert asked[11:] == ["POST /runs/log-batch", "POST /runs/update"]
    server.store.client.delete_run(run_id)


def assert_a_study_goes_out_and_comes_back(store: Store, tmp_path: Path) -> None:
    """From the server into a database, and into the server that has lost it."""
    other = new_store(tmp_path / "other")
    export_study(store, STUDY, tmp_path / "out.zip")
    import_bundle(tmp_path / "out.zip", Tracking(other.uri))
    finished_once(other, trained())
    pd.testing.assert_frame_equal(runs_of(other), runs_of(store), check_dtype=False)
    export_study(other, STUDY, tmp_path / "back.zip")
    lost = set(tracking.read_runs(store, STUDY)["run_id"])
    for run_id in lost:
        store.client.delete_run(run_id)
    for new in (3, 0):
        _, arrival = import_bundle(tmp_path / "back.zip", Tracking(store.uri))
        assert arrival.new == new
    assert lost.isdisjoint(finished_once(store, trained()))


def told_by_sync(store: Store, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    """What the command says, on the one stream that it may say it on."""
    assert main(["sync", f"tracking.uri={store.uri}"]) == code
    out, err = capsys.readouterr()
    assert "" in (out, err)
    return str(err if code else out)


def killing(server: Server) -> Callable[..., None]:
    """`set_terminated` of a server that is killed before the second one."""
    set_terminated = MlflowClient.set_terminated
    ended = 0

    def kill_at_second(*arguments: Any) -> None:
        nonlocal ended
        ended += 1
        if ended == 2:
            server.kill()
        set_terminated(*arguments)

    return kill_at_second


class TestCommand:
    def test_a_damaged_parcel_is_one_line(
        self, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        queue_two(store)
        (waiting(store)[0] / "run.json").write_text("{")
        assert main(["sync", f"tracking.uri={store.uri}"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("actscope: 1 runs in ")

    @pytest.mark.parametrize("words", [["now"], ["study=x"], ["tracking.uri=file:///x"]])
    def test_a_mistake_is_one_line(
        self, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["sync", *words]) in (1, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("actscope: ")

    def test_help_tells_how(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["sync", "--help"])
        assert end.value.code == 0
        assert "python -m actscope sync" in capsys.readouterr().out


def test_a_delivery_that_finds_the_store_away_says_that_it_is_away(store: Store) -> None:
    """For a sweep that goes on without the store, that is no error."""
    queue_two(store)
    with locked(store), pytest.raises(StoreError) as caught:
        deliver(store)
    assert offline_queue.is_unreachable(store, caught.value)
    assert len(waiting(store)) == 2


def test_what_a_killed_writer_has_left_is_undone_by_who_looks(store: Store) -> None:
    queue_two(store)
    experiment_id = store.find_experiment(STUDY).experiment_id
    before = tracking.read_summaries(store, experiment_id)
    writer = (
        "import os, signal, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "database.execute('PRAGMA cache_size = 1')\n"  # so that it writes before it commits
        "database.execute('UPDATE tags SET value = value || hex(zeroblob(20000))')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", writer, str(store)], check=False)
    assert Path(f"{store}-journal").stat().st_size > 0
    assert tracking.read_summaries(store, experiment_id) == before

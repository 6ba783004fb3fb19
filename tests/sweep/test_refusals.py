"""Stores that refuse a run, at any moment and for any reason: what was trained is never dropped."""

import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from rich.console import Console

from actscope import tracking
from actscope.commands.main import main
from actscope.config import Activation, Tracking
from actscope.errors import StoreError
from actscope.sweep import worker as workers_module
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed
from actscope.sweep.runner import run_alone, run_sweep
from actscope.sweep.saved_stacks import checkpoint_folder, saved_stacks
from actscope.sweep.worker import Task, finish_run, train_and_track
from actscope.tracking import OpenRun, Store, local_store, offline_queue, run_record
from actscope.tracking.client_rows import ClientRows
from actscope.tracking.local_store import LocalStore
from actscope.tracking.run_record import read_record
from actscope.tracking.schema import TESTED_SCHEMAS
from actscope.tracking.sqlite_rows import SqliteRows
from tests.support.making import RELU, make_point
from tests.support.queues import isolate_queue
from tests.support.serving import Server, serving
from tests.support.tracked import STUDY, begin, begin_sweep, finished_once, new_store, trained
from tests.support.waiting import wait_for

RESULTS = trained(2)
POINTS = [result.point for result in RESULTS]

Harm = Callable[[Store, str], Callable[[], object]]  # done to a store and a run; undoes it


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate_queue(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def nothing() -> None:
    """What undoes a harm that lasts."""


def delete_run(store: Store, run_id: str) -> Callable[[], object]:
    MlflowClient(store.uri).delete_run(run_id)
    return nothing


def purge_run(store: Store, run_id: str) -> Callable[[], object]:
    """As MLflow's garbage collection does."""
    MlflowClient(store.uri).delete_run(run_id)
    SqlAlchemyStore(store.uri, str(store.folder))._hard_delete_run(run_id)
    return nothing


def delete_experiment(store: Store, _run_id: str) -> Callable[[], object]:
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name(STUDY)
    client.delete_experiment(experiment.experiment_id)
    return lambda: client.restore_experiment(experiment.experiment_id)


def move_database(store: Store, _run_id: str) -> Callable[[], object]:
    assert store.database is not None
    moved = store.database.with_name("moved.db")
    store.database.rename(moved)
    return lambda: moved.rename(str(store.database))


def block_artifacts(store: Store, run_id: str) -> Callable[[], object]:
    """A file lies where the run's folder would."""
    assert store.folder is not None
    place = store.folder / "artifacts" / STUDY / run_id
    place.write_text("in the way")
    return place.unlink


def refuse_all(_store: Store, _run_id: str) -> Callable[[], object]:
    """A client that fails in a way of its own, as that of a cloud's storage may."""
    refusing = pytest.MonkeyPatch()

    def refuse(*_: object, **__: object) -> None:
        raise LookupError("no credentials were found")

    for step in ("open_runs", "end_run"):
        refusing.setattr(SqliteRows, step, refuse)
    return refusing.undo


HARMS: dict[str, Harm] = {
    "run_deleted": delete_run,
    "run_purged": purge_run,
    "experiment_deleted": delete_experiment,
    "database_moved": move_database,
    "strange_error": refuse_all,
}
OF_ONE_RUN = ("run_deleted", "run_purged", "artifacts_blocked")


class Saboteur:
    """Harms a store just before the second run's own call of a step, and may undo it later."""

    def __init__(self, store: Store, harm: Harm) -> None:
        self.store, self.harm = store, harm
        self.ids: list[str] = []
        self.undoing: Callable[[], object] = nothing
        self.is_done = False

    def strike(self) -> None:
        if not self.is_done:
            self.is_done = True
            self.undoing = self.harm(self.store, self.ids[1])

    def undo(self) -> None:
        self.undoing()
        self.undoing = nothing

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, before which the store is harmed where it is of the second run."""

        def harmed(subject: Any, *words: Any, **settings: Any) -> Any:
            if len(self.ids) > 1 and words and self.ids[1] in str(words[0]):
                self.strike()
            return call(subject, *words, **settings)

        return harmed

    def noting(self, open_runs: Callable[..., Any], step: str) -> Callable[..., Any]:
        def noted(*words: Any, **settings: Any) -> Any:
            found = open_runs(*words, **settings)
            self.ids += [run_id for run_id, _ in found]
            if step == "opened" and len(found) > 1:
                self.strike()
            return found

        return noted


@pytest.fixture
def sabotage(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Saboteur]]:
    """`sabotage(step, harm)`: have the store harmed before that step of the second run.

    A step is a method of RunRows, `log_artifacts`, `opened` or `training`.
    """
    begun: list[Saboteur] = []

    def prepare(step: str, harm: Harm) -> Saboteur:
        saboteur = Saboteur(store, harm)
        begun.append(saboteur)
        for rows in (SqliteRows, ClientRows):
            monkeypatch.setattr(rows, "open_runs", saboteur.noting(rows.open_runs, step))
        owners = [LocalStore] if step == "log_artifacts" else [SqliteRows, ClientRows]
        for owner in owners if step not in ("training", "opened") else ():
            monkeypatch.setattr(owner, step, saboteur.before(getattr(owner, step)))
        return saboteur

    yield prepare
    for saboteur in begun:
        saboteur.undo()


def waiting(store: Store) -> list[str]:
    """Names of the points that wait in the queue."""
    paths = offline_queue.read_queue(store).waiting
    return [read_record(path).name for path in paths]


def finished(store: Store) -> list[str]:
    runs = tracking.read_runs(store, STUDY)
    return sorted(runs.query("status == 'FINISHED'")["name"]) if len(runs) else []


def deliver(store: Store) -> list[str]:
    return offline_queue.deliver_queued(store)


def kept_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if re.search(r"`.*sync` delivers", line)]


@pytest.mark.parametrize(
    ("step", "harm", "schemas"),
    [
        ("log_artifacts", "run_deleted", TESTED_SCHEMAS),
        *(("end_run", harm, TESTED_SCHEMAS) for harm in HARMS if harm != "strange_error"),
        *(("training", harm, TESTED_SCHEMAS) for harm in HARMS),
        # By MLflow's client, as a store of another schema or a server is written.
        *((step, "run_deleted", {}) for step in ("log_artifacts", "end_run")),
    ],
)
def test_what_was_trained_is_finished_or_kept_and_delivered_later(
    store: Store,
    sabotage: Callable[..., Saboteur],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    harm: str,
    schemas: dict[str, str],
) -> None:
    """The store is harmed before a step of the second of two runs that are one stack."""
    monkeypatch.setattr(local_store, "TESTED_SCHEMAS", schemas)
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    saboteur = sabotage(step, HARMS[harm])
    results = train_and_track(task, lambda _: saboteur.strike() if step == "training" else None)
    assert saboteur.is_done
    assert [type(result) for result in results] == [Done, Done]
    assert len(kept_lines(caplog)) >= 1
    kept = waiting(store)
    assert str(POINTS[1]) in kept
    if harm in OF_ONE_RUN:
        assert kept == [str(POINTS[1])]
        assert finished(store) == [str(POINTS[0])]
    saboteur.undo()
    offline_queue._next_try.clear()
    deliver(store)
    finished_once(store, RESULTS)
    assert waiting(store) == []


def test_artifacts_that_cannot_be_written_are_kept(
    store: Store, sabotage: Callable[..., Saboteur]
) -> None:
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    saboteur = sabotage("log_artifacts", block_artifacts)
    assert all(isinstance(result, Done) for result in train_and_track(task, lambda _: None))
    assert (finished(store), waiting(store)) == ([str(POINTS[0])], [str(POINTS[1])])
    saboteur.undo()
    deliver(store)
    finished_once(store, RESULTS)


@pytest.mark.parametrize("harm", ["experiment_deleted", "database_moved"])
def test_a_run_that_cannot_be_opened_is_trained_and_kept(
    store: Store, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    undo = HARMS[harm](store, "")
    assert all(isinstance(result, Done) for result in train_and_track(task, lambda _: None))
    assert sorted(waiting(store)) == [str(point) for point in POINTS]
    assert len(kept_lines(caplog)) == 1  # for both, as the reason is the same
    undo()
    deliver(store)
    finished_once(store, RESULTS)


@pytest.mark.parametrize("harm", ["run_deleted", "run_purged"])
def test_a_sweep_one_of_whose_runs_is_deleted_ends_with_all_points_finished(
    store: Store, sabotage: Callable[..., Saboteur], harm: str
) -> None:
    """What it had to keep is delivered as it ends."""
    sabotage("end_run", HARMS[harm])
    results = sweep(store)
    assert all(isinstance(result, Done) for result in results)
    assert finished(store) == [str(point) for point in POINTS]
    assert waiting(store) == []


def sweep(store: Store, sweep_id: str = "s1", points: Any = POINTS) -> list[Any]:
    settings, quiet = Tracking(store.uri), Console(quiet=True)
    return list(run_sweep(points, settings, sweep_id, Resources(0, 20), quiet).values())


def test_a_sweep_whose_study_is_deleted_keeps_all_and_says_how_it_is_delivered(
    store: Store,
    sabotage: Callable[..., Saboteur],
    capsys: pytest.CaptureFixture[str],
) -> None:
    saboteur = sabotage("opened", delete_experiment)
    assert all(isinstance(result, Done) for result in sweep(store))
    assert sorted(waiting(store)) == [str(point) for point in POINTS]
    assert main(["sync", f"tracking.uri={store.uri}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 runs in" in line
    assert "doctor" in line
    saboteur.undo()
    assert main(["sync", f"tracking.uri={store.uri}"]) == 0
    finished_once(store, RESULTS)


def test_a_parcel_that_the_store_refuses_stops_no_sweep_of_another_study(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    delete_experiment(store, "")
    train_and_track(task, lambda _: None)
    other = make_point(RELU, study="other", hidden=(3,), epochs=1, every="epoch")
    console = Console(width=1000)
    settings = Tracking(store.uri)
    (result,) = run_sweep([other], settings, "s2", Resources(0, 20), console).values()
    assert isinstance(result, Done)
    assert "sync    2 runs in" in capsys.readouterr().out
    assert isinstance(run_alone(other, settings, "s3", console), Done)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_sweep_whose_own_run_is_deleted_comes_to_its_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, is_deleted: bool
) -> None:
    begin = tracking.begin_sweep

    def begin_and_lose(*words: Any) -> Any:
        begun = begin(*words)
        (delete_run if is_deleted else purge_run)(store, begun.parent_run_id)
        return begun

    monkeypatch.setattr(tracking, "begin_sweep", begin_and_lose)
    assert all(isinstance(result, Done) for result in sweep(store))
    finished_once(store, RESULTS)


def test_a_study_that_was_renamed_while_runs_waited_gets_them(store: Store) -> None:
    """One whose run is open, and one whose run no store knows yet."""
    swept = begin_sweep(store, RESULTS)
    opened = begin(store, swept, RESULTS[0])
    offline_queue._next_try[store.uri] = float("inf")
    unknown = begin(store, swept, RESULTS[1])
    for run, result in zip((opened, unknown), RESULTS, strict=True):
        finish_run(store, run, result)
    offline_queue._next_try.clear()
    store.client.rename_experiment(swept.experiment_id, "renamed")
    assert len(deliver(store)) == 2
    assert set(store.studies()) == {"renamed"}
    runs = tracking.read_runs(store, "renamed")
    assert runs["status"].tolist() == ["FINISHED"] * 2
    assert opened.run_id in set(runs["run_id"])


# Errors while an error is recorded


RAISING = Activation("raising", "tests.support.raising.RaisesInTraining")
FRAGILE = make_point(RAISING, hidden=(3,), epochs=3, batch_size=200, every=4)


@pytest.mark.parametrize("harm", ["run_deleted", "experiment_deleted", "strange_error"])
def test_a_point_that_raises_keeps_its_reason_whatever_becomes_of_its_run(
    store: Store, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    task = Task([*POINTS, FRAGILE], store, begin_sweep(store, RESULTS))
    fail_run, undone = tracking.fail_run, [nothing]

    def harm_and_fail(store: Store, run: OpenRun, error: Exception) -> None:
        assert run.run_id is not None
        undone.append(HARMS[harm](store, run.run_id))
        fail_run(store, run, error)

    monkeypatch.setattr(tracking, "fail_run", harm_and_fail)
    results = {result.point: result for result in train_and_track(task, lambda _: None)}
    assert isinstance(failed := results.pop(FRAGILE), Failed)
    assert failed.reason == "RuntimeError: this function cannot be trained"
    assert [type(result) for result in results.values()] == [Done, Done]
    undone.pop()()
    offline_queue._next_try.clear()
    deliver(store)
    finished_once(store, RESULTS)
    runs = tracking.read_runs(store, STUDY).set_index("name")
    assert runs.loc[str(FRAGILE), "reason"] == failed.reason


def test_where_the_queue_refuses_a_run_as_well_the_point_fails_for_the_first_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(POINTS, store, begin_sweep(store, RESULTS), checkpoint_minutes=0)
    offline_queue.queue_folder(store).write_text("in the way")
    opened: list[str] = []
    open_runs = SqliteRows.open_runs

    def note(*words: Any) -> Any:
        found = open_runs(*words)
        opened.extend(run_id for run_id, _ in found)
        return found

    monkeypatch.setattr(SqliteRows, "open_runs", note)

    def strike(_: int) -> None:
        if not (store.folder / "artifacts" / STUDY / opened[1]).exists():  # type: ignore[operator]
            block_artifacts(store, opened[1])

    results = train_and_track(task, strike)
    assert [type(result) for result in results] == [Done, Failed]
    assert isinstance(results[1], Failed)
    assert results[1].reason.endswith("cannot be used: [Errno 20] Not a directory")
    assert any("cannot be queued either" in line for line in caplog.messages)
    assert len(saved_stacks(checkpoint_folder(store, STUDY))) == 1
    assert finished(store) == [str(POINTS[0])]


def test_a_run_that_could_not_be_kept_at_first_is_kept_at_the_next_try(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full disk has left of the first try is not in the way of the second."""
    run = begin(store, begin_sweep(store, RESULTS), RESULTS[0])
    offline_queue._next_try[store.uri] = float("inf")
    with monkeypatch.context() as patch:
        patch.setattr(run_record, "to_json", raising_oserror)
        with pytest.raises(StoreError, match=r"spool cannot be written: its disk is full. Free"):
            finish_run(store, run, RESULTS[0])
    assert list(offline_queue.queue_folder(store).iterdir()) == []
    finish_run(store, run, RESULTS[0])
    assert waiting(store) == [str(POINTS[0])]


def raising_oserror(*_: object, **__: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_run_that_cannot_be_begun_costs_no_neighbour(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_runs = tracking.begin_runs

    def begin_some(store: Store, swept: Any, points: Any, *words: Any) -> list[OpenRun]:
        if POINTS[1] in points:
            raise ValueError("this point cannot be described")
        return begin_runs(store, swept, points, *words)

    monkeypatch.setattr(tracking, "begin_runs", begin_some)
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    results = {result.point: result for result in train_and_track(task, lambda _: None)}
    assert isinstance(results[POINTS[0]], Done)
    assert results[POINTS[1]] == Failed(POINTS[1], "ValueError: this point cannot be described")


def test_a_stack_that_cannot_be_trained_at_all_costs_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process as on a worker: the other is trained, and the sweep has its summary."""
    train = workers_module.train_and_track

    def train_some(task: Task, *words: Any) -> Any:
        if task.stack[0].model.hidden == (4,):
            raise RuntimeError("the data cannot be read any more")
        return train(task, *words)

    monkeypatch.setattr(workers_module, "train_and_track", train_some)
    wide = make_point(RELU, hidden=(4,), epochs=1, every="epoch")
    results = {result.point: result for result in sweep(store, points=[wide, *POINTS])}
    assert results[wide] == Failed(wide, "RuntimeError: the data cannot be read any more")
    assert [type(results[point]) for point in POINTS] == [Done, Done]


# A server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server") as server:
        yield server


@pytest.mark.slow
def test_a_server_that_refuses_runs_gets_them_later(server: Server) -> None:
    store = server.store
    task = Task(POINTS, store, begin_sweep(store, RESULTS))
    is_done = False

    def delete_one(_: int) -> None:
        nonlocal is_done
        if not is_done:
            is_done = True
            ids = tracking.read_runs(store, STUDY).set_index("name")["run_id"]
            delete_run(store, ids[str(POINTS[1])])

    assert all(isinstance(result, Done) for result in train_and_track(task, delete_one))
    assert (finished(store), waiting(store)) == ([str(POINTS[0])], [str(POINTS[1])])
    deliver(store)
    finished_once(store, RESULTS)

    again = replace(task, sweep=begin_sweep(store, RESULTS, "s2"))
    undo = delete_experiment(store, "")
    assert all(isinstance(result, Done) for result in train_and_track(again, lambda _: None))
    assert sorted(waiting(store)) == [str(point) for point in POINTS]
    with pytest.raises(StoreError, match=r"2 runs in .* cannot be delivered"):
        deliver(store)
    undo()
    assert len(deliver(store)) == 2
    assert len(finished(store)) == 4


def test_what_is_refused_is_told_on_one_line(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    swept = begin_sweep(store, RESULTS)
    with caplog.at_level(logging.WARNING):
        for result in RESULTS:
            run = begin(store, swept, result)
            delete_run(store, run.run_id)
            finish_run(store, run, result)
    assert len(kept_lines(caplog)) == 2
    for line, point in zip(kept_lines(caplog), POINTS, strict=True):
        assert line.startswith(f"{point}: ")
        assert "\n" not in line
        assert "was deleted" in line


@pytest.mark.slow
@pytest.mark.usefixtures("workers_forkserver")
@pytest.mark.parametrize(("workers", "writers"), [(1, 0), (1, 1)])
def test_a_run_that_is_deleted_while_other_processes_train_it_is_finished(
    store: Store, workers: int, writers: int
) -> None:
    points = [make_point(RELU, hidden=(4,), epochs=300, every="epoch", seed=s) for s in range(4)]
    with ThreadPoolExecutor(1) as outsider:
        deleted = outsider.submit(delete_a_point_that_is_open, store)
        resources = Resources(workers, 20, writers=writers)
        results = run_sweep(points, Tracking(store.uri), "s1", resources, Console(quiet=True))
        assert deleted.result() not in tracking.read_runs(store, STUDY)["run_id"].tolist()
    assert all(isinstance(result, Done) for result in results.values())
    assert finished(store) == [str(point) for point in points]
    assert waiting(store) == []


def delete_a_point_that_is_open(store: Store) -> str:
    opened: list[str] = []

    def is_open() -> bool:
        if STUDY in store.studies():
            attempts = tracking.read_summaries(store, store.studies()[STUDY])
            opened.extend(a.run_id for a in attempts if a.is_point and a.is_open)
        return bool(opened)

    wait_for(is_open)
    delete_run(store, opened[0])
    return opened[0]

"""A store that was harmed, as its doctor finds it and leaves it."""

import hashlib
import io
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from mlflow import MlflowClient
from rich.console import Console
from safetensors.torch import save_file

from actscope import tracking
from actscope.commands.main import main
from actscope.config import Tracking
from actscope.engine.data import load_data
from actscope.errors import StoreError
from actscope.sweep.checkpoint import Checkpoint
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_sweep
from actscope.sweep.saved_stacks import checkpoint_folder, saved_stacks
from actscope.sweep.worker import finish_run
from actscope.tracking import GridPoint, RunSummary, Store, offline_queue
from actscope.tracking.client_rows import record_of
from actscope.tracking.offline_queue import enqueue
from actscope.tracking.run_record import hash_artifacts
from actscope.tracking.signature import signature_of
from tests.support import tracked
from tests.support.copied import copy_store
from tests.support.stores import store_at
from tests.support.tracked import STUDY, begin, begin_sweep, log_study, new_store, trained

RESULTS = trained(2)


class Practice:
    """A store with a study of two finished runs, and what its doctor said last."""

    def __init__(self, store: Store, ids: list[str], said: Callable[[], str]) -> None:
        self.store = store
        self.ids = ids
        self._said = said
        self.said = ""

    @property
    def folder(self) -> Path:
        assert self.store.folder is not None
        return self.store.folder

    def artifacts(self, run: int) -> Path:
        return self.folder / "artifacts" / STUDY / self.ids[run] / "artifacts"

    def examine(self, *words: str) -> int:
        code = main(["doctor", f"tracking.uri={self.store.uri}", *words])
        self.said = self._said()
        return code

    def found(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("found ")]

    def statuses(self, study: str = STUDY) -> dict[str, str]:
        return dict(tracking.read_runs(self.store, study)[["run_id", "status"]].to_numpy().tolist())

    def files(self) -> dict[str, str]:
        """SHA-256 of all files, the database's among them."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".lock"
        }

    @property
    def experiment_id(self) -> str:
        return self.store.find_experiment(STUDY).experiment_id

    def attempts(self) -> list[RunSummary]:
        return tracking.read_summaries(self.store, self.experiment_id)

    @property
    def sweep_id(self) -> str:
        return next(attempt.run_id for attempt in self.attempts() if "ticket" in attempt.tags)

    def grid(self) -> list[GridPoint]:
        (sweep,) = (a for a in self.attempts() if a.run_id == self.sweep_id)
        return tracking.sweeps.read_grid(self.store, STUDY, sweep)

    def tag(self, run_id: str, key: str, value: str | None) -> None:
        if value is None:
            self.store.client.delete_tag(run_id, key)
        else:
            self.store.client.set_tag(run_id, key, value)

    def sweep(self, sweep_id: str) -> list[Any]:
        """Train what is left of the study, as another sweep does; what came of each point."""
        points, settings = [result.point for result in RESULTS], Tracking(self.store.uri)
        quiet = Console(quiet=True)
        results = run_sweep(points, settings, sweep_id, Resources(0, 20), quiet)
        return [results[point] for point in points]

    def said_now(self) -> str:
        return self._said()

    def assert_only_told(self, findings: int) -> None:
        """A doctor who cannot ask finds so much and changes nothing."""
        before = self.files()
        assert self.examine() == 1
        assert len(self.found()) == findings
        assert "--yes fixes this" in self.said
        assert self.files() == before

    def assert_fixed(self) -> None:
        """With --yes all problems are fixed, and a second check finds none."""
        assert self.examine("--yes") == 0
        assert "OK: all problems fixed." in self.said
        assert self.examine() == 0, self.said
        assert self.found() == []


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("studied")
    return folder, log_study(new_store(folder), RESULTS)


@pytest.fixture
def practice(
    studied: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Practice:
    def said() -> str:
        out, err = capsys.readouterr()
        return out + err

    folder, ids = studied
    return Practice(copy_store(folder, tmp_path), ids, said)


def dead_process() -> str:
    """What a run tells of a process that lives no more."""
    with subprocess.Popen(["sleep", "60"]) as process:
        told = f"{process.pid} {psutil.Process(process.pid).create_time():.2f}"
        process.kill()
    return told


def abandon(store: Store, run_id: str | None) -> None:
    assert run_id is not None
    store.client.set_tag(run_id, "actscope.process", dead_process())


def test_nothing_is_wrong_with_a_store_that_was_left_alone(practice: Practice) -> None:
    before = practice.files()
    assert practice.examine("--yes") == 0
    assert "OK: no problems found." in practice.said
    assert practice.files() == before


class TestOpenRuns:
    def test_of_a_dead_process_are_closed(self, practice: Practice) -> None:
        sweep = begin_sweep(practice.store, RESULTS, "s2")
        run_id = begin(practice.store, sweep, RESULTS[0]).run_id
        abandon(practice.store, sweep.parent_run_id)
        practice.assert_only_told(2)
        assert f"{RESULTS[0].point}, run {run_id}, is open" in practice.said
        practice.assert_fixed()
        assert practice.statuses()[run_id] == "KILLED"
        assert [practice.statuses()[run_id] for run_id in practice.ids] == ["FINISHED"] * 2

    def test_of_a_living_process_are_left_alone(self, practice: Practice) -> None:
        sweep = begin_sweep(practice.store, RESULTS, "s2")
        run_id = begin(practice.store, sweep, RESULTS[0]).run_id
        assert practice.examine("--yes") == 0
        assert practice.statuses()[run_id] == "RUNNING"

    def test_of_other_programs_are_left_alone(self, practice: Practice) -> None:
        client = MlflowClient(practice.store.uri)
        experiment = client.get_experiment_by_name(STUDY)
        assert experiment is not None
        run_id = client.create_run(experiment.experiment_id).info.run_id
        client.log_text(run_id, "theirs", "note.txt")
        other = client.create_experiment("other", (practice.folder / "theirs").as_uri())
        client.log_text(client.create_run(other).info.run_id, "theirs", "note.txt")
        assert practice.examine("--yes") == 0
        assert client.get_run(run_id).info.status == "RUNNING"
        assert [file.path for file in client.list_artifacts(run_id)] == ["note.txt"]


class TestFolders:
    def test_without_a_run_are_set_aside(self, practice: Practice) -> None:
        stray = practice.folder / "artifacts" / STUDY / uuid.uuid4().hex
        shutil.copytree(practice.artifacts(0), stray / "artifacts")
        practice.assert_only_told(1)
        practice.assert_fixed()
        aside = practice.folder / "set-aside" / STUDY / stray.name / "artifacts"
        assert hash_artifacts(aside) == hash_artifacts(practice.artifacts(0))

    @pytest.mark.parametrize("what", ["run", "study"])
    def test_of_what_mlflow_can_restore_are_left_alone(self, practice: Practice, what: str) -> None:
        client = practice.store.client
        if what == "run":
            client.delete_run(practice.ids[0])
        else:
            client.delete_experiment(practice.experiment_id)
        before = practice.files()
        assert practice.examine("--yes") == 0
        assert practice.files() == before
        if what == "run":
            client.restore_run(practice.ids[0])
        else:
            client.restore_experiment("1")
        tracked.finished_once(practice.store, RESULTS)
        assert practice.examine() == 0

    def test_that_were_set_aside_come_back_with_their_run(self, practice: Practice) -> None:
        aside = practice.folder / "set-aside" / STUDY / practice.ids[0]
        aside.parent.mkdir(parents=True)
        shutil.move(practice.artifacts(0).parent, aside)
        assert practice.examine() == 1
        assert f"{aside}: the folder was set aside, but its run exists" in practice.said
        practice.assert_fixed()
        tracked.finished_once(practice.store, RESULTS)

    def test_that_were_set_aside_before_are_kept(self, practice: Practice) -> None:
        stray = practice.folder / "artifacts" / "gone" / uuid.uuid4().hex
        for content in ("first", "second"):
            stray.mkdir(parents=True)
            (stray / "file").write_text(content)
            practice.assert_fixed()
        kept = sorted((practice.folder / "set-aside" / "gone").rglob("file"))
        assert [path.read_text() for path in kept] == ["first", "second"]

    def test_of_a_renamed_study_stay_and_are_found(self, practice: Practice) -> None:
        practice.store.client.rename_experiment(practice.experiment_id, "renamed")
        before = practice.files()
        assert practice.examine("--yes") == 0
        assert practice.files() == before
        for run_id in practice.ids:
            assert len(tracking.read_history(practice.store, "renamed", run_id)) > 0
        assert main(["status", f"tracking.uri={practice.store.uri}", "study=renamed"]) == 0
        swept = begin_sweep(practice.store, RESULTS, "s2", study="renamed")
        tracked.log(practice.store, swept, RESULTS[0])
        tracking.end_sweep(practice.store, swept, "FINISHED")
        assert practice.examine() == 0

    def test_of_a_study_made_in_the_ui_are_found(self, practice: Practice) -> None:
        """It names the folder by the experiment's id."""
        location = (practice.folder / "artifacts" / "2").as_uri()
        practice.store.client.create_experiment("button", location)
        swept = begin_sweep(practice.store, RESULTS, "s2", study="button")
        run_id = tracked.log(practice.store, swept, RESULTS[0])
        tracking.end_sweep(practice.store, swept, "FINISHED")
        assert (practice.folder / "artifacts" / "2" / run_id).exists()
        assert len(tracking.read_history(practice.store, "button", run_id)) > 0
        assert practice.examine() == 0


class TestWhatIsEditedInTheUI:
    @pytest.mark.parametrize("outcome", ["great", "", None])
    def test_a_run_without_an_outcome_is_trained_again(
        self, practice: Practice, outcome: str | None
    ) -> None:
        practice.tag(practice.ids[0], "actscope.outcome", outcome)
        (result, _) = practice.sweep("s2")
        assert isinstance(result, Done)
        assert not result.is_earlier
        practice.assert_only_told(1)
        practice.assert_fixed()
        assert practice.statuses()[practice.ids[0]] == "FAILED"
        tracked.finished_once(practice.store, RESULTS)

    @pytest.mark.parametrize("kind", ["sweep", "mine", None])
    def test_a_runs_kind_is_known_by_its_other_tags(
        self, practice: Practice, kind: str | None
    ) -> None:
        for run_id in (practice.ids[0], practice.sweep_id):
            practice.tag(run_id, "actscope.kind", kind)
        assert practice.examine() == 1
        assert f"run {practice.ids[0]} lacks actscope.kind=point" in practice.said
        practice.assert_fixed()
        tracked.finished_once(practice.store, RESULTS)
        assert all(result.is_earlier for result in practice.sweep("s2"))

    @pytest.mark.parametrize("part", ["sweep", "signature", "signature.config", "signature.code"])
    @pytest.mark.parametrize("value", ["mine", None])
    def test_other_tags_cost_a_training_at_most(
        self, practice: Practice, part: str, value: str | None
    ) -> None:
        practice.tag(practice.ids[0], f"actscope.{part}", value)
        results = practice.sweep("s2")
        assert all(isinstance(result, Done) for result in results)
        assert results[1].is_earlier
        assert practice.examine() == 0

    @pytest.mark.parametrize(
        ("tag", "value"), [("ticket", "mine"), ("ticket", None), ("heartbeat", "mine")]
    )
    def test_a_sweep_whose_tags_were_edited_stops_no_other(
        self, practice: Practice, tag: str, value: str | None
    ) -> None:
        sweep_id = practice.sweep_id
        practice.tag(sweep_id, f"actscope.{tag}", value)
        practice.tag(sweep_id, "actscope.host", "another")
        assert all(result.is_earlier for result in practice.sweep("s2"))

    def test_a_grid_that_is_lost_is_made_again_from_the_runs(self, practice: Practice) -> None:
        grid = practice.store.artifact_path(STUDY, practice.sweep_id, "grid.jsonl")
        before = practice.grid()
        for harm in (grid.unlink, lambda: grid.write_text("{}"), lambda: grid.write_bytes(b"\xff")):
            harm()
            assert main(["status", f"tracking.uri={practice.store.uri}", f"study={STUDY}"]) == 1
            assert practice.said_now().count("\n") == 1
            practice.assert_only_told(1)
            practice.assert_fixed()
            assert practice.grid() == before
            assert main(["status", f"tracking.uri={practice.store.uri}", f"study={STUDY}"]) == 0
            assert "2 finished" in practice.said_now()

    def test_the_grid_of_a_sweep_without_runs_is_made_of_its_studys(
        self, practice: Practice
    ) -> None:
        before = practice.grid()
        practice.sweep("s2")
        newest = practice.attempts()[-1]
        practice.store.artifact_path(STUDY, newest.run_id, "grid.jsonl").unlink()
        practice.assert_fixed()
        assert tracking.sweeps.read_grid(practice.store, STUDY, newest) == before

    def test_a_live_sweeps_lost_grid_stops_no_other(
        self, practice: Practice, caplog: pytest.LogCaptureFixture
    ) -> None:
        living = begin_sweep(practice.store, RESULTS, "s2")
        grid = practice.store.artifact_path(STUDY, str(living.parent_run_id), "grid.jsonl")
        grid.unlink()
        assert all(result.is_earlier for result in practice.sweep("s3"))
        assert "points of sweep s2 may be trained twice" in caplog.text
        assert practice.examine() == 0

    def test_a_sweep_that_was_deleted_without_its_points_comes_back(
        self, practice: Practice
    ) -> None:
        practice.store.client.delete_run(practice.sweep_id)
        assert main(["status", f"tracking.uri={practice.store.uri}", f"study={STUDY}"]) == 1
        assert "make doctor` to restore" in practice.said_now()
        practice.assert_only_told(1)
        practice.assert_fixed()
        assert main(["status", f"tracking.uri={practice.store.uri}", f"study={STUDY}"]) == 0

    def test_a_deleted_study_is_restored_where_it_is_asked_for(self, practice: Practice) -> None:
        practice.store.client.delete_experiment(practice.experiment_id)
        assert practice.examine("--yes") == 0
        assert "OK: no problems found." in practice.said
        for use in (
            lambda: practice.store.ensure_experiment(STUDY),
            lambda: practice.store.find_experiment(STUDY),
        ):
            with pytest.raises(StoreError, match="make doctor ARGS=study=tests`, or choose"):
                use()
        assert practice.examine(f"study={STUDY}") == 1
        assert practice.examine("--yes", f"study={STUDY}") == 0
        tracked.finished_once(practice.store, RESULTS)

    def test_a_deleted_study_is_restored_where_runs_wait_for_it(self, practice: Practice) -> None:
        run = begin(practice.store, begin_sweep(practice.store, RESULTS, "s2"), RESULTS[0])
        practice.store.client.delete_experiment(practice.experiment_id)
        finish_run(practice.store, run, RESULTS[0])
        assert practice.examine("--yes") == 1
        assert "done    restore it from MLflow's trash" in practice.said
        assert len(offline_queue.deliver_queued(practice.store)) == 1
        practice.examine("--yes")
        assert practice.statuses()[run.run_id] == "FINISHED"

    def test_a_study_whose_artifacts_only_a_server_can_keep_gets_a_folder(
        self, practice: Practice
    ) -> None:
        practice.store.client.create_experiment("button", "mlflow-artifacts:/2")
        practice.store.client.create_experiment("cloud", "s3://bucket/3")
        assert practice.examine() == 0
        with pytest.raises(StoreError, match="study=button` to set an address"):
            practice.store.ensure_experiment("button")
        with pytest.raises(StoreError, match=r"at s3://bucket/3, .* Choose another name"):
            practice.store.ensure_experiment("cloud")
        assert practice.examine("--yes", "study=button") == 0
        swept = begin_sweep(practice.store, RESULTS, "s2", study="button")
        run_id = tracked.log(practice.store, swept, RESULTS[0])
        assert len(tracking.read_history(practice.store, "button", run_id)) > 0


class TestArtifacts:
    @pytest.mark.parametrize("name", ["config.yaml", "trajectory.parquet", "trajectories.svg"])
    def test_that_are_missing_take_their_run_back(self, practice: Practice, name: str) -> None:
        (practice.artifacts(1) / name).unlink()
        practice.assert_only_told(1)
        assert f"{practice.ids[1]}, has damaged artifacts: missing: {name}" in practice.said
        practice.assert_fixed()
        assert practice.statuses() == {practice.ids[0]: "FINISHED", practice.ids[1]: "FAILED"}

    def test_that_were_changed_take_their_run_back(self, practice: Practice) -> None:
        ended = practice.store.client.get_run(practice.ids[1]).info.end_time
        flip_a_byte(practice.artifacts(1) / "model.safetensors")
        practice.assert_only_told(1)
        practice.assert_fixed()
        run = practice.store.client.get_run(practice.ids[1])
        assert (run.info.status, run.info.end_time) == ("FAILED", ended)
        assert run.data.tags["actscope.reason"] == (
            "damaged artifacts: not as logged (SHA-256): model.safetensors"
        )

    def test_that_were_damaged_are_made_again_by_the_next_sweep(self, practice: Practice) -> None:
        flip_a_byte(practice.artifacts(1) / "history.parquet")
        practice.assert_fixed()
        points = [result.point for result in RESULTS]
        settings = Tracking(practice.store.uri)
        run_sweep(points, settings, "s2", Resources(0, 20), Console(quiet=True))
        (new,) = practice.statuses().keys() - set(practice.ids)
        tracked.finished_once(practice.store, RESULTS)
        assert practice.store.client.get_run(new).info.run_name == str(points[1])
        assert practice.examine() == 0

    def test_of_runs_that_tell_no_hashes_need_only_be_there(self, practice: Practice) -> None:
        practice.store.client.delete_tag(practice.ids[0], "actscope.artifacts")
        practice.store.client.set_tag(practice.ids[1], "actscope.artifacts", "no hashes")
        flip_a_byte(practice.artifacts(0) / "history.parquet")
        assert practice.examine() == 0
        assert "note    2 runs have no SHA-256 of their artifacts" in practice.said
        (practice.artifacts(0) / "history.parquet").unlink()
        practice.assert_only_told(1)

    def test_of_another_study_than_asked_for_are_not_looked_at(self, practice: Practice) -> None:
        (practice.artifacts(1) / "config.yaml").unlink()
        practice.store.ensure_experiment("empty")
        assert practice.examine("study=empty") == 0
        assert practice.examine(f"study={STUDY}") == 1


class TestAddresses:
    def test_follow_a_project_that_was_moved(self, practice: Practice) -> None:
        moved = move(practice, practice.folder.with_name("elsewhere"))
        with pytest.raises(StoreError, match=r"run `.*make doctor ARGS=study=tests`"):
            moved.ensure_experiment(STUDY)
        practice.assert_only_told(1)
        practice.assert_fixed()
        moved.ensure_experiment(STUDY)
        client = MlflowClient(moved.uri)
        assert len(client.list_artifacts(practice.ids[0])) == 8
        new = begin(moved, begin_sweep(moved, RESULTS, "s2"), RESULTS[0]).run_id
        assert new is not None
        place = practice.folder / "artifacts" / STUDY / new / "artifacts"
        assert client.get_run(new).info.artifact_uri == place.as_uri()

    def test_by_a_link_are_as_good(self, practice: Practice, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(practice.folder)
        practice.store = store_at(f"sqlite:///{link}/mlflow.db")
        assert practice.examine() == 0
        practice.store.ensure_experiment(STUDY)

    def test_of_artifacts_that_were_left_behind_stay(self, practice: Practice) -> None:
        old = practice.folder
        new = old.with_name("elsewhere")
        new.mkdir()
        shutil.move(old / "mlflow.db", new)
        practice.store = store_at(f"sqlite:///{new}/mlflow.db")
        before = practice.files()
        assert practice.examine("--yes") == 1
        assert len(practice.found()) == 1
        assert f"{(old / 'artifacts' / STUDY).as_uri()}, but should be in" in practice.said
        assert practice.files() == before


class TestCheckpoints:
    def save(self, practice: Practice, signatures: list[str]) -> Checkpoint:
        saved = Checkpoint(checkpoint_folder(practice.store, STUDY), signatures, seconds=0)
        saved.save({"done": torch.tensor(1)})
        return saved

    def finished(self) -> list[str]:
        return [signature_of(r.point, load_data(r.point.data)).whole for r in RESULTS]

    def test_that_cannot_be_read_are_deleted(self, practice: Practice) -> None:
        folder = checkpoint_folder(practice.store, STUDY)
        folder.mkdir(parents=True)
        unreadable = ["{", "1", "{}", "[]", "[1]", "[[]]", '["a", "a"]']
        paths = [folder / f"{number}.safetensors" for number in range(len(unreadable))]
        for path, signatures in zip(paths, unreadable, strict=True):
            save_file({}, path, {"format": "1", "signatures": signatures})
        assert all(result.is_earlier for result in practice.sweep("s2"))
        practice.assert_only_told(len(paths))
        assert all(f"cannot read checkpoint {path}" in practice.said for path in paths)
        practice.assert_fixed()
        assert list(folder.glob("*.safetensors")) == []

    def test_of_finished_points_are_deleted(self, practice: Practice) -> None:
        self.save(practice, self.finished())
        unfinished = self.save(practice, [self.finished()[0], "another"])
        practice.assert_only_told(1)
        practice.assert_fixed()
        assert saved_stacks(unfinished.folder) == [unfinished.signatures]

    def test_are_a_living_sweeps_own_affair(self, practice: Practice) -> None:
        saved = self.save(practice, self.finished())
        begin_sweep(practice.store, RESULTS, "s2")
        assert practice.examine("--yes") == 0
        assert saved.path.exists()


def test_runs_that_wait_to_be_delivered_are_told(practice: Practice) -> None:
    folder = practice.artifacts(0)
    record = record_of(practice.store.client.get_run(practice.ids[0]), STUDY)
    enqueue(practice.store, record, folder)
    assert practice.examine("--yes") == 1
    assert "1 runs are queued in" in practice.said
    assert "sync` delivers" in practice.said


class Terminal(io.StringIO):
    """Somebody at the keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_where_somebody_can_be_asked_nothing_is_fixed_without(
    practice: Practice, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    (practice.artifacts(1) / "config.yaml").unlink()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert practice.examine() == code
    assert "Fix this: mark it as FAILED" in practice.said
    is_fixed = practice.statuses()[practice.ids[1]] == "FAILED"
    assert is_fixed == (code == 0)


class TestDatabase:
    """What no doctor can fix is one line."""

    def examine(self, practice: Practice) -> str:
        assert practice.examine("--yes") == 1
        assert len(practice.said.splitlines()) == 1
        return practice.said

    def test_that_is_not_there(self, practice: Practice) -> None:
        practice.store = store_at(f"sqlite:///{practice.folder}/none/mlflow.db")
        assert "` to make one" in self.examine(practice)
        assert not practice.folder.exists()

    def test_that_is_damaged(self, practice: Practice) -> None:
        with closing(sqlite3.connect(practice.folder / "mlflow.db")) as database, database:
            (page,) = database.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = 'latest_metrics'"
            ).fetchone()
            (size,) = database.execute("PRAGMA page_size").fetchone()
        with (practice.folder / "mlflow.db").open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        assert "is damaged" in self.examine(practice)

    def test_of_another_version_of_mlflow(self, practice: Practice) -> None:
        with closing(sqlite3.connect(practice.folder / "mlflow.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = 'other'")
        assert "mlflow db upgrade" in self.examine(practice)

    def test_without_the_study_asked_for(self, practice: Practice) -> None:
        assert practice.examine("study=nothing") == 1
        assert f"only these: {STUDY}" in practice.said


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def move(practice: Practice, to: Path) -> Store:
    practice.folder.rename(to)
    practice.store = store_at(f"sqlite:///{to}/mlflow.db")
    return practice.store

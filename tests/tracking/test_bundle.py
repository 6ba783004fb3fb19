"""A study out of one store and into another, and archives that are not what they say."""

import hashlib
import json
import math
import random
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Param, RunTag

from actscope import tracking
from actscope.analysis import frames
from actscope.commands.main import main
from actscope.config import Extras, Tracking
from actscope.errors import BundleError, StoreError
from actscope.sweep.worker import finish_run
from actscope.tracking import OpenRun, Store, client_rows, heartbeat, repair, sweeps
from actscope.tracking.bundle import archive
from actscope.tracking.bundle.bundle import export_study, import_bundle
from tests.support.copied import copy_store
from tests.support.tracked import (
    STUDY,
    assert_as_logged,
    begin,
    begin_sweep,
    finished_once,
    log,
    log_study,
    new_store,
    runs_of,
    trained,
)

Files = dict[str, bytes]

STEPS = ["create_run", "log_inputs", "log_batch", "set_terminated", "set_tag"]

KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
from actscope.tracking.bundle.bundle import import_bundle
from actscope.config import Tracking

step, file, uri = sys.argv[1:]
call = getattr(MlflowClient, step)
made = 0

def killed(*arguments, **settings):
    global made
    made += 1
    if made == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*arguments, **settings)

setattr(MlflowClient, step, killed)
import_bundle(Path(file), Tracking(uri))
"""


def settings_of(store: Store) -> Tracking:
    return Tracking(store.uri)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A study of two sweeps, one of them with what does not travel: failed, killed, running.

    No test changes it.
    """
    store = new_store(tmp_path_factory.mktemp("a"))
    results = trained()
    log_study(store, results[:2])
    sweep = begin_sweep(store, results, "s2")
    log(store, sweep, results[2])
    tracking.fail_run(store, begin(store, sweep, results[0]), ValueError("odd"))
    begin(store, sweep, results[1])
    tracking.end_sweep(store, sweep, "FAILED")
    begin(store, sweep, results[1])
    return store


@pytest.fixture(scope="module")
def file(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "tests.zip"
    export_study(store, STUDY, path)
    return path


@pytest.fixture
def moved(store: Store, tmp_path: Path) -> Store:
    """The store in another place."""
    assert store.folder is not None
    shutil.copytree(store.folder, tmp_path / "moved")
    return tracking.locate_store(Tracking(f"sqlite:///{tmp_path}/moved/mlflow.db"))


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return new_store(tmp_path / "b")


def finished(store: Store) -> pd.DataFrame:
    runs = runs_of(store)
    runs = runs[runs["status"] == "FINISHED"].reset_index(drop=True)
    assert runs["reason"].isna().all()
    # What they are read as depends on the other runs.
    return runs.drop(columns="reason").astype({"ended": "int64"})


class TestRoundTrip:
    def test_an_imported_study_is_the_same_study(
        self, store: Store, file: Path, other: Store
    ) -> None:
        _, arrival = import_bundle(file, settings_of(other))
        assert (arrival.new, arrival.present) == (3, 0)
        pd.testing.assert_frame_equal(finished(other), finished(store), check_exact=True)
        there, here = (finished_once(each, trained()) for each in (store, other))
        assert set(there).isdisjoint(here)
        for old, new in zip(there, here, strict=True):
            for read in (tracking.read_history, tracking.read_trajectory, tracking.read_probe):
                pd.testing.assert_frame_equal(read(other, STUDY, new), read(store, STUDY, old))
            assert tags_of(other, new)["actscope.origin_run"] == old
            assert told_of(other, new) == told_of(store, old)

    def test_it_hangs_together_as_it_did(self, store: Store, file: Path, other: Store) -> None:
        import_bundle(file, settings_of(other))
        sweeps = {run.info.run_name: run for run in all_runs(other, "sweep")}
        assert set(sweeps) == {"sweep s1", "sweep s2"}
        for run in all_runs(other, "point"):
            parent = sweeps[f"sweep {run.data.tags['actscope.sweep']}"]
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for old in all_runs(store, "sweep"):
            new = sweeps[old.info.run_name]
            assert new.info.status == old.info.status
            assert (new.info.start_time, new.info.end_time) == (
                old.info.start_time,
                old.info.end_time,
            )
            grids = [
                place.artifact_path(STUDY, run.info.run_id, "grid.jsonl").read_bytes()
                for place, run in ((store, old), (other, new))
            ]
            assert grids[0] == grids[1]

    def test_a_report_sees_the_same_runs(self, store: Store, file: Path, other: Store) -> None:
        import_bundle(file, settings_of(other))
        old, new = (
            frames.choose_runs(STUDY, tracking.read_runs(each, STUDY)) for each in (store, other)
        )
        columns = ["name", "status", "outcome", "final", "sweep", "code", "data"]
        pd.testing.assert_frame_equal(
            new.used[columns].reset_index(drop=True), old.used[columns].reset_index(drop=True)
        )

    def test_importing_twice_makes_nothing_twice(
        self, file: Path, other: Store, store: Store
    ) -> None:
        import_bundle(file, settings_of(other))
        before = all_runs(other)
        _, arrival = import_bundle(file, settings_of(other))
        assert (arrival.new, arrival.present) == (0, 3)
        assert {run.info.run_id for run in all_runs(other)} == {r.info.run_id for r in before}
        _, arrival = import_bundle(file, settings_of(store))  # where the runs come from
        assert (arrival.new, arrival.present) == (0, 3)

    def test_there_and_back_keeps_every_hash(
        self, store: Store, file: Path, other: Store, tmp_path: Path
    ) -> None:
        import_bundle(file, settings_of(other))
        export_study(other, STUDY, tmp_path / "back.zip")
        third = new_store(tmp_path / "c")
        import_bundle(tmp_path / "back.zip", settings_of(third))
        pd.testing.assert_frame_equal(finished(third), finished(store), check_exact=True)
        for old, new in zip(
            finished_once(store, trained()), finished_once(third, trained()), strict=True
        ):
            assert tags_of(third, new)["actscope.origin_run"] == old
            assert told_of(third, new) == told_of(store, old)
        for again in (store, other, third):  # each knows the runs, whatever their ids
            _, arrival = import_bundle(tmp_path / "back.zip", settings_of(again))
            assert (arrival.new, arrival.present) == (0, 3)

    def test_what_comes_later_joins_its_sweep(
        self, store: Store, other: Store, tmp_path: Path
    ) -> None:
        assert store.folder is not None
        store = copy_store(store.folder.parent, tmp_path / "a")
        export_study(store, STUDY, tmp_path / "some.zip")
        import_bundle(tmp_path / "some.zip", settings_of(other))
        (open_run,) = [run for run in all_runs(store, "point") if run.info.status == "RUNNING"]
        record = client_rows.record_of(open_run, STUDY)
        info = open_run.info
        finish_run(store, OpenRun(record, info.run_id, info.artifact_uri), trained()[1])
        export_study(store, STUDY, tmp_path / "more.zip")
        _, arrival = import_bundle(tmp_path / "more.zip", settings_of(other))
        assert (arrival.new, arrival.present) == (1, 3)
        assert len(all_runs(other, "sweep")) == 2
        pd.testing.assert_frame_equal(finished(other), finished(store), check_exact=True)

    def test_a_run_without_a_sweep_travels_too(self, tmp_path: Path, other: Store) -> None:
        store = new_store(tmp_path / "a")
        result = trained()[0]
        alone = tracking.Sweep("s1", STUDY, store.ensure_experiment(STUDY), None)
        log(store, alone, result)
        manifest = export_study(store, STUDY, tmp_path / "alone.zip")
        assert (len(manifest.runs), manifest.sweeps) == (1, ())
        import_bundle(tmp_path / "alone.zip", settings_of(other))
        (run_id,) = finished_once(other, [result])
        assert "mlflow.parentRunId" not in tags_of(other, run_id)
        with ZipFile(tmp_path / "alone.zip") as packed:
            assert b"actscope.host" not in packed.read(f"parcels/{manifest.runs[0]}/run.json")

    @pytest.mark.parametrize("step", STEPS)
    def test_an_import_that_was_cut_short_leaves_nothing(
        self,
        step: str,
        file: Path,
        store: Store,
        other: Store,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        original: Callable[..., Any] = getattr(MlflowClient, step)
        made = 0

        def failing(*arguments: Any, **settings: Any) -> Any:
            nonlocal made
            made += 1
            if made == 3:
                raise OSError("the power is gone")
            return original(*arguments, **settings)

        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, step, failing)
            with pytest.raises(StoreError, match="an import can be repeated"):
                import_bundle(file, settings_of(other))
        assert everything(other) == []
        assert list((folder_of(other) / "artifacts").rglob("*.parquet")) == []
        import_bundle(file, settings_of(other))
        assert {run.info.status for run in all_runs(other, "point")} == {"FINISHED"}
        assert len(all_runs(other, "sweep")) == 2
        pd.testing.assert_frame_equal(finished(other), finished(store), check_exact=True)
        finished_once(other, trained())

    @pytest.mark.slow
    @pytest.mark.parametrize("step", STEPS)
    def test_an_import_that_was_killed_counts_for_nothing_and_is_done_again(
        self, step: str, file: Path, store: Store, other: Store
    ) -> None:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, step, str(file), other.uri], check=False, timeout=120
        )
        assert killed.returncode == -signal.SIGKILL
        assert everything(other)
        study = other.find_experiment(STUDY).experiment_id
        assert tracking.read_summaries(other, study, {"actscope.kind": "point"}) == []
        assert sweeps.find_abandoned(tracking.read_summaries(other, study)) == []
        assert repair.find_orphaned_folders(other, None) == []
        _, arrival = import_bundle(file, settings_of(other))
        assert (arrival.new, arrival.present) == (3, 0)
        assert len(everything(other)) == 5
        pd.testing.assert_frame_equal(finished(other), finished(store), check_exact=True)

    def test_what_the_store_does_not_let_go_is_found_by_the_next_import(
        self, file: Path, other: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            for step in ("set_terminated", "delete_run"):
                patch.setattr(MlflowClient, step, Mock(side_effect=OSError("the disk is full")))
            with pytest.raises(StoreError, match="the disk is full"):
                import_bundle(file, settings_of(other))
        assert len(everything(other)) == 5
        assert [p for p in (folder_of(other) / "artifacts").rglob("*") if p.is_file()] == []
        _, arrival = import_bundle(file, settings_of(other))
        assert (arrival.new, arrival.present) == (3, 0)
        assert len(everything(other)) == 5
        finished_once(other, trained())

    def test_one_that_is_at_work_is_left_alone(
        self, file: Path, other: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = other.ensure_experiment(STUDY)
        alive = {**heartbeat.signs_of_life(), "actscope.host": "elsewhere"}
        tags = {**alive, "actscope.origin_run": "a1", "actscope.process": "1 0.00"}
        run_id = other.client.create_run(study, tags=tags).info.run_id
        with pytest.raises(StoreError, match="another import is running on elsewhere"):
            import_bundle(file, settings_of(other))
        assert [run.info.run_id for run in everything(other)] == [run_id]
        monkeypatch.setattr(heartbeat, "SECONDS_TILL_DEAD", -1)
        import_bundle(file, settings_of(other))
        assert len(everything(other)) == 5

    def test_a_run_that_was_taken_back_here_comes_again(self, file: Path, other: Store) -> None:
        import_bundle(file, settings_of(other))
        run_id = finished_once(other, trained())[0]
        repair.mark_failed(other, run_id, "an artifact is lost")
        for new, present in ((1, 2), (0, 3)):
            _, arrival = import_bundle(file, settings_of(other))
            assert (arrival.new, arrival.present) == (new, present)
        finished_once(other, trained())

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"history.parquet": "0" * 64}, "its history.parquet differs from that of run"),
            (None, "in this store it is a sweep"),
        ],
    )
    def test_another_run_under_the_id_of_one_that_is_here_is_refused(
        self, change: dict[str, str] | None, told: str, file: Path, other: Store
    ) -> None:
        import_bundle(file, settings_of(other))
        gone, _, run_id = finished_once(other, trained())
        tags = tags_of(other, run_id)
        if change is None:
            other.client.set_tag(run_id, "actscope.kind", "sweep")
        else:
            logged = json.loads(tags["actscope.artifacts"])
            other.client.set_tag(run_id, "actscope.artifacts", json.dumps({**logged, **change}))
        other.client.delete_run(gone)
        before = {run.info.run_id for run in everything(other)}
        with pytest.raises(BundleError, match=told):
            import_bundle(file, settings_of(other))
        assert {run.info.run_id for run in everything(other)} == before

    def test_many_parameters_and_tags_and_odd_numbers_travel(
        self, tmp_path: Path, other: Store
    ) -> None:
        store = new_store(tmp_path / "a")
        (run_id,) = log_study(store, trained()[:1])
        params = [Param(f"mine{number}", "x" * 6000) for number in range(150)]
        tags = [RunTag(f"mine{number}", "y" * 8000) for number in range(150)]
        for at in (0, 50, 100):  # MLflow takes a hundred at once
            store.client.log_batch(run_id, params=params[at : at + 50], tags=tags[at : at + 50])
        for value, step in ((math.nan, 2**63 - 1), (math.inf, -(2**63)), (-math.inf, 0), (0.0, 1)):
            store.client.log_metric(run_id, "mine", value, 2**43 - 1, step)
        export_study(store, STUDY, tmp_path / "x.zip")
        import_bundle(tmp_path / "x.zip", settings_of(other))
        (new,) = finished_once(other, trained()[:1])
        there, here = told_of(store, run_id), told_of(other, new)
        assert here[:-1] == there[:-1]
        assert repr(here[-1]) == repr(there[-1])  # NaN is not itself
        assert len(here[1]) > 150


class TestArchive:
    def test_the_same_runs_give_the_same_bytes(
        self, store: Store, file: Path, tmp_path: Path
    ) -> None:
        first = file.read_bytes()
        export_study(store, STUDY, tmp_path / "again.zip")
        assert (tmp_path / "again.zip").read_bytes() == first

    def test_it_does_not_matter_where_the_store_lies(
        self, moved: Store, file: Path, tmp_path: Path
    ) -> None:
        export_study(moved, STUDY, tmp_path / "again.zip")
        assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()

    def test_its_manifest_tells_what_it_holds(self, file: Path) -> None:
        with ZipFile(file) as packed:
            manifest = json.loads(packed.read("manifest.json"))
            assert manifest["files"].keys() | {"manifest.json"} == set(packed.namelist())
            for name, told in manifest["files"].items():
                content = packed.read(name)
                assert told["size"] == len(content)
                assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert (manifest["format"], manifest["study"]) == (1, STUDY)
        assert (len(manifest["runs"]), len(manifest["sweeps"])) == (3, 2)
        assert manifest["left_out"] == {"FAILED": 1, "KILLED": 1, "RUNNING": 1}
        assert manifest["version"]
        assert manifest["commit"]

    def test_a_damaged_artifact_is_not_packed(self, moved: Store, tmp_path: Path) -> None:
        run_id = finished_once(moved, trained())[0]
        path = moved.artifact_path(STUDY, run_id, "history.parquet")
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        with pytest.raises(BundleError, match=r"history\.parquet is not the file that was logged"):
            export_study(moved, STUDY, tmp_path / "x.zip")
        assert not list(tmp_path.glob("*x.zip*"))

    def test_a_study_without_finished_runs_is_told(self, tmp_path: Path) -> None:
        store = new_store(tmp_path / "a")
        begin_sweep(store, trained())
        with pytest.raises(BundleError, match=r"study=tests: none of its 0 runs is finished"):
            export_study(store, STUDY, tmp_path / "x.zip")

    @pytest.mark.parametrize("place", ["nowhere/x.zip", "file/x.zip"])
    def test_a_place_that_cannot_be_written_is_told(
        self, place: str, store: Store, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(BundleError, match=rf"{place} cannot be written"):
            export_study(store, STUDY, tmp_path / place)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a good archive of one run."""
    folder = tmp_path_factory.mktemp("packed")
    store = new_store(folder)
    log_study(store, trained()[:1])
    export_study(store, STUDY, folder / "good.zip")
    with ZipFile(folder / "good.zip") as good:
        return {name: good.read(name) for name in good.namelist()}


def write(files: Files, path: Path, compression: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", compression) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def manifest_of(files: Files, /, **changes: Any) -> Files:
    """The files under a manifest that tells the truth of them, but for the changes."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
        if name != "manifest.json"
    }
    return {**files, "manifest.json": json.dumps({**manifest, **changes}).encode()}


def run_file(files: Files, kind: str = "point") -> str:
    return next(
        name
        for name, content in files.items()
        if name.endswith("run.json") and json.loads(content)["tags"]["actscope.kind"] == kind
    )


def with_run(files: Files, kind: str = "point", /, **changes: Any) -> Files:
    """The files with changes in the point's run.json, under a manifest that knows of them."""
    name = run_file(files, kind)
    content = json.dumps({**json.loads(files[name]), **changes}).encode()
    return manifest_of({**files, name: content})


def with_study(files: Files, study: str) -> Files:
    for kind in ("point", "sweep"):
        files = with_run(files, kind, study=study)
    return manifest_of(files, study=study)


def with_key(
    files: Files, kind: str, key: str, value: str = "1", of: str = "point"
) -> dict[str, Any]:
    """Changes that add a tag, a parameter or a metric to those of a run."""
    there = json.loads(files[run_file(files, of)])[kind]
    return {kind: [*there, [key, 1.0, 0, 0]] if kind == "metrics" else {**there, key: value}}


def sweep_id(files: Files) -> str:
    return str(json.loads(files["manifest.json"])["sweeps"][0])


INPUT = {"name": "digits", "digest": "0", "source_type": "x", "source": "{}"}


def with_file(files: Files, name: str, content: bytes = b"abc") -> Files:
    return manifest_of({**files, name: content})


def artifact(files: Files) -> str:
    return next(name for name in files if name.endswith("history.parquet"))


def changed(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def refusal(path: Path, tmp_path: Path) -> str:
    """The line that refuses to import; nothing may be written."""
    target = Tracking(f"sqlite:///{tmp_path}/new/mlruns/mlflow.db")
    with pytest.raises(BundleError) as error:
        import_bundle(path, target)
    assert not (tmp_path / "new").exists()
    (line,) = str(error.value).splitlines()
    return line


BAD: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a tampered artifact": (
        lambda files: {**files, artifact(files): changed(files[artifact(files)])},
        "its SHA-256 differs from the one",
    ),
    "a shorter artifact": (
        lambda files: {**files, artifact(files): files[artifact(files)][:-1]},
        "its size differs from the one in manifest.json",
    ),
    "an artifact that only the manifest was changed for": (
        lambda files: manifest_of({**files, artifact(files): changed(files[artifact(files)])}),
        "has artifacts that are not in the archive",
    ),
    "a missing artifact": (
        lambda files: {name: files[name] for name in files if name != artifact(files)},
        "is in manifest.json, but not in the archive",
    ),
    "no run file": (
        lambda files: manifest_of({n: files[n] for n in files if n != run_file(files)}),
        "run.json: is missing",
    ),
    "no manifest": (
        lambda files: {name: files[name] for name in files if name != "manifest.json"},
        "has no manifest.json, so it is not a bundle",
    ),
    "a manifest of another kind": (
        lambda files: {**files, "manifest.json": b"[]"},
        "is not a JSON object",
    ),
    "a newer format": (lambda files: manifest_of(files, format=2), "has format 2"),
    "a newer format of a run": (lambda files: with_run(files, format=2), "has format 2"),
    "a file that is not listed": (
        lambda files: {**files, "extra.txt": b"abc"},
        "extra.txt: is not in manifest.json",
    ),
    "a file that is no run's": (
        lambda files: with_file(files, "extra.txt"),
        "extra.txt: belongs to no run",
    ),
    "an absolute path": (lambda files: with_file(files, "/etc/x"), "not a safe relative path"),
    "a path that climbs": (
        lambda files: with_file(files, "parcels/../../x"),
        "not a safe relative path",
    ),
    "a drive letter": (lambda files: with_file(files, "C:/x"), "not a safe relative path"),
    "a backslash": (lambda files: with_file(files, "a\\..\\x"), "not a safe relative path"),
    "a folder": (lambda files: with_file(files, "parcels/", b""), "not a safe relative path"),
    "a name in capitals": (
        lambda files: with_file(files, artifact(files).upper()),
        "occurs 2 times",
    ),
    "a file where a folder is": (
        lambda files: with_file(files, "parcels"),
        "parcels: is both a file and a folder",
    ),
    "a run of another study": (
        lambda files: manifest_of(files, study="other"),
        "is of another study",
    ),
    "a run that goes on": (
        lambda files: with_run(files, status="RUNNING"),
        "is of a run that has not ended",
    ),
    "a run under another's name": (
        lambda files: with_run(files, run_id="0" * 32),
        "is of another run",
    ),
    "a sweep as a point": (
        lambda files: with_run(files, tags={"actscope.kind": "sweep"}),
        "is of another kind of run",
    ),
    "a parent that is not there": (
        lambda files: with_run(
            files, tags={"actscope.kind": "point", "mlflow.parentRunId": "0" * 32}
        ),
        "has a parent run that is not in the archive",
    ),
    "a run listed twice": (
        lambda files: manifest_of(files, runs=json.loads(files["manifest.json"])["runs"] * 2),
        "a run is listed twice",
    ),
    "a study that is no name": (lambda files: manifest_of(files, study="../x"), "study: "),
    "a study that Windows cannot hold": (
        lambda files: with_study(files, "con"),
        "study=con: this name cannot be a folder on every system",
    ),
    "a study that ends in a dot": (
        lambda files: with_study(files, "a."),
        "study=a.: this name cannot be a folder on every system",
    ),
    "a file that Windows cannot hold": (
        lambda files: with_file(files, "parcels/NUL.txt"),
        "not a safe relative path",
    ),
    "names that differ in how a letter is written": (
        lambda files: with_file(with_file(files, "parcels/\u212b"), "parcels/\u00c5"),
        "occurs 2 times",
    ),
    "a step that no database holds": (
        lambda files: with_run(files, metrics=[["loss", 0.5, 0, 2**70]]),
        "metrics.0.3: ",
    ),
    "a step just over the limit": (
        lambda files: with_run(files, metrics=[["loss", 0.5, 0, 2**63]]),
        "metrics.0.3: ",
    ),
    "a time that no calendar has": (
        lambda files: with_run(files, metrics=[["loss", 0.5, 2**63 - 1, 0]]),
        "too many milliseconds after 1970",
    ),
    "a start that no calendar has": (
        lambda files: with_run(files, started=2**62),
        "too many milliseconds after 1970",
    ),
    **{
        f"{what} of {kind}": (
            lambda files, kind=kind, key=key: with_run(files, **with_key(files, kind, key)),
            told,
        )
        for kind in ("tags", "params", "metrics")
        for what, key, told in (
            ("an empty name", "", "Names may"),
            ("a name that climbs", "../x", "Names may"),
            ("an absolute name", "/x", "Names may"),
            ("a name with odd signs", "a'; DROP TABLE runs", "Names may only contain"),
            ("a name that is too long", "x" * 251, "exceeds the maximum length of 250"),
            ("a name with a line end", "lr\n", "control characters are not allowed in a name"),
            ("a name with a NUL", "a\0", "control characters are not allowed in a name"),
        )
    },
    "a tag that is too long": (
        lambda files: with_run(files, **with_key(files, "tags", "mine", "x" * 8001)),
        "tags.mine: has more than 8000 characters",
    ),
    "a parameter that is too long": (
        lambda files: with_run(files, **with_key(files, "params", "mine", "x" * 6001)),
        "params.mine: has more than 6000 characters",
    ),
    "a text with a NUL": (
        lambda files: with_run(files, **with_key(files, "params", "mine", "a\0")),
        "NUL",
    ),
    "a name of a run that is too long": (
        lambda files: with_run(files, name="x" * 251),
        "name: has more than 250 characters",
    ),
    "a name of a run that clears the screen": (
        lambda files: with_run(files, name="\x1b[2J"),
        "control characters are not allowed in a name",
    ),
    "a data set whose digest is too long": (
        lambda files: with_run(files, inputs=[{**INPUT, "digest": "0" * 37}]),
        "'digest' exceeds the maximum length of 36",
    ),
    "a data set whose tag is too long": (
        lambda files: with_run(files, inputs=[{**INPUT, "tags": {"a": "x" * 501}}]),
        "exceeds the maximum length of 500",
    ),
    "a data set of a kind with a long name": (
        lambda files: with_run(files, inputs=[{**INPUT, "source_type": "x" * 37}]),
        "source_type: has more than 36 characters",
    ),
    **{
        f"a tag {key} of another store": (
            lambda files, key=key: with_run(files, **with_key(files, "tags", key)),
            "has tags that only a store may set",
        )
        for key in ("actscope.artifacts", "actscope.heartbeat", "actscope.pack", "mlflow.runName")
    },
    "an origin that is no id": (
        lambda files: with_run(files, **with_key(files, "tags", "actscope.origin_run", "a' OR 1")),
        "has an origin that is not a run id",
    ),
    "a point with the origin of its sweep": (
        lambda files: with_run(
            files, **with_key(files, "tags", "actscope.origin_run", sweep_id(files))
        ),
        "occurs twice",
    ),
    "a sweep under itself": (
        lambda files: with_run(
            files,
            "sweep",
            **with_key(files, "tags", "mlflow.parentRunId", sweep_id(files), of="sweep"),
        ),
        "has a parent run that is not in the archive",
    ),
    "a hash that is none": (
        lambda files: manifest_of(files, files={"a": {"sha256": "0", "size": 1}}),
        "files.a.sha256: ",
    ),
}


class TestStrangers:
    @pytest.mark.parametrize("kind", BAD)
    def test_what_is_not_as_it_should_be_is_refused_whole(
        self, kind: str, packed: Files, tmp_path: Path
    ) -> None:
        spoil, told = BAD[kind]
        assert told in refusal(write(spoil(packed), tmp_path / "bad.zip"), tmp_path)

    def test_a_good_archive_is_taken(self, packed: Files, tmp_path: Path) -> None:
        path = write(manifest_of(packed), tmp_path / "good.zip")
        _, arrival = import_bundle(path, settings_of(new_store(tmp_path)))
        assert arrival.new == 1

    @pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
    def test_a_name_that_is_there_twice_is_refused(self, packed: Files, tmp_path: Path) -> None:
        path = write(packed, tmp_path / "bad.zip")
        with ZipFile(path, "a") as target:
            target.writestr(artifact(packed), packed[artifact(packed)])
        assert "occurs 2 times" in refusal(path, tmp_path)

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
    def test_what_is_no_file_is_refused(self, kind: int, packed: Files, tmp_path: Path) -> None:
        path = write(packed, tmp_path / "bad.zip")
        info = ZipInfo("link")
        info.external_attr = (kind | 0o777) << 16
        with ZipFile(path, "a") as target:
            target.writestr(info, "/etc/passwd")
        assert "is a link or device" in refusal(path, tmp_path)

    def test_a_packing_that_python_need_not_know_is_refused(
        self, packed: Files, tmp_path: Path
    ) -> None:
        path = write(packed, tmp_path / "bad.zip", ZIP_BZIP2)
        assert "compressed in an unknown way" in refusal(path, tmp_path)

    def test_more_than_the_limit_is_refused_before_it_is_unpacked(
        self, packed: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archive, "MOST_BYTES", 2**26)
        path = write(packed, tmp_path / "bomb.zip")
        with ZipFile(path, "a", ZIP_DEFLATED) as target, target.open("zeros", "w") as entry:
            for _ in range(5):
                entry.write(bytes(2**24))
        assert path.stat().st_size < 2**22
        assert "unpacks to more than 0.0625 GiB" in refusal(path, tmp_path)

    def test_a_bomb_that_lies_about_its_size_is_refused(
        self, packed: Files, tmp_path: Path
    ) -> None:
        bomb = with_file(packed, "parcels/x", bytes(2**24))
        path = write(bomb, tmp_path / "bomb.zip")
        # In the two places where zip tells it.
        size = (2**24).to_bytes(4, "little")
        data = path.read_bytes()
        assert data.count(size) == 2
        manifest = bomb["manifest.json"].replace(str(2**24).encode(), b"10")
        small = write({**bomb, "manifest.json": manifest}, path).read_bytes()
        path.write_bytes(small.replace(size, (10).to_bytes(4, "little")))
        line = refusal(path, tmp_path)
        assert "is damaged" in line or "size it declares" in line or "SHA-256" in line

    def test_text_files_have_a_limit(
        self, packed: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archive, "MOST_JSON", 2**10)
        path = write(packed, tmp_path / "bad.zip")
        assert "manifest.json: has more than" in refusal(path, tmp_path)

    def test_what_is_cut_off_is_refused(self, packed: Files, tmp_path: Path) -> None:
        whole = write(packed, tmp_path / "whole.zip").read_bytes()
        for kept in (0, 1, 100, len(whole) // 2, len(whole) - 1):
            (tmp_path / "bad.zip").write_bytes(whole[:kept])
            assert "is not a complete zip archive" in refusal(tmp_path / "bad.zip", tmp_path)

    def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(
        self, packed: Files, tmp_path: Path
    ) -> None:
        whole = write(packed, tmp_path / "whole.zip").read_bytes()
        rng = random.Random(0)  # noqa: S311 - no secrets
        # Everywhere, and more often in the directory at the end, of which zip believes every word.
        tail = len(whole) - 1500
        places = [rng.randrange(tail) for _ in range(100)]
        places += [rng.randrange(tail, len(whole)) for _ in range(300)]
        for place in places:
            bad = bytearray(whole)
            bad[place] ^= 1 << rng.randrange(8)
            (tmp_path / "bad.zip").write_bytes(bad)
            with suppress(BundleError):
                seen = content_of(tmp_path / "bad.zip")
                assert seen == {n: packed[n] for n in packed if n != "manifest.json"}

    def test_no_file_is_told(self, tmp_path: Path) -> None:
        line = refusal(tmp_path / "nothing.zip", tmp_path)
        assert "nothing.zip" in line
        assert "No such file" in line


def content_of(path: Path) -> Files:
    with archive.open_archive(path) as reader:
        reader.verify(lambda _: None)
        return {name: b"".join(reader._verified(name)) for name in reader.manifest.files}


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def test_out_and_in(
        self, store: Store, other: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["bundle", "export", f"study={STUDY}", f"tracking.uri={store.uri}"]) == 0
        told = capsys.readouterr().out
        assert told.startswith("tests.actscope.zip: 3 runs and 2 sweeps of study tests, ")
        assert told.endswith("left out: 1 FAILED, 1 KILLED, 1 RUNNING\n")
        assert "trials" not in told
        for line in (
            f"3 runs of study tests imported into the store {other}\n",
            f"0 runs of study tests imported into the store {other}; 3 were there already\n",
        ):
            assert (
                main(["bundle", "import", "tests.actscope.zip", f"tracking.uri={other.uri}"]) == 0
            )
            assert capsys.readouterr() == (line, "")
        finished_once(other, trained())

    def test_trials_are_a_study_of_their_own_to_export(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = new_store(tmp_path / "tuned")
        log_study(store, trained()[:1])
        export = ["bundle", "export", f"study={STUDY}", f"tracking.uri={store.uri}"]
        trials = store.connect().create_experiment(f"{STUDY}.tuning")
        assert main(export) == 0
        _, advised = capsys.readouterr().out.split("Export them too: ")
        assert shlex.split(advised)[-3:] == [
            *("export", f"study={STUDY}.tuning", f"tracking.uri={store.uri}"),
        ]
        store.connect().delete_experiment(trials)
        assert main(export) == 0
        assert "too" not in capsys.readouterr().out

    def test_a_model_in_a_bundle_is_said_to_be_code(
        self, tmp_path: Path, other: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = new_store(tmp_path / "modelled")
        log_study(store, trained()[:1], extras=Extras(model=True))
        main(["bundle", "export", f"study={STUDY}", f"tracking.uri={store.uri}"])
        capsys.readouterr()
        assert main(["bundle", "import", "tests.actscope.zip", f"tracking.uri={other.uri}"]) == 0
        said = capsys.readouterr().out
        assert "1 of them have an MLflow model. A model is code: load it only if you trust" in said

    @pytest.mark.parametrize(
        ("words", "code", "told"),
        [
            ([], 2, "bundle: incomplete"),
            (["pack"], 2, "bundle pack: incomplete or unknown command"),
            (["export"], 2, "study=NAME: missing. Name the study"),
            (["export", "study=../x"], 2, "study="),
            (["export", "studi=x"], 2, "studi"),
            (["export", "study=x", "file=/"], 2, "file=/: is a folder"),
            (["export", "study=x", "file=."], 2, "file=.: is a folder"),
            (["import"], 2, "bundle import: incomplete"),
            (["import", "x.zip", "study=x"], 2, "study"),
            (["import", "x.zip"], 1, "x.zip: cannot be opened: No such file"),
            (["export", "study=x", "tracking.uri=sqlite:////nowhere/x.db"], 1, "no store"),
        ],
    )
    def test_a_mistake_is_one_line(
        self, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["bundle", *words]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("actscope: ")
        assert told in line

    @pytest.mark.parametrize("words", [["--help"], ["export", "--help"]])
    def test_help_tells_how(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["bundle", *words])
        assert end.value.code == 0
        assert "import FILE" in capsys.readouterr().out


def all_runs(store: Store, kind: str = "%") -> list[Any]:
    experiment = store.find_experiment(STUDY).experiment_id
    return list(store.search(experiment, f"tags.`actscope.kind` LIKE '{kind}'"))


def everything(store: Store) -> list[Any]:
    """All runs of the study that were not deleted, also those that no command counts."""
    experiment = store.find_experiment(STUDY).experiment_id
    return list(store.search(experiment, ""))


def folder_of(store: Store) -> Path:
    assert store.folder is not None
    return store.folder


def tags_of(store: Store, run_id: str) -> dict[str, str]:
    tags: dict[str, str] = store.client.get_run(run_id).data.tags
    return tags


def told_of(store: Store, run_id: str) -> Any:
    """Everything that a store tells of a run, but for its place in that store."""
    assert_as_logged(store, run_id)
    run = store.client.get_run(run_id)
    own = {"mlflow.parentRunId", "actscope.origin_run"}
    own |= {f"actscope.{name}" for name in ("host", "process", "heartbeat")}
    return (
        {key: value for key, value in run.data.tags.items() if key not in own},
        run.data.params,
        run.info.run_name,
        (run.info.start_time, run.info.end_time),
        [given.to_dictionary() for given in run.inputs.dataset_inputs],
        [
            [(m.value, m.timestamp, m.step) for m in store.client.get_metric_history(run_id, key)]
            for key in sorted(run.data.metrics)
        ],
    )

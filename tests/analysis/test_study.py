"""A study in Python, out of a store on this machine, a server and a bundle."""

import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

import actscope
from actscope import Study, load_study, tracking
from actscope.errors import (
    ActscopeError,
    BundleError,
    ConfigError,
    MissingStudyError,
    ReportError,
    StoreError,
)
from actscope.tracking import Store
from actscope.tracking.bundle.bundle import export_study
from tests.support.serving import Server
from tests.support.tracked import STUDY, begin, begin_sweep, log, log_study, new_store, trained

POINT = ["variant", "activation", "lr", "seed"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with seeds 0, 1 and 2 of one cell; seed 0 was run twice, a run of seed 3 failed."""
    store = new_store(tmp_path_factory.mktemp("store"))
    results = trained(4)
    log_study(store, results[:1], "s0")
    log_study(store, results[:3])
    sweep = begin_sweep(store, results[3:], "s2")
    tracking.fail_run(store, begin(store, sweep, results[3]), ValueError("odd"))
    tracking.end_sweep(store, sweep, "FAILED")
    return store


@pytest.fixture
def study(store: Store) -> Study:
    return load_study(STUDY, tracking_uri=store.uri)


@pytest.fixture(scope="module")
def bundle(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tests.actscope.zip"
    export_study(store, STUDY, path)
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary ones are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run_of(study: Study, seed: int) -> str:
    (run_id,) = study.runs.loc[study.runs["seed"] == seed, "run_id"]
    return str(run_id)


@contextmanager
def lost(store: Store, run_id: str, name: str) -> Iterator[None]:
    """An artifact that is away for a while."""
    path = store.artifact_path(STUDY, run_id, name)
    away = path.rename(path.with_suffix(".lost"))
    try:
        yield
    finally:
        away.rename(path)


class TestImport:
    def test_importing_actscope_imports_nothing_large(self) -> None:
        code = (
            "import sys, actscope; assert 'load_study' in dir(actscope); "
            "print(*{'mlflow', 'torch', 'pandas', 'pydantic'} & sys.modules.keys())"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert ran.stdout == "\n"

    def test_a_name_that_is_not_there_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="has no attribute 'load_studies'"):
            _ = actscope.load_studies


class TestFrames:
    def test_one_row_a_point_and_the_others_with_their_reasons(self, study: Study) -> None:
        assert study.runs["seed"].tolist() == [0, 1, 2]
        assert study.runs["final"].tolist() == [
            pytest.approx(result.history.query("split == 'test'")["accuracy"].iloc[-1])
            for result in trained(4)[:3]
        ]
        assert study.left_out["why"].tolist() == [
            f"superseded by {run_of(study, 0)}",
            "status FAILED: ValueError: odd",
        ]
        assert study.missing[POINT].to_numpy().tolist() == [["", "relu", 0.01, 3]]
        assert repr(study) == "<study tests: 3 runs, 2 left out; 1 of 4 points missing>"

    def test_the_history_is_that_of_every_run_that_counts(self, study: Study) -> None:
        assert study.history.columns.tolist() == [
            *("run_id", *POINT),
            *("step", "epoch", "split", "loss", "accuracy"),
        ]
        assert study.history["run_id"].unique().tolist() == study.runs["run_id"].tolist()
        for seed, own in study.history.groupby("seed"):
            expected = trained(4)[int(str(seed))].history
            pd.testing.assert_frame_equal(own[expected.columns].reset_index(drop=True), expected)

    def test_the_summary_is_over_the_runs_that_count(self, study: Study) -> None:
        (cell,) = study.summary.to_dict("records")
        assert (cell["activation"], cell["lr"], cell["runs"]) == ("relu", 0.01, 3)
        assert cell["outcomes"] == "3 failed"

    def test_what_units_did_is_read_by_run(self, study: Study) -> None:
        run_id, expected = run_of(study, 1), trained(4)[1]
        pd.testing.assert_frame_equal(study.trajectory(run_id), expected.trajectory)
        pd.testing.assert_frame_equal(study.probe(run_id), expected.probe)
        pd.testing.assert_frame_equal(study.layers(run_id), expected.layers)

    def test_a_run_of_an_older_version_has_no_layers(self, study: Study, store: Store) -> None:
        run_id = run_of(study, 1)
        with (
            lost(store, run_id, "layers.parquet"),
            pytest.raises(ReportError, match=r"layers\.parquet is missing"),
        ):
            study.layers(run_id)

    def test_what_was_read_is_kept(self, study: Study, store: Store) -> None:
        run_id = run_of(study, 1)
        before = study.trajectory(run_id)
        with lost(store, run_id, "trajectory.parquet"):
            pd.testing.assert_frame_equal(study.trajectory(run_id), before)

    def test_a_frame_is_the_callers_own(self, study: Study) -> None:
        run_id = run_of(study, 1)
        runs, summary = study.runs, study.summary
        runs["seed"] = summary["runs"] = 0
        for frame in (study.history, study.trajectory(run_id), study.probe(run_id)):
            frame["step"] = 0
        for frame in (study.history, study.trajectory(run_id), study.probe(run_id)):
            assert frame["step"].max() > 0
        assert study.runs["seed"].tolist() == [0, 1, 2]
        assert study.summary["runs"].tolist() == [3]

    def test_a_run_that_is_left_out_can_be_looked_at(self, study: Study) -> None:
        superseded = str(study.left_out["run_id"].iloc[0])
        expected = trained(4)[0].trajectory
        pd.testing.assert_frame_equal(study.trajectory(superseded), expected)


class TestPlaces:
    def test_without_a_uri_the_environment_names_the_store(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
        assert load_study(STUDY).store == store

    def test_a_server_gives_the_same_numbers(self, server: Server) -> None:
        sweep = begin_sweep(server.store, trained(4)[:1])
        log(server.store, sweep, trained(4)[0])
        study = load_study(STUDY, tracking_uri=server.store.uri)
        expected = trained(4)[0]
        pd.testing.assert_frame_equal(study.history[expected.history.columns], expected.history)
        pd.testing.assert_frame_equal(study.probe(run_of(study, 0)), expected.probe)

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Server]:
        server = Server(tmp_path)
        try:
            server.start()
            yield server
        finally:
            server.kill()

    def test_a_bundle_gives_the_same_frames_as_the_store(
        self, study: Study, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = tmp_path / "mlflow.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
        carried = load_study(str(bundle))
        # What is superseded travels too, what is not finished does not.
        assert [len(carried.runs), len(carried.left_out)] == [3, 1]
        pd.testing.assert_frame_equal(carried.summary, study.summary)
        pd.testing.assert_frame_equal(
            carried.history.drop(columns="run_id"), study.history.drop(columns="run_id")
        )
        for seed in (0, 1, 2):
            pd.testing.assert_frame_equal(
                carried.trajectory(run_of(carried, seed)), study.trajectory(run_of(study, seed))
            )
        assert not own.exists()

    def test_an_unpacked_bundle_goes_with_its_study(self, bundle: Path, scratch: Path) -> None:
        study = load_study(bundle)
        assert len(list(scratch.iterdir())) == 1
        del study
        gc.collect()
        assert list(scratch.iterdir()) == []

    def test_a_damaged_bundle_is_refused_and_leaves_nothing(
        self, bundle: Path, tmp_path: Path, scratch: Path
    ) -> None:
        content = bytearray(bundle.read_bytes())
        content[len(content) // 3] ^= 1
        damaged = tmp_path / "damaged.zip"
        damaged.write_bytes(content)
        with pytest.raises(BundleError):
            load_study(damaged)
        assert list(scratch.iterdir()) == []


class TestMistakes:
    @pytest.mark.parametrize(
        ("name", "kind", "message"),
        [
            ("nothing", MissingStudyError, "study=nothing: the store .* only these: tests"),
            ("../tests", ConfigError, "study='../tests': must begin with a letter"),
            ("tests.zip", ConfigError, "tests.zip is a bundle"),
        ],
    )
    def test_a_wrong_name_is_told(
        self, store: Store, name: str, kind: type[ActscopeError], message: str
    ) -> None:
        with pytest.raises(kind, match=message):
            load_study(name, tracking_uri=store.uri)

    @pytest.mark.parametrize(
        ("uri", "kind", "message"),
        [
            ("", ConfigError, "tracking.uri"),
            ("mlruns", StoreError, "tracking.uri=mlruns: not SQLite and not a server"),
            ("sqlite:////nowhere/mlflow.db", MissingStudyError, "there is no store at /nowhere"),
        ],
    )
    def test_a_wrong_store_is_told(self, uri: str, kind: type[ActscopeError], message: str) -> None:
        with pytest.raises(kind, match=message):
            load_study(STUDY, tracking_uri=uri)

    def test_a_bundle_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="cannot be opened: No such file"):
            load_study(tmp_path / "nothing.zip")

    def test_a_study_without_a_finished_run_is_told(self, tmp_path: Path) -> None:
        store = new_store(tmp_path)
        begin(store, begin_sweep(store, trained(4)[:1]), trained(4)[0])
        with pytest.raises(ReportError, match=r"no finished runs \(1 RUNNING\)"):
            load_study(STUDY, tracking_uri=store.uri)

    def test_a_run_of_another_study_is_told(self, study: Study) -> None:
        with pytest.raises(ConfigError, match=r"run_id=\.\./x: study tests has no such run"):
            study.trajectory("../x")

    def test_a_lost_file_of_a_run_is_told(self, study: Study, store: Store) -> None:
        run_id = run_of(study, 2)
        told = pytest.raises(ReportError, match=f"a file of run {run_id} cannot be read")
        with lost(store, run_id, "history.parquet"), told:
            _ = study.history

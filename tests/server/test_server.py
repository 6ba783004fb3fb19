"""The team's tracking server: nothing is lost, nothing is doubled, nobody gets in who may not."""

import multiprocessing
import os
import re
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest

from actscope import tracking
from actscope.command_line import suggestions
from actscope.commands import postgres, server
from actscope.commands.main import main
from actscope.config import Tracking
from actscope.engine.result import RunResult
from actscope.errors import MissingStudyError
from actscope.tracking import Store, Sweep, run_record
from actscope.tracking.bundle.bundle import export_study, import_bundle
from tests.server.conftest import Command, TeamServer
from tests.support.processes import Start
from tests.support.stores import store_at
from tests.support.tracked import (
    STUDY,
    assert_as_logged,
    begin_sweep,
    finished_once,
    log,
    log_study,
    new_store,
    runs_of,
    trained,
)
from tests.support.waiting import wait_for

WRITERS = 16
RUNS = int(os.environ.get("ACTSCOPE_SERVER_RUNS", "160"))
GRID = ("activation=relu,selu", "lr=0.001,0.03", "seed=0,1")
TWO = ("activation=relu", "lr=0.01", "seed=0,1")
TINY = ("train.epochs=2", "model.hidden=[4]", "trajectory.every=epoch", "hydra.launcher.workers=0")


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line with which a command ended."""
    assert done.returncode != 0, done
    assert "Traceback" not in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("actscope: ")
    return line


class TestWithoutAServer:
    @pytest.fixture(autouse=True)
    def _elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server.signal, "signal", lambda *_: None)
        monkeypatch.delenv("DATABASE_URL", raising=False)

    def said(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert main(["server", *words]) != 0
        out, error = capsys.readouterr()
        assert out == ""
        return error

    def test_a_taken_port_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert self.said(capsys, f"port={port}") == (
                f"actscope: port {port} on 127.0.0.1 cannot be used (Address already in use). "
                f"Give another one, like port={port + 1}.\n"
            )

    def test_without_postgresql_it_says_what_to_install(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
        assert "`apt install postgresql`" in self.said(capsys, f"folder={tmp_path}")

    def test_without_its_packages_it_says_what_to_install(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "find_spec", lambda _: None)
        assert f"`{suggestions.install('server')}`" in self.said(capsys)

    @pytest.mark.parametrize(
        ("uri", "reason"),
        [
            ("sqlite:///mlflow.db", "is not a PostgreSQL database"),
            ("me:hidden@nowhere", "is not a PostgreSQL database"),
            ("postgresql://me:hidden@127.0.0.1:1/mlflow", r"mlflow: .*refused"),
        ],
    )
    def test_a_database_that_is_none_is_one_line_without_its_secret(
        self,
        uri: str,
        reason: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", uri)
        line = self.said(capsys, f"folder={tmp_path}")
        assert re.fullmatch(rf"actscope: DATABASE_URL: .*{reason}.*\n", line)
        assert "hidden" not in line

    def test_a_folder_serves_one_server(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with server._only_server(tmp_path):
            assert "another server uses it" in self.said(capsys, f"folder={tmp_path}")


@pytest.mark.slow
class TestStudies:
    def test_a_sweep_and_its_report_are_those_of_a_local_store(
        self, client: Command, store: Store, project: Path
    ) -> None:
        grid = ("actscope", "-m", "study=both", *GRID, *TINY)
        local = f"sqlite:///{project}/mlruns/mlflow.db"
        for told in (
            client(*grid, "tracking=server"),
            client(*grid, MLFLOW_TRACKING_URI=local),
            (report := client("actscope.report", "study=both")),
        ):
            assert told.returncode == 0, told
        assert report.stderr == ""
        assert (project / "reports/both/index.html").read_bytes() == attached(store, "both")
        for read in (tracking.read_history, tracking.read_trajectory, tracking.read_probe):
            here, there = (tables(each, read) for each in (store_at(local), store))
            assert list(here) == list(there)
            assert len(here) == 8
            for name, table in here.items():
                pd.testing.assert_frame_equal(there[name], table, check_exact=True)

        again = client(*grid, "tracking=server")
        assert "8 finished already, nothing to train" in again.stdout
        assert len(tracking.read_runs(store, "both")) == 8
        status = client("actscope", "status", "study=both")
        assert "# 8 finished" in status.stdout

    def test_a_study_goes_up_in_a_bundle_and_back(self, store: Store, tmp_path: Path) -> None:
        local, back = (new_store(tmp_path / name) for name in ("local", "back"))
        log_study(local, trained())
        export_study(local, STUDY, tmp_path / "up.zip")
        import_bundle(tmp_path / "up.zip", Tracking(store.uri))
        export_study(store, STUDY, tmp_path / "down.zip")
        import_bundle(tmp_path / "down.zip", Tracking(back.uri))
        ids = [finished_once(each, trained()) for each in (local, store, back)]
        assert len({*ids[0], *ids[1], *ids[2]}) == 9
        first, second, third = (
            [run_record.logged_artifacts(each.client.get_run(run_id).data.tags) for run_id in own]
            for each, own in zip((local, store, back), ids, strict=True)
        )
        assert first == second == third
        pd.testing.assert_frame_equal(runs_of(back), runs_of(store), check_dtype=False)

    def test_reading_leaves_no_files_behind(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (run_id,) = log_study(store, trained()[:1])
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        before = set(tmp_path.iterdir())
        tracking.read_history(store, STUDY, run_id)
        assert set(tmp_path.iterdir()) == before

    def test_a_run_with_all_its_artifacts_takes_a_request_a_file_and_five_more(
        self, team: TeamServer, store: Store
    ) -> None:
        sweep = begin_sweep(store, trained()[:1])
        before = len(team.requests())
        run_id = log(store, sweep, trained()[0])
        assert len(team.requests()) - before <= 8 + 5
        assert_as_logged(store, run_id)


def attached(store: Store, study: str) -> bytes:
    """The page of a report that the newest sweep's run has."""
    experiment_id = store.find_experiment(study).experiment_id
    *_, newest = (a for a in tracking.read_summaries(store, experiment_id) if a.is_sweep)
    with tempfile.TemporaryDirectory() as folder:
        path = store.client.download_artifacts(newest.run_id, "report/index.html", folder)
        return Path(path).read_bytes()


def tables(
    store: Store, read: Callable[[Store, str, str], pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    ids = tracking.read_runs(store, "both").set_index("name")["run_id"].sort_index()
    return {str(name): read(store, "both", run_id) for name, run_id in ids.items()}


@pytest.mark.slow
class TestWhoMayDoWhat:
    def test_a_wrong_password_is_one_line_before_any_training(
        self, client: Command, store: Store
    ) -> None:
        wrong = {"MLFLOW_TRACKING_PASSWORD": "wrong"}
        line = refused(client("actscope", "-m", "study=locked", *TWO, *TINY, **wrong))
        assert line == (
            f"actscope: the store {store} rejects the user admin or the password: "
            "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
        with pytest.raises(MissingStudyError):
            store.find_experiment("locked")

    def test_a_member_keeps_to_studies_of_his_own(
        self, client: Command, store: Store, team: TeamServer
    ) -> None:
        account = {"username": "member", "password": "a-long-password"}
        assert team.answer("/api/2.0/mlflow/users/create", account) == 200
        log_study(store, trained()[:1])
        member = {
            "MLFLOW_TRACKING_USERNAME": account["username"],
            "MLFLOW_TRACKING_PASSWORD": account["password"],
        }
        done = client("actscope", "-m", "study=members", *TWO, *TINY, **member)
        assert done.returncode == 0, done
        assert client("actscope", "status", f"study={STUDY}", **member).returncode == 0
        line = refused(client("actscope", "-m", f"study={STUDY}", *TWO, *TINY, **member))
        assert "denies access (Permission denied)" in line
        # He may read it, and so report on it, and change nothing.
        done = client("actscope.report", f"study={STUDY}", **member)
        assert done.returncode == 0, done
        assert "cannot attach the report to its sweep: " in done.stderr
        assert "denies access (Permission denied)" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_strangers_are_refused(self, team: TeamServer) -> None:
        experiment = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        files = "/api/2.0/mlflow-artifacts/artifacts"
        assert team.answer(experiment) == 200
        assert team.answer(experiment, user=None) == 401
        assert team.answer(experiment, user="nobody") == 401
        assert team.answer(experiment, host="evil.example") == 403
        assert team.answer(f"{files}/0/a/artifacts/x", user=None) == 401
        for path in ("../../../etc/passwd", "0/%2e%2e/%2e%2e/etc/passwd", "0/..%2f..%2fetc/passwd"):
            assert team.answer(f"{files}/{path}") == 400

    def test_secrets_are_nowhere_to_be_seen(self, team: TeamServer) -> None:
        assert team.process is not None
        own = psutil.Process(team.process.pid)
        commands = [part for p in (own, *own.children(recursive=True)) for part in p.cmdline()]
        assert not any(team.password in part for part in commands)
        assert team.password not in team.told
        for name in ("admin_password", "secret_key", "basic_auth.ini"):
            assert stat.S_IMODE((team.folder / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((team.folder / "postgres").stat().st_mode) == 0o700


@pytest.mark.slow
def test_sixteen_writers_at_once_lose_and_double_nothing(store: Store) -> None:
    results = trained(RUNS)
    sweep = begin_sweep(store, results)
    shares = [results[number::WRITERS] for number in range(WRITERS)]
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.support.tracked"])
    with ProcessPoolExecutor(WRITERS, forks, take, [dict(os.environ)]) as pool:
        written = list(pool.map(write, [store] * WRITERS, [sweep] * WRITERS, shares))
    assert sum(written) == RUNS
    runs = tracking.read_runs(store, STUDY).set_index("name")
    assert sorted(runs.index) == sorted(str(result.point) for result in results)
    assert set(runs["status"]) == {"FINISHED"}
    in_order = runs.loc[[str(result.point) for result in results], "run_id"]
    histories = store.read_in_order(
        lambda run_id: tracking.read_history(store, STUDY, run_id), in_order
    )
    for result, history in zip(results, histories, strict=True):
        pd.testing.assert_frame_equal(history, result.history, check_exact=True)
    for run_id in in_order.iloc[:: RUNS // 10]:
        assert_as_logged(store, run_id)


def take(environment: dict[str, str]) -> None:
    """The server's password: the process that forks may have begun before it was known."""
    os.environ.update(environment)


def write(store: Store, sweep: Sweep, results: Sequence[RunResult]) -> int:
    """Log runs in a process of its own; how many."""
    for result in results:
        log(store, sweep, result)
    return len(results)


@pytest.mark.slow
def test_database_and_server_restart_in_mid_sweep_and_each_run_is_there_once(
    start: Start,
    client: Command,
    team: TeamServer,
    store: Store,
) -> None:
    grid = ("actscope", "-m", "study=restarted", "seed=range(8)", "activation=relu", "lr=0.01")
    words = (
        *("trajectory.every=epoch", "train.epochs=150", "tracking=server"),
        *("hydra.launcher.stack_size=1", "hydra.launcher.workers=1"),
    )
    sweep = start(*grid, *words)
    wait_for_finished(store, 1)
    team.restart_database()
    wait_for_finished(store, 2)
    team.kill()
    time.sleep(5)  # the sweep goes on alone
    team.start()
    said, _ = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, said

    delivered = client("actscope", "sync")
    assert delivered.returncode == 0, delivered
    runs = tracking.read_runs(store, "restarted")
    finished = runs[runs["status"] == "FINISHED"]
    assert sorted(finished["params.seed"].astype(int)) == list(range(8))
    assert "RUNNING" not in set(runs["status"])
    for run_id in finished["run_id"]:
        assert len(tracking.read_history(store, "restarted", run_id)) == 300
    again = client(*grid, *words)
    assert "8 finished already, nothing to train" in again.stdout


def wait_for_finished(store: Store, number: int) -> None:
    wait_for(lambda: statuses(store).count("FINISHED") >= number)


def statuses(store: Store) -> list[str]:
    try:
        return list(tracking.read_runs(store, "restarted").get("status", []))
    except MissingStudyError:
        return []


@pytest.mark.slow
def test_it_ends_cleanly_and_has_everything_when_it_is_back(team: TeamServer, store: Store) -> None:
    (run_id,) = log_study(store, trained()[:1])
    password = team.password
    assert team.stop() == 0
    assert not (team.folder / "postgres/data/postmaster.pid").exists()
    team.start()
    assert team.password == password
    assert_as_logged(store, run_id)

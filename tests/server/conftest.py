"""A real tracking server, `python -m actscope server`, on a real PostgreSQL cluster of its own."""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from actscope.commands.postgres import ACCOUNT, find_programs
from actscope.errors import MissingStudyError, StoreError
from actscope.tracking import Store, offline_queue
from tests.support.processes import Start
from tests.support.serving import Served
from tests.support.tracked import STUDY

SECONDS = 240

Command = Callable[..., "subprocess.CompletedProcess[str]"]


class TeamServer(Served):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, folder.with_suffix(".log"))

    @property
    def password(self) -> str:
        return (self.folder / "admin_password").read_text().strip()

    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "MLFLOW_TRACKING_URI": self.store.uri,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    def start(self) -> None:
        self.serve(
            *("actscope", "server", f"folder={self.folder}", f"port={self.port}", "workers=2"),
            environment={k: v for k, v in os.environ.items() if k != "DATABASE_URL"},
        )

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """Cut it off; its database goes on."""
        assert self.process is not None
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            process.kill()
        self.process.wait(timeout=20)

    def restart_database(self) -> None:
        """Without a clean end, as after a crash."""
        subprocess.run(
            [
                *(find_programs().folder / "pg_ctl", "restart", "--mode=immediate", "--wait"),
                *("--pgdata", self.folder / "postgres/data"),
                *("--log", self.folder / "postgres/log"),
            ],
            user=ACCOUNT if os.geteuid() == 0 else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def answer(
        self,
        path: str,
        body: Mapping[str, str] | None = None,
        *,
        host: str | None = None,
        user: str | None = "admin",
    ) -> int:
        """Status of a GET, or of a POST of what has a body; the path is sent as it is."""
        headers = {"Content-Type": "application/json"}
        if host is not None:
            headers["Host"] = host
        if user is not None:
            token = b64encode(f"{user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        connection.request(method, path, content, headers)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture(scope="module")
def team() -> Iterator[TeamServer]:
    try:
        find_programs()
    except StoreError as error:
        pytest.skip(str(error))
    # Not pytest's own folder, which the user that PostgreSQL runs as may not enter.
    with TemporaryDirectory(prefix="actscope-team-") as folder:
        Path(folder).chmod(0o755)
        server = TeamServer(Path(folder) / "server")
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(autouse=True)
def _as_a_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No store is known to be unreachable, and the project's own queue is left alone."""
    monkeypatch.setattr(offline_queue, "_next_try", {})
    monkeypatch.setattr("actscope.tracking.location.MLRUNS", tmp_path)


@pytest.fixture
def store(team: TeamServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server, as its administrator sees it, without a study of tests/support/tracked.py."""
    for name, value in team.environment().items():
        monkeypatch.setenv(name, value)
    yield team.store
    try:
        study = team.store.find_experiment(STUDY)
    except MissingStudyError:
        return
    team.store.client.rename_experiment(study.experiment_id, f"{STUDY}-{time.time_ns()}")


@pytest.fixture
def client(team: TeamServer, project: Path) -> Command:
    """`client("actscope", "status", "study=mine")`: a command of that project, run to its end."""

    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=project,
            env=environment_of(team, project) | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


@pytest.fixture
def start(team: TeamServer, project: Path, begin: Start) -> Start:
    """Begin a command of that project."""
    return partial(begin, cwd=project, env=environment_of(team, project))


def environment_of(team: TeamServer, project: Path) -> dict[str, str]:
    return {
        **os.environ,
        **team.environment(),
        "PYTHONPATH": str(project / "src"),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "COLUMNS": "200",
    }

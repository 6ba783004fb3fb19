"""MLflow's own tracking server, which tests start, kill and start again."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvicorn
from mlflow.server import constants

from actscope.tracking.new_database import make_database
from tests.support.network import free_port, is_up
from tests.support.processes import end_with_pytest
from tests.support.stores import store_at
from tests.support.waiting import wait_for


class Served:
    """A server on a port and a folder that stay the same however often it is started."""

    def __init__(self, folder: Path, log: Path, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.log = log
        self.host = host
        self.port = free_port()
        self.store = store_at(f"http://{host}:{self.port}")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def told(self) -> str:
        return self.log.read_text()

    def serve(self, *words: str, environment: Mapping[str, str]) -> None:
        """Begin `python -m` these words, and wait until it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._is_up)

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.told
        return is_up(self.store.uri)

    def requests(self) -> list[str]:
        """What it was asked: `POST /api/2.0/mlflow/runs/create`."""
        return [" ".join(words) for words in re.findall(r'"([A-Z]+) ([^? "]+)', self.told)]


class Server(Served):
    """MLflow's own, forked from this process: to start Python and import MLflow takes seconds."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        super().__init__(folder, folder / "log", host)
        self.child: BaseProcess | None = None
        make_database(folder / "mlflow.db", folder / "artifacts")

    def start(self) -> None:
        self.child = get_context("fork").Process(target=self._be_the_server, daemon=True)
        self.child.start()
        wait_for(self._is_up)

    def _be_the_server(self) -> None:
        """What `mlflow server` starts, with the environment that it gives to that."""
        end_with_pytest()
        warnings.simplefilter("default")  # which pytest makes errors
        os.environ |= {
            constants.BACKEND_STORE_URI_ENV_VAR: f"sqlite:///{self.folder}/mlflow.db",
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
            constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
            constants.ARTIFACTS_DESTINATION_ENV_VAR: str(self.folder / "artifacts"),
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{self.host}:{self.port}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        for name in [known for known in sys.modules if known.startswith("mlflow.server")]:
            del sys.modules[name]  # they read the environment when they are imported
        with self.log.open("a", buffering=1) as log, redirect_stdout(log), redirect_stderr(log):
            uvicorn.run("mlflow.server.fastapi_app:app", host=self.host, port=self.port)

    def _is_up(self) -> bool:
        assert self.child is not None
        assert self.child.is_alive(), self.told
        return is_up(self.store.uri)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.join(timeout=20)
            self.child = None

    def requests(self) -> list[str]:
        """Without what all have in common: `POST /runs/create`."""
        asked = [line.partition(" ") for line in super().requests()]
        return [f"{method} {path.rpartition('/mlflow')[2]}" for method, _, path in asked]


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server that is up, in a folder that it makes."""
    folder.mkdir()
    server = Server(folder, host)
    try:
        server.start()
        yield server
    finally:
        server.kill()

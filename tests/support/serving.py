"""MLflow's own tracking server, which tests start, kill and start again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from actscope.tracking.new_database import make_database
from tests.support.network import free_port, is_up
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
    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        super().__init__(folder, folder / "log", host)
        make_database(folder / "mlflow.db", folder / "artifacts")

    def start(self) -> None:
        self.serve(
            *("mlflow", "server", "--serve-artifacts"),
            *("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
            *("--artifacts-destination", str(self.folder / "artifacts")),
            *("--host", self.host, "--port", str(self.port), "--workers", "1"),
            *("--allowed-hosts", f"{self.host}:{self.port}"),
            environment={
                **os.environ,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
        )

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=20)
            self.process = None

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

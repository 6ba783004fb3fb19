"""MLflow's own tracking server, which tests start, kill and start again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actscope.tracking import Store
from tests.support.tracked import empty_database


class Server:
    """A server on a port and a folder that stay the same however often it is started."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.host = host
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.store = Store(f"http://{host}:{self.port}")
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "mlflow.db").write_bytes(empty_database())

    def start(self) -> None:
        with (self.folder / "log").open("a") as log_file:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--serve-artifacts"),
                    *("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
                    *("--artifacts-destination", str(self.folder / "artifacts")),
                    *("--host", self.host, "--port", str(self.port), "--workers", "1"),
                    *("--allowed-hosts", f"{self.host}:{self.port}"),
                ],
                env={
                    **os.environ,
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                },
                stdout=log_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.store.uri}/health", timeout=2).close()  # noqa: S310 - our own server
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=20)
            self.process = None

    def requests(self) -> list[str]:
        """What it was asked: `POST /api/2.0/mlflow/runs/create`, without names and ids."""
        text = (self.folder / "log").read_text()
        asked = re.findall(r'"([A-Z]+) ([^? "]+)', text)
        return [f"{method} {path.rpartition('/mlflow')[2]}" for method, path in asked]


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

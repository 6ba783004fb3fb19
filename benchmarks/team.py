"""A temporary tracking server for measurements: `python -m actscope server`."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.timing import BenchError

SECONDS_TO_START = 120.0


@contextmanager
def team_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a server in a new folder; yield the environment variables of its clients.

    Raises:
        BenchError: the server does not start; the message has its last line of output.

    """
    folder.mkdir(mode=0o755)  # PostgreSQL's user has to enter it
    folder.parent.chmod(0o755)
    port, password = _free_port(), secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{port}"
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "actscope", "server", f"folder={folder}", f"port={port}"],
            env={**_without_database(), "MLFLOW_AUTH_ADMIN_PASSWORD": password},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            _wait_until_up(server, address, folder / "log")
            yield {
                "MLFLOW_TRACKING_URI": address,
                "MLFLOW_TRACKING_USERNAME": "admin",
                "MLFLOW_TRACKING_PASSWORD": password,
            }
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _without_database() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}


def _wait_until_up(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not _is_up(address):
        if server.poll() is not None or time.monotonic() > until:
            last = log.read_text().strip().splitlines()[-1:] or [""]
            raise BenchError(f"The tracking server does not start: {last[0]}")
        time.sleep(0.2)


def _is_up(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5):  # noqa: S310 - http on this machine
            return True
    except (URLError, OSError):
        return False

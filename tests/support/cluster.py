"""A real Dask cluster: a scheduler and workers, each a process of its own, here or on hosts."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client, Security

from actscope.project import ROOT
from tests.support.network import free_port
from tests.support.waiting import wait_for

# How soon it is noticed that a host is cut off: as soon as Dask allows.
BRIEF = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}


class DaskCluster:
    """A scheduler on a port that stays the same, and workers by name."""

    def __init__(
        self,
        folder: Path,
        address: str = "127.0.0.1",
        project: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        protocol: str = "tcp",
    ) -> None:
        self.folder = folder
        self.protocol = protocol
        self.host = address
        self.port = free_port()
        self.project = project
        self.environment = environment or {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"

    def start_scheduler(self) -> None:
        command = [
            *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"),
            *("--host", self.host, "--port", str(self.port), "--protocol", f"{self.protocol}://"),
        ]
        self._start("scheduler", command)
        wait_for(self._answers)

    def start_worker(
        self,
        name: str,
        *,
        threads: int = 1,
        nanny: bool = True,
        project: Path | None = None,
        inside: Sequence[str] = (),
    ) -> None:
        """`inside`: the words before its command, as of a network namespace.

        A nanny, which starts a worker that has died again, is a process that imports Dask as well.
        """
        command = [
            *(*inside, sys.executable, "-m", "distributed.cli.dask_worker", self.address),
            *("--nthreads", str(threads), "--no-dashboard", "--name", name),
            *("--local-directory", str(self.folder), "--nanny" if nanny else "--no-nanny"),
        ]
        self._start(name, command, project)

    def wait_for_workers(self, count: int) -> None:
        wait_for(lambda: len(self.workers()) == count)

    def workers(self) -> list[str]:
        with self.client() as client:
            return list(client.nthreads())

    @contextmanager
    def client(self) -> Iterator[Client]:
        with Client(self.address, timeout=5, set_as_default=False) as client:
            yield client

    def kill(self, name: str) -> None:
        """Kill a process with all that it has started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)

    def freeze(self, name: str) -> None:
        """Have a process do nothing more, and its connections stay."""
        os.killpg(self.processes[name].pid, signal.SIGSTOP)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def told(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def _start(self, name: str, command: Sequence[str], project: Path | None = None) -> None:
        source = (project or self.project) / "src"
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={
                    **os.environ,
                    **BRIEF,
                    **self.environment,
                    "PYTHONPATH": f"{source}:{ROOT}",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            assert self.processes["scheduler"].poll() is None, self.told("scheduler")
            return False
        return True


def certificates(folder: Path) -> dict[str, str]:
    """Dask's settings of certificates, which are files in a folder that it makes."""
    new = Security.temporary()
    folder.mkdir()
    (certificate := folder / "certificate.pem").write_text(new.tls_client_cert)
    (key := folder / "key.pem").write_text(new.tls_client_key)
    own = {
        f"{role}.{kind}": str(path)
        for role in ("client", "scheduler", "worker")
        for kind, path in (("cert", certificate), ("key", key))
    }
    named = {"ca-file": str(certificate), **own}
    return {f"distributed.comm.tls.{name}": path for name, path in named.items()}


def as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Variables by which a process has settings of Dask."""
    return {
        f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": value
        for name, value in settings.items()
    }


@contextmanager
def dask_cluster(
    folder: Path,
    address: str = "127.0.0.1",
    project: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    protocol: str = "tcp",
) -> Iterator[DaskCluster]:
    """A cluster whose scheduler is up, in a folder that it makes."""
    folder.mkdir()
    cluster = DaskCluster(folder, address, project, environment, protocol)
    try:
        cluster.start_scheduler()
        yield cluster
    finally:
        cluster.stop()

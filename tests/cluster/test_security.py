"""Who can have a cluster run a program: the sweep that uses it, and nobody beside."""

import asyncio
import stat
import sys
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Security
from distributed.core import connect
from distributed.protocol.pickle import dumps
from rich.console import Console

from actscope.config import Tracking
from actscope.errors import ClusterError
from actscope.runtime import forkserver
from actscope.sweep import dask_cluster as cluster
from actscope.sweep import dask_connection
from actscope.sweep.dask_cluster import Cluster
from actscope.sweep.resources import Resources
from actscope.sweep.runner import run_sweep
from actscope.tracking import Store
from tests.cluster.conftest import STUDY, runs_of, said_when_used
from tests.support.cluster import DaskCluster, as_environment, certificates, dask_cluster
from tests.support.making import RELU, make_point
from tests.support.tracked import new_store

POINTS = [make_point(RELU, study=STUDY, hidden=(4,), every="epoch")]
SECONDS_OF_A_STRANGER = 3.0
# What a scheduler, a nanny and a worker call the same thing.
RUN = ("run_function", "run")


@pytest.fixture(scope="module")
def others() -> set[int]:
    """Ports that fixtures of other tests listen on."""
    return set(ports_of_this_family())


@pytest.fixture(scope="module")
def here(others: set[int]) -> Iterator[Cluster]:
    """A sweep's own cluster, on this machine: a worker and a writer."""
    with (
        forkserver.running([]),
        cluster.open_cluster(Resources(1, writers=1), stacks=1) as workplace,
    ):
        workplace.client.wait_for_workers(2)
        yield workplace


@pytest.fixture
def ports(here: Cluster, others: set[int]) -> dict[int, str]:
    """Ports that the cluster listens on, with their addresses."""
    return {port: ip for port, ip in ports_of_this_family().items() if port not in others}


def ports_of_this_family() -> dict[int, str]:
    """Ports that this process and its children listen on, with their addresses."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {
        each.laddr.port: each.laddr.ip
        for process in family
        for each in process.net_connections()
        if each.status == psutil.CONN_LISTEN
    }


async def ask_to_make(path: Path, address: str, operation: str, security: Security) -> None:
    """Ask whoever listens to make a file, as any client of Dask can."""
    comm = await connect(address, **security.get_connection_args("client"))
    try:
        await comm.write(
            {"op": operation, "function": dumps(path.touch), "wait": True, "reply": True}
        )
        await comm.read()
    finally:
        comm.abort()


async def ask_all(ports: dict[int, str], folder: Path) -> None:
    """Ask every port, in the plain and with a certificate that none of them knows."""
    stranger = Security.temporary()
    asked = [
        ask_to_make(folder / str(port), f"{protocol}://{ip}:{port}", operation, security)
        for port, ip in ports.items()
        for operation in RUN
        for protocol, security in (("tcp", Security()), ("tls", stranger))
    ]
    await asyncio.gather(
        *(asyncio.wait_for(each, SECONDS_OF_A_STRANGER) for each in asked), return_exceptions=True
    )


# Dask leaves the sockets of refused connections to be collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_port_of_a_local_sweep_runs_what_a_stranger_sends(
    here: Cluster, ports: dict[int, str], tmp_path: Path
) -> None:
    assert here.client.submit(len, "abc").result() == 3
    assert len(ports) >= 5  # of the scheduler, two nannies and two workers
    assert set(ports.values()) == {"127.0.0.1"}
    asyncio.run(ask_all(ports, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_port_of_a_local_sweep_shows_pages(ports: dict[int, str]) -> None:
    answers = {}
    for port in ports:
        for page in ("status", "info/main/workers.html", "json/identity.json", "metrics", "health"):
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", f"/{page}")
                answers[port, page] = connection.getresponse().status
            except (OSError, HTTPException):  # where Dask itself speaks
                answers[port, page] = 0
            finally:
                connection.close()
    shown = [page for page, status in answers.items() if status not in (0, 404)]
    assert shown == []
    assert 404 in answers.values()


def test_a_page_that_dask_adds_for_one_cluster_is_not_in_the_next() -> None:
    for _ in range(2):
        with dask_connection.private_folder():
            routes = dask.config.get("distributed.scheduler.http.routes")
            assert routes == []
            routes.append("distributed.http.scheduler.missing_bokeh")  # as Dask does


def test_folders_that_a_local_sweep_imports_from_are_its_own(here: Cluster) -> None:
    paths = {*sys.path, *here.client.submit(partial(getattr, sys, "path"), pure=False).result()}
    scratch = {path for path in paths if "dask-scratch-space" in path}
    assert scratch
    for path in scratch:
        base = Path(path.partition("dask-scratch-space")[0])
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        assert base.name.startswith("actscope-")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return certificates(tmp_path_factory.mktemp("trusted") / "files")


@pytest.fixture(scope="module")
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, trusted: dict[str, str]
) -> Iterator[DaskCluster]:
    """A scheduler and a worker that speak TLS."""
    folder = tmp_path_factory.mktemp("dask") / "tls"
    with (
        dask_cluster(folder, environment=as_environment(trusted), protocol="tls") as running,
        dask.config.set(trusted),
    ):
        running.start_worker("first", nanny=False)
        running.wait_for_workers(1)
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def test_a_cluster_that_speaks_tls_is_used(elsewhere: DaskCluster) -> None:
    said = said_when_used(elsewhere.address)
    assert said == f"cluster {elsewhere.address}: 1 worker on 1 host\n"


@pytest.mark.slow
def test_a_sweep_runs_on_a_cluster_that_speaks_tls(elsewhere: DaskCluster, store: Store) -> None:
    here = Resources(1, 20, elsewhere.address)
    run_sweep(POINTS, Tracking(store.uri), "s1", here, Console(quiet=True))
    assert runs_of(store)["status"].tolist() == ["FINISHED"]


# Dask leaves the sockets of refused connections to be collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestIsRefusedInALine:
    def refusal(self, address: str, store: Store) -> str:
        with pytest.raises(ClusterError) as refused:
            cluster.check_cluster(Resources(1, 20, address), store, POINTS, Console(quiet=True))
        said = str(refused.value)
        assert said.startswith(f"hydra.launcher.scheduler={address}: ")
        assert "\n" not in said
        return said

    def test_who_has_no_certificates(
        self, elsewhere: DaskCluster, store: Store, trusted: dict[str, str]
    ) -> None:
        with dask.config.set(dict.fromkeys(trusted)):
            said = self.refusal(elsewhere.address, store)
        assert "Dask has no certificates. Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in said

    def test_who_has_those_of_another_cluster(
        self, elsewhere: DaskCluster, store: Store, tmp_path: Path
    ) -> None:
        with dask.config.set(certificates(tmp_path / "others")):
            assert "closes the connection" in self.refusal(elsewhere.address, store)

    def test_who_speaks_plainly_to_it(self, elsewhere: DaskCluster, store: Store) -> None:
        plain = elsewhere.address.replace("tls", "tcp")
        assert "Use tls:// with certificates that it trusts" in self.refusal(plain, store)

    def test_who_must_not_speak_plainly(self, elsewhere: DaskCluster, store: Store) -> None:
        with dask.config.set({"distributed.comm.require-encryption": True}):
            said = self.refusal(elsewhere.address.replace("tls", "tcp"), store)
        assert "encryption required" in said

    @pytest.mark.parametrize("content", [None, "no key"])
    def test_whose_files_cannot_be_read(
        self, elsewhere: DaskCluster, store: Store, tmp_path: Path, content: str | None
    ) -> None:
        path = tmp_path / "key.pem"
        if content is not None:
            path.write_text(content)
        with dask.config.set({"distributed.comm.tls.client.key": str(path)}):
            assert "cannot be read" in self.refusal(elsewhere.address, store)

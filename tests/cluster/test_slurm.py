"""A sweep whose workers are jobs of a real Slurm."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from actscope.tracking import Store
from tests.cluster.conftest import assert_each_seed_finished_once, count, runs_of
from tests.support.processes import Start
from tests.support.serving import serving
from tests.support.slurm import Slurm, slurm
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

SEEDS = range(8)
WORDS = ("hydra/launcher=slurm", "hydra.launcher.workers=2", "hydra.launcher.cluster.memory=1GB")


def own_address() -> str:
    """An address of this machine that another could reach."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family is socket.AF_INET and not each.address.startswith("127."):
                return each.address
    pytest.skip("needs a network address beside 127.0.0.1")


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm") / "slurm") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with serving(tmp_path / "server", own_address()) as server:
        yield server.store


@pytest.fixture
def sweep(start: Start, queue: Slurm, monkeypatch: pytest.MonkeyPatch) -> Start:
    """`start`, on Slurm."""
    monkeypatch.setenv("SLURM_CONF", queue.environment["SLURM_CONF"])
    interface = f"hydra.launcher.cluster.interface={interface_of(own_address())}"

    def started(store: Store, *words: str, **more: int) -> "subprocess.Popen[str]":
        return start(store, *WORDS, interface, *words, **more)

    return started


def interface_of(address: str) -> str:
    return next(
        name
        for name, addresses in psutil.net_if_addrs().items()
        if address in {each.address for each in addresses}
    )


def test_a_job_that_is_cancelled_costs_no_point(
    sweep: Start, queue: Slurm, store: Store, tmp_path: Path
) -> None:
    process = sweep(store, f"seed={','.join(map(str, SEEDS))}")
    wait_for(lambda: count(store, "FINISHED") >= 1 and len(queue.jobs()) == 2)
    queue.command("scancel", queue.jobs()[0])
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "has no TLS" not in said
    wait_for(lambda: not queue.jobs(None), 20)
    assert_each_seed_finished_once(store, SEEDS, tmp_path)


def test_the_only_job_is_renewed_when_it_is_lost(
    sweep: Start, queue: Slurm, store: Store, tmp_path: Path
) -> None:
    process = sweep(store, "seed=0,1,2,3", "hydra.launcher.workers=1")
    wait_for(lambda: count(store, "FINISHED") >= 1)
    (job,) = queue.jobs()
    queue.command("scancel", job)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "no worker is left: waiting for new ones" in said
    assert_each_seed_finished_once(store, range(4), tmp_path)


def test_ctrl_c_cancels_the_jobs(sweep: Start, queue: Slurm, store: Store) -> None:
    process = sweep(store, "seed=0,1", epochs=100_000)
    wait_for(lambda: count(store, "RUNNING") >= 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "interrupted: 0 of 2 points are finished" in said
    assert "Traceback" not in said
    wait_for(lambda: not queue.jobs(None), 20)
    assert set(runs_of(store)["status"]) == {"KILLED"}


def test_a_partition_that_does_not_exist_is_told_in_a_line(
    sweep: Start, queue: Slurm, store: Store
) -> None:
    process = sweep(store, "seed=0,1", "hydra.launcher.cluster.queue=nowhere")
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert (
        "actscope: hydra.launcher.cluster=dask_jobqueue.SLURMCluster: cannot start workers" in said
    )
    assert "invalid partition specified: nowhere" in said
    assert "Traceback" not in said

"""A sweep on several hosts, of which one is cut off and one is killed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actscope.tracking import Store
from tests.cluster.conftest import assert_each_seed_finished_once, count, runs_of
from tests.support.cluster import DaskCluster, dask_cluster
from tests.support.hosts import Hosts, hosts
from tests.support.processes import Start
from tests.support.serving import serving
from tests.support.tracked import new_store
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

SEEDS = range(12)
EPOCHS = 300  # so that a point takes longer than it takes to cut a host off


@pytest.fixture(scope="module")
def network() -> Iterator[Hosts]:
    with hosts("ash", "birch", "cedar") as made:
        yield made


@pytest.fixture
def cluster(network: Hosts, project: Path, tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path / "dask", network.gateway, project) as running:
        yield running


@pytest.fixture
def store(network: Hosts, tmp_path: Path) -> Iterator[Store]:
    with serving(tmp_path / "server", network.gateway) as server:
        yield server.store


def start_worker(cluster: DaskCluster, host: str) -> None:
    cluster.start_worker(host, inside=Hosts.inside(host))


def test_a_host_cut_off_and_one_killed_cost_no_point(
    cluster: DaskCluster, network: Hosts, start: Start, store: Store, tmp_path: Path
) -> None:
    for host in network.names:
        start_worker(cluster, host)
    cluster.wait_for_workers(3)
    words = (f"seed=range({len(SEEDS)})", f"hydra.launcher.scheduler={cluster.address}")
    process = start(store, *words, epochs=EPOCHS)
    wait_for(lambda: count(store, "FINISHED") >= 1)
    network.cut_off("ash")
    cluster.kill("birch")
    cluster.wait_for_workers(1)
    wait_for(lambda: ended(cluster, "ash"))  # its worker has noticed as well
    network.connect("ash")
    cluster.kill("ash")
    start_worker(cluster, "ash")  # as whatever looks after a host's services does
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert f"cluster {cluster.address}: 3 workers on 3 hosts" in said
    assert_each_seed_finished_once(store, SEEDS, tmp_path, EPOCHS)
    assert set(runs_of(store)["status"]) == {"FINISHED", "KILLED"}


def test_a_host_that_is_away_for_a_moment_goes_on(
    cluster: DaskCluster, network: Hosts, start: Start, store: Store, tmp_path: Path
) -> None:
    start_worker(cluster, "cedar")
    cluster.wait_for_workers(1)
    (worker,) = cluster.workers()
    process = start(store, "seed=0,1", f"hydra.launcher.scheduler={cluster.address}", epochs=EPOCHS)
    wait_for(lambda: count(store, "RUNNING") >= 1)
    network.cut_off("cedar")
    time.sleep(3)
    network.connect("cedar")
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert cluster.workers() == [worker]
    assert_each_seed_finished_once(store, range(2), tmp_path, EPOCHS)
    assert count(store, "FINISHED") == len(runs_of(store)) == 2


def test_a_store_that_the_hosts_do_not_reach_is_refused(
    cluster: DaskCluster, network: Hosts, start: Start, tmp_path: Path
) -> None:
    start_worker(cluster, "cedar")
    cluster.wait_for_workers(1)
    where = f"hydra.launcher.scheduler={cluster.address}"
    store = new_store(tmp_path)
    process = start(store, "seed=0", where)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"cannot reach tracking store {store}, which is on this machine only" in said
    assert "Traceback" not in said
    assert runs_of(store).empty


def ended(cluster: DaskCluster, host: str) -> bool:
    return cluster.processes[host].poll() is not None

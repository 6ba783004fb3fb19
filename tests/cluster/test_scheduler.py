"""A sweep on a Dask cluster that runs already, here on one machine."""

import gc
import math
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from actscope import tracking
from actscope.config import Activation, Tracking
from actscope.engine.device import CPU
from actscope.errors import ClusterError, ConfigError
from actscope.network_settings import OwnNetwork
from actscope.sweep import dask_cluster as cluster
from actscope.sweep import dask_connection, worker_checks
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.sweep.resources import Resources
from actscope.sweep.runner import run_sweep
from actscope.sweep.worker import finish_run
from actscope.sweep.worker_checks import WorkerRequirements
from actscope.tracking import Store, offline_queue
from tests.cluster.conftest import (
    STUDY,
    assert_each_seed_finished_once,
    count,
    is_training,
    runs_of,
    said_when_used,
)
from tests.support.cluster import DaskCluster, dask_cluster
from tests.support.making import ELU, RELU, make_point
from tests.support.network import free_port
from tests.support.processes import Start
from tests.support.serving import serving
from tests.support.stores import store_at
from tests.support.tracked import begin, begin_sweep, finished_once, new_store, trained
from tests.support.waiting import wait_for

GRID = [
    make_point(f, study=STUDY, lr=lr, seed=seed, hidden=(4,), every="epoch")
    for f in (RELU, ELU)
    for lr in (0.001, 0.01)
    for seed in (0, 1)
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers that have nothing to do."""
    with dask_cluster(tmp_path_factory.mktemp("dask") / "pair") as running:
        running.start_worker("first")
        running.start_worker("second")
        running.wait_for_workers(2)
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def resources(running: DaskCluster, workers: int = 1) -> Resources:
    return Resources(workers, 20, running.address)


def reach(running: DaskCluster, store: Store) -> tuple[Resources, str]:
    screen = StringIO()
    console = Console(file=screen, width=200)
    return cluster.check_cluster(resources(running), store, GRID, console), screen.getvalue()


def refusal(running: DaskCluster, store: Store) -> str:
    with pytest.raises(ClusterError) as refused:
        reach(running, store)
    return str(refused.value)


@pytest.mark.slow
def test_a_sweep_has_the_numbers_of_a_local_one(
    pair: DaskCluster, store: Store, tmp_path: Path
) -> None:
    screen = StringIO()
    stores = [store, tracking.locate_store(Tracking(f"sqlite:///{tmp_path}/local/mlflow.db"))]
    consoles = [Console(file=screen, width=200), Console(quiet=True)]
    kept = []
    for own, console, where in zip(
        stores, consoles, [resources(pair), Resources(0, 20)], strict=True
    ):
        run_sweep(GRID, Tracking(own.uri), "s1", where, console)
        runs = runs_of(own).sort_values("name")
        assert runs["status"].tolist() == ["FINISHED"] * len(GRID)
        kept.append([tracking.read_trajectory(own, STUDY, i) for i in runs["run_id"]])
    for ours, theirs in zip(*kept, strict=True):
        assert ours.equals(theirs)
    said = screen.getvalue()
    assert said.count(f"cluster {pair.address}: 2 workers on 1 host") == 2
    assert "stacks  2 of at most 4 points, on a cluster, for 2 workers" in said


def test_as_many_workers_are_counted_on_as_are_there(pair: DaskCluster, store: Store) -> None:
    found, said = reach(pair, store)
    assert found.workers == 2
    assert said == f"cluster {pair.address}: 2 workers on 1 host\n"
    more = replace(resources(pair), workers=7)
    assert cluster.check_cluster(more, store, GRID, Console(quiet=True)).workers == 7


ANYONE = "Anyone who reaches it can run programs as the user of its workers (docs/cluster.md)."


def test_a_cluster_without_tls_is_warned_of(pair: DaskCluster) -> None:
    assert said_when_used(pair.address).splitlines() == [
        f"cluster {pair.address}: 2 workers on 1 host",
        f"warning: cluster {pair.address} has no TLS. {ANYONE}",
    ]


# Dask leaves the sockets of refused connections to be collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_address_where_nobody_answers_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "SECONDS_TO_ANSWER", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    nobody = Resources(1, 20, address)
    with pytest.raises(ClusterError, match=r"does not answer within 0\.5 s"):
        cluster.check_cluster(nobody, store, GRID, Console(quiet=True))
    gc.collect()


def test_workers_with_several_threads_are_refused(pair: DaskCluster, store: Store) -> None:
    pair.start_worker("wide", threads=2, nanny=False)
    try:
        pair.wait_for_workers(3)
        assert "has 2 threads. Start one worker a core, each with --nthreads 1." in refusal(
            pair, store
        )
    finally:
        pair.kill("wide")
        pair.wait_for_workers(2)


OTHER_CODE = "\nOTHER = 1\n"


@pytest.mark.parametrize(
    ("module", "content", "reason"),
    [
        ("engine/sgd", OTHER_CODE, "has different training code. Install the same version"),
        ("sweep/worker_checks", None, "cannot run this actscope (ModuleNotFoundError("),
    ],
)
def test_workers_with_another_version_are_refused(
    pair: DaskCluster, store: Store, project: Path, module: str, content: str | None, reason: str
) -> None:
    path = project / "src" / "actscope" / f"{module}.py"
    if content is None:
        path.unlink()
    else:
        path.write_text(path.read_text() + content)
    pair.start_worker("other", project=project, nanny=False)
    try:
        pair.wait_for_workers(3)
        assert reason in refusal(pair, store)
    finally:
        pair.kill("other")
        pair.wait_for_workers(2)


class TestAWorkerOnAnotherHost:
    @pytest.fixture
    def requirements(self, store: Store) -> WorkerRequirements:
        """As if they came from a machine that has none of this one's addresses."""
        own = WorkerRequirements.of_this_process(store, GRID, CPU)
        return replace(own, addresses=frozenset())

    def check(self, pair: DaskCluster, requirements: WorkerRequirements) -> str:
        """What is said of the first worker: the other would import torch and MLflow as well."""
        with pair.client() as client, pytest.raises(ClusterError) as refused:
            worker_checks.check_workers(client, requirements, [min(client.nthreads())])
        return str(refused.value)

    def test_does_not_reach_a_store_of_this_machine(
        self, pair: DaskCluster, requirements: WorkerRequirements
    ) -> None:
        said = self.check(pair, requirements)
        assert (
            f"cannot reach tracking store {requirements.store}, which is on this machine only"
            in said
        )
        loopback = replace(requirements, store=store_at("http://127.0.0.1:5000"))
        assert "http://127.0.0.1:5000, which is on this machine only" in self.check(pair, loopback)

    def test_says_that_it_does_not_reach_a_server(
        self, pair: DaskCluster, requirements: WorkerRequirements
    ) -> None:
        said = self.check(pair, replace(requirements, store=store_at("http://192.0.2.77:1")))
        assert said.startswith("Worker tcp://127.0.0.1:")
        assert "fails: the store http://192.0.2.77:1 does not answer" in said

    def test_says_that_it_cannot_read_the_data(
        self, pair: DaskCluster, store: Store, tmp_path: Path
    ) -> None:
        folder = tmp_path / "nothing"
        folder.write_text("no folder")
        point = make_point(data="mnist", root=str(folder))
        said = self.check(pair, WorkerRequirements.of_this_process(store, [point], CPU))
        assert "(host " in said
        assert "fails: data=mnist:" in said

    def test_says_that_it_has_other_code_of_an_activation(
        self, pair: DaskCluster, store: Store
    ) -> None:
        own = Activation("mine", "tests.support.own_functions.Swish")
        network = OwnNetwork("tests.support.own_networks.Perceptron")
        point = replace(GRID[0], activation=own, model=network)
        requirements = WorkerRequirements.of_this_process(store, [point], CPU)
        with pair.client() as client:
            worker_checks.check_workers(client, requirements, client.nthreads())
        edited = replace(requirements, activations={own: "0" * 64})
        assert f"has different code of {own.function}. Copy" in self.check(pair, edited)
        edited = replace(requirements, networks={network: "0" * 64})
        assert f"has different code of {network.path}. Copy" in self.check(pair, edited)
        absent = replace(
            requirements, activations={replace(own, function="nowhere.Mine"): "0" * 64}
        )
        assert "there is no 'nowhere.Mine' to import" in self.check(pair, absent)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
    def test_says_that_it_has_no_gpu(
        self, pair: DaskCluster, requirements: WorkerRequirements
    ) -> None:
        said = self.check(pair, replace(requirements, device=torch.device("cuda")))
        assert "has no GPU. Use device=cpu" in said


@pytest.mark.parametrize(
    ("uri", "is_local"),
    [
        ("sqlite:////folder/mlflow.db", True),
        ("http://localhost:5000", True),
        ("http://127.0.0.5:5000", True),
        ("http://[::1]:5000", True),
        ("postgresql:///runs?host=/run/postgresql", True),
        ("http://10.0.0.1:5000", False),
        ("https://tracking.example.org", False),
    ],
)
def test_a_store_of_one_machine_is_known_by_its_address(uri: str, is_local: bool) -> None:
    assert worker_checks.is_local(store_at(uri)) is is_local


SLURM = {"_target_": "dask_jobqueue.SLURMCluster"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (LauncherSettings(None, 20, "host:8786"), "tcp://host:8786"),
        (LauncherSettings(None, 20, "tcp://host"), "tcp://host:8786"),
        (LauncherSettings(None, 20, "tcp://host:port"), "tcp://host:8786"),
        (LauncherSettings(0, 20, "tcp://host:8786"), "workers=0"),
        (LauncherSettings(1, 20, "tcp://host:8786", SLURM), "exclude each other"),
        (LauncherSettings(1, 20, None, {"queue": "cpu"}), "_target_ is missing"),
        (LauncherSettings(None, 20, None, SLURM), "number of workers to start"),
    ],
)
def test_settings_that_are_wrong(settings: LauncherSettings, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Resources.checked(settings)


def test_a_cluster_to_start_needs_a_store_that_others_reach(store: Store) -> None:
    with pytest.raises(ClusterError, match="the workers cannot reach tracking store"):
        cluster.check_cluster(Resources(2, 20, None, SLURM), store, GRID, Console(quiet=True))


# Dask leaves the socket of what it could not start to be collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"_target_": "no_such_module.Cluster"}, "the class is not installed"),
        ({"_target_": "distributed.LocalCluster", "nonsense": 1}, "cannot be started"),
    ],
)
def test_a_cluster_that_cannot_be_started_is_told_in_a_line(
    node: dict[str, object], reason: str
) -> None:
    with (
        pytest.raises(ClusterError, match=reason) as refused,
        cluster.open_cluster(Resources(2, 20, None, node), 2),
    ):
        pass
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_and_leaves_the_cluster(
    pair: DaskCluster, start: Start, store: Store, number: signal.Signals, code: int
) -> None:
    before = set(pair.workers())
    where = f"hydra.launcher.scheduler={pair.address}"
    process = start(store, "seed=0,1", where, epochs=100_000)
    wait_for(lambda: count(store, "RUNNING") >= 2)
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == code, said
    assert "interrupted: 0 of 2 points are finished" in said
    assert set(runs_of(store)["status"]) == {"KILLED"}
    with pair.client() as client:
        wait_for(lambda: not any(client.call_stack().values()), seconds=5)
        assert set(client.nthreads()) == before


@pytest.mark.slow
def test_a_sweep_that_is_killed_is_not_trained_on(
    pair: DaskCluster, start: Start, store: Store
) -> None:
    process = start(store, "seed=0,1", f"hydra.launcher.scheduler={pair.address}", epochs=100_000)
    wait_for(lambda: count(store, "RUNNING") >= 2)
    process.kill()
    process.wait(timeout=20)
    with pair.client() as client:
        wait_for(lambda: not any(client.call_stack().values()), seconds=15)
    wait_for(lambda: set(runs_of(store)["status"]) == {"KILLED"})


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_sweep_and_the_next_goes_on(
    start: Start, store: Store, project: Path, tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "dask", project=project) as running:
        words = ("seed=range(6)", f"hydra.launcher.scheduler={running.address}")
        running.start_worker("first")
        running.wait_for_workers(1)
        process = start(store, *words)
        wait_for(lambda: count(store, "FINISHED") >= 1)
        running.kill("scheduler")
        said, _ = process.communicate(timeout=90)
        assert process.returncode == 1
        assert f"actscope: Cluster {running.address} no longer answers." in said
        assert "Traceback" not in said
        assert not is_training(store)
        running.kill("first")
        running.start_scheduler()
        again = start(store, *words)
        wait_for(lambda: "waiting" in read_on(again))
        running.start_worker("later")
        said, _ = again.communicate(timeout=180)
        assert again.returncode == 0, said
    assert_each_seed_finished_once(store, range(6), tmp_path)


def read_on(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def other(project: Path, tmp_path: Path) -> Path:
    """A project with other training code."""
    shutil.copytree(project, tmp_path / "other")
    path = tmp_path / "other" / "src" / "actscope" / "engine" / "sgd.py"
    path.write_text(path.read_text() + OTHER_CODE)
    return tmp_path / "other"


Begun = tuple[DaskCluster, "subprocess.Popen[str]"]


@pytest.fixture
def on_a_fit_worker(start: Start, store: Store, project: Path, tmp_path: Path) -> Iterator[Begun]:
    """A cluster with a worker, and a sweep that has begun on it."""
    with dask_cluster(tmp_path / "dask", project=project) as running:
        running.start_worker("fit")
        running.wait_for_workers(1)
        yield running, start(store, "seed=range(6)", f"hydra.launcher.scheduler={running.address}")


@pytest.mark.slow
def test_a_late_worker_that_cannot_train_costs_no_point(
    other: Path, on_a_fit_worker: Begun, store: Store, tmp_path: Path
) -> None:
    running, process = on_a_fit_worker
    wait_for(lambda: count(store, "FINISHED") >= 1)
    running.start_worker("unfit", project=other)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert "has different training code" in said
    assert_each_seed_finished_once(store, range(6), tmp_path)


@pytest.mark.slow
def test_stacks_for_a_worker_that_is_lost_go_to_a_later_one(
    other: Path, on_a_fit_worker: Begun, store: Store, tmp_path: Path
) -> None:
    """They were for that one only, because the other that was there could not train them."""
    running, process = on_a_fit_worker
    wait_for(lambda: is_training(store))
    running.freeze("fit")  # so that it has not trained them all by then
    running.start_worker("unfit", project=other)
    wait_for(lambda: "has different training code" in read_on(process))
    running.start_worker("later")
    running.wait_for_workers(3)
    running.kill("fit")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert_each_seed_finished_once(store, range(6), tmp_path)


@pytest.mark.slow
def test_stacks_that_no_worker_can_train_wait_for_one_that_can(
    other: Path, on_a_fit_worker: Begun, store: Store, tmp_path: Path
) -> None:
    """They were for any, when the only one that could train them was lost to one that cannot."""
    running, process = on_a_fit_worker
    wait_for(lambda: is_training(store))
    running.kill("fit")
    running.start_worker("unfit", project=other)
    wait_for(lambda: "has different training code" in read_on(process))
    running.start_worker("later")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert_each_seed_finished_once(store, range(6), tmp_path)


@pytest.mark.slow
def test_what_a_host_kept_while_the_server_was_away_is_delivered_in_the_end(
    start: Start, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = tmp_path / "host"  # with a disk of its own
    shutil.copytree(project, host)
    result = trained()[0]
    with (
        serving(tmp_path / "server") as server,
        dask_cluster(tmp_path / "dask", project=host) as running,
    ):
        sweep = begin_sweep(server.store, [result])
        with monkeypatch.context() as patch:
            patch.setattr("actscope.tracking.location.MLRUNS", host / "mlruns")
            patch.setitem(offline_queue._next_try, server.store.uri, math.inf)
            run = begin(server.store, sweep, result)
            finish_run(server.store, run, result)
            assert run.run_id is None
        running.start_worker("of the host")
        running.wait_for_workers(1)
        where = f"hydra.launcher.scheduler={running.address}"
        said, _ = start(server.store, "seed=0", where, epochs=1).communicate(timeout=120)
        assert "1 queued results of other hosts delivered" in said
        finished_once(server.store, [result])

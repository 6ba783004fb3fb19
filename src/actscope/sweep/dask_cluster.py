"""The Dask cluster that trains stacks: processes of this machine, or a remote cluster."""

import asyncio
import logging
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dask
import psutil
from hydra.errors import InstantiationException
from rich.console import Console

from actscope.command_line import suggestions
from actscope.config import Point
from actscope.errors import ClusterError
from actscope.runtime import forkserver, signals
from actscope.sweep.dask_connection import connected, private_folder, silence_logs, warn_if_insecure
from actscope.sweep.resources import Resources
from actscope.sweep.worker_checks import WorkerRequirements, check_reachable, check_workers
from actscope.tracking import Store

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

SECONDS_BETWEEN_CHECKS = 5.0  # between two counts of the workers
ALLOWED_KILLS = 1  # of workers by one stack; on this machine the stack is the likely cause

LOCAL_CONFIG = {
    "distributed.scheduler.allowed-failures": ALLOWED_KILLS,
    # A stack's memory is known in advance, so the system's limit serves better than Dask's.
    "distributed.worker.memory.terminate": False,
    # The command has started actscope.runtime.forkserver during its own imports.
    "distributed.worker.multiprocessing-method": "forkserver",
    # Nobody reads the profile, which takes a hundred samples a second.
    "distributed.worker.profile.enabled": False,
    # Nor the speed of event loops, which Dask measures fifty times a second.
    "distributed.admin.tick.interval": "500ms",
}

# Dask resources: stacks go to workers, the tracking of a run goes to writers.
TRAINING, WRITING = {"train": 1.0}, {"write": 1.0}
TWO_STACKS = {"train": 2.0}  # of a worker: it trains one while writers log the other

# Raised where a command like sbatch fails, is missing, or prints what dask-jobqueue cannot read.
START_ERRORS = (OSError, RuntimeError, ValueError)

log = logging.getLogger(__name__)


class Cluster:
    """A cluster in use. Of this base class: a remote one, whose workers may come and go."""

    def __init__(
        self, client: "Client", name: str, training: Mapping[str, float] | None = None
    ) -> None:
        self.client = client
        self.name = name
        self.training = training  # the Dask resources of a stack; None without writers

    def workers(self) -> list[str]:
        """Addresses of the present workers.

        Raises:
            ClusterError: the scheduler no longer answers.

        """
        try:
            return sorted(self.client.nthreads())
        except (OSError, RuntimeError) as error:
            raise lost_cluster(self.name) from error

    def replace_lost_workers(self) -> None:
        """Request new workers in place of lost ones."""

    def check(self) -> None:
        """Raise ClusterError if the cluster can start no more workers."""

    def stop(self, futures: Iterable["Future[Any]"]) -> None:
        """End the work within seconds: workers check whether their stack is still wanted."""
        self.client.cancel(list(futures), force=True)


class LocalProcesses(Cluster):
    """Worker processes on this machine, used by this sweep only."""

    def __init__(
        self,
        client: "Client",
        cluster: "LocalCluster",
        training: Mapping[str, float] | None,
        forks_from: int,
    ) -> None:
        super().__init__(client, "this machine", training)
        self.cluster = cluster
        self.forks_from = forks_from  # a process id

    def check(self) -> None:
        try:
            forkserver.check(self.forks_from)
        except ClusterError:
            self.stop([])
            raise

    def stop(self, futures: Iterable["Future[Any]"]) -> None:  # noqa: ARG002 - the whole cluster is this sweep's
        self.cluster.sync(_kill_workers, self.cluster)


class StartedCluster(Cluster):
    """A remote cluster that was started for this sweep, for example by Slurm."""

    def __init__(self, client: "Client", name: str, cluster: Any, wanted: int) -> None:
        super().__init__(client, name)
        self.cluster = cluster
        self.wanted = wanted

    def replace_lost_workers(self) -> None:
        try:
            self.cluster.sync(_scale, self.cluster, self.wanted)
        except START_ERRORS as error:
            _mark_jobs_failed(self.cluster)
            log.warning("%s: cannot start workers: %s", self.name, _reason(error))


def lost_cluster(name: str) -> ClusterError:
    return ClusterError(
        f"Cluster {name} no longer answers. Finished points are kept. Start the cluster and run "
        "the same command again."
    )


def check_cluster(
    resources: Resources, store: Store, points: Collection[Point], console: Console
) -> Resources:
    """Check a remote cluster before any work begins; return the resources with its workers.

    Raises:
        ClusterError: the scheduler does not answer, or a worker cannot train these points or
            reach this store.

    """
    if resources.cluster is not None:
        check_reachable(store, f"{_name(resources.cluster)}: the workers")
    if resources.scheduler is None:
        return resources
    requirements = WorkerRequirements.of_this_process(store, points, resources.device)
    with connected(resources.scheduler) as client:
        cluster = Cluster(client, resources.scheduler)
        workers = cluster.workers()
        if workers:
            check_workers(client, requirements, workers)
        console.print(f"cluster {cluster.name}: {_describe(workers)}", soft_wrap=True)
    return replace(resources, workers=max(resources.workers, len(workers)))


@contextmanager
def open_cluster(resources: Resources, stacks: int) -> Iterator[Cluster]:
    """Connect to, or start, the cluster for this number of stacks."""
    silence_logs()
    if resources.scheduler is not None:
        with connected(resources.scheduler) as client:
            yield Cluster(client, resources.scheduler)
    elif resources.cluster is not None:
        with _start_remote(resources.cluster, min(resources.workers, stacks)) as cluster:
            yield cluster
    else:
        with _start_processes(min(resources.workers, stacks), resources.writers) as cluster:
            yield cluster


def wait_for_workers(cluster: Cluster, console: Console) -> list[str]:
    """Wait for the first worker; return the addresses of all workers."""
    workers = cluster.workers()
    if not workers:
        console.print(f"cluster {cluster.name}: waiting for a worker", soft_wrap=True)
        while not workers:
            time.sleep(0.5)
            workers = cluster.workers()
    console.print(f"cluster {cluster.name}: {_describe(workers)}", soft_wrap=True)
    warn_if_insecure(cluster.client, cluster.name, console)
    return workers


def _describe(workers: Sequence[str]) -> str:
    hosts = len({urlsplit(address).hostname for address in workers})
    return f"{_counted(len(workers), 'worker')} on {_counted(hosts, 'host')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@contextmanager
def _start_processes(workers: int, writers: int) -> Iterator[Cluster]:
    from distributed import Client, LocalCluster, Security

    forks_from = forkserver.wait_until_ready()
    with private_folder(), dask.config.set(LOCAL_CONFIG), ExitStack() as entered:
        # An interrupted start prints errors about what it cannot close.
        with signals.deferred():
            try:
                cluster = entered.enter_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        security=Security.temporary(),  # other users can reach its ports
                        scheduler_kwargs={"dashboard": False},
                        dashboard_address="127.0.0.1:0",  # it always has a web server
                        silence_logs=logging.CRITICAL,
                        resources=TWO_STACKS,
                    )
                )
                client = entered.enter_context(Client(cluster))
                if writers:
                    _add_writers(cluster, writers)
            except START_ERRORS as error:
                raise ClusterError(
                    f"hydra.launcher.workers={workers}: this machine cannot start them "
                    f"({_reason(error)}). Give fewer, or 0 to train in this process."
                ) from error
        yield LocalProcesses(client, cluster, TRAINING if writers else None, forks_from)


def _add_writers(cluster: "LocalCluster", writers: int) -> None:
    options = {**cluster.new_spec["options"], "resources": WRITING}
    cluster.new_spec = {**cluster.new_spec, "options": options}
    cluster.sync(_scale, cluster, len(cluster.worker_spec) + writers)


async def _kill_workers(cluster: "LocalCluster") -> None:
    nannies = list(cluster.workers.values())
    for nanny in nannies:
        if nanny.pid is None:  # no process yet; psutil takes None for this process
            continue
        # A worker that is asked to close during training takes seconds to do so.
        with suppress(psutil.NoSuchProcess):
            psutil.Process(nanny.pid).kill()
    await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies))


@contextmanager
def _start_remote(node: Mapping[str, Any], workers: int) -> Iterator[Cluster]:
    from distributed import Client

    name = _name(node)
    with private_folder(), _instantiate(node) as cluster, Client(cluster) as client:
        try:
            cluster.sync(_scale, cluster, workers)
        except START_ERRORS as error:
            _mark_jobs_failed(cluster)
            raise ClusterError(f"{name}: cannot start workers: {_reason(error)}") from error
        yield StartedCluster(client, name, cluster, workers)


def _instantiate(node: Mapping[str, Any]) -> Any:
    from hydra.utils import instantiate

    handler = signal.getsignal(signal.SIGINT)
    try:
        return instantiate(dict(node))
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, ImportError):
            raise ClusterError(
                f"{_name(node)}: the class is not installed ({_reason(cause)}). "
                f"`{suggestions.install('cluster')}` installs dask_jobqueue."
            ) from error
        raise ClusterError(f"{_name(node)}: cannot be started: {_reason(cause)}") from error
    finally:
        # Importing dask_jobqueue sets a handler that exits with code 0.
        signal.signal(signal.SIGINT, handler)


async def _scale(cluster: Any, workers: int) -> None:
    """Request workers and wait for the request: scale() alone hides its errors."""
    cluster.scale(workers)
    await cluster


def _mark_jobs_failed(cluster: Any) -> None:
    """Mark jobs that did not start; Dask would treat them as running when it closes."""
    from distributed.core import Status

    for job in cluster.workers.values():
        if job.status is Status.created:
            job.status = Status.failed


def _name(node: Mapping[str, Any]) -> str:
    return f"hydra.launcher.cluster={node['_target_']}"


def _reason(error: BaseException) -> str:
    text = str(error).partition("stderr:")[2] or str(error)  # of a failed command
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[:300]

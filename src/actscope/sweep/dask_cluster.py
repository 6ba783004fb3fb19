"""The Dask cluster that stacks are trained on: processes of this machine, or somebody else's."""

import asyncio
import logging
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from actscope.sweep.dask_connection import connected, kept_private, quieten, warn_if_open
from actscope.sweep.resources import Resources
from actscope.sweep.worker_checks import Terms, check_reachable, check_workers
from actscope.tracking import Store

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

SECONDS_BETWEEN_LOOKS = 5.0  # at who is there
KILLS_A_STACK_MAY_MEET = 1  # on this machine, where a worker is lost to what it trains

IN_PROCESSES = {
    "distributed.scheduler.allowed-failures": KILLS_A_STACK_MAY_MEET,
    # Its memory is known beforehand: better the system's limit than half of it for each worker.
    "distributed.worker.memory.terminate": False,
    # actscope.runtime.forkserver, which the command line has started while it was still importing.
    "distributed.worker.multiprocessing-method": "forkserver",
    # Nobody looks at its samples of what each worker does, a hundred a second.
    "distributed.worker.profile.enabled": False,
}

# Dask's resources, by which stacks go to workers, and what is done for a run to writers.
TRAINING, WRITING = {"train": 1.0}, {"write": 1.0}
TWO_STACKS = {"train": 2.0}  # that a worker may have: one it trains, one that writers log

# Of a command like sbatch that fails, is not there, or answers what dask-jobqueue cannot read.
CANNOT_START = (OSError, RuntimeError, ValueError)

log = logging.getLogger(__name__)


class Cluster:
    """A cluster in use, that of somebody else: its workers come and go as they please."""

    def __init__(
        self, client: "Client", name: str, training: Mapping[str, float] | None = None
    ) -> None:
        self.client = client
        self.name = name
        self.training = training  # what of Dask's resources a stack takes, if some only write

    def workers(self) -> list[str]:
        """Addresses of those that are there.

        Raises:
            ClusterError: there is no scheduler any more.

        """
        try:
            return sorted(self.client.nthreads())
        except (OSError, RuntimeError) as error:
            raise gone(self.name) from error

    def renew(self) -> None:
        """Ask for workers in the place of those that are lost."""

    def check(self) -> None:
        """Raise ClusterError where it can have no more workers."""

    def stop(self, futures: Iterable["Future[Any]"]) -> None:
        """Have the work end within seconds; workers look whether they are still wanted."""
        self.client.cancel(list(futures), force=True)


class Processes(Cluster):
    """Workers that are processes of this machine, and this sweep's alone."""

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

    def stop(self, futures: Iterable["Future[Any]"]) -> None:  # noqa: ARG002 - all of it is ours
        self.cluster.sync(_kill_workers, self.cluster)


class Started(Cluster):
    """A cluster that was started for this sweep, as by Slurm."""

    def __init__(self, client: "Client", name: str, cluster: Any, wanted: int) -> None:
        super().__init__(client, name)
        self.cluster = cluster
        self.wanted = wanted

    def renew(self) -> None:
        try:
            self.cluster.sync(_scale, self.cluster, self.wanted)
        except CANNOT_START as error:
            _give_up_jobs(self.cluster)
            log.warning("%s cannot start workers: %s", self.name, _reason(error))


def gone(name: str) -> ClusterError:
    return ClusterError(
        f"the cluster {name} does not answer any more: what is finished is kept; start it and give "
        "the same command again"
    )


def reached(
    resources: Resources, store: Store, points: Iterable[Point], console: Console
) -> Resources:
    """The resources with the workers that are there; looks who they are before any work is begun.

    Raises:
        ClusterError: nobody answers, or a worker cannot train these points into this store.

    """
    if resources.cluster is not None:
        check_reachable(store, f"{_name(resources.cluster)}: its workers")
    if resources.scheduler is None:
        return resources
    needed = {(point.data, point.activation) for point in points}
    sources, activations = zip(*needed, strict=True)
    terms = Terms.of_here(store, sources, resources.device, activations)
    with connected(resources.scheduler) as client:
        cluster = Cluster(client, resources.scheduler)
        there = cluster.workers()
        if there:
            check_workers(client, terms, there)
        console.print(f"cluster {cluster.name}: {_in_words(there)}", soft_wrap=True)
    return replace(resources, workers=max(resources.workers, len(there)))


@contextmanager
def opened(resources: Resources, stacks: int) -> Iterator[Cluster]:
    """The cluster for so many stacks, connected."""
    quieten()
    if resources.scheduler is not None:
        with connected(resources.scheduler) as client:
            yield Cluster(client, resources.scheduler)
    elif resources.cluster is not None:
        with _started(resources.cluster, min(resources.workers, stacks)) as cluster:
            yield cluster
    else:
        with _processes(min(resources.workers, stacks), resources.writers) as cluster:
            yield cluster


def wait_for_workers(cluster: Cluster, console: Console) -> list[str]:
    """Addresses of the workers, as soon as there is one."""
    there = cluster.workers()
    if not there:
        console.print(f"cluster {cluster.name}: no worker is there yet: waiting", soft_wrap=True)
        while not there:
            time.sleep(0.5)
            there = cluster.workers()
    console.print(f"cluster {cluster.name}: {_in_words(there)}", soft_wrap=True)
    warn_if_open(cluster.client, cluster.name, console)
    return there


def _in_words(workers: Sequence[str]) -> str:
    hosts = len({urlsplit(address).hostname for address in workers})
    return f"{_counted(len(workers), 'worker')} on {_counted(hosts, 'host')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@contextmanager
def _processes(workers: int, writers: int) -> Iterator[Cluster]:
    from distributed import Client, LocalCluster, Security

    forks_from = forkserver.wait_until_ready()
    with kept_private(), dask.config.set(IN_PROCESSES), ExitStack() as entered:
        # Cut short, it tells of what it cannot close.
        with signals.held():
            cluster = entered.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    security=Security.temporary(),  # other users of this machine reach its ports
                    scheduler_kwargs={"dashboard": False},
                    dashboard_address="127.0.0.1:0",  # it has a web server in any case
                    silence_logs=logging.CRITICAL,
                    resources=TWO_STACKS,
                )
            )
            client = entered.enter_context(Client(cluster))
            if writers:
                _add_writers(cluster, writers)
        yield Processes(client, cluster, TRAINING if writers else None, forks_from)


def _add_writers(cluster: "LocalCluster", writers: int) -> None:
    options = {**cluster.new_spec["options"], "resources": WRITING}
    cluster.new_spec = {**cluster.new_spec, "options": options}
    cluster.sync(_scale, cluster, len(cluster.worker_spec) + writers)


async def _kill_workers(cluster: "LocalCluster") -> None:
    nannies = list(cluster.workers.values())
    for nanny in nannies:
        if nanny.pid is None:  # it has none at this moment, and None would be this very process
            continue
        # Asked to close, a worker in training takes seconds to find the time.
        with suppress(psutil.NoSuchProcess):
            psutil.Process(nanny.pid).kill()
    await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies))


@contextmanager
def _started(node: Mapping[str, Any], workers: int) -> Iterator[Cluster]:
    from distributed import Client

    name = _name(node)
    with kept_private(), _made(node) as cluster, Client(cluster) as client:
        try:
            cluster.sync(_scale, cluster, workers)
        except CANNOT_START as error:
            _give_up_jobs(cluster)
            raise ClusterError(f"{name} cannot start workers: {_reason(error)}") from error
        yield Started(client, name, cluster, workers)


def _made(node: Mapping[str, Any]) -> Any:
    from hydra.utils import instantiate

    try:
        with _signals_kept():
            return instantiate(dict(node))
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, ImportError):
            raise ClusterError(
                f"{_name(node)} is not installed ({_reason(cause)}): "
                f"`{suggestions.install('cluster')}` has dask_jobqueue"
            ) from error
        raise ClusterError(f"{_name(node)} cannot be started: {_reason(cause)}") from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what Ctrl-C does: dask_jobqueue, as it is imported, has it exit with code 0."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _scale(cluster: Any, workers: int) -> None:
    """Ask for workers, and wait until they are asked for: scaling alone swallows what is raised."""
    cluster.scale(workers)
    await cluster


def _give_up_jobs(cluster: Any) -> None:
    """Mark those that could not be started, which Dask otherwise takes for running as it closes."""
    from distributed.core import Status

    for job in cluster.workers.values():
        if job.status is Status.created:
            job.status = Status.failed


def _name(node: Mapping[str, Any]) -> str:
    return f"hydra.launcher.cluster={node['_target_']}"


def _reason(error: BaseException) -> str:
    text = str(error).partition("stderr:")[2] or str(error)  # of a command that failed
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[:300]

"""Sends stacks to the workers of a Dask cluster and collects their results."""

import asyncio
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Future
from rich.console import Console

from actscope.errors import ClusterError
from actscope.runtime import signals
from actscope.sweep import dask_cluster
from actscope.sweep.console import Progress
from actscope.sweep.dask_cluster import Cluster
from actscope.sweep.dask_job import PROGRESS, StackJob
from actscope.sweep.resources import Resources
from actscope.sweep.results import Result, failed_all
from actscope.sweep.task import Task
from actscope.sweep.worker_checks import WorkerRejectedError, WorkerRequirements, check_workers
from actscope.tracking import Store, offline_queue

log = logging.getLogger(__name__)


def run_on_cluster(
    cluster: Cluster, tasks: Sequence[Task], resources: Resources, progress: Progress
) -> Iterator[list[Result]]:
    """Train all stacks on the workers of an open cluster; yield each stack's results."""
    if not resources.is_remote:
        yield from DaskExecutor(tasks, cluster, progress).results()
        return
    store, points = tasks[0].store, [point for task in tasks for point in task.stack]
    requirements = WorkerRequirements.of_this_process(store, points, resources.device)
    workers = dask_cluster.wait_for_workers(cluster, progress.console)
    check_workers(cluster.client, requirements, workers)
    yield from DaskExecutor(tasks, cluster, progress, requirements).results()
    _deliver_queued(cluster, store, progress.console)


class DaskExecutor:
    """Runs stacks on the workers of a cluster until each stack is done.

    `requirements`: None for processes of this machine, which were forked for this sweep.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        cluster: Cluster,
        progress: Progress,
        requirements: WorkerRequirements | None = None,
    ) -> None:
        self.tasks = tasks
        self.requirements = requirements
        self.cluster = cluster
        self.progress = progress
        self.topic = f"actscope-{uuid.uuid4().hex}"  # other sweeps may use the same scheduler
        self.rejected: set[str] = set()  # addresses of workers
        self.pending: dict[Future[Any], int] = {}
        # Not by distributed.wait: it leaves a waiter at each future that has not ended.
        self.ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self.allowed_workers: dict[Future[Any], set[str] | None] = {}
        self.unplaced: list[int] = []  # stacks that no present worker can train
        self.had_no_worker = False
        self.last_check = time.monotonic()

    def results(self) -> Iterator[list[Result]]:
        """Submit all stacks; yield each stack's results when it ends."""
        self.cluster.client.subscribe_topic(self.topic, lambda event: self._handle(*event[1]))
        try:
            for number in range(len(self.tasks)):
                self._submit(number)
            while self.pending or self.unplaced:
                signals.check()
                future = self._next_ended()
                if future is not None:
                    yield self._results_of(future)
                if time.monotonic() - self.last_check >= dask_cluster.SECONDS_BETWEEN_CHECKS:
                    self._check_workers()
        except ClusterError:  # the cluster is gone, so no work can be stopped
            raise
        except BaseException:
            self.cluster.stop(self.pending)
            raise

    def _submit(self, number: int) -> None:
        accepted = self._accepted_workers() if self.rejected else None
        if accepted is not None and not accepted:
            self.unplaced.append(number)
            return
        has_writers = self.cluster.training is not None
        job = StackJob(number, self.tasks[number], self.topic, self.requirements, has_writers)
        future = self.cluster.client.submit(
            run_job,
            job,
            pure=False,
            workers=None if accepted is None else list(accepted),
            resources=self.cluster.training,
        )
        future.add_done_callback(self.ended.put)
        self.pending[future] = number
        self.allowed_workers[future] = accepted

    def _accepted_workers(self) -> set[str]:
        return set(self.cluster.workers()) - self.rejected

    def _next_ended(self) -> Future[Any] | None:
        """The next stack that ends; None when it is time to check the workers first."""
        try:
            future = self.ended.get(timeout=dask_cluster.SECONDS_BETWEEN_CHECKS)
        except Empty:
            return None
        if future not in self.pending:  # cancelled: its worker is gone
            return None
        if future.cancelled():
            raise dask_cluster.lost_cluster(self.cluster.name)
        return future

    def _results_of(self, future: Future[Any]) -> list[Result]:
        number = self._forget(future)
        error = future.exception()
        if isinstance(error, WorkerRejectedError):
            self._reject(error)
            self._submit(number)
            return []
        self.progress.complete(number)
        if error is not None:
            self.cluster.check()
            return failed_all(self.tasks[number].stack, error)
        try:
            results: list[Result] = future.result()
        except OSError as lost:  # the connection: an error of the worker is handled above
            raise dask_cluster.lost_cluster(self.cluster.name) from lost
        return results

    def _reject(self, error: WorkerRejectedError) -> None:
        address, _ = error.args
        if address not in self.rejected:
            self._print(f"{error} Other workers train its stacks.")
            self.rejected.add(address)

    def _check_workers(self) -> None:
        self.last_check = time.monotonic()
        self.cluster.check()
        if self.requirements is None:
            return
        has_no_worker = not self._accepted_workers()
        if has_no_worker and not self.had_no_worker:
            self._print("no worker is left: waiting for new ones")
        self.had_no_worker = has_no_worker
        self.cluster.replace_lost_workers()
        self._resubmit()

    def _resubmit(self) -> None:
        """Submit stacks that have no worker yet, or whose allowed workers are all gone."""
        if not self.rejected or not (accepted := self._accepted_workers()):
            return
        waiting, self.unplaced = self.unplaced, []
        for number in waiting:
            self._submit(number)
        for future, allowed in list(self.allowed_workers.items()):
            if allowed is not None and not allowed & accepted:
                self.cluster.client.cancel([future], force=True)
                number = self._forget(future)
                self._submit(number)

    def _forget(self, future: Future[Any]) -> int:
        del self.allowed_workers[future]
        return self.pending.pop(future)

    def _print(self, text: str) -> None:
        self.progress.console.print(f"cluster {text}", markup=False, soft_wrap=True)

    def _handle(self, kind: str, *arguments: Any) -> None:
        """Handle an event of a worker: the progress of a stack, or a warning."""
        if kind == PROGRESS:
            self.progress.advance(*arguments)
        else:
            log.warning(*arguments)


def run_job(job: StackJob) -> list[Result]:
    """Train a stack on a worker. The process that starts a sweep needs no torch, so imports none.

    Errors are those of `train_job`.
    """
    from actscope.sweep.dask_worker import train_job

    return train_job(job)


def _deliver_queued(cluster: Cluster, store: Store, console: Console) -> None:
    """Deliver results that workers queued on their own hosts while the store was unreachable."""
    answers = cluster.client.run(_deliver_on_host, store, on_error="return")
    count = sum(answer for answer in answers.values() if isinstance(answer, int))
    if count:
        console.print(f"sync    {count} queued results of other hosts delivered")


async def _deliver_on_host(store: Store) -> int:
    return await asyncio.to_thread(_deliver_here, store)


def _deliver_here(store: Store) -> int:
    return len(offline_queue.deliver_queued(store))

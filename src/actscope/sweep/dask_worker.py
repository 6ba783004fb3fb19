"""What a worker of a Dask cluster does: trains a stack, and has writers track its runs."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from distributed import Worker, get_client, get_worker, secede, wait
from distributed.core import Status

from actscope.config import Point
from actscope.engine.device import CPU
from actscope.sweep.dask_cluster import WRITING
from actscope.sweep.dask_job import PROGRESS, WARNING, StackJob
from actscope.sweep.resources import select_gpu
from actscope.sweep.results import Failed, Result
from actscope.sweep.worker import Begin, R, StackCancelled, T, train_and_track
from actscope.sweep.worker_checks import WorkerRejectedError, check_worker
from actscope.tracking import OpenRun

SECONDS_BETWEEN_REPORTS = 0.5
# A worker cannot start its next stack before the stack's runs are begun, so that comes first.
BEGIN_PRIORITY, LOG_PRIORITY = 1, 0


def train_job(job: StackJob) -> list[Result]:
    """Train and track a stack on this worker.

    Raises:
        WorkerRejectedError: this worker cannot train the stack.
        StackCancelled: the sweep no longer waits for the stack.

    """
    worker = get_worker()
    if job.requirements is not None:
        problem = check_worker(job.requirements, worker)
        if problem is not None:
            raise WorkerRejectedError(worker.address, problem)
    elif job.task.device != CPU:
        select_gpu(worker.name)  # the worker's number on this machine
    is_wanted = partial(_is_wanted, worker, worker.get_current_task())
    last_report = time.monotonic()

    def report(run_steps: int) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = time.monotonic()
            if not is_wanted():
                raise StackCancelled("the sweep ended or gave the stack to another worker")
            worker.log_event(job.topic, (PROGRESS, job.number, run_steps))

    def begin_all(begin: Begin, points: Sequence[Point]) -> list[OpenRun | Failed]:
        each = [[point] for point in points]
        return list(chain(*map_on_writers(job.topic, BEGIN_PRIORITY, begin, each)))

    def log_all(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        secede()  # the worker trains its next stack meanwhile
        return map_on_writers(job.topic, LOG_PRIORITY, function, items)

    with forwarded_warnings(worker, job.topic):
        if not job.has_writers:
            return train_and_track(job.task, report)
        return train_and_track(job.task, report, begin_all, log_all)


def map_on_writers(
    topic: str, priority: int, function: Callable[[T], R], items: Sequence[T]
) -> list[R]:
    """Apply a function to each item on the writers of this worker's cluster; wait for all.

    An item that killed its writer more than once is processed here.
    """
    client = get_client()
    # Writers fetch the items from this worker, not all at once through the scheduler.
    kept = client.scatter(list(items), hash=False)
    done = client.map(
        partial(_on_writer, topic, function), kept, pure=False, resources=WRITING, priority=priority
    )
    wait(done)
    results = iter(client.gather([future for future in done if future.status == "finished"]))
    return [
        next(results) if future.status == "finished" else function(item)
        for future, item in zip(done, items, strict=True)
    ]


def _on_writer(topic: str, function: Callable[[T], R], item: T) -> R:
    with forwarded_warnings(get_worker(), topic):
        return function(item)


def _is_wanted(worker: Worker, key: Any) -> bool:
    """Whether the sweep still waits for a task of this worker."""
    task = worker.state.tasks.get(key)
    is_cut_off = worker.status in (Status.closing, Status.closed, Status.failed)
    return not is_cut_off and task is not None and task.state in ("executing", "long-running")


@contextmanager
def forwarded_warnings(worker: Worker, topic: str) -> Iterator[None]:
    """Send warnings of this thread to the process that started the sweep."""
    handler = _EventHandler(worker, topic)
    logger = logging.getLogger("actscope")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _EventHandler(logging.Handler):
    """Sends each warning of one thread as a Dask event."""

    def __init__(self, worker: Worker, topic: str) -> None:
        super().__init__(logging.WARNING)
        self.worker, self.topic, self.thread = worker, topic, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self.thread:  # another stack's thread has its own handler
            return
        address = urlsplit(self.worker.address).netloc
        self.worker.log_event(self.topic, (WARNING, "worker %s: %s", address, record.getMessage()))

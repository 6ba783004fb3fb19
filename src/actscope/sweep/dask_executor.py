"""Stacks shared out among the workers of a Dask cluster, and what a worker does with one."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from distributed import Future, Worker, get_client, get_worker, secede, wait
from distributed.core import Status
from rich.console import Console

from actscope.engine.device import CPU
from actscope.errors import ClusterError
from actscope.runtime import signals
from actscope.sweep import dask_cluster
from actscope.sweep.console import Progress
from actscope.sweep.dask_cluster import WRITING, Cluster
from actscope.sweep.resources import Resources, take_card
from actscope.sweep.results import Result
from actscope.sweep.worker import Abandoned, Made, Task, Thing, failed_all, train_and_track
from actscope.sweep.worker_checks import Terms, UnfitError, check_workers, find_fault
from actscope.tracking import Store, offline_queue

SECONDS_BETWEEN_REPORTS = 0.5
PROGRESS, WARNING = "progress", "warning"  # what workers tell of

log = logging.getLogger(__name__)


def run_on_cluster(
    tasks: Sequence[Task], resources: Resources, progress: Progress
) -> Iterator[list[Result]]:
    """Train all stacks on the workers that the resources name, giving the results of each."""
    sources = (task.stack[0].data for task in tasks)
    activations = (point.activation for task in tasks for point in task.stack)
    terms = Terms.of_here(tasks[0].store, sources, resources.device, activations)
    with dask_cluster.opened(resources, len(tasks)) as workplace:
        if resources.are_elsewhere:
            there = dask_cluster.wait_for_workers(workplace, progress.console)
            check_workers(workplace.client, terms, there)
        yield from _Shift(tasks, terms, workplace, progress, resources.are_elsewhere).results()
        if resources.are_elsewhere:
            _deliver_kept(workplace, terms.store, progress.console)


class _Shift:
    """Stacks on the workers of a cluster, each until it is done."""

    def __init__(
        self,
        tasks: Sequence[Task],
        terms: Terms,
        workplace: Cluster,
        progress: Progress,
        is_elsewhere: bool,
    ) -> None:
        self.tasks = tasks
        self.terms = terms if is_elsewhere else None
        self.workplace = workplace
        self.progress = progress
        self.topic = f"actscope-{uuid.uuid4().hex}"  # other sweeps may use the same scheduler
        self.unfit: set[str] = set()  # workers
        self.pending: dict[Future[Any], int] = {}
        # Not by distributed.wait, which leaves a waiter at each future that has not ended.
        self.ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self.only_for: dict[Future[Any], set[str] | None] = {}
        self.unplaced: list[int] = []  # stacks that no worker which is there can train
        self.was_deserted = False
        self.last_look = time.monotonic()

    def results(self) -> Iterator[list[Result]]:
        self.workplace.client.subscribe_topic(self.topic, lambda event: self._hear(*event[1]))
        try:
            for number in range(len(self.tasks)):
                self._give_out(number)
            while self.pending or self.unplaced:
                signals.check()
                future = self._next_ended()
                if future is not None:
                    yield self._results_of(future)
                if time.monotonic() - self.last_look >= dask_cluster.SECONDS_BETWEEN_LOOKS:
                    self._look_round()
        except ClusterError:  # there is nobody to be stopped
            raise
        except BaseException:
            self.workplace.stop(self.pending)
            raise

    def _give_out(self, number: int) -> None:
        fit = self._fit() if self.unfit else None
        if fit is not None and not fit:
            self.unplaced.append(number)
            return
        has_writers = self.workplace.training is not None
        order = Order(number, self.tasks[number], self.topic, self.terms, has_writers)
        future = self.workplace.client.submit(
            _in_worker,
            order,
            pure=False,
            workers=None if fit is None else list(fit),
            resources=self.workplace.training,
        )
        future.add_done_callback(self.ended.put)
        self.pending[future] = number
        self.only_for[future] = fit

    def _fit(self) -> set[str]:
        return set(self.workplace.workers()) - self.unfit

    def _next_ended(self) -> Future[Any] | None:
        """The next stack that ends, unless it is time to look round before."""
        try:
            future = self.ended.get(timeout=dask_cluster.SECONDS_BETWEEN_LOOKS)
        except Empty:
            return None
        if future not in self.pending:  # taken from a worker that is gone
            return None
        if future.cancelled():
            raise dask_cluster.gone(self.workplace.name)
        return future

    def _results_of(self, future: Future[Any]) -> list[Result]:
        number = self._forget(future)
        error = future.exception()
        if isinstance(error, UnfitError):
            self._leave_out(error)
            self._give_out(number)
            return []
        self.progress.complete(number)
        if error is not None:
            self.workplace.check()
            return failed_all(self.tasks[number].stack, error)
        try:
            results: list[Result] = future.result()
        except OSError as lost:  # the connection: what the worker raised is seen to above
            raise dask_cluster.gone(self.workplace.name) from lost
        return results

    def _leave_out(self, error: UnfitError) -> None:
        address, _ = error.args
        if address not in self.unfit:
            self._tell(f"{error}; others train its stacks")
            self.unfit.add(address)

    def _look_round(self) -> None:
        self.last_look = time.monotonic()
        self.workplace.check()
        if self.terms is None:
            return
        is_deserted = not self._fit()
        if is_deserted and not self.was_deserted:
            self._tell("no worker is left: waiting for others")
        self.was_deserted = is_deserted
        self.workplace.renew()
        self._give_out_again()

    def _give_out_again(self) -> None:
        """Stacks that wait for a worker, or whose workers, the others being unfit, are all gone."""
        if not self.unfit or not (fit := self._fit()):
            return
        waiting, self.unplaced = self.unplaced, []
        for number in waiting:
            self._give_out(number)
        for future, chosen in list(self.only_for.items()):
            if chosen is not None and not chosen & fit:
                self.workplace.client.cancel([future], force=True)
                number = self._forget(future)
                self._give_out(number)

    def _forget(self, future: Future[Any]) -> int:
        del self.only_for[future]
        return self.pending.pop(future)

    def _tell(self, what: str) -> None:
        self.progress.console.print(f"cluster {what}", markup=False, soft_wrap=True)

    def _hear(self, kind: str, *words: Any) -> None:
        """What workers tell: how far a stack is, or a warning."""
        if kind == PROGRESS:
            self.progress.advance(*words)
        else:
            log.warning(*words)


def _deliver_kept(workplace: Cluster, store: Store, console: Console) -> None:
    """Bring what workers have kept on their own hosts, while the store was away, into it."""
    answers = workplace.client.run(_deliver_on_host, store, on_error="return")
    count = sum(answer for answer in answers.values() if isinstance(answer, int))
    if count:
        console.print(f"sync    {count} results that were kept on other hosts are delivered")


async def _deliver_on_host(store: Store) -> int:
    return await asyncio.to_thread(_deliver_here, store)


def _deliver_here(store: Store) -> int:
    return len(offline_queue.deliver_queued(store))


@dataclass(frozen=True)
class Order:
    """A task for a worker, and where it tells how far it is."""

    number: int
    task: Task
    topic: str
    terms: Terms | None  # None: a process of ours, as we are
    has_writers: bool


def _in_worker(order: Order) -> list[Result]:
    worker = get_worker()
    if order.terms is not None:
        fault = find_fault(order.terms, worker)
        if fault is not None:
            raise UnfitError(worker.address, fault)
    elif order.task.device != CPU:
        take_card(worker.name)  # the number that it has among this machine's
    is_wanted = partial(_is_wanted, worker, worker.get_current_task())
    last_report = time.monotonic()

    def report(run_steps: int) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = time.monotonic()
            if not is_wanted():
                raise Abandoned("its sweep has ended, or given it to another worker")
            worker.log_event(order.topic, (PROGRESS, order.number, run_steps))

    with _warnings_told(worker, order.topic):
        if not order.has_writers:
            return train_and_track(order.task, report)
        # While its runs are logged the worker trains its next stack, which has to be begun first.
        begin_all, log_all = (partial(by_writers, order.topic, priority) for priority in (1, 0))
        return train_and_track(order.task, report, begin_all, log_all, on_trained=secede)


def by_writers(
    topic: str, priority: int, do: Callable[[Thing], Made], things: Sequence[Thing]
) -> list[Made]:
    """As `workers.in_turn`, by the writers of this worker's cluster, while this thread waits.

    What a writer cannot do, as it was killed at it more than once, is done here.
    """
    client = get_client()
    # They fetch them from here: through the scheduler they would all have to pass at once.
    kept = client.scatter(list(things), hash=False)
    done = client.map(
        partial(_in_writer, topic, do), kept, pure=False, resources=WRITING, priority=priority
    )
    wait(done)
    made = iter(client.gather([future for future in done if future.status == "finished"]))
    return [
        next(made) if future.status == "finished" else do(thing)
        for future, thing in zip(done, things, strict=True)
    ]


def _in_writer(topic: str, do: Callable[[Thing], Made], thing: Thing) -> Made:
    with _warnings_told(get_worker(), topic):
        return do(thing)


def _is_wanted(worker: Worker, key: Any) -> bool:
    """Whether the sweep still waits for a task of this worker."""
    task = worker.state.tasks.get(key)
    is_cut_off = worker.status in (Status.closing, Status.closed, Status.failed)
    return not is_cut_off and task is not None and task.state in ("executing", "long-running")


@contextmanager
def _warnings_told(worker: Worker, topic: str) -> Iterator[None]:
    """Send what this process is warned of to where the sweep was begun."""
    teller = _Teller(worker, topic)
    logger = logging.getLogger("actscope")
    logger.addHandler(teller)
    try:
        yield
    finally:
        logger.removeHandler(teller)


class _Teller(logging.Handler):
    def __init__(self, worker: Worker, topic: str) -> None:
        super().__init__(logging.WARNING)
        self.worker, self.topic, self.thread = worker, topic, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self.thread:  # of another stack, which has a teller of its own
            return
        where = urlsplit(self.worker.address).netloc
        self.worker.log_event(self.topic, (WARNING, "worker %s: %s", where, record.getMessage()))

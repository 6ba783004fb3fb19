"""Trains a stack and tracks its runs, in this process or on a worker."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import pandas as pd

from actscope import tracking
from actscope.artifacts import files
from actscope.artifacts.metrics import epoch_metrics
from actscope.config import Point
from actscope.engine.data import load_data
from actscope.engine.device import name_of
from actscope.engine.result import RunResult
from actscope.engine.train import Histories, train_stack
from actscope.errors import first_line
from actscope.sweep.checkpoint import Checkpoint
from actscope.sweep.results import Done, Failed, Result, Training, failed_all, from_earlier_run
from actscope.sweep.saved_stacks import checkpoint_folder
from actscope.sweep.task import Task
from actscope.tracking import STACK, OpenRun, Store, offline_queue

SECONDS_BETWEEN_METRICS = 8.0  # of a run in training; they are sent at the end of an epoch
OnStep = Callable[[int], None]  # called with the number of run-steps of the stack done

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class MapFn(Protocol):
    """Applies a function to each item, possibly in other processes; returns all results."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> list[R]: ...


def map_serially(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to each item in this process."""
    return [function(item) for item in items]


Begin = Callable[[Sequence[Point]], list[OpenRun | Failed]]
BeginFn = Callable[[Begin, Sequence[Point]], list[OpenRun | Failed]]  # calls it for all points


def begin_here(begin: Begin, points: Sequence[Point]) -> list[OpenRun | Failed]:
    """Open the runs of all points in this process, at once."""
    return begin(points)


class StackCancelled(BaseException):
    """Raised when a stack is cancelled.

    Derives from BaseException so that its points are not marked as failed.
    """


def train_here(task: Task, on_step: OnStep) -> list[Result]:
    """Train and track a stack in this process; an error fails the points of this stack only."""
    try:
        return train_and_track(task, on_step)
    except Exception as error:  # noqa: BLE001 - as on a worker
        return failed_all(task.stack, error)


@dataclass(frozen=True, eq=False)
class Trained:
    """An open run, its result, the file of its packed tables, and its training."""

    run: OpenRun
    result: RunResult
    pack: str | None
    training: Training


def train_and_track(
    task: Task,
    on_step: OnStep,
    begin_all: BeginFn = begin_here,
    log_all: MapFn = map_serially,
) -> list[Result]:
    """Train a stack and track one run a point. A point that raises does not fail the others.

    `begin_all` opens the runs before the training, `log_all` writes their results after it.
    Points that a lost worker has already finished are not trained again. Raises StackCancelled if
    the sweep no longer waits for the stack.
    """
    finished = _finished_by_lost_worker(task)
    left = [point for point in task.stack if point not in finished]
    if not left:
        return list(finished.values())
    begun = begin_all(partial(_begin, task, name_of(task.device)), left)
    unopened = [result for result in begun if isinstance(result, Failed)]
    runs = [
        (point, opened)
        for point, opened in zip(left, begun, strict=True)
        if not isinstance(opened, Failed)
    ]
    if not runs:
        return [*finished.values(), *unopened]
    checkpoint = None if finished or unopened else _checkpoint_of(task)
    # A run without a sweep needs a heartbeat of its own.
    alone = runs[0][1].run_id if task.sweep.parent_run_id is None else None
    try:
        with tracking.heartbeat_running(task.store, alone):
            began = time.monotonic()
            results, failed = _train_surviving(runs, task, on_step, checkpoint)
            training = Training((time.monotonic() - began) / len(runs), _this_process())
            done = log_all(partial(_logged, task), _packed(task, results, training))
    except StackCancelled:
        for _, run in runs:
            tracking.close_abandoned_run(task.store, run.run_id)
        raise
    is_kept = all(isinstance(result, Done) for result in done)
    if checkpoint is not None and is_kept:  # else the next sweep continues from it
        checkpoint.discard()
    return [*finished.values(), *unopened, *failed, *done]


def _packed(
    task: Task, results: Sequence[tuple[OpenRun, RunResult]], training: Training
) -> list[Trained]:
    """Log the tables of all runs that are in the store in one file."""
    in_store = {run.run_id: result for run, result in results if run.run_id is not None}
    packs = tracking.log_packed_tables(task.store, task.sweep, in_store)
    return [Trained(run, result, packs.get(run.run_id or ""), training) for run, result in results]


def _checkpoint_of(task: Task) -> Checkpoint | None:
    if task.checkpoint_minutes is None:
        return None
    folder = checkpoint_folder(task.store, task.sweep.study)
    return Checkpoint(folder, task.signatures, task.checkpoint_minutes * 60)


def _begin(task: Task, device: str, points: Sequence[Point]) -> list[OpenRun | Failed]:
    try:
        data = load_data(points[0].data)
        return [*tracking.begin_runs(task.store, task.sweep, points, data, device, task.id)]
    except Exception as error:  # noqa: BLE001 - an error of one point must not fail the others
        if len(points) == 1:
            return [Failed(points[0], first_line(error))]
        return [begun for point in points for begun in _begin(task, device, [point])]


def _finished_by_lost_worker(task: Task) -> dict[Point, Result]:
    """Results of this stack that a lost worker has finished; close the runs that it left open."""
    of_point = dict(zip(task.signatures, task.stack, strict=True))
    finished: dict[Point, Result] = {}
    note = "points that a lost worker finished are trained again"
    with offline_queue.best_effort(task.store, note):
        tags = {"actscope.sweep": task.sweep.id, STACK: task.id}
        for attempt in tracking.read_summaries(task.store, task.sweep.experiment_id, tags):
            point = of_point.get(attempt.signature.whole)
            if attempt.is_finished and point is not None:
                finished[point] = from_earlier_run(point, attempt)
            elif attempt.is_open:
                tracking.close_abandoned_run(task.store, attempt.run_id)
    return finished


def _train_surviving(
    runs: Sequence[tuple[Point, OpenRun]],
    task: Task,
    on_step: OnStep,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[tuple[OpenRun, RunResult]], list[Failed]]:
    """Train a stack; if it raises, train its halves, down to the points that raise.

    That changes no number, as a run's numbers do not depend on its stack. Returns each trained run
    with its result, and the failed points.
    """
    points = [point for point, _ in runs]
    try:
        with _live_metrics(task.store, [run for _, run in runs]) as on_epoch:
            results = train_stack(
                points,
                load_data(points[0].data),
                device=task.device,
                on_step=lambda step: on_step(step * len(points)),
                on_epoch=on_epoch,
                checkpoint=checkpoint,
            )
    except Exception as error:  # noqa: BLE001 - an error of one point must not fail the others
        if len(runs) == 1:
            return [], [_failed(task, *runs[0], error)]
        middle = len(runs) // 2
        survived, failed = _train_surviving(runs[:middle], task, on_step)
        more_survived, more_failed = _train_surviving(runs[middle:], task, on_step)
        return survived + more_survived, failed + more_failed
    return [(run, result) for (_, run), result in zip(runs, results, strict=True)], []


@contextmanager
def _live_metrics(store: Store, runs: Sequence[OpenRun]) -> Iterator[Callable[[Histories], None]]:
    """Yield a callback that writes metrics of runs in training to the store at intervals.

    A thread writes, so the training does not wait for a server. The end of the block waits for the
    thread.
    """
    last = time.monotonic()
    writing: Future[None] = Future()
    writing.set_result(None)

    def show(histories: Histories) -> None:
        nonlocal last, writing
        if time.monotonic() - last >= SECONDS_BETWEEN_METRICS and writing.done():
            writing.result()
            last = time.monotonic()
            writing = writer.submit(_show, store, runs, histories())

    with ThreadPoolExecutor(1, "live-metrics") as writer:
        yield show
        writing.result()


def _show(store: Store, runs: Sequence[OpenRun], histories: Sequence[pd.DataFrame]) -> None:
    for run, history in zip(runs, histories, strict=True):
        tracking.show_progress(store, run, epoch_metrics(history))


def _logged(task: Task, trained: Trained) -> Result:
    run, result = trained.run, trained.result
    if task.may_be_reassigned and not tracking.is_open(task.store, run.run_id):
        raise StackCancelled(f"run {run.run_id} was closed by another process")
    try:
        finish_run(task.store, run, result, trained.pack)
    except Exception as error:  # noqa: BLE001 - a run that cannot be written is a failed run
        return _failed(task, result.point, run, error)
    finals = (result.test_final, result.validation_final)
    return Done(result.point, run.run_id, result.outcome, *finals, training=trained.training)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def finish_run(store: Store, run: OpenRun, result: RunResult, pack: str | None = None) -> None:
    """Write a run's files and hand it to tracking.

    Raises:
        StoreError: neither the store nor its offline queue takes the run.

    """
    with TemporaryDirectory(prefix="actscope-") as folder:
        files.write(result, Path(folder), plotly=run.extras.plotly)
        tracking.finish_run(store, run, result, Path(folder), pack)


def _failed(task: Task, point: Point, run: OpenRun, error: Exception) -> Failed:
    """Close the run of a point that raised. An error while closing does not replace the first."""
    try:
        tracking.fail_run(task.store, run, error)
    except Exception as second:  # noqa: BLE001 - the first error is the point's
        log.warning("%s: cannot close its run as FAILED: %s", point, first_line(second))
    return Failed(point, first_line(error))

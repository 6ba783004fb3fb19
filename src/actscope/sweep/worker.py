"""Stacks -> training -> tracked runs, in this process or on worker processes."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import pandas as pd
import torch

from actscope import tracking
from actscope.artifacts import files
from actscope.artifacts.metrics import epoch_metrics, run_metrics
from actscope.config import Point
from actscope.engine.data import load_data
from actscope.engine.device import CPU, name_of
from actscope.engine.result import RunResult
from actscope.engine.train import Histories, train_stack
from actscope.errors import first_line
from actscope.sweep.checkpoint import Checkpoint, checkpoint_folder
from actscope.sweep.results import Done, Failed, Result, done_before
from actscope.sweep.stacks import Stack
from actscope.tracking import STACK, OpenRun, Store, Sweep, offline_queue
from actscope.tracking.signature import signature_of

SECONDS_BETWEEN_METRICS = 8.0  # of a run in training: some more go by until its epoch is over
OnStep = Callable[[int], None]  # told how many run-steps of a stack are done

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")
Made = TypeVar("Made")


class Spread(Protocol):
    """Does something with each of many things, perhaps in other processes; what comes of each."""

    def __call__(self, do: Callable[[Thing], Made], things: Sequence[Thing], /) -> list[Made]: ...


def in_turn(do: Callable[[Thing], Made], things: Sequence[Thing]) -> list[Made]:
    """Do it in this process."""
    return [do(thing) for thing in things]


class Abandoned(BaseException):
    """Nobody waits for a stack any more. No Exception, for which its points would be blamed."""


@dataclass(frozen=True)
class Task:
    """A stack to train, on what, where its runs go, and how often it is saved on the way.

    `may_be_taken`: whether another worker may be given it although this one is still at it.
    """

    stack: Stack
    store: Store
    sweep: Sweep
    checkpoint_minutes: float | None = None
    may_be_taken: bool = False
    device: torch.device = CPU

    @cached_property
    def id(self) -> str:
        """Same points, same id."""
        return sha256("\n".join(self.signatures).encode()).hexdigest()[:16]

    @cached_property
    def signatures(self) -> Sequence[str]:
        data = load_data(self.stack[0].data)
        return [signature_of(point, data).whole for point in self.stack]

    def checkpoint(self) -> Checkpoint | None:
        if self.checkpoint_minutes is None:
            return None
        folder = checkpoint_folder(self.store, self.sweep.study)
        return Checkpoint(folder, self.signatures, self.checkpoint_minutes * 60)


def _trained_here(task: Task, on_step: OnStep) -> list[Result]:
    try:
        return train_and_track(task, on_step)
    except Exception as error:  # noqa: BLE001 - as on a worker: it is this stack's, no other's
        return failed_all(task.stack, error)


def failed_all(points: Sequence[Point], error: BaseException) -> list[Result]:
    """What comes of points whose whole stack raised."""
    return [Failed(point, first_line(error)) for point in points]


@dataclass(frozen=True, eq=False)
class Trained:
    """An open run, the result of its training, and where its tables were packed."""

    run: OpenRun
    result: RunResult
    pack: str | None


def train_and_track(
    task: Task,
    on_step: OnStep,
    begin_all: Spread = in_turn,
    log_all: Spread = in_turn,
    on_trained: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Train a stack and log a run a point; one that raises never takes its neighbours down.

    `begin_all` and `log_all` share out what is done for each run; `on_trained` is called when only
    the logging is left.
    Where a worker was lost while it logged this stack, what it had finished is not trained again.
    """
    finished = _taken_over(task)
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
    checkpoint = None if finished or unopened else task.checkpoint()
    # A single run has no sweep whose heartbeat it could live by.
    alone = runs[0][1].run_id if task.sweep.parent_run_id is None else None
    try:
        with tracking.heartbeat_running(task.store, alone):
            results, failed = _train_surviving(runs, task, on_step, checkpoint)
            in_store = {run.run_id: result for run, result in results if run.run_id is not None}
            packs = tracking.log_packed_tables(task.store, task.sweep, in_store)
            on_trained()
            trained = [Trained(run, result, packs.get(run.run_id or "")) for run, result in results]
            done = log_all(partial(_logged, task), trained)
    except Abandoned:
        for _, run in runs:
            tracking.close_abandoned_run(task.store, run.run_id)
        raise
    is_kept = all(isinstance(result, Done) for result in done)
    if checkpoint is not None and is_kept:  # else the next sweep goes on from there
        checkpoint.discard()
    return [*finished.values(), *unopened, *failed, *done]


def _begin(task: Task, device: str, point: Point) -> OpenRun | Failed:
    try:
        data = load_data(point.data)
        return tracking.begin_run(task.store, task.sweep, point, data, device, task.id)
    except Exception as error:  # noqa: BLE001 - what is wrong with a point is not its neighbours'
        return Failed(point, first_line(error))


def _taken_over(task: Task) -> dict[Point, Result]:
    """What a worker that was lost has finished of this stack; what it had open is closed."""
    of_point = dict(zip(task.signatures, task.stack, strict=True))
    finished: dict[Point, Result] = {}
    with offline_queue.best_effort(task.store, "what a lost worker has finished is trained again"):
        tags = {"actscope.sweep": task.sweep.id, STACK: task.id}
        for attempt in tracking.read_summaries(task.store, task.sweep.experiment_id, tags):
            point = of_point.get(attempt.signature.whole)
            if attempt.is_finished and point is not None:
                finished[point] = done_before(point, attempt)
            elif attempt.is_open:
                tracking.close_abandoned_run(task.store, attempt.run_id)
    return finished


def _train_surviving(
    runs: Sequence[tuple[Point, OpenRun]],
    task: Task,
    on_step: OnStep,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[tuple[OpenRun, RunResult]], list[Failed]]:
    """Train; where that raises, in halves: a run's numbers do not depend on its stack.

    Returns each trained run with its result, and the points that raise when they are alone.
    """
    points = [point for point, _ in runs]
    try:
        with _shown_live(task.store, [run for _, run in runs]) as on_epoch:
            results = train_stack(
                points,
                load_data(points[0].data),
                device=task.device,
                on_step=lambda step: on_step(step * len(points)),
                on_epoch=on_epoch,
                checkpoint=checkpoint,
            )
    except Exception as error:  # noqa: BLE001 - what a point raises is its own, not its neighbours'
        if len(runs) == 1:
            return [], [_failed(task, *runs[0], error)]
        middle = len(runs) // 2
        survived, failed = _train_surviving(runs[:middle], task, on_step)
        more_survived, more_failed = _train_surviving(runs[middle:], task, on_step)
        return survived + more_survived, failed + more_failed
    return [(run, result) for (_, run), result in zip(runs, results, strict=True)], []


@contextmanager
def _shown_live(store: Store, runs: Sequence[OpenRun]) -> Iterator[Callable[[Histories], None]]:
    """What tells the store from time to time how far a stack's runs are.

    A thread writes, so that the training does not wait for a server; what it is still writing when
    the training ends is waited for.
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

    with ThreadPoolExecutor(1, "shown-live") as writer:
        yield show
        writing.result()


def _show(store: Store, runs: Sequence[OpenRun], histories: Sequence[pd.DataFrame]) -> None:
    for run, history in zip(runs, histories, strict=True):
        tracking.show_progress(store, run, epoch_metrics(history))


def _logged(task: Task, trained: Trained) -> Result:
    run, result = trained.run, trained.result
    if task.may_be_taken and not tracking.is_open(task.store, run.run_id):
        raise Abandoned(f"run {run.run_id} was closed by another process")
    try:
        finish_run(task.store, run, result, trained.pack)
    except Exception as error:  # noqa: BLE001 - a run that cannot be logged is a failed run
        return _failed(task, result.point, run, error)
    return Done(result.point, run.run_id, result.outcome, result.test_accuracy)


def finish_run(store: Store, run: OpenRun, result: RunResult, pack: str | None = None) -> None:
    """Write a run's files, compute its metrics and hand both to tracking.

    Raises:
        StoreError: neither the store nor its offline queue takes the run.

    """
    with TemporaryDirectory(prefix="actscope-") as folder:
        files.write(result, Path(folder), plotly=run.extras.plotly)
        tracking.finish_run(store, run, result, run_metrics(result), Path(folder), pack)


def _failed(task: Task, point: Point, run: OpenRun, error: Exception) -> Failed:
    """Close the run of a point that raised; what goes wrong with that is not why it failed."""
    try:
        tracking.fail_run(task.store, run, error)
    except Exception as second:  # noqa: BLE001 - the first error is the point's
        log.warning("%s: its run is not closed as FAILED: %s", point, first_line(second))
    return Failed(point, first_line(error))

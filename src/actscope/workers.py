"""Stacks -> training -> tracked runs, in this process or on worker processes."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from actscope import tracking
from actscope.checkpoint import Checkpoint
from actscope.config import Point
from actscope.data import load_data
from actscope.errors import first_line
from actscope.project import ROOT
from actscope.results import Done, Failed, Result, done_before
from actscope.screen import Progress
from actscope.signature import signature_of
from actscope.stacks import Stack
from actscope.tracking import Attempt, Store, Sweep
from actscope.train import Histories, RunResult, train_stack

if TYPE_CHECKING:
    from distributed import LocalCluster

SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_BETWEEN_METRICS = 8.0  # of a run in training: some more go by until its epoch is over
PROGRESS = "actscope-progress"  # the topic under which workers tell how far they are

OnStep = Callable[[int], None]  # told how many run-steps of a stack are done


@dataclass(frozen=True)
class Task:
    """A stack to train, where its runs go, and how often it is saved on the way."""

    stack: Stack
    store: Store
    sweep: Sweep
    checkpoint_minutes: float | None = None

    def signatures(self) -> list[str]:
        data = load_data(self.stack[0].data)
        return [signature_of(point, data).whole for point in self.stack]

    def checkpoint(self) -> Checkpoint | None:
        if self.checkpoint_minutes is None:
            return None
        folder = checkpoint_folder(self.store, self.sweep.study)
        return Checkpoint(folder, self.signatures(), self.checkpoint_minutes * 60)


def checkpoint_folder(store: Store, study: str) -> Path:
    """Where stacks in training are saved: beside the store, or in the project for a server's."""
    return (store.folder or ROOT / "mlruns") / "checkpoints" / study


def run_tasks(tasks: Sequence[Task], workers: int, progress: Progress) -> Iterator[Result]:
    """Train all stacks, on processes or in this one, giving the results as they come."""
    if workers == 0:
        for number, task in enumerate(tasks):
            yield from train_and_track(task, progress.follow(number))
    else:
        yield from _run_on_cluster(tasks, workers, progress)


def train_and_track(task: Task, on_step: OnStep) -> list[Result]:
    """Train a stack and log a run a point; one that raises never takes its neighbours down.

    Where a worker was lost while it logged this stack, what it had finished is not trained again.
    """
    finished = _finished_in(task)
    data = load_data(task.stack[0].data)
    runs = [
        (point, tracking.begin_run(task.store, task.sweep, point, data))
        for point in task.stack
        if point not in finished
    ]
    if not runs:
        return list(finished.values())
    checkpoint = None if finished else task.checkpoint()
    # A single run has no sweep whose heartbeat it could live by.
    alone = runs[0][1] if task.sweep.parent_run_id is None else None
    with tracking.beating(task.store, alone):
        results = _train_surviving(runs, task.store, on_step, checkpoint)
    if checkpoint is not None:
        checkpoint.discard()
    return [*finished.values(), *results]


def _finished_in(task: Task) -> dict[Point, Result]:
    by_signature: dict[str, Attempt] = {}
    with tracking.unless_away(task.store):
        by_signature = {
            attempt.signature.whole: attempt
            for attempt in tracking.read_attempts(task.store, task.sweep.experiment_id)
            if attempt.is_finished and attempt.tags.get("sweep") == task.sweep.id
        }
    return {
        point: done_before(point, by_signature[signature])
        for point, signature in zip(task.stack, task.signatures(), strict=True)
        if signature in by_signature
    }


def _train_surviving(
    runs: Sequence[tuple[Point, str]],
    store: Store,
    on_step: OnStep,
    checkpoint: Checkpoint | None = None,
) -> list[Result]:
    """Train and log; where that raises, in halves: a run's numbers do not depend on its stack."""
    points = [point for point, _ in runs]
    try:
        results = train_stack(
            points,
            load_data(points[0].data),
            on_step=lambda step: on_step(step * len(points)),
            on_epoch=_shown_live(store, [run_id for _, run_id in runs]),
            checkpoint=checkpoint,
        )
    except Exception as error:  # noqa: BLE001 - what a point raises is its own, not its neighbours'
        if len(runs) == 1:
            return [_failed(store, *runs[0], error)]
        middle = len(runs) // 2
        return [
            result
            for half in (runs[:middle], runs[middle:])
            for result in _train_surviving(half, store, on_step)
        ]
    return [
        _logged(store, run_id, result) for (_, run_id), result in zip(runs, results, strict=True)
    ]


def _shown_live(store: Store, run_ids: Sequence[str]) -> Callable[[Histories], None]:
    """What tells the store from time to time how far a stack's runs are."""
    last = time.monotonic()

    def show(histories: Histories) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_METRICS:
            for run_id, history in zip(run_ids, histories(), strict=True):
                tracking.show_progress(store, run_id, history)
            last = time.monotonic()

    return show


def _logged(store: Store, run_id: str, result: RunResult) -> Result:
    try:
        tracking.finish_run(store, run_id, result)
    except Exception as error:  # noqa: BLE001 - a run that cannot be logged is a failed run
        return _failed(store, result.point, run_id, error)
    return Done(result.point, run_id, result.outcome, result.test_accuracy)


def _failed(store: Store, point: Point, run_id: str, error: Exception) -> Failed:
    tracking.fail_run(store, run_id, error)
    return Failed(point, first_line(error))


def _run_on_cluster(tasks: Sequence[Task], workers: int, progress: Progress) -> Iterator[Result]:
    import dask
    from distributed import Client, LocalCluster, as_completed

    # Hydra makes the root logger talkative, and a cluster tells it of every connection.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = {
        # A stack that kills its worker is tried once more.
        "distributed.scheduler.allowed-failures": 1,
        # Its memory is known beforehand: better the system's limit than half of it for each worker.
        "distributed.worker.memory.terminate": False,
        # actscope.forkserver, which the command line has started while it was still importing.
        "distributed.worker.multiprocessing-method": "forkserver",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=min(workers, len(tasks)),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # distributed serves a status page in any case
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.subscribe_topic(PROGRESS, lambda event: progress.advance(*event[1]))
        futures = {
            client.submit(_in_worker, number, task, pure=False): number
            for number, task in enumerate(tasks)
        }
        try:
            for future in as_completed(futures):
                number = futures[future]
                error = future.exception()
                if error is None:
                    yield from future.result()
                else:
                    yield from (Failed(point, first_line(error)) for point in tasks[number].stack)
                progress.complete(number)
        except BaseException:
            cluster.sync(_kill_workers, cluster)
            raise


async def _kill_workers(cluster: "LocalCluster") -> None:
    nannies = list(cluster.workers.values())
    for nanny in nannies:
        # Asked to close, a worker in training takes seconds to find the time.
        with suppress(psutil.NoSuchProcess):
            psutil.Process(nanny.pid).kill()
    await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies))


def _in_worker(number: int, task: Task) -> list[Result]:
    from distributed import get_worker

    worker = get_worker()
    last_report = time.monotonic()

    def report(run_steps: int) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = time.monotonic()
            worker.log_event(PROGRESS, (number, run_steps))

    return train_and_track(task, report)

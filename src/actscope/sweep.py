"""Points -> stacks -> workers -> tracked runs."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from dask.system import CPU_COUNT
from rich.console import Console

from actscope import tracking
from actscope.config import Point, Tracking
from actscope.data import load_data
from actscope.errors import ConfigError, SweepError, first_line
from actscope.results import Done, Failed, Result
from actscope.screen import Progress, print_plan, print_result, print_summary
from actscope.tracking import Store, Sweep
from actscope.train import RunResult, check_trainable, stack_key, total_steps, train_stack

SECONDS_BETWEEN_REPORTS = 0.5
PROGRESS = "actscope-progress"  # the topic under which workers tell how far they are

Stack = list[Point]
OnStep = Callable[[int], None]  # told how many run-steps of a stack are done


@dataclass(frozen=True)
class Resources:
    """What a sweep may use: processes (0: only this one) and points a stack."""

    workers: int
    stack_size: int

    @classmethod
    def checked(cls, workers: int | None, stack_size: int) -> Self:
        """Resources as a user gives them; `workers` None: one a core. Raises ConfigError."""
        if workers is not None and workers < 0:
            raise ConfigError(f"hydra.launcher.workers={workers}: give 0 (this process) or more")
        if stack_size < 1:
            raise ConfigError(f"hydra.launcher.stack_size={stack_size}: give 1 or more")
        return cls(CPU_COUNT if workers is None else workers, stack_size)


def run_sweep(
    points: Sequence[Point],
    settings: Tracking,
    sweep_id: str,
    resources: Resources,
    console: Console,
) -> dict[Point, Result]:
    """Train every point once, each a tracked run.

    Raises:
        ActscopeError: a setting, the data or the store is wrong; nothing was trained then.

    """
    for point in points:
        check_trainable(point, load_data(point.data))
    stacks = make_stacks(points, resources)
    store = tracking.open_store(settings)
    print_plan(console, points, [len(stack) for stack in stacks], resources.workers, str(store))
    sweeps = {
        study: tracking.begin_sweep(store, study, sweep_id, [p for p in points if p.study == study])
        for study in dict.fromkeys(point.study for point in points)
    }
    results: dict[Point, Result] = {}
    try:
        with Progress(console, [run_steps_of(stack) for stack in stacks]) as progress:
            for result in run_stacks(stacks, store, sweeps, resources.workers, progress):
                results[result.point] = result
    finally:
        for study, sweep in sweeps.items():
            own = [results.get(point) for point in points if point.study == study]
            tracking.end_sweep(store, sweep, succeeded=all(isinstance(r, Done) for r in own))
    print_summary(console, list(results.values()))
    return results


def run_alone(point: Point, settings: Tracking, sweep_id: str, console: Console) -> Result:
    """Train and track one point in this process, under no parent run."""
    check_trainable(point, load_data(point.data))
    store = tracking.open_store(settings)
    sweep = Sweep(sweep_id, tracking.ensure_experiment(store, point.study), parent_run_id=None)
    try:
        with Progress(console, [run_steps_of([point])]) as progress:
            (result,) = train_and_track([point], store, sweep, progress.follow(0))
    finally:
        tracking.end_sweep(store, sweep, succeeded=True)
    print_result(console, result)
    return result


def accuracy_or_error(result: Result) -> float | SweepError:
    """What a job returns to Hydra."""
    if isinstance(result, Failed):
        return SweepError(f"{result.point} failed: {result.reason}")
    return result.test_accuracy


def make_stacks(points: Sequence[Point], resources: Resources) -> list[Stack]:
    """Group points that can be trained together, the largest stacks first.

    Those of one seed share their minibatches, which is what makes stacking pay on a CPU. The
    largest stacks are halved as long as they are larger than allowed, or do not share out evenly
    among the workers: one that waits for the last stack costs more than a stack cut in two.
    """
    groups: dict[Point, Stack] = {}
    for point in points:
        groups.setdefault(replace(stack_key(point), seed=point.seed), []).append(point)
    stacks = sorted(groups.values(), key=len, reverse=True)
    while len(stacks[0]) > resources.stack_size or (
        len(stacks) % max(resources.workers, 1) and len(stacks[0]) > 1
    ):
        largest = stacks.pop(0)
        middle = (len(largest) + 1) // 2
        stacks = sorted([*stacks, largest[:middle], largest[middle:]], key=len, reverse=True)
    return stacks


def run_steps_of(stack: Stack) -> int:
    """Steps of all runs of a stack together."""
    return len(stack) * total_steps(stack[0], load_data(stack[0].data))


def run_stacks(
    stacks: Sequence[Stack],
    store: Store,
    sweeps: dict[str, Sweep],
    workers: int,
    progress: Progress,
) -> Iterator[Result]:
    """Train all stacks, on processes or in this one, giving the results as they come."""
    if workers == 0:
        for number, stack in enumerate(stacks):
            yield from train_and_track(
                stack, store, sweeps[stack[0].study], progress.follow(number)
            )
    else:
        yield from _run_on_cluster(stacks, store, sweeps, workers, progress)


def train_and_track(stack: Stack, store: Store, sweep: Sweep, on_step: OnStep) -> list[Result]:
    """Train a stack and log a run a point; one that raises never takes its neighbours down."""
    data = load_data(stack[0].data)
    runs = [(point, tracking.begin_run(store, sweep, point, data)) for point in stack]
    return _train_surviving(runs, store, on_step)


def _train_surviving(
    runs: Sequence[tuple[Point, str]], store: Store, on_step: OnStep
) -> list[Result]:
    """Train and log; where that raises, in halves: a run's numbers do not depend on its stack."""
    points = [point for point, _ in runs]
    try:
        results = train_stack(
            points,
            load_data(points[0].data),
            on_step=lambda step: on_step(step * len(points)),
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


def _logged(store: Store, run_id: str, result: RunResult) -> Result:
    try:
        tracking.finish_run(store, run_id, result)
    except Exception as error:  # noqa: BLE001 - a run that cannot be logged is a failed run
        return _failed(store, result.point, run_id, error)
    return Done(result.point, run_id, result.outcome, result.test_accuracy)


def _failed(store: Store, point: Point, run_id: str, error: Exception) -> Failed:
    tracking.fail_run(store, run_id, error)
    return Failed(point, first_line(error))


def _run_on_cluster(
    stacks: Sequence[Stack],
    store: Store,
    sweeps: dict[str, Sweep],
    workers: int,
    progress: Progress,
) -> Iterator[Result]:
    import dask
    from distributed import Client, LocalCluster, as_completed

    # Hydra makes the root logger talkative, and a cluster tells it of every connection.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = {
        # A stack that kills its worker is tried once more.
        "distributed.scheduler.allowed-failures": 1,
        # Its memory is known beforehand: better the system's limit than half of it for each worker.
        "distributed.worker.memory.terminate": False,
        # Dask has a worker give freed memory back at once, and each minibatch would then fetch its
        # few MB from the system anew: that made recording every step two to three times as dear.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**30,
        "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**30,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=min(workers, len(stacks)),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # distributed serves a status page in any case
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.subscribe_topic(PROGRESS, lambda event: progress.advance(*event[1]))
        futures = {
            client.submit(
                _in_worker, number, stack, store, sweeps[stack[0].study], pure=False
            ): number
            for number, stack in enumerate(stacks)
        }
        for future in as_completed(futures):
            number = futures[future]
            error = future.exception()
            if error is None:
                yield from future.result()
            else:
                yield from (Failed(point, first_line(error)) for point in stacks[number])
            progress.complete(number)


def _in_worker(number: int, stack: Stack, store: Store, sweep: Sweep) -> list[Result]:
    from distributed import get_worker

    worker = get_worker()
    last_report = time.monotonic()

    def report(run_steps: int) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = time.monotonic()
            worker.log_event(PROGRESS, (number, run_steps))

    return train_and_track(stack, store, sweep, report)

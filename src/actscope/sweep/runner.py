"""Runs a sweep: finds the points to train, trains them, tracks their runs."""

import time
from collections.abc import Sequence

from rich.console import Console

from actscope import tracking
from actscope.artifacts import environment
from actscope.config import Point, SweepRules, Tracking
from actscope.engine.device import CPU
from actscope.engine.result import Outcome
from actscope.errors import SweepError
from actscope.sweep import console as sweep_console
from actscope.sweep import open_sweep
from actscope.sweep.console import Progress
from actscope.sweep.grid import check_grid, read_statuses
from actscope.sweep.open_sweep import OpenSweep, deliver, opened
from actscope.sweep.plan import DEFAULT_RULES
from actscope.sweep.point_status import State
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result, from_earlier_run
from actscope.sweep.stacks import run_steps_of
from actscope.sweep.task import Task
from actscope.tracking import Store, Sweep, offline_queue
from actscope.tracking.environment import log_files


def run_sweep(
    points: Sequence[Point],
    settings: Tracking,
    sweep_id: str,
    resources: Resources,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
) -> dict[Point, Result]:
    """Train every point that is not finished yet, track each as a run, and print the results.

    Raises:
        ActscopeError: a setting, the data or the store is wrong; nothing was trained then.

    """
    began = time.monotonic()
    grid = check_grid(points)
    store = tracking.open_store(settings)
    with opened(OpenSweep(store, settings, sweep_id, resources, console, rules)) as sweep:
        results = sweep.train(grid)
    from actscope.sweep.summary import print_summary  # a plan needs no pandas

    print_summary(console, list(results.values()), store, time.monotonic() - began)
    print_queued(console, store)
    return results


def print_queued(console: Console, store: Store) -> None:
    """Print how many results wait for the store, if any do."""
    queued = len(offline_queue.read_queue(store).waiting)
    sweep_console.print_queued(console, queued, offline_queue.queue_folder(store), store)


def run_alone(
    point: Point,
    settings: Tracking,
    sweep_id: str,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
    device: str = CPU,
) -> Result:
    """Train and track one point in this process, without a parent run, unless it is finished."""
    grid = check_grid([point])
    store = tracking.open_store(settings)
    sweep_console.print_unreadable(console, grid)
    deliver(store, console)
    experiment_id = store.ensure_experiment(point.study)
    sweep = Sweep(sweep_id, point.study, experiment_id, None, settings.extras)
    tracking.close_abandoned(store, sweep.experiment_id)
    result: Result | None = None
    while result is None:
        status = read_statuses(store, sweep.experiment_id, grid)[point]
        if status.state is State.FINISHED and not rules.force:
            assert status.attempt is not None
            result = from_earlier_run(point, status.attempt)
        elif status.state is State.RUNNING and not rules.force:
            time.sleep(open_sweep.SECONDS_BETWEEN_POLLS)
        else:
            task = Task([point], store, sweep, rules.checkpoint_minutes, device=device)
            files = environment.gather(patch=settings.patch)
            result = _train_alone(task, console)
            if isinstance(result, Done) and result.run_id is not None:
                log_files(store, point.study, result.run_id, files)
    sweep_console.print_result(console, result)
    return result


def value_of(result: Result) -> float | Outcome | SweepError:
    """What a job returns to Hydra: its final metric, or why it has none.

    A sweeper that optimises treats a value that is not a number as a failed trial; NaN stops it.
    """
    if isinstance(result, Failed):
        return SweepError(f"{result.point} failed: {result.reason}")
    return result.outcome if result.outcome is Outcome.DIVERGED else result.final


def _train_alone(task: Task, console: Console) -> Result:
    status = "KILLED"
    try:
        with Progress(console, [run_steps_of(task.stack)]) as progress:
            from actscope.sweep.worker import train_and_track  # torch is slow to import

            (result,) = train_and_track(task, progress.follow(0))
        status = "FINISHED"
    finally:
        tracking.end_sweep(task.store, task.sweep, status)
    return result

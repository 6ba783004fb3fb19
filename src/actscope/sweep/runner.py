"""Runs a sweep: finds the points to train, trains them, tracks their runs."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from rich.console import Console

from actscope import tracking
from actscope.artifacts import environment
from actscope.config import Point, SweepRules, Tracking
from actscope.engine.device import CPU
from actscope.engine.result import Outcome
from actscope.errors import StoreError, SweepError
from actscope.sweep import console as sweep_console
from actscope.sweep.console import Progress, SweepView
from actscope.sweep.grid import (
    Grid,
    by_study,
    check_grid,
    read_statuses,
    stacks_of,
    trained_by_others,
)
from actscope.sweep.plan import DEFAULT_RULES, check_resources
from actscope.sweep.point_status import State
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result, from_earlier_run
from actscope.sweep.stacks import run_steps_of
from actscope.sweep.task import Task
from actscope.tracking import Store, Sweep, offline_queue
from actscope.tracking.environment import environment_logged, log_files
from actscope.tracking.system_metrics import system_metrics_logged

SECONDS_BETWEEN_POLLS = 1.0  # while another sweep trains points of this one
STOPPED = "not trained: another point failed, and sweep.on_error=stop"
NO_TAGS: Mapping[str, str] = {}


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
    results = train_grid(grid, store, settings, sweep_id, resources, console, rules)
    from actscope.sweep.summary import print_summary  # a plan needs no pandas

    print_summary(console, list(results.values()), store, time.monotonic() - began)
    print_queued(console, store)
    return results


def train_grid(
    grid: Grid,
    store: Store,
    settings: Tracking,
    sweep_id: str,
    resources: Resources,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
    tags: Mapping[str, str] = NO_TAGS,
    *,
    has_table: bool = True,
) -> dict[Point, Result]:
    """Train every point of a checked grid that is not finished yet, and track each as a run.

    `tags`: further tags of the sweep's own runs; `has_table`: whether a terminal shows the grid.
    """
    sweep_console.print_grid(console, list(grid), str(store))
    sweep_console.print_unreadable(console, grid)
    resources = check_resources(resources, store, grid, console)
    _deliver(store, console)
    with ExitStack() as opened:
        sweeps = {
            study: opened.enter_context(_open_sweep(store, study, sweep_id, own, settings, tags))
            for study, own in by_study(grid).items()
        }
        own_sweeps = {study: each.sweep for study, each in sweeps.items()}
        view = SweepView(console, list(grid), has_table=has_table)
        training = _train_missing(grid, store, own_sweeps, resources, view, rules)
        results = _collect(training, grid, store, view, rules)
        _deliver(store, console)  # an unreachable store may answer again
        for study, own in by_study(grid).items():
            sweeps[study].record([results[point] for point in own])
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
    _deliver(store, console)
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
            time.sleep(SECONDS_BETWEEN_POLLS)
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


def _deliver(store: Store, console: Console) -> None:
    """Deliver results queued on this machine; print which ones the store refuses, and why."""
    try:
        with tracking.store_errors(store.location):
            delivered = offline_queue.deliver_queued(store)
    except StoreError as error:
        if not offline_queue.is_unreachable(store, error):
            console.print(f"sync    {error}", markup=False, soft_wrap=True)
    else:
        if delivered:
            console.print(f"sync    {len(delivered)} queued results delivered")


@dataclass
class _OpenSweep:
    """A study's sweep that is open in the store, and the status that it will end with."""

    store: Store
    sweep: Sweep
    status: str = "KILLED"

    def record(self, results: Sequence[Result]) -> None:
        """Note the results of all points of the study."""
        is_done = all(isinstance(result, Done) for result in results)
        self.status = "FINISHED" if is_done else "FAILED"
        from actscope.sweep.summary import best_in_words, cell_means  # a plan needs no pandas

        best = best_in_words(results)
        tracking.summarise_sweep(self.store, self.sweep, cell_means(results), best)


@contextmanager
def _open_sweep(
    store: Store,
    study: str,
    sweep_id: str,
    grid: Grid,
    settings: Tracking,
    tags: Mapping[str, str],
) -> Iterator[_OpenSweep]:
    """Open a study's sweep; at the end close it as KILLED unless its results were recorded."""
    cells = list(grid.values())
    sweep = tracking.begin_sweep(store, study, sweep_id, cells, settings.extras, tags)
    assert sweep.parent_run_id is not None
    opened = _OpenSweep(store, sweep)
    try:
        tracking.close_abandoned(store, sweep.experiment_id)
        watched = sweep.parent_run_id if settings.system_metrics else None
        with (
            tracking.heartbeat_running(store, sweep.parent_run_id),
            system_metrics_logged(store, watched),
            environment_logged(store, study, sweep.parent_run_id, patch=settings.patch),
        ):
            yield opened
    finally:
        tracking.end_sweep(store, sweep, opened.status)


def _collect(
    training: Generator[Sequence[Result]],
    grid: Grid,
    store: Store,
    view: SweepView,
    rules: SweepRules,
) -> dict[Point, Result]:
    """Gather the results of all points; with on_error=stop end at the first failure."""
    results: dict[Point, Result] = {}
    try:
        with closing(training):
            for some in training:
                view.add(some)
                results.update((result.point, result) for result in some)
                if rules.on_error == "stop" and any(isinstance(r, Failed) for r in some):
                    break
    except KeyboardInterrupt:
        sweep_console.print_interrupted(view.console, list(results.values()), len(grid), store)
        raise
    return {point: results.get(point, Failed(point, STOPPED)) for point in grid}


def _train_missing(
    grid: Grid,
    store: Store,
    sweeps: Mapping[str, Sweep],
    resources: Resources,
    view: SweepView,
    rules: SweepRules,
) -> Generator[Sequence[Result]]:
    """Skip finished points, train the rest, and wait for points that another sweep trains.

    Yields results as they arrive, those of a stack together.
    """
    pending, is_first, console = dict(grid), True, view.console
    while pending:
        finished, running = ({}, {}) if rules.force else trained_by_others(pending, store, sweeps)
        yield list(finished.values())
        own = [point for point in pending if point not in finished and point not in running]
        pending = {point: grid[point] for point in running}
        if is_first:
            sweep_console.print_left(console, len(finished), len(own), running.values())
            is_first = False
        if own:
            stacks = stacks_of({point: grid[point] for point in own}, store, resources)
            sweep_console.print_stacks(console, stacks, resources)
            minutes = rules.checkpoint_minutes
            tasks = [
                Task(stack, store, sweeps[stack[0].study], minutes, device=resources.device)
                for stack in stacks
            ]
            with view.progress(stacks) as progress:
                yield from run_tasks(tasks, resources, progress)
        elif pending:
            time.sleep(SECONDS_BETWEEN_POLLS)


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


def run_tasks(
    tasks: Sequence[Task], resources: Resources, progress: Progress
) -> Iterator[list[Result]]:
    """Train all stacks, on workers or in this process; yield each stack's results when it ends."""
    if resources.workers == 0:
        from actscope.sweep.worker import train_here  # torch is slow to import

        for number, task in enumerate(tasks):
            yield train_here(task, progress.follow(number))
    else:
        tasks = [replace(task, may_be_reassigned=resources.is_remote) for task in tasks]
        from actscope.sweep.dask_executor import run_on_cluster  # importing Dask is slow

        yield from run_on_cluster(tasks, resources, progress)

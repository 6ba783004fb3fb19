"""A grid of points -> what is still to be trained -> tracked runs."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import torch
from rich.console import Console

from actscope import tracking
from actscope.artifacts import environment
from actscope.command_line import suggestions
from actscope.config import Point, SweepRules, Tracking
from actscope.engine.data import load_data
from actscope.engine.device import CPU
from actscope.engine.result import Outcome
from actscope.errors import MissingStudyError, StoreError, SweepError
from actscope.sweep import checkpoint, dask_cluster
from actscope.sweep import console as screen
from actscope.sweep.checkpoint import checkpoint_folder
from actscope.sweep.console import Progress
from actscope.sweep.point_status import Standing, State, standings
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result, cell_means, done_before
from actscope.sweep.stacks import Stack, check_trainable, make_stacks, run_steps_of
from actscope.sweep.worker import Task, _trained_here, train_and_track
from actscope.tracking import GridPoint, Store, Sweep, offline_queue
from actscope.tracking.environment import environment_logged, log_files
from actscope.tracking.system_metrics import system_metrics_logged

SECONDS_BETWEEN_LOOKS = 1.0  # at another sweep that trains what this one needs
STOPPED = "not trained: another point failed, and sweep.on_error=stop"
DEFAULT_RULES = SweepRules()

Grid = dict[Point, GridPoint]


def run_sweep(
    points: Sequence[Point],
    settings: Tracking,
    sweep_id: str,
    resources: Resources,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
) -> dict[Point, Result]:
    """Train every point that is not finished yet, each as a tracked run.

    Raises:
        ActscopeError: a setting, the data or the store is wrong; nothing was trained then.

    """
    grid = _checked(points)
    store = tracking.open_store(settings)
    screen.print_grid(console, points, str(store))
    screen.print_unreadable(console, grid)
    resources = dask_cluster.reached(resources, store, grid, console)
    _deliver(store, console)
    results: dict[Point, Result] = {}
    with ExitStack() as opened:
        sweeps = {
            study: opened.enter_context(_announced(store, study, sweep_id, own, results, settings))
            for study, own in _by_study(grid).items()
        }
        training = _train_what_is_left(grid, store, sweeps, resources, console, rules)
        try:
            with closing(training):
                for some in training:
                    results.update((result.point, result) for result in some)
                    if rules.on_error == "stop" and any(isinstance(r, Failed) for r in some):
                        break
        except KeyboardInterrupt:
            screen.print_interrupted(console, list(results.values()), len(grid), store)
            raise
        for point in grid:
            results.setdefault(point, Failed(point, STOPPED))
        _deliver(store, console)  # a store that was unreachable may answer again
    screen.print_summary(console, [results[point] for point in grid], store)
    folder = offline_queue.queue_folder(store)
    screen.print_kept(console, len(offline_queue.read_queue(store).waiting), folder, store)
    return results


def plan_sweep(
    points: Sequence[Point],
    settings: Tracking,
    resources: Resources,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
) -> None:
    """Tell what `run_sweep` would do, and do nothing."""
    grid = _checked(points)
    store = tracking.locate_store(settings)
    screen.print_grid(console, points, str(store))
    stands: dict[Point, Standing] = {}
    for study, own in _by_study(grid).items():
        try:
            experiment_id = store.find_experiment(study).experiment_id
        except MissingStudyError:
            stands |= dict.fromkeys(own, Standing(State.MISSING))
        else:
            stands |= _look(store, experiment_id, own)
    screen.print_standings(console, list(grid.values()), [stands[point] for point in grid])
    left = {
        point: cell
        for point, cell in grid.items()
        if rules.force or stands[point].state is not State.FINISHED
    }
    if left:
        resources = dask_cluster.reached(resources, store, grid, console)
        screen.print_stacks(console, _stacks(left, store, resources), resources)


def run_alone(
    point: Point,
    settings: Tracking,
    sweep_id: str,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
    device: torch.device = CPU,
) -> Result:
    """Train and track one point in this process, under no parent run, unless it is finished."""
    grid = _checked([point])
    store = tracking.open_store(settings)
    screen.print_unreadable(console, grid)
    _deliver(store, console)
    experiment_id = store.ensure_experiment(point.study)
    sweep = Sweep(sweep_id, point.study, experiment_id, None, settings.extras)
    tracking.close_abandoned(store, sweep.experiment_id)
    result: Result | None = None
    while result is None:
        standing = _look(store, sweep.experiment_id, grid)[point]
        if standing.state is State.FINISHED and not rules.force:
            assert standing.attempt is not None
            result = done_before(point, standing.attempt)
        elif standing.state is State.RUNNING and not rules.force:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        else:
            task = Task([point], store, sweep, rules.checkpoint_minutes, device=device)
            files = environment.gather(patch=settings.patch)
            result = _train_alone(task, console)
            if isinstance(result, Done) and result.run_id is not None:
                log_files(store, result.run_id, files)
    screen.print_result(console, result)
    return result


def value_of(result: Result) -> float | Outcome | SweepError:
    """What a job returns to Hydra: its accuracy, or why there is none.

    Sweepers that optimise take what is no number for a failed trial, and stumble over NaN.
    """
    if isinstance(result, Failed):
        return SweepError(f"{result.point} failed: {result.reason}")
    return result.outcome if result.outcome is Outcome.DIVERGED else result.test_accuracy


def _checked(points: Sequence[Point]) -> Grid:
    for point in points:
        check_trainable(point, load_data(point.data))
    return {point: GridPoint.of(point) for point in points}


def _deliver(store: Store, console: Console) -> None:
    """Bring results that were kept here into the store; say which it does not take, and why."""
    try:
        with tracking.store_errors(store.location):
            delivered = offline_queue.deliver_queued(store)
    except StoreError as error:
        if not offline_queue.is_unreachable(store, error):
            console.print(f"sync    {error}", markup=False, soft_wrap=True)
    else:
        if delivered:
            console.print(f"sync    {len(delivered)} results that were kept here are delivered")


def _by_study(grid: Grid) -> dict[str, Grid]:
    studies: dict[str, Grid] = {}
    for point, cell in grid.items():
        studies.setdefault(point.study, {})[point] = cell
    return studies


@contextmanager
def _announced(
    store: Store,
    study: str,
    sweep_id: str,
    grid: Grid,
    results: Mapping[Point, Result],
    settings: Tracking,
) -> Iterator[Sweep]:
    """A study's sweep, open as long as the context lasts; `results` tell how it ended."""
    sweep = tracking.begin_sweep(store, study, sweep_id, list(grid.values()), settings.extras)
    assert sweep.parent_run_id is not None
    status = "KILLED"
    try:
        tracking.close_abandoned(store, sweep.experiment_id)
        watched = sweep.parent_run_id if settings.system_metrics else None
        with (
            tracking.heartbeat_running(store, sweep.parent_run_id),
            system_metrics_logged(store, watched),
            environment_logged(store, sweep.parent_run_id, patch=settings.patch),
        ):
            yield sweep
        is_done = all(isinstance(results[point], Done) for point in grid)
        status = "FINISHED" if is_done else "FAILED"
        tracking.summarise_sweep(store, sweep, cell_means([results[point] for point in grid]))
    finally:
        tracking.end_sweep(store, sweep, status)


def _train_what_is_left(
    grid: Grid,
    store: Store,
    sweeps: Mapping[str, Sweep],
    resources: Resources,
    console: Console,
    rules: SweepRules,
) -> Generator[Sequence[Result]]:
    """Take over what is finished, train the rest, and wait for what another sweep trains.

    Gives the results as they come, those of a stack at once.
    """
    pending, is_first_look = dict(grid), True
    while pending:
        finished, elsewhere = ({}, {}) if rules.force else _done_by_others(pending, store, sweeps)
        yield list(finished.values())
        own = [point for point in pending if point not in finished and point not in elsewhere]
        pending = {point: grid[point] for point in elsewhere}
        if is_first_look:
            screen.print_left(console, len(finished), len(own), elsewhere.values())
            is_first_look = False
        if own:
            stacks = _stacks({point: grid[point] for point in own}, store, resources)
            screen.print_stacks(console, stacks, resources)
            minutes = rules.checkpoint_minutes
            tasks = [
                Task(stack, store, sweeps[stack[0].study], minutes, device=resources.device)
                for stack in stacks
            ]
            with Progress(console, [run_steps_of(stack) for stack in stacks]) as progress:
                yield from run_tasks(tasks, resources, progress)
        elif pending:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _stacks(grid: Grid, store: Store, resources: Resources) -> list[Stack]:
    """Stacks of all points; those that were saved half trained are put together as they were."""
    halfway = [
        stack for study, own in _by_study(grid).items() for stack in _halfway(own, store, study)
    ]
    saved = {point for stack in halfway for point in stack}
    rest = [point for point in grid if point not in saved]
    return [*halfway, *(make_stacks(rest, resources) if rest else ())]


def _halfway(grid: Grid, store: Store, study: str) -> Iterator[Stack]:
    left = {cell.signature.whole: point for point, cell in grid.items()}
    doctor = suggestions.command("doctor", store=store)
    for signatures in checkpoint.waiting(checkpoint_folder(store, study), doctor):
        if left.keys() >= set(signatures):
            yield [left.pop(signature) for signature in signatures]


def _done_by_others(
    grid: Grid, store: Store, sweeps: Mapping[str, Sweep]
) -> tuple[dict[Point, Done], dict[Point, str]]:
    """Points that are finished, and those that another process is training, with its name."""
    finished: dict[Point, Done] = {}
    elsewhere: dict[Point, str] = {}
    for study, own in _by_study(grid).items():
        claimed = tracking.claimed_elsewhere(store, sweeps[study])
        for point, standing in _look(store, sweeps[study].experiment_id, own).items():
            signature = own[point].signature.whole
            if standing.state is State.FINISHED:
                assert standing.attempt is not None
                finished[point] = done_before(point, standing.attempt)
            elif signature in claimed:
                elsewhere[point] = claimed[signature].name
            elif standing.state is State.RUNNING:
                assert standing.attempt is not None
                elsewhere[point] = f"run {standing.attempt.run_id}"
    return finished, elsewhere


def _look(store: Store, experiment_id: str, grid: Grid) -> dict[Point, Standing]:
    attempts = tracking.read_summaries(store, experiment_id)
    return dict(zip(grid, standings(list(grid.values()), attempts), strict=True))


def _train_alone(task: Task, console: Console) -> Result:
    status = "KILLED"
    try:
        with Progress(console, [run_steps_of(task.stack)]) as progress:
            (result,) = train_and_track(task, progress.follow(0))
        status = "FINISHED"
    finally:
        tracking.end_sweep(task.store, task.sweep, status)
    return result


def run_tasks(
    tasks: Sequence[Task], resources: Resources, progress: Progress
) -> Iterator[list[Result]]:
    """Train all stacks, on workers or in this process, giving the results of each as it ends."""
    if resources.workers == 0:
        for number, task in enumerate(tasks):
            yield _trained_here(task, progress.follow(number))
    else:
        tasks = [replace(task, may_be_taken=resources.are_elsewhere) for task in tasks]
        from actscope.sweep.dask_executor import run_on_cluster  # Dask takes a while to import

        yield from run_on_cluster(tasks, resources, progress)

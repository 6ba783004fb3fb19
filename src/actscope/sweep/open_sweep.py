"""A sweep that is open in the store: it trains one grid after another, on one cluster."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.console import Console

from actscope import tracking
from actscope.config import Point, SweepRules, Tracking
from actscope.errors import StoreError
from actscope.sweep import console as sweep_console
from actscope.sweep.console import Progress, SweepView
from actscope.sweep.grid import Grid, by_study, stacks_of, trained_by_others
from actscope.sweep.plan import DEFAULT_RULES, check_resources
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.task import Task
from actscope.tracking import GridPoint, Store, Sweep, offline_queue
from actscope.tracking.environment import environment_logged
from actscope.tracking.system_metrics import system_metrics_logged

if TYPE_CHECKING:
    from actscope.sweep.dask_cluster import Cluster

SECONDS_BETWEEN_POLLS = 1.0  # while another sweep trains points of this one
STOPPED = "not trained: another point failed, and sweep.on_error=stop"


@dataclass
class OpenSweep:
    """One sweep: its own run in each study, and its cluster, which starts with the first stack.

    `tags`: further tags of its own runs. `has_rounds`: whether grids follow one another. Then a
    terminal shows no table of them, and all workers start at once.
    """

    store: Store
    settings: Tracking
    sweep_id: str
    resources: Resources
    console: Console
    rules: SweepRules = DEFAULT_RULES
    tags: Mapping[str, str] = field(default_factory=dict)
    has_rounds: bool = False
    studies: dict[str, "_OpenStudy"] = field(default_factory=dict, init=False)
    cluster: "Cluster | None" = field(default=None, init=False)
    opened: ExitStack = field(default_factory=ExitStack, init=False)
    cluster_opened: ExitStack = field(default_factory=ExitStack, init=False)

    def train(self, grid: Grid) -> dict[Point, Result]:
        """Train every point of a checked grid that is not finished yet, and track each as a run."""
        sweep_console.print_grid(self.console, list(grid), str(self.store))
        sweep_console.print_unreadable(self.console, grid)
        if not self.studies:
            self.resources = check_resources(self.resources, self.store, grid, self.console)
        deliver(self.store, self.console)
        of_studies = by_study(grid)
        for study, own in of_studies.items():
            self._announce(study, list(own.values()))
        view = SweepView(self.console, list(grid), has_table=not self.has_rounds)
        results = self._collect(self._train_missing(grid, view), grid, view)
        deliver(self.store, self.console)  # an unreachable store may answer again
        for study, own in of_studies.items():
            self.studies[study].record([results[point] for point in own])
        return results

    def _announce(self, study: str, cells: Sequence[GridPoint]) -> None:
        if study in self.studies:
            self.studies[study].announce(cells)
        else:
            self.studies[study] = self.opened.enter_context(_open_study(self, study, cells))

    def _collect(
        self, training: Generator[Sequence[Result]], grid: Grid, view: SweepView
    ) -> dict[Point, Result]:
        """Gather the results of all points; with on_error=stop end at the first failure."""
        results: dict[Point, Result] = {}
        try:
            with closing(training):
                for some in training:
                    view.add(some)
                    results.update((result.point, result) for result in some)
                    if self.rules.on_error == "stop" and any(isinstance(r, Failed) for r in some):
                        break
        except KeyboardInterrupt:
            sweep_console.print_interrupted(
                self.console, list(results.values()), len(grid), self.store
            )
            raise
        return {point: results.get(point, Failed(point, STOPPED)) for point in grid}

    def _train_missing(self, grid: Grid, view: SweepView) -> Generator[Sequence[Result]]:
        """Skip finished points, train the rest, and wait for points that another sweep trains.

        Yields results as they arrive, those of a stack together.
        """
        sweeps = {study: each.sweep for study, each in self.studies.items()}
        pending, is_first, force = dict(grid), True, self.rules.force
        while pending:
            others = ({}, {}) if force else trained_by_others(pending, self.store, sweeps)
            finished, running = others
            yield list(finished.values())
            own = [point for point in pending if point not in finished and point not in running]
            pending = {point: grid[point] for point in running}
            if is_first:
                sweep_console.print_left(self.console, len(finished), len(own), running.values())
                is_first = False
            if own:
                yield from self._train({point: grid[point] for point in own}, view)
            elif pending:
                time.sleep(SECONDS_BETWEEN_POLLS)

    def _train(self, grid: Grid, view: SweepView) -> Iterator[list[Result]]:
        stacks = stacks_of(grid, self.store, self.resources)
        sweep_console.print_stacks(self.console, stacks, self.resources)
        minutes, device = self.rules.checkpoint_minutes, self.resources.device
        tasks = [
            Task(stack, self.store, self.studies[stack[0].study].sweep, minutes, device=device)
            for stack in stacks
        ]
        with view.progress(stacks) as progress:
            yield from self._run(tasks, progress)

    def _run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[list[Result]]:
        """Train stacks, on workers or in this process; yield each stack's results when it ends."""
        if self.resources.workers == 0:
            from actscope.sweep.worker import train_here  # torch is slow to import

            for number, task in enumerate(tasks):
                yield train_here(task, progress.follow(number))
            return
        from actscope.sweep.dask_cluster import open_cluster  # Dask is slow too
        from actscope.sweep.dask_executor import run_on_cluster

        if self.cluster is None:
            stacks = self.resources.workers if self.has_rounds else len(tasks)
            self.cluster = self.cluster_opened.enter_context(open_cluster(self.resources, stacks))
        tasks = [replace(task, may_be_reassigned=self.resources.is_remote) for task in tasks]
        yield from run_on_cluster(self.cluster, tasks, self.resources, progress)


@contextmanager
def opened(sweep: OpenSweep) -> Iterator[OpenSweep]:
    """At the end close the cluster and then the sweep's own runs: KILLED unless recorded."""
    with sweep.opened, sweep.cluster_opened:
        yield sweep


@dataclass
class _OpenStudy:
    """A sweep's own run in one study, and the status that it will end with."""

    store: Store
    sweep: Sweep
    status: str = "KILLED"

    def announce(self, cells: Sequence[GridPoint]) -> None:
        """Replace the announced grid by a larger one."""
        self.status = "KILLED"
        self.sweep = tracking.announce_grid(self.store, self.sweep, cells)

    def record(self, results: Sequence[Result]) -> None:
        """Note the results of all points of the study."""
        is_done = all(isinstance(result, Done) for result in results)
        self.status = "FINISHED" if is_done else "FAILED"
        from actscope.sweep.summary import best_in_words, cell_means  # a plan needs no pandas

        best = best_in_words(results)
        tracking.summarise_sweep(self.store, self.sweep, cell_means(results), best)


@contextmanager
def _open_study(of: OpenSweep, study: str, cells: Sequence[GridPoint]) -> Iterator[_OpenStudy]:
    """Open a sweep's own run in a study; at the end close it."""
    store, settings = of.store, of.settings
    sweep = tracking.begin_sweep(store, study, of.sweep_id, cells, settings.extras, of.tags)
    assert sweep.parent_run_id is not None
    own = _OpenStudy(store, sweep)
    try:
        tracking.close_abandoned(store, sweep.experiment_id)
        watched = sweep.parent_run_id if settings.system_metrics else None
        with (
            tracking.heartbeat_running(store, sweep.parent_run_id),
            system_metrics_logged(store, watched),
            environment_logged(store, study, sweep.parent_run_id, patch=settings.patch),
        ):
            yield own
    except BaseException:
        if own.status == "FINISHED":  # its last round, and not the sweep
            own.status = "KILLED"
        raise
    finally:
        tracking.end_sweep(store, own.sweep, own.status)


def deliver(store: Store, console: Console) -> None:
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

"""Prints a sweep to the console: the plan, the progress, the final table."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from actscope.command_line import suggestions
from actscope.config import Point
from actscope.engine.device import CPU
from actscope.network_settings import OwnNetwork
from actscope.parsing import flat_settings
from actscope.runtime import signals
from actscope.runtime.progress import columns
from actscope.sweep.grid_table import LiveTable
from actscope.sweep.grid_variants import varying_values
from actscope.sweep.resources import Resources
from actscope.sweep.result_grid import ResultGrid
from actscope.sweep.results import Done, Result
from actscope.sweep.stacks import run_steps_of
from actscope.tracking import GridPoint, Store
from actscope.tracking.signature import unreadable_classes

SECONDS_BETWEEN_LINES = 10.0  # of progress, where the output is not a terminal
REDRAWN_PER_SECOND = 4
LINES_BELOW_TABLE = 3  # the progress, and room for the line of a shell


class SweepView:
    """What a person sees of a sweep in training: on a terminal a table that fills, and progress.

    `has_table=False` leaves the table out.
    """

    def __init__(self, console: Console, points: Sequence[Point], *, has_table: bool) -> None:
        self.console = console
        self.grid = ResultGrid(points)
        self.table = (
            LiveTable(self.grid, LINES_BELOW_TABLE)
            if has_table and can_show_grid(console)
            else None
        )

    def add(self, results: Iterable[Result]) -> None:
        self.grid.add(results)

    def progress(self, stacks: Sequence[Sequence[Point]]) -> "Progress":
        """Progress of these stacks, which are the points that are left."""
        run_steps = [run_steps_of(list(stack)) for stack in stacks]
        runs_per_step = sum(map(len, stacks)) / sum(run_steps)
        return Progress(
            self.console, run_steps, [_RunsColumn(self.grid, runs_per_step)], self.table
        )


def can_show_grid(console: Console) -> bool:
    """Whether the output is a terminal that has the signs of a grid's table."""
    return console.is_terminal and not console.options.ascii_only


class _RunsColumn(ProgressColumn):
    """Runs that have ended, and runs a second: `38/75 runs 3.2/s`."""

    def __init__(self, grid: ResultGrid, runs_per_step: float) -> None:
        self.grid, self.runs_per_step = grid, runs_per_step
        super().__init__()

    def render(self, task: Task) -> Text:
        text = f"{self.grid.done}/{len(self.grid.points)} runs"
        speed = task.finished_speed or task.speed
        return Text(f"{text} {_speed(speed * self.runs_per_step)}" if speed else text)


def _speed(per_second: float) -> str:
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"


class _BarBelow(Bar):
    """A bar below something else."""

    def __init__(self, above: RenderableType | None, *columns: ProgressColumn, **how: Any) -> None:
        self.above = above
        super().__init__(*columns, **how)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class Progress:
    """A bar over all run-steps with the time left; plain lines if there is no terminal.

    `count`: columns that count something else than run-steps; `above`: what stands above the bar.
    """

    def __init__(
        self,
        console: Console,
        run_steps: Sequence[int],
        count: Sequence[ProgressColumn] = (),
        above: RenderableType | None = None,
    ) -> None:
        self.console = console
        self.run_steps = run_steps  # of each stack
        self.done = [0] * len(run_steps)
        self.last_line = time.monotonic()
        self.first: tuple[float, int] | None = None  # time and run-steps of the first report
        self.bar = _BarBelow(
            above,
            *columns("training", *(count or [MofNCompleteColumn(), TextColumn("run-steps")])),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            refresh_per_second=REDRAWN_PER_SECOND,
        )
        self.task = self.bar.add_task("training", total=sum(run_steps))

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def advance(self, stack: int, run_steps: int) -> None:
        """Set the number of run-steps that a stack, given by number, has done."""
        self.done[stack] = min(run_steps, self.run_steps[stack])
        self.bar.update(self.task, completed=sum(self.done))
        if not self.console.is_terminal:
            self._print_line()

    def follow(self, stack: int) -> Callable[[int], None]:
        """A callback that calls `advance` for a stack of this process, and checks for Ctrl-C."""

        def advance(run_steps: int) -> None:
            signals.check()
            self.advance(stack, run_steps)

        return advance

    def complete(self, stack: int) -> None:
        self.advance(stack, self.run_steps[stack])

    def _print_line(self) -> None:
        now = time.monotonic()
        done, total = sum(self.done), sum(self.run_steps)
        if self.first is None:
            self.first = now, done
            self.last_line = now
        since, already = self.first
        if now - self.last_line >= SECONDS_BETWEEN_LINES and done > already:
            self.last_line = now
            left = (now - since) * (total - done) / (done - already)
            self.console.print(f"trained {done / total:.0%}, about {left:.0f} s left")


def print_grid(console: Console, points: Sequence[Point], store: str) -> None:
    """Print the studies of a sweep, its grid and its store."""
    axes: dict[str, set[str] | set[float] | set[int]] = {
        "activations": {point.activation.name for point in points},
        "rates": {point.lr for point in points},
        "seeds": {point.seed for point in points},
    }
    counts = {name: len(values) for name, values in axes.items()}
    counts |= varying_values([flat_settings(point) for point in points])
    grid = " x ".join(f"{count} {name}" for name, count in counts.items())
    console.print("study  ", ", ".join(dict.fromkeys(point.study for point in points)))
    console.print(f"points  {len(points)} ({grid})")
    console.print(f"store   {store}", soft_wrap=True)


def print_unreadable(console: Console, grid: Mapping[Point, GridPoint]) -> None:
    """Name the classes whose source cannot be read; later sweeps cannot recognise their points."""
    classes = {
        path for point, cell in grid.items() for path in unreadable_classes(point, cell.signature)
    }
    for path in sorted(classes):
        line = f"class   {path}: its source cannot be read, so each sweep trains its points again"
        console.print(line, markup=False, soft_wrap=True)


def print_left(console: Console, finished: int, own: int, running: Collection[str]) -> None:
    """Print how many points are finished already, and how many other processes are training."""
    if finished:
        rest = f"{own} to train" if own else "nothing to train"
        console.print(f"resume  {finished} finished already, {rest} (sweep.force=true trains all)")
    if running:
        names = ", ".join(sorted(set(running)))
        console.print(f"wait    {len(running)} in training by {names}", soft_wrap=True)


def print_stacks(console: Console, stacks: Sequence[Sequence[Point]], resources: Resources) -> None:
    """Print the number of stacks, who trains and tracks them, and which runs are not stacked."""
    workers = min(resources.workers, len(stacks))
    if resources.is_remote:
        where = f"a cluster, for {workers} workers"
    else:
        where = _processes(workers, "worker ") if workers else "this process"
    if resources.device != CPU:
        where = f"{where}, {'each ' if workers > 1 else ''}with a GPU"
    if resources.writers:
        where = f"{where}, and tracked by {_processes(resources.writers, 'further ')}"
    largest = max(len(stack) for stack in stacks)
    points = "1 point" if largest == 1 else f"at most {largest} points"
    console.print(f"stacks  {len(stacks)} of {points}, on {where}")
    if any(isinstance(point.model, OwnNetwork) for stack in stacks for point in stack):
        console.print("method  a network of your own trains one run at a time, by autograd")


def _processes(number: int, kind: str) -> str:
    return f"{number} {kind}process{'' if number == 1 else 'es'}"


def print_interrupted(
    console: Console, results: Sequence[Result], points: int, store: Store
) -> None:
    """Print how many points are finished, and the command that continues the sweep."""
    done = sum(isinstance(result, Done) for result in results)
    command = suggestions.again(sys.argv[1:], store)
    line = f"interrupted: {done} of {points} points are finished; to go on: {command}"
    console.print(line, markup=False, soft_wrap=True)


def print_queued(console: Console, results: int, folder: Path, store: Store) -> None:
    """Print the number of results that could not be written to the store."""
    if results:
        sync = suggestions.command("sync", store=store)
        line = f"queued: {results} results in {folder}. `{sync}` delivers them to the store."
        console.print(line, markup=False, soft_wrap=True)


def print_result(console: Console, result: Result) -> None:
    """Print the result of a single run."""
    if isinstance(result, Done):
        when = "finished already, " if result.is_earlier else ""
        metric = result.point.train.judged_by
        final = metric.final_in_words(result.test_final, result.validation_final)
        where = f"run {result.run_id}" if result.run_id else "its run waits in the offline queue"
        end = f"{when}{result.outcome}, {final}, {where}"
    else:
        end = f"failed: {result.reason}"
    console.print(f"{result.point}: {end}", markup=False, soft_wrap=True)

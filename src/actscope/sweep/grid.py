"""The grid of a sweep: its points, which of them are finished, and the stacks for the rest."""

from collections.abc import Iterator, Mapping, Sequence

from actscope import tracking
from actscope.command_line import suggestions
from actscope.config import Point
from actscope.engine.images import describe_data
from actscope.errors import ConfigError
from actscope.sweep.point_status import PointStatus, State, point_statuses
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, from_earlier_run
from actscope.sweep.saved_stacks import checkpoint_folder, saved_stacks
from actscope.sweep.stacks import Stack, check_trainable, make_stacks
from actscope.tracking import GridPoint, Store, Sweep

Grid = dict[Point, GridPoint]


def check_grid(points: Sequence[Point]) -> Grid:
    """Check that each point can be trained on its data; raise ConfigError or DataError if not."""
    metrics = {point.train.judged_by: None for point in points}
    if len(metrics) > 1:
        names = " and ".join(metric.words for metric in metrics)
        raise ConfigError(
            f"train: the points are judged by different metrics, {names}. Sweep those of each "
            "metric on their own."
        )
    for point in points:
        check_trainable(point, describe_data(point.data))
    return {point: GridPoint.of(point) for point in points}


def by_study(grid: Grid) -> dict[str, Grid]:
    """Split a grid by the study of its points."""
    studies: dict[str, Grid] = {}
    for point, cell in grid.items():
        studies.setdefault(point.study, {})[point] = cell
    return studies


def read_statuses(store: Store, experiment_id: str, grid: Grid) -> dict[Point, PointStatus]:
    """The status of each point of a study, from the runs in the store."""
    attempts = tracking.read_summaries(store, experiment_id)
    return dict(zip(grid, point_statuses(list(grid.values()), attempts), strict=True))


def trained_by_others(
    grid: Grid, store: Store, sweeps: Mapping[str, Sweep]
) -> tuple[dict[Point, Done], dict[Point, str]]:
    """Points that are finished, and points that another process is training, with its name."""
    finished: dict[Point, Done] = {}
    running: dict[Point, str] = {}
    for study, own in by_study(grid).items():
        claimed = tracking.claimed_elsewhere(store, sweeps[study])
        for point, status in read_statuses(store, sweeps[study].experiment_id, own).items():
            signature = own[point].signature.whole
            if status.state is State.FINISHED:
                assert status.attempt is not None
                finished[point] = from_earlier_run(point, status.attempt)
            elif signature in claimed:
                running[point] = claimed[signature].name
            elif status.state is State.RUNNING:
                assert status.attempt is not None
                running[point] = f"run {status.attempt.run_id}"
    return finished, running


def stacks_of(grid: Grid, store: Store, resources: Resources) -> list[Stack]:
    """Stacks of all points. Points with a common checkpoint form the same stack again."""
    interrupted = [
        stack
        for study, own in by_study(grid).items()
        for stack in _with_checkpoint(own, store, study)
    ]
    saved = {point for stack in interrupted for point in stack}
    rest = [point for point in grid if point not in saved]
    return [*interrupted, *(make_stacks(rest, resources) if rest else ())]


def _with_checkpoint(grid: Grid, store: Store, study: str) -> Iterator[Stack]:
    left = {cell.signature.whole: point for point, cell in grid.items()}
    doctor = suggestions.command("doctor", store=store)
    for signatures in saved_stacks(checkpoint_folder(store, study), doctor):
        if left.keys() >= set(signatures):
            yield [left.pop(signature) for signature in signatures]

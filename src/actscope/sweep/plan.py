"""Shows what a sweep would train, and checks where it would train."""

from collections.abc import Sequence

from rich.console import Console

from actscope import tracking
from actscope.config import Point, SweepRules, Tracking
from actscope.errors import MissingStudyError
from actscope.sweep import console as sweep_console
from actscope.sweep.grid import Grid, by_study, check_grid, read_statuses, stacks_of
from actscope.sweep.point_status import PointStatus, State
from actscope.sweep.resources import Resources
from actscope.sweep.status_table import print_statuses
from actscope.tracking import Store

DEFAULT_RULES = SweepRules()


def plan_sweep(
    points: Sequence[Point],
    settings: Tracking,
    resources: Resources,
    console: Console,
    rules: SweepRules = DEFAULT_RULES,
) -> None:
    """Print what `run_sweep` would train, and train nothing."""
    grid = check_grid(points)
    store = tracking.locate_store(settings)
    sweep_console.print_grid(console, points, str(store))
    statuses: dict[Point, PointStatus] = {}
    for study, own in by_study(grid).items():
        try:
            experiment_id = store.find_experiment(study).experiment_id
        except MissingStudyError:
            statuses |= dict.fromkeys(own, PointStatus(State.MISSING))
        else:
            statuses |= read_statuses(store, experiment_id, own)
    print_statuses(console, list(grid.values()), [statuses[point] for point in grid])
    left = {
        point: cell
        for point, cell in grid.items()
        if rules.force or statuses[point].state is not State.FINISHED
    }
    if left:
        resources = check_resources(resources, store, grid, console)
        sweep_console.print_stacks(console, stacks_of(left, store, resources), resources)


def check_resources(resources: Resources, store: Store, grid: Grid, console: Console) -> Resources:
    """The resources with what a cluster that is to be used says of itself."""
    if not resources.is_remote:
        return resources
    from actscope.sweep.dask_cluster import check_cluster  # importing Dask is slow

    return check_cluster(resources, store, grid, console)

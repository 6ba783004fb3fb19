"""Show the state of each point of a study: `python -m actscope status study=NAME`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from rich.console import Console

from actscope import tracking
from actscope.analysis.known_functions import check_known
from actscope.analysis.tuning import TRIALS
from actscope.command_line import suggestions
from actscope.commands.settings import StatusSettings
from actscope.config import Activation, DataSource
from actscope.engine.images import as_found_here, describe_data
from actscope.errors import ConfigError, MissingStudyError
from actscope.sweep.point_status import PointStatus, State, point_statuses
from actscope.sweep.status_table import print_statuses
from actscope.tracking import GridPoint, RunSummary, Store
from actscope.tracking.grids import read_grid
from actscope.tracking.signature import Signature, activation_hash, code_hash


def run(settings: StatusSettings) -> int:
    """Draw the grid of the study's newest sweep; of a tuned study first that of its trials."""
    store, study = tracking.locate_store(settings.tracking), settings.study
    console = Console(highlight=False)
    stored = [name for name in (f"{study}{TRIALS}", study) if _has_runs(store, name)]
    studies = [_read(store, name) for name in stored or [study]]
    if settings.json:
        found = {"store": str(store), "studies": [own.as_json() for own in studies]}
        sys.stdout.write(f"{json.dumps(found, indent=2)}\n")
        return 0
    for own in studies:
        own.show(console, store)
    return 0


@dataclass(frozen=True)
class Statuses:
    """The grid of a study's newest sweep, and the status of each of its points today."""

    study: str
    sweep: RunSummary
    grid: Sequence[GridPoint]
    statuses: Sequence[PointStatus]

    def show(self, console: Console, store: Store) -> None:
        console.print(f"study   {self.study}, {self.sweep.name}: {self.sweep.status.lower()}")
        console.print(f"store   {store}", soft_wrap=True)
        print_statuses(console, self.grid, self.statuses)
        _print_unchecked(console, self.grid, self.statuses)

    def as_json(self) -> dict[str, Any]:
        points = zip(self.grid, self.statuses, strict=True)
        return {
            "study": self.study,
            "sweep": self.sweep.name,
            "sweep_status": self.sweep.status.lower(),
            "points": [
                {
                    "name": cell.name,
                    "settings": dict(cell.settings),
                    "state": status.state,
                    "run_id": status.attempt.run_id if status.attempt else None,
                    "changed": status.changed,
                }
                for cell, status in points
            ],
        }


def _has_runs(store: Store, study: str) -> bool:
    try:
        store.find_experiment(study)
    except MissingStudyError:
        return False
    return True


def _read(store: Store, study: str) -> Statuses:
    attempts = tracking.read_summaries(store, store.find_experiment(study).experiment_id)
    sweeps = [attempt for attempt in attempts if attempt.is_sweep]
    if not sweeps:
        raise MissingStudyError(
            f"study={study}: has no sweep, so there is no grid to show. If it was deleted in "
            f"MLflow's UI, run `{suggestions.command('doctor', store=store)}` to restore it."
        )
    grid = [_as_of_today(cell) for cell in read_grid(store, study, sweeps[-1])]
    return Statuses(study, sweeps[-1], grid, point_statuses(grid, attempts))


def _print_unchecked(
    console: Console, grid: Sequence[GridPoint], statuses: Sequence[PointStatus]
) -> None:
    """Name what the comparison with today's code leaves out: unknown classes, other torches."""
    for path in sorted({_path_of(cell) for cell in grid if _code_today(_path_of(cell)) is None}):
        console.print(
            f"class   {path}: its code was not compared. The class cannot be imported, or no "
            "file in conf/activation names it.",
            markup=False,
            soft_wrap=True,
        )
    for trained_by, count in _other_torch(statuses).items():
        console.print(
            f"torch   {trained_by} trained {count} of the points; installed is {version('torch')}",
            markup=False,
        )


def _as_of_today(cell: GridPoint) -> GridPoint:
    """The same point with today's code and data."""
    source = DataSource(cell.settings["data"], cell.settings["data.root"])
    data = describe_data(as_found_here(source))
    code = _code_today(_path_of(cell))
    code = cell.signature.activation_code if code is None else code
    signature = Signature(cell.signature.config, data.sha256, code_hash(), code)
    return GridPoint(cell.name, cell.settings, signature)


@cache
def _code_today(path: str) -> str | None:
    """Hash of the code of an activation's class today; None if it cannot be read."""
    activation = Activation("any", path)
    try:
        check_known(activation)
        return activation_hash(activation)
    except ConfigError:
        return None


def _path_of(cell: GridPoint) -> str:
    """Import path of the activation's class."""
    return str(cell.settings["activation.function._target_"])


def _other_torch(statuses: Iterable[PointStatus]) -> Counter[str]:
    """Number of finished runs that another version of torch has trained, by version."""
    runs = (status.attempt for status in statuses if status.state is State.FINISHED)
    versions = Counter(run.platform.get("torch", "an unknown version") for run in runs if run)
    del versions[version("torch")]
    return versions

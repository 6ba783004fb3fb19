"""Show the state of each point of a study: `python -m actscope status study=NAME`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any

from rich.console import Console

from actscope import tracking
from actscope.analysis.known_classes import check_known
from actscope.analysis.tuning import TRIALS, searched_settings
from actscope.command_line import suggestions
from actscope.commands.settings import StatusSettings
from actscope.config import Activation, DataSource
from actscope.engine.images import as_found_here, describe_data
from actscope.errors import ConfigError, MissingStudyError
from actscope.network_settings import OwnNetwork
from actscope.parsing import parse_data
from actscope.sweep.point_status import PointStatus, State, point_statuses
from actscope.sweep.status_table import print_statuses
from actscope.tracking import GridPoint, RunSummary, Store
from actscope.tracking.grids import read_grid
from actscope.tracking.signature import activation_hash, code_hash, model_hash


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
        searched = searched_settings(self.sweep.tags) if self.study.endswith(TRIALS) else []
        print_statuses(console, self.grid, self.statuses, searched)
        for line in _unchecked(self.grid, self.statuses):
            console.print(line, markup=False, soft_wrap=True)

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


def _unchecked(grid: Sequence[GridPoint], statuses: Sequence[PointStatus]) -> Iterator[str]:
    """What the comparison with today's code leaves out: unknown classes, other torches."""
    unknown = {_path(each) for cell in grid for each in _classes(cell) if _code_today(each) is None}
    for path in sorted(unknown):
        yield (
            f"class   {path}: its code was not compared. The class cannot be imported, or no "
            "file in conf/activation or conf/model names it."
        )
    for name in sorted({_source(each).name for each in grid if not _data_today(_source(each))}):
        yield f"data    {name}: was not read again. No file in conf/data names it."
    for trained_by, count in _other_torch(statuses).items():
        yield f"torch   {trained_by} trained {count} of the points; installed is {_torch_today()}"


def _as_of_today(cell: GridPoint) -> GridPoint:
    """The same point with today's code and data."""
    data = _data_today(_source(cell)) or cell.signature.data
    now = replace(cell.signature, data=data, code=code_hash())
    for each in _classes(cell):
        code = _code_today(each)
        if code is not None and isinstance(each, Activation):
            now = replace(now, activation_code=code)
        elif code is not None:
            now = replace(now, model_code=code)
    return GridPoint(cell.name, cell.settings, now)


def _source(cell: GridPoint) -> DataSource:
    """The data set of a point, without its splits."""
    nested = {
        name.removeprefix("data."): value
        for name, value in cell.settings.items()
        if name.startswith("data.")
    }
    name = str(cell.settings["data"])
    return parse_data({"_target_" if "." in name else "name": name, **nested})


@cache
def _data_today(source: DataSource) -> str | None:
    """SHA-256 of a data set today; None for a function that may not be imported."""
    try:
        check_known(source)
    except ConfigError:
        return None
    return describe_data(as_found_here(source)).sha256


def _classes(cell: GridPoint) -> Iterator[Activation | OwnNetwork]:
    """The classes that a point names, without their arguments."""
    yield Activation("any", str(cell.settings["activation.function._target_"]))
    if (path := cell.settings.get("model._target_")) is not None:
        yield OwnNetwork(str(path))


def _path(named: Activation | OwnNetwork) -> str:
    return named.function if isinstance(named, Activation) else named.path


@cache
def _code_today(named: Activation | OwnNetwork) -> str | None:
    """Hash of a class's code today; None if it cannot be read."""
    try:
        check_known(named)
        return activation_hash(named) if isinstance(named, Activation) else model_hash(named)
    except ConfigError:
        return None


def _other_torch(statuses: Iterable[PointStatus]) -> Counter[str]:
    """Number of finished runs that another version of torch has trained, by version."""
    runs = (status.attempt for status in statuses if status.state is State.FINISHED)
    recorded = (run.platform.get("torch", "an unknown version") for run in runs if run)
    versions = Counter(map(_without_build, recorded))
    del versions[_torch_today()]
    return versions


def _torch_today() -> str:
    return _without_build(version("torch"))


def _without_build(torch: str) -> str:
    """A version without its build, `+cu130`, which torch names and its package may not."""
    return torch.partition("+")[0]

"""How a study stands: `python -m actscope status study=NAME`, `make status`."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import torch
from pydantic.dataclasses import dataclass
from rich.console import Console

from actscope import tracking
from actscope.analysis.known_functions import check_known
from actscope.command_line import suggestions
from actscope.command_line.settings import run_command
from actscope.config import CLOSED, Activation, DataSource, StudyName, Tracking
from actscope.engine.data import as_found_here, load_data
from actscope.errors import ConfigError, MissingStudyError
from actscope.sweep import console as screen
from actscope.sweep.point_status import PointStatus, State, point_statuses
from actscope.tracking import Cell
from actscope.tracking.signature import Signature, activation_hash, code_hash

HELP = """\
How each point of a study's newest sweep stands: finished, running, failed, stale or missing.

  study=NAME           the study (quickstart)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)
"""


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking
    study: StudyName = "quickstart"


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    return run_command("status", HELP, Settings, print_status, words)


def print_status(settings: Settings) -> int:
    """Draw the grid of the study's newest sweep."""
    store, study = tracking.locate_store(settings.tracking), settings.study
    attempts = tracking.read_attempts(store, tracking.find_experiment(store, study).experiment_id)
    sweeps = [attempt for attempt in attempts if attempt.is_sweep]
    if not sweeps:
        raise MissingStudyError(
            f"study={study}: has no sweep whose grid could be shown. Run "
            f"`{suggestions.command('doctor', store=store)}` to restore one that was deleted in "
            "MLflow's UI."
        )
    grid = [_as_of_now(cell) for cell in tracking.read_grid(store, study, sweeps[-1])]
    stands = point_statuses(grid, attempts)
    console = Console(highlight=False)
    console.print(f"study   {study}, {sweeps[-1].name}: {sweeps[-1].status.lower()}")
    console.print(f"store   {store}", soft_wrap=True)
    screen.print_statuses(console, grid, stands)
    for path in sorted({_path_of(cell) for cell in grid if _code_now(_path_of(cell)) is None}):
        console.print(
            f"class   {path}: not compared, as no file of conf/activation names it, or it is not "
            "there to import",
            markup=False,
            soft_wrap=True,
        )
    for version, count in _other_torch(stands).items():
        console.print(
            f"torch   {version} trained {count} of them; this is {torch.__version__}", markup=False
        )
    return 0


def _as_of_now(cell: Cell) -> Cell:
    """The same point as it would be trained now, with today's code and data."""
    data = load_data(as_found_here(DataSource(cell.settings["data"], cell.settings["data.root"])))
    code = _code_now(_path_of(cell))
    code = cell.signature.activation_code if code is None else code
    signature = Signature(cell.signature.config, data.sha256, code_hash(), code)
    return Cell(cell.name, cell.settings, signature)


@cache
def _code_now(path: str) -> str | None:
    """Hash of the code of an activation's class today; None where that cannot be told."""
    activation = Activation("any", path)
    try:
        check_known(activation)
        return activation_hash(activation)
    except ConfigError:
        return None


def _path_of(cell: Cell) -> str:
    """Import path of the activation's class."""
    return str(cell.settings["activation.function._target_"])


def _other_torch(stands: Iterable[PointStatus]) -> Counter[str]:
    """How many of the finished runs another version of torch has trained, by that version."""
    runs = (stand.attempt for stand in stands if stand.state is State.FINISHED)
    versions = Counter(run.platform.get("torch", "an unknown version") for run in runs if run)
    del versions[torch.__version__]
    return versions


if __name__ == "__main__":
    sys.exit(main())

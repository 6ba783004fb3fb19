"""How a study stands: `python -m actscope.status study=NAME`, `make status`."""

import sys
from collections.abc import Sequence

from pydantic.dataclasses import dataclass
from rich.console import Console

from actscope import screen, tracking
from actscope.command import run_command
from actscope.config import CLOSED, DataSource, StudyName, Tracking
from actscope.data import load_data
from actscope.errors import MissingStudyError
from actscope.signature import Signature, code_hash
from actscope.standing import standings
from actscope.tracking import Cell

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
        raise MissingStudyError(f"study={study}: has runs, but no sweep whose grid could be shown")
    grid = [_as_of_now(cell) for cell in tracking.read_grid(store, study, sweeps[-1].run_id)]
    console = Console(highlight=False)
    console.print(f"study   {study}, {sweeps[-1].name}: {sweeps[-1].status.lower()}")
    console.print(f"store   {store}", soft_wrap=True)
    screen.print_standings(console, grid, standings(grid, attempts))
    return 0


def _as_of_now(cell: Cell) -> Cell:
    """The same point as it would be trained now, with today's code and data."""
    data = load_data(DataSource(cell.settings["data"], cell.settings["data.root"]))
    signature = Signature(cell.signature.config, data.sha256, code_hash())
    return Cell(cell.name, cell.settings, signature)


if __name__ == "__main__":
    sys.exit(main())

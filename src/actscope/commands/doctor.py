"""Look a store over and mend it: `python -m actscope doctor`, `make doctor`."""

import sys
from collections.abc import Sequence

from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from actscope import tracking
from actscope.command_line.settings import run_command
from actscope.commands.doctor_checks import CHECKS, Complaint, Patient
from actscope.config import CLOSED, Bool, StudyName, Tracking
from actscope.tracking import repair

HELP = """\
Looks a store over: its database, runs that nobody works on any more, what was deleted or edited in
MLflow's UI, artifacts that are damaged, missing, without a run or at another address than the
database has, and what waits beside it. Tells each finding in a line and, after asking, mends what
can be mended; nothing is deleted but checkpoints of no use, and nothing is moved that MLflow can
restore. The exit code is 0 when all is well or was mended.

  --yes                mend without asking; where nobody can be asked, nothing is mended otherwise
  study=NAME           look at this study only (all), and at what waits to be delivered; a study
                       that was deleted is restored
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)
"""


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking
    study: StudyName | None = None
    yes: Bool = False


def main(words: Sequence[str] | None = None) -> int:
    return run_command("doctor", HELP, Settings, look_over, words, flags=["yes"])


def look_over(settings: Settings) -> int:
    """Tell what is wrong with a store and mend it; the exit code."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    store = tracking.locate_store(settings.tracking)
    with tracking.store_errors(store.location):
        repair.check_database(store)
        console.print(f"store   {store}: opens, and is whole")
        repair.studies_to_check(store, settings.study)
        patient = Patient(store, settings.study)
        found = left = 0
        for check in CHECKS:
            for complaint in check(patient):
                found += len(complaint.findings)
                if not _see_to(complaint, console, settings):
                    left += len(complaint.findings)
    if left:
        console.print(f"left    {left} of {found} findings")
    else:
        console.print("well    " + ("all is mended" if found else "nothing is wrong"))
    return 1 if left else 0


def _see_to(complaint: Complaint, console: Console, settings: Settings) -> bool:
    """Tell a complaint and, where that is wanted, mend it; whether nothing is left of it."""
    for finding in complaint.findings:
        console.print(f"found   {finding}")
    for note in complaint.notes:
        console.print(f"note    {note}")
    if not complaint.findings:
        return True
    if complaint.mend is None:
        return False
    if not (settings.yes or _is_wanted(complaint.remedy, console)):
        return False
    complaint.mend()
    console.print(f"mended  {len(complaint.findings)}: {complaint.remedy}")
    return True


def _is_wanted(remedy: str, console: Console) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        console.print(f"        --yes would mend it: {remedy}")
        return False
    try:
        question = Text(f"        mend it: {remedy}?")
        return Confirm.ask(question, console=console, default=False)
    except EOFError:
        return False


if __name__ == "__main__":
    sys.exit(main())

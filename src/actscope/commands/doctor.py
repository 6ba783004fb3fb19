"""Check a store and fix what can be fixed: `python -m actscope doctor`, `make doctor`."""

import sys
from collections.abc import Sequence

from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from actscope import tracking
from actscope.command_line.settings import run_command
from actscope.commands.doctor_checks import CHECKS, Finding, Target
from actscope.config import CLOSED, Bool, StudyName, Tracking
from actscope.tracking import repair

HELP = """\
Check a store and fix what can be fixed.

It checks the database, open runs whose process has died, deletions and edits in MLflow's UI,
damaged or missing artifacts, artifacts without a run or at another address than the database says,
checkpoints, and queued runs. It prints each problem on a line and asks before it fixes anything.
It deletes only useless checkpoints, and moves nothing that MLflow can restore.
The exit code is 0 if no problem remains, else 1.

  --yes                fix without asking; needed to fix anything when no terminal is connected
  study=NAME           check only this study (default: all) and the queued runs; a deleted study is
                       restored
  tracking.uri=URI     the store (default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db of the project)
"""


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking
    study: StudyName | None = None
    yes: Bool = False


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    return run_command("doctor", HELP, Settings, check_and_fix, words, flags=["yes"])


def check_and_fix(settings: Settings) -> int:
    """Print the problems of a store and fix them; the exit code."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    store = tracking.locate_store(settings.tracking)
    with tracking.store_errors(store.location):
        repair.check_database(store)
        console.print(f"store   {store}: the database is intact")
        repair.studies_to_check(store, settings.study)
        target = Target(store, settings.study)
        found = left = 0
        for check in CHECKS:
            for finding in check(target):
                found += len(finding.problems)
                if not _handle(finding, console, settings):
                    left += len(finding.problems)
    if left:
        console.print(f"{left} of {found} problems remain.")
    else:
        console.print("OK: all problems fixed." if found else "OK: no problems found.")
    return 1 if left else 0


def _handle(finding: Finding, console: Console, settings: Settings) -> bool:
    """Print a finding and, with the user's consent, fix it; whether no problem is left."""
    for problem in finding.problems:
        console.print(f"found   {problem}")
    for note in finding.notes:
        console.print(f"note    {note}")
    if not finding.problems:
        return True
    if finding.fix is None:
        return False
    if not (settings.yes or _is_wanted(finding.remedy, console)):
        return False
    finding.fix()
    console.print(f"done    {finding.remedy}")
    return True


def _is_wanted(remedy: str, console: Console) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        console.print(f"        --yes fixes this: {remedy}")
        return False
    try:
        question = Text(f"        Fix this: {remedy}?")
        return Confirm.ask(question, console=console, default=False)
    except EOFError:
        return False


if __name__ == "__main__":
    sys.exit(main())

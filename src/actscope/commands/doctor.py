"""Check a store and fix what can be fixed: `python -m actscope doctor`, `make doctor`."""

import sys

from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from actscope import tracking
from actscope.commands.doctor_checks import CHECKS, Finding, Target
from actscope.commands.settings import DoctorSettings
from actscope.tracking import repair


def run(settings: DoctorSettings) -> int:
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


def _handle(finding: Finding, console: Console, settings: DoctorSettings) -> bool:
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

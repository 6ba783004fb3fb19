"""`python -m actscope.report claims`: the claims and their verdicts, without a drawing."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope.analysis import frames
from actscope.analysis.claims import claims
from actscope.analysis.claims.claims import ClaimResult, Evidence
from actscope.analysis.claims.records import stored_records
from actscope.analysis.claims.verdicts import Verdict
from actscope.analysis.frames import StudyRuns
from actscope.command_line import suggestions
from actscope.errors import MissingStudyError, ReportError
from actscope.report.settings import Settings
from actscope.tracking import Store, locate_store


def print_claims_as_json(settings: Settings) -> None:
    """Print every claim with its verdict and the numbers behind it, as JSON."""
    _, results = _judged(settings)
    found = [
        {
            "id": result.claim.id,
            "claim": result.claim.text,
            "study": result.claim.study,
            "verdict": result.in_words,
            "numbers": list(result.numbers),
        }
        for result in results
    ]
    sys.stdout.write(f"{json.dumps({'claims': found}, indent=2)}\n")


def _judged(settings: Settings) -> tuple[Store, Sequence[ClaimResult]]:
    store = locate_store(settings.tracking)
    stated = claims.read_claims()
    evidence = Evidence(read_studies(store, claims.studies_of(stated)), stored_records(store))
    return store, claims.judge(stated, evidence)


def print_claims(settings: Settings) -> None:
    """Print every claim with its verdict and the numbers behind it."""
    store, results = _judged(settings)
    table = Table(show_lines=True)
    for heading in ("id", "claim", "verdict", "numbers"):
        table.add_column(heading, no_wrap=heading == "id")
    for result in results:
        is_open = result.verdict is Verdict.TOO_FEW
        last = [result.advice] if is_open else []
        numbers = "\n".join([*result.numbers, *last])
        cells = (result.claim.id, result.claim.text, result.in_words, numbers)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    console.print(table)
    console.print(claims.tally(results))
    not_run = [v.claim.study for v in results if v.verdict is Verdict.NOT_RUN and v.claim.study]
    for study in dict.fromkeys(not_run):
        command = suggestions.training(study, store)
        console.print(f"Train it with: {command}", soft_wrap=True, markup=False, highlight=False)


def read_studies(store: Store, names: Sequence[str]) -> dict[str, StudyRuns]:
    """The studies that have a finished run, by name.

    Raises:
        StoreError: the store cannot be read.

    """
    found = {}
    for name in dict.fromkeys(names):
        with suppress(MissingStudyError, ReportError):
            found[name] = frames.read_study(store, name)
    return found

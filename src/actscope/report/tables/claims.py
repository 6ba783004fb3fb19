"""The tables of the claims."""

from collections.abc import Sequence

import pandas as pd

from actscope.analysis.claims.claims import Verdict
from actscope.report.tables.files import _files, _latex


def claim_files(verdicts: Sequence[Verdict]) -> dict[str, bytes]:
    """`tables/claims`: every claim with its verdict and what that rests on."""
    table = pd.DataFrame(
        {
            "id": [verdict.claim.id for verdict in verdicts],
            "claim": [verdict.claim.text for verdict in verdicts],
            "source": [verdict.claim.source for verdict in verdicts],
            "verdict": [verdict.in_words for verdict in verdicts],
            "numbers": ["; ".join(verdict.numbers) for verdict in verdicts],
            "what would settle it": [verdict.advice for verdict in verdicts],
            "rule": [verdict.claim.rule for verdict in verdicts],
            "runs": [" ".join(verdict.run_ids) for verdict in verdicts],
        }
    )
    rulings = [str(verdict.ruling) for verdict in verdicts]
    # LaTeX's own fonts have no ✓ and no ✗.
    return {
        **_files("claims", table, table),
        "tables/claims.tex": _latex(table.assign(verdict=rulings)),
    }

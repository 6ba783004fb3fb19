"""The tables of the claims."""

from collections.abc import Sequence

import pandas as pd

from actscope.analysis.claims.claims import ClaimResult
from actscope.report.tables.files import file_formats, latex


def claim_files(results: Sequence[ClaimResult]) -> dict[str, bytes]:
    """`tables/claims`: every claim with its verdict and the numbers behind it."""
    table = pd.DataFrame(
        {
            "id": [result.claim.id for result in results],
            "claim": [result.claim.text for result in results],
            "source": [result.claim.source for result in results],
            "verdict": [result.in_words for result in results],
            "numbers": ["; ".join(result.numbers) for result in results],
            "power": [result.power_in_words for result in results],
            "what would settle it": [result.advice for result in results],
            "calibrated": [result.claim.calibrated or "" for result in results],
            "seen before": [result.claim.seen or "" for result in results],
            "seeds": [result.seeds for result in results],
            "rule": [result.claim.rule for result in results],
            "runs": [" ".join(result.run_ids) for result in results],
        }
    )
    # LaTeX's own fonts have no ✓, no ✗ and no ≥.
    plain = {
        "verdict": [result.in_words.partition(" ")[2] for result in results],
        "power": [result.power_in_words.replace("≥", "at least") for result in results],
        "numbers": ["; ".join(f.numbers for f in result.findings) for result in results],
    }
    return {
        **file_formats("claims", table, table),
        "tables/claims.tex": latex(table.assign(**plain)),
    }

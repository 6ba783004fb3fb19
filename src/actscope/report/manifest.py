"""The manifest of a report: every run, used or left out, and every file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.claims.claims import ClaimResult
from actscope.analysis.frames import StudyRuns


def manifest(
    studies: Sequence[Mapping[str, Any]], results: Sequence[ClaimResult], files: Mapping[str, bytes]
) -> bytes:
    """The manifest from `study_manifest` of each study, the claims, and the files' SHA-256.

    The manifest of one study has the study's keys at its top level.
    """
    content = {
        **(studies[0] if len(studies) == 1 else {"studies": list(studies)}),
        "claims": [
            {"id": v.claim.id, "verdict": str(v.verdict), "runs": list(v.run_ids)} for v in results
        ],
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
    }
    return f"{json.dumps(content, indent=1, sort_keys=True, allow_nan=False)}\n".encode()


def study_manifest(runs: StudyRuns, seed: int | None) -> dict[str, Any]:
    """Every run, with whether and why it is used, and every missing point.

    `seed`: the one whose trajectories are drawn, or None.
    """
    return {
        "study": runs.study,
        **({} if runs.axis.is_rate else {"axes": ["activation", runs.axis.setting]}),
        "trajectories_of_seed": seed,
        "points_in_grid": runs.grid_size,
        "missing_points": [_plain(point) for point in runs.missing.to_dict("records")],
        "runs": [_plain(run) for run in runs.runs.to_dict("records")],
    }


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON: unknown values are null."""
    values = {str(key): None if pd.isna(value) else value for key, value in row.items()}
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in values.items()
    }

"""Rows of finished runs, and the verdict of a claim on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from actscope.analysis.claims.checks import parse_check
from actscope.analysis.claims.claims import Claim, ClaimResult, Evidence, judge
from actscope.analysis.claims.records import Records
from actscope.analysis.frames import StudyRuns, choose_runs
from tests.support.stored import FINISHED, as_read


def run_row(activation: str, seed: int, final: float, **changes: object) -> dict[str, object]:
    """A finished run as tracking.read_runs gives it."""
    run = {
        "run_id": f"{activation}-{seed}",
        "name": "",
        **FINISHED,
        "activation": activation,
        "lr": "0.001",
        "seed": str(seed),
        "model.hidden": "[64]",
        "test/accuracy_final": final,
        "test/accuracy_best": final,
        **changes,
    }
    return as_read(run)


def rows_of(**finals: Sequence[float]) -> list[dict[str, object]]:
    return [
        run_row(name, seed, final)
        for name, values in finals.items()
        for seed, final in enumerate(values)
    ]


def outcomes_of(**outcomes: str) -> list[dict[str, object]]:
    """Runs by the first letters of their outcomes: `elu="llfd"`."""
    words = {"l": "learned", "f": "failed", "d": "diverged"}
    return [
        run_row(name, seed, 0.5, outcome=words[letter])
        for name, letters in outcomes.items()
        for seed, letter in enumerate(letters)
    ]


def study(rows: Sequence[Mapping[str, object]]) -> StudyRuns:
    return choose_runs("s", pd.DataFrame(list(rows)))


def claim(
    *checks: Mapping[str, Any], where: Mapping[str, str] | None = None, lr: bool = True
) -> Claim:
    """A claim with these checks; `lr`: they are all about the rate of `run_row`."""
    at = {"lr": 0.001} if lr else {}
    kinds = tuple(parse_check({**at, **check}, "c") for check in checks)
    return Claim("C1", "A claim.", "a source", "a rule", kinds, "s", where or {})


def records(
    fates: Mapping[str, pd.DataFrame] | None = None, late: Mapping[str, float] | None = None
) -> Records:
    """What files of runs would say, by run id."""
    return Records(
        lambda _, run_id: (fates or {}).get(run_id),
        lambda _: late or {},
        lambda _: "5 seeds",
    )


def verdict_on(
    stated: Claim,
    rows: Sequence[Mapping[str, object]],
    fates: Mapping[str, pd.DataFrame] | None = None,
    late: Mapping[str, float] | None = None,
) -> ClaimResult:
    return judge([stated], Evidence({"s": study(rows)}, records(fates, late)))[0]

"""What comes of holding a claim against the runs of its study, and what it may look at there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.variants import describe_variants


class Ruling(StrEnum):
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Finding:
    """What a check came to: its numbers, a line each, and the runs behind them.

    `seeds_needed`: how many in all would do, where it is inconclusive and that can be told.
    """

    ruling: Ruling
    numbers: tuple[str, ...]
    run_ids: tuple[str, ...] = ()
    seeds_needed: int | None = None


class Missing(Exception):  # noqa: N818 - no error: what a check needs has not been run
    """What a check needs is not there; the message says what."""


@dataclass(frozen=True, eq=False)
class Case:
    """What the checks of a claim may look at.

    `runs`: those of its study that are used and meet its conditions, as in StudyRuns; `params`:
    their parameters, by `run_id`; `read_fates`: `dying.unit_fates` of a run, None where its units
    were not recorded.
    """

    runs: pd.DataFrame
    params: pd.DataFrame
    read_fates: Callable[[str], pd.DataFrame | None]

    def variants(self) -> list[str]:
        """What differs between the runs beside activation, rate and seed; one '' if nothing."""
        return sorted(set(describe_variants(self.params)))

    def cell(self, activation: str, lr: float) -> pd.DataFrame:
        """The runs of an activation at a rate, by seed, or raise Missing."""
        is_own = (self.runs["activation"] == activation) & (self.runs["lr"] == lr)
        runs = self.runs[is_own].sort_values("seed")
        if runs.empty:
            raise Missing(f"no finished run of {activation} at lr = {rate_text(lr)}")
        return runs

    def finals(self, activation: str, lr: float) -> "pd.Series[float]":
        """Final test accuracy by seed, as a fraction of 1, without the runs that diverged."""
        return self.cell(activation, lr).set_index("seed")["final"].dropna()

    def ids(self, activations: Sequence[str], lr: float) -> tuple[str, ...]:
        return tuple(i for name in activations for i in self.cell(name, lr)["run_id"])

    def fates(self, run_id: str, layer: int) -> pd.DataFrame:
        """What became of a layer's units in a run, or raise Missing."""
        fates = self.read_fates(run_id)
        if fates is None or fates.empty:
            raise Missing(f"run {run_id} has no record of what became of its units")
        own = fates[fates["layer"] == layer]
        if own.empty:
            raise Missing(f"run {run_id} has no layer {layer}")
        return own


class Check(Protocol):
    """Raises Missing where what it needs is not there."""

    def judge(self, case: Case) -> Finding: ...


def examine(check: Check, case: Case) -> Finding:
    """Judge a check, also where what it needs is missing."""
    try:
        return check.judge(case)
    except Missing as missing:
        return Finding(Ruling.NOT_RUN, (str(missing),))


def combine(findings: Sequence[Finding]) -> Finding:
    """The whole of several findings.

    Reproduced if all are; else not reproduced, not run, inconclusive: the first that any is.
    """
    rulings = {finding.ruling for finding in findings}
    order = (Ruling.NOT_REPRODUCED, Ruling.NOT_RUN, Ruling.INCONCLUSIVE, Ruling.REPRODUCED)
    needed = [finding.seeds_needed for finding in findings if finding.seeds_needed is not None]
    return Finding(
        next(ruling for ruling in order if ruling in rulings),
        tuple(line for finding in findings for line in finding.numbers),
        tuple(dict.fromkeys(i for finding in findings for i in finding.run_ids)),
        max(needed, default=None),
    )

"""Verdicts, the results of checks, and the settings and the data that checks use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.axis import RATE
from actscope.analysis.claims import power as powers
from actscope.analysis.claims.power import Power
from actscope.analysis.stats import finals_of_learned
from actscope.analysis.variants import describe_variants, known_texts
from actscope.analysis.varying import LEARNING_RATE, Texts, is_number, value_of
from actscope.metric import ACCURACY, Metric
from actscope.setting_types import CLOSED, Argument, Finite, Name

Share = Annotated[Finite, Field(ge=0, le=1)]
Margin = Annotated[Finite, Field(ge=0)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]


@checked(frozen=True, config=CLOSED)
class Place:
    """The value of a setting that names the cells of a check, besides the activation."""

    setting: str
    value: Argument

    @property
    def text(self) -> str:
        """`lr = 0.001`, or `model.width = 64`."""
        is_rate = self.setting == LEARNING_RATE
        return RATE.equals(self.value) if is_rate else f"{self.setting} = {self.value}"

    def is_of(self, run: Texts) -> bool:
        """Whether a run's setting has the value; numbers are compared as numbers."""
        own, wanted = value_of(run, self.setting), str(self.value)
        if is_number(own) and is_number(wanted):
            return float(own) == float(wanted)
        return own == wanted


class Verdict(StrEnum):
    """`TOO_FEW`: inconclusive, and too few seeds to be anything else if the article is right."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    TOO_FEW = "cannot be decided"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Finding:
    """What one comparison of a check found, in words, with its own verdict and power."""

    numbers: str
    verdict: Verdict | None = None
    power: Power | None = None


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, or of several: its verdict, findings, the runs used, its power."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    run_ids: tuple[str, ...] = ()
    power: Power | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(finding.numbers for finding in self.findings)


class MissingData(Exception):  # noqa: N818 - not an error: the verdict is "not run"
    """A check needs runs or records that do not exist; the message names them."""


@dataclass(frozen=True, eq=False)
class ClaimData:
    """The data that the checks of a claim use.

    `runs`: the used runs of its study that meet its conditions, as in StudyRuns; `params`: their
    parameters, and `metrics`: last values, by `run_id`; `read_fates`: returns unit_fates.unit_fates
    of a run, None if its units were not recorded; `read_late`: returns histories.late_training of
    each run that did not diverge, by `run_id`; `metric`: what they are judged by.
    """

    runs: pd.DataFrame
    params: pd.DataFrame
    metrics: pd.DataFrame
    read_fates: Callable[[str], pd.DataFrame | None]
    read_late: Callable[[], Mapping[str, float]]
    metric: Metric = ACCURACY

    def variants(self, axis: str = LEARNING_RATE) -> list[str]:
        """The variants of the runs, besides `axis`; [''] if there is only one."""
        return sorted(set(describe_variants(self.params, axis)))

    def runs_at(self, activation: str, at: Place) -> pd.DataFrame:
        """The runs of an activation at a place, by seed, or raise MissingData."""
        there = [run_id for run_id, run in known_texts(self.params).items() if at.is_of(run)]
        is_own = (self.runs["activation"] == activation) & self.runs["run_id"].isin(there)
        runs = self.runs[is_own].sort_values("seed")
        if runs.empty:
            raise MissingData(f"no finished run of {activation} at {at.text}")
        return runs

    def finals(self, runs: pd.DataFrame) -> "pd.Series[float]":
        """Final values by seed, as they are shown; NaN for a run that did not learn."""
        return self.metric.scale * finals_of_learned(runs).reindex(runs["seed"])

    def ids(self, activations: Sequence[str], at: Place) -> tuple[str, ...]:
        return tuple(i for name in activations for i in self.runs_at(name, at)["run_id"])

    def fates(self, run_id: str, layer: int) -> pd.DataFrame:
        """The fates of a layer's units in a run, or raise MissingData."""
        fates = self.read_fates(run_id)
        if fates is None or fates.empty:
            raise MissingData(f"run {run_id} has no record of its units")
        own = fates[fates["layer"] == layer]
        if own.empty:
            raise MissingData(f"run {run_id} has no layer {layer}")
        return own


class Check(Protocol):
    """A check; `judge` raises MissingData if the data that it needs do not exist."""

    def judge(self, data: ClaimData) -> CheckResult: ...


def run_check(judge: Callable[[ClaimData], CheckResult], data: ClaimData) -> CheckResult:
    """The result of a check; 'not run' if its data do not exist."""
    try:
        return judge(data)
    except MissingData as missing:
        return CheckResult(Verdict.NOT_RUN, (Finding(str(missing), Verdict.NOT_RUN),))


def decide(
    verdict: Verdict, numbers: str, run_ids: tuple[str, ...], power: Power | None
) -> CheckResult:
    """The result of one comparison; inconclusive becomes TOO_FEW where its power is too low."""
    verdict = _weighed(verdict, power)
    return CheckResult(verdict, (Finding(numbers, verdict, power),), run_ids, power)


def combine(results: Sequence[CheckResult]) -> CheckResult:
    """The result of several checks together.

    Reproduced if all are; else the first of not reproduced, not run, cannot be decided,
    inconclusive that any is. Their power is unknown if one is inconclusive without a power.
    """
    verdicts = {result.verdict for result in results}
    order = (
        Verdict.NOT_REPRODUCED,
        Verdict.NOT_RUN,
        Verdict.TOO_FEW,
        Verdict.INCONCLUSIVE,
        Verdict.REPRODUCED,
    )
    is_open = any(r.verdict is Verdict.INCONCLUSIVE and r.power is None for r in results)
    known = [result.power for result in results if result.power is not None]
    power = None if is_open else powers.of_all(known)
    return CheckResult(
        _weighed(next(verdict for verdict in order if verdict in verdicts), power),
        tuple(dict.fromkeys(finding for result in results for finding in result.findings)),
        tuple(dict.fromkeys(i for result in results for i in result.run_ids)),
        power,
    )


def _weighed(verdict: Verdict, power: Power | None) -> Verdict:
    if verdict is Verdict.INCONCLUSIVE and power is not None and not power.is_enough:
        return Verdict.TOO_FEW
    return verdict

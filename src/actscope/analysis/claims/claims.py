"""The claims of conf/claims/*.yaml, and the verdicts on them, which are computed from runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field
from pydantic.dataclasses import dataclass as checked
from yaml import YAMLError

from actscope.analysis.claims.checks import parse_check
from actscope.analysis.claims.power import Power
from actscope.analysis.claims.records import Records
from actscope.analysis.claims.tuned_checks import SPANNING
from actscope.analysis.claims.verdicts import (
    Check,
    CheckResult,
    ClaimData,
    Finding,
    Place,
    Verdict,
    combine,
    run_check,
)
from actscope.analysis.frames import NoRunsError, StudyRuns
from actscope.analysis.run_tables import UnreadableRunError
from actscope.analysis.varying import LEARNING_RATE
from actscope.command_line.yaml_errors import explain_file
from actscope.errors import ConfigError
from actscope.parsing import parse
from actscope.runtime.own_folder import conf_folders
from actscope.setting_types import CLOSED, Argument, Name

# A verdict is readable without its colour.
SYMBOLS = {
    Verdict.REPRODUCED: "✓",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.TOO_FEW: "?",
    Verdict.NOT_RUN: "\N{EN DASH}",
}

Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Setting = Argument | list[Argument]
NOTHING = ClaimData(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), lambda _: None, dict)


@checked(frozen=True, config=CLOSED)
class Stated:
    """A claim as its file has it.

    `where`: parameters that a run must have to count, as the command line names them. `calibrated`:
    what was chosen because it gives the claimed result, so that the verdict is no independent one.
    `seen`: results that were known when the rule was changed or the seeds were stated.
    """

    id: Name
    text: Sentence
    source: Sentence
    rule: Sentence
    checks: Annotated[list[dict[str, Any]], Field(min_length=1)]
    study: Name | None = None
    calibrated: Sentence | None = None
    seen: Sentence | None = None
    where: dict[str, Setting] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Claim:
    """A sentence, its source, and the checks that must all succeed for it to hold."""

    id: str
    text: str
    source: str
    rule: str
    checks: tuple[Check, ...]
    study: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    calibrated: str | None = None
    seen: str | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """The studies by name, and what is read from their files."""

    studies: Mapping[str, StudyRuns]
    records: Records


@dataclass(frozen=True, eq=False)
class ClaimResult:
    """The verdict on a claim; `advice`: what to run if the claim is undecided.

    `power`: of all its checks together, at least. `seeds`: of Records.
    """

    claim: Claim
    verdict: Verdict
    findings: tuple[Finding, ...]
    run_ids: tuple[str, ...]
    power: Power | None
    advice: str
    seeds: str = ""

    @property
    def in_words(self) -> str:
        words = f"{SYMBOLS[self.verdict]} {self.verdict}"
        if self.verdict is not Verdict.TOO_FEW or self.power is None:
            return words
        seeds = f"{self.power.seeds} seed{'' if self.power.seeds == 1 else 's'}"
        needed = self.power.needed
        return f"{words} with {seeds}" + (f"; {needed} would" if needed else "")

    @property
    def power_in_words(self) -> str:
        """The power, `≥ 0.83` where several checks have one, as only its lower bound is known."""
        if self.power is None:
            return ""
        several = sum(finding.power is not None for finding in self.findings) > 1
        return f"{'≥ ' if several else ''}{self.power.chance:.2f}"

    @property
    def numbers(self) -> list[str]:
        """What its checks found, a line each, each with its verdict and power."""
        return [_line(finding) for finding in self.findings]


def _line(finding: Finding) -> str:
    if finding.verdict is None or finding.verdict is Verdict.NOT_RUN:
        return finding.numbers
    power = "" if finding.power is None else f"; power {finding.power.chance:.2f}"
    return f"{SYMBOLS[finding.verdict]} {finding.numbers}{power}"


def judge(claims: Sequence[Claim], evidence: Evidence) -> list[ClaimResult]:
    """The result of each claim, in order; runs that cannot be read are left out."""
    while True:
        try:
            return [_result(claim, evidence) for claim in claims]
        except UnreadableRunError as error:
            evidence = _without(evidence, error)


def _without(evidence: Evidence, odd: UnreadableRunError) -> Evidence:
    studies = dict(evidence.studies)
    study = studies.pop(odd.study)
    with suppress(NoRunsError):
        studies[odd.study] = study.without({odd.run_id: odd.reason})
    return replace(evidence, studies=studies)


def tally(results: Sequence[ClaimResult]) -> str:
    """The number of claims by verdict, as `11 claims: 6 reproduced, 5 not run`."""
    counts = Counter(result.verdict for result in results)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict] > 0)
    return f"{len(results)} claim{'' if len(results) == 1 else 's'}: {parts}"


def read_claims(folder: Path | None = None) -> list[Claim]:
    """The claims of all files in a folder, or raise ConfigError.

    None: of conf/claims, the shipped one and the user's own.
    """
    folders = [own / "claims" for own in conf_folders()] if folder is None else [folder]
    paths = [path for own in folders for path in sorted(own.glob("*.yaml"))]
    claims = [claim for path in paths for claim in _read_file(path)]
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise ConfigError(
                f"{folders[-1]}: two claims have the id {claim.id}. Give each its own id."
            )
        seen.add(claim.id)
    return claims


def studies_of(claims: Sequence[Claim]) -> list[str]:
    """Each study that a claim is about, once."""
    return list(dict.fromkeys(claim.study for claim in claims if claim.study is not None))


def _read_file(path: Path) -> list[Claim]:
    try:
        entries = OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(explain_file(path, error)) from error
    if not isinstance(entries, list):
        raise ConfigError(f"{path}: not a list. Give a list of claims.")
    return [_make_claim(entry, f"{path.name}[{place}]") for place, entry in enumerate(entries)]


def _make_claim(entry: Any, place: str) -> Claim:
    stated = parse(Stated, entry, place)
    checks = tuple(
        parse_check(settings, f"{stated.id}.checks[{number}]")
        for number, settings in enumerate(stated.checks)
    )
    where = {name: str(value) for name, value in stated.where.items()}
    return Claim(**{**vars(stated), "checks": checks, "where": where})


def _result(claim: Claim, evidence: Evidence) -> ClaimResult:
    found = _check(claim, _data(claim, evidence))
    study = evidence.studies.get(claim.study or "")
    return ClaimResult(
        claim,
        found.verdict,
        found.findings,
        found.run_ids,
        found.power,
        _advice(claim, found.verdict),
        "" if study is None else evidence.records.seeds(study),
    )


def _check(claim: Claim, data: ClaimData) -> CheckResult:
    if claim.study is not None:
        if data.runs.empty:
            where = " ".join(f"{key}={text.replace(' ', '')}" for key, text in claim.where.items())
            among = f" with {where}" if where else ""
            reason = f"no finished run of {claim.study}{among}"
            return CheckResult(Verdict.NOT_RUN, (Finding(reason),))
        variants = _variants(claim, data)
        if variants != [""]:
            differences = " or ".join(variants)
            reason = f"its runs differ in {differences}: choose among them with `where`"
            ids = tuple(data.runs["run_id"])
            return CheckResult(Verdict.INCONCLUSIVE, (Finding(reason),), ids)
    return combine([run_check(check.judge, data) for check in claim.checks])


def _variants(claim: Claim, data: ClaimData) -> list[str]:
    """The variants that no check of a claim chooses among; [''] if there is none."""
    for check in claim.checks:
        at = getattr(check, "at", None)
        axis = at.setting if isinstance(at, Place) else LEARNING_RATE
        if not isinstance(check, SPANNING) and (found := data.variants(axis)) != [""]:
            return found
    return [""]


def _data(claim: Claim, evidence: Evidence) -> ClaimData:
    study, records = claim.study or "", evidence.records
    if study not in evidence.studies:
        return NOTHING
    runs = evidence.studies[study].by_rate  # whatever axes a report has
    params = runs.params.loc[runs.used["run_id"]]
    for name, value in claim.where.items():
        params = params[params[name] == value] if name in params else params.iloc[:0]
    own = runs.used[runs.used["run_id"].isin(params.index)]
    fates, late = partial(records.fates, study), partial(records.late, runs)
    return ClaimData(own, params, runs.metrics, fates, late, runs.metric)


def _advice(claim: Claim, verdict: Verdict) -> str:
    """What would decide an undecided claim."""
    if verdict is Verdict.NOT_RUN:
        return f'make sweep ARGS="experiment={claim.study}"'
    if verdict is Verdict.TOO_FEW:
        return "State the number of seeds first, and train all of them before you read the verdict."
    return ""

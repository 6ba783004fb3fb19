"""The claims of conf/claims/*.yaml, and the verdicts on them, which are computed from runs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field
from pydantic.dataclasses import dataclass as checked
from yaml import YAMLError

from actscope.analysis.claims.checks import parse_check
from actscope.analysis.claims.verdicts import (
    Check,
    CheckResult,
    ClaimData,
    Verdict,
    combine,
    run_check,
)
from actscope.analysis.frames import NoRunsError, StudyRuns
from actscope.analysis.run_tables import (
    MissingTableError,
    UnreadableRunError,
    read_probe_of,
    read_run_table,
)
from actscope.artifacts.unit_fates import unit_fates
from actscope.command_line.yaml_errors import explain_file
from actscope.config import CLOSED, Argument, Name, parse
from actscope.errors import ConfigError
from actscope.project import CONF
from actscope.tracking import Store

# A verdict is readable without its colour.
SYMBOLS = {
    Verdict.REPRODUCED: "✓",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_RUN: "\N{EN DASH}",
}

Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Setting = Argument | list[Argument]
ReadFates = Callable[[str, str], pd.DataFrame | None]


@checked(frozen=True, config=CLOSED)
class Stated:
    """A claim as its file has it.

    `where`: parameters that a run must have to count, as the command line names them.
    """

    id: Name
    text: Sentence
    source: Sentence
    rule: Sentence
    checks: Annotated[list[dict[str, Any]], Field(min_length=1)]
    study: Name | None = None
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


@dataclass(frozen=True, eq=False)
class Evidence:
    """The studies by name, and a function that reads the fates of a run's units."""

    studies: Mapping[str, StudyRuns]
    read_fates: ReadFates


@dataclass(frozen=True, eq=False)
class ClaimResult:
    """The verdict on a claim; `advice`: what to run if the claim is undecided."""

    claim: Claim
    verdict: Verdict
    numbers: tuple[str, ...]
    run_ids: tuple[str, ...]
    seeds_needed: int | None
    advice: str

    @property
    def in_words(self) -> str:
        return f"{SYMBOLS[self.verdict]} {self.verdict}"


def judge(claims: Sequence[Claim], evidence: Evidence) -> list[ClaimResult]:
    """The result of each claim, in order; runs that cannot be read are left out."""
    while True:
        try:
            return [_result(claim, _check(claim, evidence)) for claim in claims]
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


def read_claims(folder: Path = CONF / "claims") -> list[Claim]:
    """The claims of all files in a folder, or raise ConfigError."""
    claims = [claim for path in sorted(folder.glob("*.yaml")) for claim in _read_file(path)]
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise ConfigError(f"{folder}: two claims have the id {claim.id}. Give each its own id.")
        seen.add(claim.id)
    return claims


def studies_of(claims: Sequence[Claim]) -> list[str]:
    """Each study that a claim is about, once."""
    return list(dict.fromkeys(claim.study for claim in claims if claim.study is not None))


def stored_fates(store: Store, known: Mapping[str, pd.DataFrame] | None = None) -> ReadFates:
    """A function that reads the fates of a run's units, once; None if the run has no probes.

    `known`: fates by run id that are not read again.

    Raises:
        UnreadableRunError: a file of a run cannot be read.
        StoreError: the store does not answer.

    """
    at_hand = known or {}

    @cache
    def read(study: str, run_id: str) -> pd.DataFrame | None:
        if run_id in at_hand:
            return at_hand[run_id]
        trajectory = read_run_table("trajectory", store, study, run_id)
        try:
            probe = read_probe_of(trajectory, store, study, run_id)
        except MissingTableError:
            return None  # a run that is older than probes
        return unit_fates(trajectory, probe)

    return read


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
    return Claim(stated.id, stated.text, stated.source, stated.rule, checks, stated.study, where)


def _check(claim: Claim, evidence: Evidence) -> CheckResult:
    data = _data(claim, evidence)
    if claim.study is not None:
        if data.runs.empty:
            among = f" with {_conditions(claim)}" if claim.where else ""
            return CheckResult(Verdict.NOT_RUN, (f"no finished run of {claim.study}{among}",))
        if data.variants() != [""]:
            differences = " or ".join(data.variants())
            reason = f"its runs differ in {differences}: choose among them with `where`"
            return CheckResult(Verdict.INCONCLUSIVE, (reason,), tuple(data.runs["run_id"]))
    return combine([run_check(check, data) for check in claim.checks])


def _data(claim: Claim, evidence: Evidence) -> ClaimData:
    study = claim.study or ""
    if study not in evidence.studies:
        nothing = pd.DataFrame()
        return ClaimData(nothing, nothing, lambda _: None)
    runs = evidence.studies[study]
    params = runs.params.loc[runs.used["run_id"]]
    for name, value in claim.where.items():
        params = params[params[name] == value] if name in params else params.iloc[:0]
    own = runs.used[runs.used["run_id"].isin(params.index)]
    return ClaimData(own, params, lambda run_id: evidence.read_fates(study, run_id))


def _conditions(claim: Claim) -> str:
    return " ".join(f"{name}={value.replace(' ', '')}" for name, value in claim.where.items())


def _result(claim: Claim, result: CheckResult) -> ClaimResult:
    return ClaimResult(
        claim,
        result.verdict,
        result.numbers,
        result.run_ids,
        result.seeds_needed,
        _advice(claim, result),
    )


def _advice(claim: Claim, result: CheckResult) -> str:
    """What would decide an undecided claim."""
    if result.verdict is Verdict.NOT_RUN:
        return f'make sweep ARGS="experiment={claim.study}"'
    if result.verdict is Verdict.INCONCLUSIVE and result.seeds_needed is not None:
        return f"About {result.seeds_needed} seeds in total would decide it."
    if result.verdict is Verdict.INCONCLUSIVE:
        return "The number of seeds needed cannot be estimated."
    return ""

"""Checks of how runs end: whether they learn, and what their units do.

Shares are decided by their exact intervals. If the article is exactly right, all runs and all units
do as it says. The power of a check supposes that.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.claims import power
from actscope.analysis.claims.decision import MeanInterval, in_words, judge_share
from actscope.analysis.claims.power import Power
from actscope.analysis.claims.verdicts import (
    CheckResult,
    ClaimData,
    Finding,
    Names,
    Place,
    Share,
    Verdict,
    combine,
    decide,
)
from actscope.analysis.shares import run_share, unit_share
from actscope.metric import learned_by
from actscope.setting_types import CLOSED, Count

MOST_FAIL = 0.5  # a claim about failures supposes that more than this share of the runs fail

Counts = np.ndarray[Any, np.dtype[np.int64]]


@checked(frozen=True, config=CLOSED)
class _Outcomes:
    """More than `share` of each activation's runs end in one way.

    `learned_from`: further values of outcome.learned_from; the result gives the verdict at each.
    """

    activations: Names
    at: Place
    share: Share = 0.5
    learned_from: tuple[Share, ...] = ()
    is_learning: ClassVar[bool]

    def judge(self, data: ClaimData) -> CheckResult:
        result = combine([self._judge_one(name, data, None) for name in self.activations])
        others = {at: self._verdict_at(at, data) for at in self.learned_from}
        words = f"the training {learned_by(data.metric).words} that counts as learned"
        return _with_others(result, words, others)

    def _verdict_at(self, learned_from: float, data: ClaimData) -> Verdict:
        return combine([self._judge_one(n, data, learned_from) for n in self.activations]).verdict

    def _judge_one(self, name: str, data: ClaimData, learned_from: float | None) -> CheckResult:
        runs = data.runs_at(name, self.at)
        hits = int((_has_learned(runs, data, learned_from) == self.is_learning).sum())
        found = run_share(hits, len(runs))
        subject = f"{name} {'learned' if self.is_learning else 'did not learn'}"
        numbers = f"{subject}: {hits} of {len(runs)} runs, {in_words(found)}"
        return judge_share(self.share, found, numbers, tuple(runs["run_id"]), len(runs))


@checked(frozen=True, config=CLOSED)
class Learns(_Outcomes):
    """More than `share` of each activation's runs learned."""

    is_learning: ClassVar[bool] = True


@checked(frozen=True, config=CLOSED)
class Fails(_Outcomes):
    """More than `share` of each activation's runs failed or diverged."""

    is_learning: ClassVar[bool] = False


@checked(frozen=True, config=CLOSED)
class UnitsGoFlat:
    """Runs of each activation that do not learn end with units gone flat, and do not diverge.

    Among these runs, more than `share` of a layer's units are flat, and also dead or saturated; and
    less than `diverged` of the runs diverged. No failed run: not reproduced.
    """

    activations: Names
    at: Place
    layer: Count = 1
    share: Share = 0.5
    diverged: Share = 0.5

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([self._judge_one(name, data) for name in self.activations])

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        runs = data.runs_at(name, self.at)
        unlearned = runs[runs["outcome"] != "learned"]
        if unlearned.empty:
            return _nothing_failed(runs, name)
        ids = tuple(unlearned["run_id"])
        finished = unlearned[unlearned["outcome"] == "failed"]
        kept = run_share(len(finished), len(unlearned))
        numbers = f"{name}: {len(finished)} of {len(unlearned)} runs that did not learn, "
        numbers += f"{in_words(kept)}, did not diverge"
        result = judge_share(1 - self.diverged, kept, numbers, ids, len(runs))
        return combine([result, self._judge_units(name, data, runs, finished)])

    def _judge_units(
        self, name: str, data: ClaimData, runs: pd.DataFrame, finished: pd.DataFrame
    ) -> CheckResult:
        fates = [data.fates(run_id, self.layer) for run_id in finished["run_id"]]
        gone = [int((own["flat"] & (own["dead"] | own["saturated"])).sum()) for own in fates]
        found = unit_share(gone, [len(own) for own in fates])
        numbers = f"{name}: units of layer {self.layer} that went flat and are dead or saturated, "
        numbers += f"in {len(finished)} failed runs: {in_words(found)}"
        return judge_share(self.share, found, numbers, tuple(finished["run_id"]), len(runs))


@checked(frozen=True, config=CLOSED)
class NegativeSwing:
    """In failed runs, units went flat after a large swing to the negative side; others had none.

    Large: mean weight and bias both fell by at least `size` of their panel's height, the range of
    that line over all units of the layer. More than `share` of the flat units swung so before they
    went flat. In each run, this share is larger than that of the other units until the end: the
    interval of the mean difference is above 0. Units that were flat from the start do not count.
    `sizes`: further values of `size`; the result gives the verdict at each.
    """

    activations: Names
    at: Place
    size: Share
    layer: Count = 1
    share: Share = 0.5
    sizes: tuple[Share, ...] = ()

    def judge(self, data: ClaimData) -> CheckResult:
        result = combine([self._judge_one(name, data) for name in self.activations])
        others = {at: replace(self, size=at, sizes=()).judge(data).verdict for at in self.sizes}
        return _with_others(result, "the least size of a far swing", others)

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        runs = data.runs_at(name, self.at)
        failed = runs[runs["outcome"] == "failed"]
        if failed.empty:
            return _nothing_failed(runs, name)
        fates = [data.fates(run_id, self.layer) for run_id in failed["run_id"]]
        flat, others = np.array([self._count(own) for own in fates]).transpose(1, 2, 0)  # [2, runs]
        ids = tuple(failed["run_id"])
        found = unit_share(*flat)
        numbers = f"{name}: flat units of layer {self.layer} that had swung far to the negative "
        numbers += f"side, in {found.clusters} failed runs with such units: {in_words(found)}"
        result = judge_share(self.share, found, numbers, ids, len(runs))
        return combine([result, _contrast(name, flat, others, len(runs), ids)])

    def _count(self, fates: pd.DataFrame) -> list[list[int]]:
        """Of flat units and of the others: how many swung far to the negative side, and all."""
        lines = ["weight_mean", "bias"]
        swing = fates[[f"swing_{line}" for line in lines]].to_numpy()
        height = fates[[f"height_{line}" for line in lines]].to_numpy()
        is_down = ((swing < 0) & (swing <= -self.size * height)).all(axis=1)
        flat = fates["flat"].to_numpy()
        flat_later = flat & (swing != 0).any(axis=1)
        return [[int((is_down & own).sum()), int(own.sum())] for own in (flat_later, ~flat)]


def _contrast(
    name: str, flat: Counts, others: Counts, tried: int, ids: tuple[str, ...]
) -> CheckResult:
    """Whether more of the flat units than of the others swung, run by run; each [2, runs]."""
    has_both = (flat[1] > 0) & (others[1] > 0)
    shares = [100 * own[0][has_both] / own[1][has_both] for own in (flat, others)]
    interval = MeanInterval.of(shares[0] - shares[1])
    numbers = f"{name}: this share less that of the units that did not go flat, "
    numbers += f"in {interval.n} runs with both: {interval.in_words('points', '+.1f')}"
    return interval.judge((0, math.inf), 100, numbers, ids, tried)


def _with_others(result: CheckResult, setting: str, others: Mapping[float, Verdict]) -> CheckResult:
    """The result, with the verdicts at other values of a setting as a finding, if there are any."""
    if not others:
        return result
    verdicts = "; ".join(f"{value:g}: {verdict}" for value, verdict in others.items())
    finding = Finding(f"the verdict by {setting}: {verdicts}")
    return replace(result, findings=(*result.findings, finding))


def _has_learned(runs: pd.DataFrame, data: ClaimData, at: float | None) -> "pd.Series[bool]":
    """Whether each run learned, by its outcome, or with another value of outcome.learned_from."""
    if at is None:
        return runs["outcome"] == "learned"
    return runs["run_id"].map(data.read_late()) >= at


def _nothing_failed(runs: pd.DataFrame, name: str) -> CheckResult:
    """The result for an activation without failed runs: not reproduced if failures are the rarer.

    Then the claim is about runs that do not exist.
    """
    found = run_share(0, len(runs))
    numbers = f"{name}: none of {len(runs)} runs failed, so there is no failure to explain"
    verdict = Verdict.NOT_REPRODUCED if found.high < MOST_FAIL else Verdict.INCONCLUSIVE
    own = Power(len(runs), power.of_share(MOST_FAIL))
    return decide(verdict, numbers, tuple(runs["run_id"]), own)

"""Checks of how runs end: whether they learn, and what their units do."""

import math

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass as checked
from scipy import stats as scipy_stats

from actscope.analysis import stats
from actscope.analysis.claims.decision import FEWEST, MeanInterval
from actscope.analysis.claims.settings import Names, Rate, Share
from actscope.analysis.claims.verdicts import CheckResult, ClaimData, Verdict, combine
from actscope.config import CLOSED, Count


@checked(frozen=True, config=CLOSED)
class Learns:
    """At least `share` of each activation's runs learned; fewer than 5 runs decide nothing."""

    activations: Names
    lr: Rate
    share: Share = 0.8

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([_share_found(data, self, name, learned=True) for name in self.activations])


@checked(frozen=True, config=CLOSED)
class Fails:
    """At least `share` of each activation's runs failed or diverged; see Learns."""

    activations: Names
    lr: Rate
    share: Share = 0.8

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([_share_found(data, self, name, learned=False) for name in self.activations])


@checked(frozen=True, config=CLOSED)
class UnitsGoFlat:
    """Runs of each activation that do not learn end with flat units, and do not diverge.

    Reproduced if, among these runs, the 95 % t-interval of the share of a layer's units that are
    flat, dead or saturated is above `share`, and less than `diverged` of them diverged. Not
    reproduced if the interval is below `share`, more diverged, or no run failed.
    """

    activations: Names
    lr: Rate
    layer: Count = 1
    share: Share = 0.5
    diverged: Share = 0.5

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([self._judge_one(name, data) for name in self.activations])

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        runs = data.runs_at(name, self.lr)
        unlearned = runs[runs["outcome"] != "learned"]
        ids = tuple(unlearned["run_id"])
        if unlearned.empty:
            return _nothing_failed(runs, name)
        diverged = int((unlearned["outcome"] == "diverged").sum())
        values = np.array(
            [
                _layer_share(data.fates(run_id, self.layer)[["flat", "dead", "saturated"]])
                for run_id in unlearned.loc[unlearned["outcome"] == "failed", "run_id"]
            ]
        )
        interval = MeanInterval.of(values)
        numbers = (
            f"{name}: {diverged} of the {len(unlearned)} runs that did not learn diverged; units "
            f"of layer {self.layer} flat, dead or saturated in the others: {interval.in_words('%')}"
        )
        if len(unlearned) >= FEWEST and diverged >= self.diverged * len(unlearned):
            return CheckResult(Verdict.NOT_REPRODUCED, (numbers,), ids)
        return interval.judge(_above(self.share), numbers, ids, len(runs))


@checked(frozen=True, config=CLOSED)
class NegativeSwing:
    """Units that went flat in failed runs had moved to the negative side before.

    In each run: the share of a layer's flat units whose mean weight and bias were both below their
    first records when they went flat. Reproduced if the 95 % t-interval of that share over the runs
    is above `share`, not reproduced if it is below.
    """

    activations: Names
    lr: Rate
    layer: Count = 1
    share: Share = 0.5

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([self._judge_one(name, data) for name in self.activations])

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        runs = data.runs_at(name, self.lr)
        failed = runs[runs["outcome"] == "failed"]
        if failed.empty:
            return _nothing_failed(runs, name)
        shares = []
        for run_id in failed["run_id"]:
            fates = data.fates(run_id, self.layer)
            if fates["flat"].any():
                swing = fates.loc[fates["flat"], ["swing_weight_mean", "swing_bias"]]
                shares.append(100 * float((swing < 0).all(axis=1).mean()))
        interval = MeanInterval.of(np.array(shares))
        numbers = (
            f"{name}: flat units of layer {self.layer} that had moved to the negative side, in the "
            f"{len(shares)} of {len(failed)} failed runs with flat units: "
            f"{interval.in_words('%')}"
        )
        ids = tuple(failed["run_id"])
        return interval.judge(_above(self.share), numbers, ids, len(runs))


def _above(share: float) -> tuple[float, float]:
    return 100 * share, math.inf


def _share_found(
    data: ClaimData, check: Learns | Fails, name: str, *, learned: bool
) -> CheckResult:
    """Whether at least `check.share` of the runs learned, or did not, with the exact interval.

    The interval is that of Clopper and Pearson (1934), as a fraction of 1.
    """
    runs = data.runs_at(name, check.lr)
    n, ids = len(runs), tuple(runs["run_id"])
    count = int(((runs["outcome"] == "learned") == learned).sum())
    chances = scipy_stats.binomtest(count, n).proportion_ci(stats.CONFIDENCE, method="exact")
    subject = f"{name} {'learned' if learned else 'did not learn'}"
    numbers = f"{subject}: {count} of {n} (95 % interval {chances.low:.2f} to {chances.high:.2f})"
    if n < FEWEST:
        return CheckResult(Verdict.INCONCLUSIVE, (numbers,), ids, FEWEST)
    is_enough = count / n >= check.share
    return CheckResult(Verdict.REPRODUCED if is_enough else Verdict.NOT_REPRODUCED, (numbers,), ids)


def _nothing_failed(runs: pd.DataFrame, name: str) -> CheckResult:
    """The result for an activation without failed runs, to which the claim does not apply."""
    numbers = f"{name}: none of {len(runs)} runs failed, so there is no failure to explain"
    if len(runs) < FEWEST:
        return CheckResult(Verdict.INCONCLUSIVE, (numbers,), tuple(runs["run_id"]), FEWEST)
    return CheckResult(Verdict.NOT_REPRODUCED, (numbers,), tuple(runs["run_id"]))


def _layer_share(fates: pd.DataFrame) -> float:
    """Share of units with any of the fates, in per cent."""
    return 100 * float(fates.any(axis=1).mean())

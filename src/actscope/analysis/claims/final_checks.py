"""Checks of final test values of the study's metric.

They are in the units that a report shows: accuracies in per cent, their differences in points. They
are of runs that learned. Without a seed in which all activations learned, a check is inconclusive.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.claims.decision import Limits, MeanInterval
from actscope.analysis.claims.power import of_any
from actscope.analysis.claims.verdicts import (
    CheckResult,
    ClaimData,
    Margin,
    MissingData,
    Names,
    Place,
    Verdict,
    combine,
    run_check,
)
from actscope.setting_types import CLOSED, Finite, Name


@checked(frozen=True, config=CLOSED)
class MeanNear:
    """The mean final value is `target` ± `margin`: its 95 % interval is inside, or outside.

    With several activations, it is the mean over all of them, seed by seed.
    """

    activations: Names
    at: Place
    target: Finite
    margin: Margin

    def judge(self, data: ClaimData) -> CheckResult:
        values = _finals(data, self.activations, self.at).mean(axis=1, skipna=False)
        found = _interval(data, values)
        names = " and ".join(self.activations)
        metric = data.metric
        mean = found.in_words(metric.unit, f".{metric.decimals}f")
        numbers = f"{names}: {mean}{_unlearned(data, self.activations, self.at)}"
        limits = (self.target - self.margin, self.target + self.margin)
        aim = f", claimed {self.target:g} ± {self.margin:g}{metric.behind}"
        ids = data.ids(self.activations, self.at)
        return found.judge(limits, self.target, f"{numbers}{aim}", ids, len(values))


@checked(frozen=True, config=CLOSED)
class DifferenceNear:
    """`first` - `second` is `gap` ± `margin`: its paired interval is inside, or outside."""

    first: Name
    second: Name
    at: Place
    margin: Margin
    gap: Finite = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        aim = f", claimed {self.gap:g} ± {self.margin:g}"
        limits = (self.gap - self.margin, self.gap + self.margin)
        return _compared(data, self, limits, self.gap, aim)


@checked(frozen=True, config=CLOSED)
class Greater:
    """`first` is better than `second` by more than `by`: its paired interval is above, or below.

    That is `first` - `second`, or `second` - `first` where the smallest value is best. `gap`: the
    difference that the article sees; the power is for this difference.
    """

    first: Name
    second: Name
    at: Place
    gap: Finite
    by: Finite = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        return _compared(data, _better_first(data, self), (self.by, math.inf), self.gap)


@checked(frozen=True, config=CLOSED)
class Best:
    """`activation` is better than each of the `others`; `gap`: as in Greater."""

    activation: Name
    others: Names
    at: Place
    gap: Finite

    def judge(self, data: ClaimData) -> CheckResult:
        pairs = [Greater(self.activation, other, self.at, self.gap) for other in self.others]
        return combine([run_check(pair.judge, data) for pair in pairs])


@checked(frozen=True, config=CLOSED)
class NoAdvantage:
    """None of the `activations` beats all of `over` by more than `by`.

    Reproduced for an activation if its paired interval is below `by` for one of `over`; not
    reproduced if it is above `by` for all of them. The power is that of a lead of 0.
    """

    activations: Names
    over: Names
    at: Place
    by: Margin

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([self._judge_one(name, data) for name in self.activations])

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        results = [
            _compared(data, _better_first(data, pair), (-math.inf, self.by), 0.0)
            for pair in (Greater(name, other, self.at, 0.0) for other in self.over)
        ]
        power = of_any([result.power for result in results if result.power is not None])
        whole = replace(combine(results), power=power)
        verdicts = {result.verdict for result in results}
        if Verdict.REPRODUCED in verdicts:
            return replace(whole, verdict=Verdict.REPRODUCED)
        if verdicts == {Verdict.NOT_REPRODUCED}:
            return whole
        is_enough = power is None or power.is_enough
        return replace(whole, verdict=Verdict.INCONCLUSIVE if is_enough else Verdict.TOO_FEW)


def _better_first(data: ClaimData, pair: Greater) -> Greater:
    """The pair in the order in which first - second is how much `pair.first` is better."""
    if not data.metric.is_smallest_best:
        return pair
    return replace(pair, first=pair.second, second=pair.first)


def _compared(
    data: ClaimData,
    pair: DifferenceNear | Greater,
    limits: Limits,
    claimed: float,
    aim: str = "",
) -> CheckResult:
    """The result of first - second: whether its interval is within the limits."""
    names = (pair.first, pair.second)
    finals = _finals(data, names, pair.at)
    interval = _interval(data, finals[pair.first] - finals[pair.second])
    metric = data.metric
    words = interval.in_words(metric.difference_unit, f"+.{metric.decimals + 1}f")
    numbers = f"{pair.first} - {pair.second}: {words}"
    numbers += f"{_unlearned(data, names, pair.at)}{aim}"
    return interval.judge(limits, claimed, numbers, data.ids(names, pair.at), len(finals))


def _finals(data: ClaimData, names: Sequence[str], at: Place) -> pd.DataFrame:
    """Final values [seed, activation], as they are shown, of the seeds that all activations have.

    NaN for a run that did not learn. Raises MissingData where they share no seed.
    """
    finals = {name: data.finals(data.runs_at(name, at)) for name in names}
    table = pd.concat(finals, axis=1, join="inner")
    if table.empty:
        raise MissingData(f"{' and '.join(names)} share no seed")
    return table


def _interval(data: ClaimData, values: "pd.Series[float]") -> MeanInterval:
    return MeanInterval.of(np.asarray(values.dropna(), float), data.metric.rounding)


def _unlearned(data: ClaimData, names: Sequence[str], at: Place) -> str:
    """Text that names the number of runs that failed or diverged, which enter no mean."""
    parts = []
    for name in names:
        outcomes = data.runs_at(name, at)["outcome"]
        if count := int((outcomes != "learned").sum()):
            parts.append(f"{count} of {len(outcomes)} runs of {name}")
    return f", as {' and '.join(parts)} did not learn" if parts else ""

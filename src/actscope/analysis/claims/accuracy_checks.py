"""Checks of final test accuracies.

Accuracies are in per cent and their differences in points, as claims state them.
"""

import math
from collections.abc import Sequence

import pandas as pd
from pydantic.dataclasses import dataclass as checked

from actscope.analysis import stats
from actscope.analysis.claims.decision import MeanInterval
from actscope.analysis.claims.settings import Margin, Names, Rate
from actscope.analysis.claims.verdicts import (
    CheckResult,
    ClaimData,
    MissingData,
    Verdict,
    combine,
    run_check,
)
from actscope.config import CLOSED, Finite, Name


@checked(frozen=True, config=CLOSED)
class MeanNear:
    """The mean final accuracy is `target` ± `margin`: its 95 % interval is inside, or outside.

    With several activations, it is the mean over all of them, seed by seed.
    """

    activations: Names
    lr: Rate
    target: Finite
    margin: Margin

    def judge(self, data: ClaimData) -> CheckResult:
        table = pd.DataFrame({name: data.finals(name, self.lr) for name in self.activations})
        values = table.dropna().mean(axis=1)
        found = MeanInterval.of(100 * values.to_numpy(dtype=float))
        names = " and ".join(self.activations)
        numbers = f"{names}: {found.in_words('%')}{_left_out(data, self.activations, self.lr)}"
        limits = (self.target - self.margin, self.target + self.margin)
        aim = f", claimed {self.target:g} ± {self.margin:g} %"
        return found.judge(limits, f"{numbers}{aim}", data.ids(self.activations, self.lr))


@checked(frozen=True, config=CLOSED)
class DifferenceNear:
    """`first` - `second` is `gap` ± `margin`: its paired interval is inside, or outside."""

    first: Name
    second: Name
    lr: Rate
    margin: Margin
    gap: Finite = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        aim = f", claimed {self.gap:g} ± {self.margin:g}"
        return _compared(data, self, (self.gap - self.margin, self.gap + self.margin), aim)


@checked(frozen=True, config=CLOSED)
class Greater:
    """`first` - `second` is more than `by`: its paired interval is above, or below."""

    first: Name
    second: Name
    lr: Rate
    by: Finite = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        return _compared(data, self, (self.by, math.inf))


@checked(frozen=True, config=CLOSED)
class Best:
    """`activation` is greater than each of the `others`."""

    activation: Name
    others: Names
    lr: Rate

    def judge(self, data: ClaimData) -> CheckResult:
        return combine(
            [run_check(Greater(self.activation, other, self.lr), data) for other in self.others]
        )


@checked(frozen=True, config=CLOSED)
class NoAdvantage:
    """None of the `activations` beats all of `over` by more than `by`.

    Reproduced for an activation if its paired interval is below `by` for one of `over`; not
    reproduced if it is above `by` for all of them.
    """

    activations: Names
    over: Names
    lr: Rate
    by: Margin

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([self._judge_one(name, data) for name in self.activations])

    def _judge_one(self, name: str, data: ClaimData) -> CheckResult:
        results = [
            _compared(data, Greater(name, other, self.lr), (-math.inf, self.by))
            for other in self.over
        ]
        verdicts = [result.verdict for result in results]
        whole = combine(results)
        if Verdict.REPRODUCED in verdicts:
            return CheckResult(Verdict.REPRODUCED, whole.numbers, whole.run_ids)
        if Verdict.INCONCLUSIVE not in verdicts:
            return whole
        needed = [f.seeds_needed for f in results if f.seeds_needed is not None]
        return CheckResult(
            Verdict.INCONCLUSIVE, whole.numbers, whole.run_ids, min(needed, default=None)
        )


def _compared(
    data: ClaimData, pair: DifferenceNear | Greater, limits: tuple[float, float], aim: str = ""
) -> CheckResult:
    """The result of first - second: whether its interval is within the limits."""
    names = (pair.first, pair.second)
    found = stats.compare_pair(*(data.finals(name, pair.lr) for name in names))
    if found.n == 0:
        raise MissingData(f"{pair.first} and {pair.second} share no seed")
    mean, sd, low, high = (
        math.nan if x is None else 100 * x for x in (found.mean, found.sd, found.low, found.high)
    )
    if found.method == stats.NO_SPREAD:
        low = high = mean
    interval = MeanInterval(found.n, mean, sd, low, high, stats.T)
    numbers = f"{pair.first} - {pair.second}: {interval.in_words('points', '+.3f')}"
    numbers += f"{_left_out(data, names, pair.lr)}{aim}"
    return interval.judge(limits, numbers, data.ids(names, pair.lr))


def _left_out(data: ClaimData, names: Sequence[str], lr: float) -> str:
    """Text that names the number of diverged runs, which have no accuracy."""
    counts = {name: int((data.runs_at(name, lr)["outcome"] == "diverged").sum()) for name in names}
    parts = [f"{count} of {name}" for name, count in counts.items() if count > 0]
    return f", without runs that diverged ({', '.join(parts)})" if parts else ""

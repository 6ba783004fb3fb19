"""Decide a check by the interval of a mean or of a share."""

import math
from dataclasses import dataclass
from typing import Self

from actscope.analysis import stats
from actscope.analysis.claims import power
from actscope.analysis.claims.power import FEWEST, Curve, Power
from actscope.analysis.claims.verdicts import CheckResult, Verdict, decide
from actscope.analysis.shares import Share
from actscope.analysis.stats import Floats

DIGITS = 4  # of a per cent; smaller differences are rounding

Limits = tuple[float, float]


@dataclass(frozen=True)
class MeanInterval:
    """A mean over n seeds or pairs with its 95 % t-interval; NaN if there is none.

    A single value has no interval, and equal values have none. Smaller differences than in `digits`
    decimals are rounding.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    digits: int = DIGITS

    @classmethod
    def of(cls, values: Floats, digits: int = DIGITS) -> Self:
        found = stats.estimate(values)
        mean, sd, low, high = map(float, (found.mean, found.sd, found.low, found.high))
        if found.n > 1 and round(sd, digits) == 0:
            sd, low, high = 0.0, math.nan, math.nan
        return cls(found.n, mean, sd, low, high, digits)

    def in_words(self, unit: str, form: str = ".2f") -> str:
        if self.n == 0:
            return "no value"
        mean = f"{self.mean:{form}} {unit}".rstrip()
        if math.isnan(self.low):
            why = "n = 1" if self.n == 1 else f"n = {self.n}, all equal"
            return f"{mean} ({why}, so no interval)"
        interval = f"{self.low:{form}} to {self.high:{form}}"
        return f"{mean} (95 % {stats.T} {interval}, n = {self.n})"

    def judge(
        self,
        limits: Limits,
        claimed: float,
        numbers: str,
        ids: tuple[str, ...],
        tried: int | None = None,
    ) -> CheckResult:
        """Reproduced if the interval is within the limits, not reproduced if it is outside.

        `claimed`: the mean if the article is exactly right. `tried`: the number of seeds that gave
        the n values, if it is not n.
        """
        seeds = self.n if tried is None else tried
        interval = (self.low, self.high) if self.n >= FEWEST else NO_INTERVAL
        verdict = verdict_of(interval, limits, self.digits)
        return decide(verdict, numbers, ids, self._power(limits, claimed, seeds))

    def _power(self, limits: Limits, claimed: float, seeds: int) -> Power | None:
        """None without values, and where five values or more have no spread."""
        if self.sd > 0:
            return Power(seeds, rarer(power.of_mean(limits, claimed, self.sd), self.n, seeds))
        return Power(seeds, lambda _: 0.0) if 0 < self.n < FEWEST else None


NO_INTERVAL = (math.nan, math.nan)


def verdict_of(interval: Limits, limits: Limits, digits: int = DIGITS) -> Verdict:
    """Whether an interval is within the limits, or outside; NaN: there is no interval."""
    (start, end), (low, high) = limits, (round(limit, digits) for limit in interval)
    if start < low and high < end:
        return Verdict.REPRODUCED
    if high < start or low > end:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE


def rarer(curve: Curve, n: int, seeds: int) -> Curve:
    """The curve by the number of seeds, where only n of `seeds` seeds gave a value."""
    return lambda more: curve(more * n // seeds) if n > 0 else 0.0


def judge_share(
    above: float, found: Share, numbers: str, ids: tuple[str, ...], tried: int
) -> CheckResult:
    """Reproduced if the exact interval of a share is above a number, not reproduced if below.

    If the article is exactly right, the share is 1. `tried`: the number of runs;
    `found.clusters` of them gave a value.
    """
    verdict = verdict_of((found.low, found.high), (above, math.inf))
    own = Power(tried, rarer(power.of_share(above), found.clusters, tried))
    return decide(verdict, numbers, ids, own)


def in_words(found: Share) -> str:
    """A share in per cent with its interval."""
    if math.isnan(found.share):
        return "none"
    if math.isnan(found.low):
        return f"{100 * found.share:.1f} % (no interval, n = {found.clusters})"
    return f"{100 * found.share:.1f} % (95 % {100 * found.low:.1f} to {100 * found.high:.1f})"

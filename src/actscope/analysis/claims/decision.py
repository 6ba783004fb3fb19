"""Decide a check by an interval, and estimate the seeds needed where it decides nothing."""

import math
from dataclasses import dataclass
from typing import Self

from actscope.analysis import stats
from actscope.analysis.claims.verdicts import CheckResult, Verdict
from actscope.analysis.stats import Floats

FEWEST = 5  # seeds: fewer decide nothing
DIGITS = 4  # of a per cent; smaller differences of accuracies are rounding


@dataclass(frozen=True)
class MeanInterval:
    """A mean over n seeds or pairs with its 95 % interval; NaN if there is none."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    method: str

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The mean of values, with its t-interval."""
        found = stats.estimate(values)
        ends = (found.mean, found.mean) if found.sd == 0 else (found.low, found.high)
        return cls(
            n=found.n,
            mean=float(found.mean),
            sd=float(found.sd),
            low=float(ends[0]),
            high=float(ends[1]),
            method=stats.T,
        )

    def in_words(self, unit: str, form: str = ".2f") -> str:
        if self.n == 0:
            return "no value"
        mean = f"{self.mean:{form}} {unit}"
        if self.n == 1:
            return f"{mean} (n = 1, so no interval)"
        interval = f"{self.low:{form}} to {self.high:{form}}"
        return f"{mean} (95 % {self.method} {interval}, n = {self.n})"

    def judge(
        self,
        limits: tuple[float, float],
        numbers: str,
        ids: tuple[str, ...],
        tried: int | None = None,
    ) -> CheckResult:
        """Reproduced if the interval is within the limits, not reproduced if it is outside.

        `tried`: the number of runs that gave the n values, if it is not n.
        """
        (start, end), low, high = limits, round(self.low, DIGITS), round(self.high, DIGITS)
        if self.n >= FEWEST and start < low and high < end:
            return CheckResult(Verdict.REPRODUCED, (numbers,), ids)
        if self.n >= FEWEST and (high < start or low > end):
            return CheckResult(Verdict.NOT_REPRODUCED, (numbers,), ids)
        needed = self._seeds_needed(limits, self.n if tried is None else tried)
        return CheckResult(Verdict.INCONCLUSIVE, (numbers,), ids, needed)

    def _seeds_needed(self, limits: tuple[float, float], tried: int) -> int | None:
        """Seeds with which a test would separate the mean from the nearest limit."""
        if self.n < 2:
            return FEWEST if tried < FEWEST else None
        nearest = min(abs(self.mean - limit) for limit in limits if math.isfinite(limit))
        needed = stats.seeds_to_resolve(round(nearest, DIGITS), self.sd)
        if self.n >= FEWEST:
            # The present number does not decide, so more are needed, whatever the formula says.
            needed = None if needed is None else max(needed, self.n + 1)
        else:
            needed = max(FEWEST, needed or 0)
        return None if needed is None else math.ceil(needed * tried / self.n)

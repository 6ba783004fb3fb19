"""The power of a check: its chance of the verdict "reproduced" if the article is exactly right.

Hoenig and Heisey (2001): power belongs to the effect that is claimed, not to the one that was seen.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from actscope.analysis.shares import run_share
from actscope.analysis.stats import CONFIDENCE, POWER

FEWEST = 5  # values of a mean: fewer decide nothing
MOST = 100_000  # seeds that are tried
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)

Curve = Callable[[int], float]


@dataclass(frozen=True, eq=False)
class Power:
    """The chance at `seeds`, the number at hand; `curve`: the chance at any number, rising."""

    seeds: int
    curve: Curve

    @property
    def chance(self) -> float:
        return self.curve(self.seeds)

    @property
    def is_enough(self) -> bool:
        return self.chance >= POWER

    @property
    def needed(self) -> int | None:
        """The fewest seeds with which the chance is at least 0.8; None if no number is enough."""
        enough = 1
        while self.curve(enough) < POWER:
            if enough > MOST:
                return None
            enough *= 2
        too_few = enough // 2
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            enough, too_few = (middle, too_few) if self.curve(middle) >= POWER else (enough, middle)
        return enough


def of_all(powers: Sequence[Power]) -> Power | None:
    """The power of checks that must all succeed: at least 1 - Σ (1 - power), by Boole."""
    return _of_several(powers, lambda chances: max(0.0, 1 - sum(1 - each for each in chances)))


def of_any(powers: Sequence[Power]) -> Power | None:
    """The power of checks if one of them is enough: at least the largest."""
    return _of_several(powers, max)


def _of_several(powers: Sequence[Power], join: Callable[[list[float]], float]) -> Power | None:
    if not powers:
        return None
    seeds = min(power.seeds for power in powers)
    return Power(seeds, lambda seeds: join([power.curve(seeds) for power in powers]))


def of_mean(limits: tuple[float, float], claimed: float, sd: float) -> Curve:
    """The chance by the number of values that the interval of their mean is within the limits."""
    return lambda n: chance_within(limits, claimed, sd, n) if n >= FEWEST else 0.0


def of_share(above: float) -> Curve:
    """The chance by the number of runs, if all runs do as claimed; it is 0 or 1.

    1 if the exact interval of n of n is above `above`, a fraction of 1.
    """
    return lambda n: float(run_share(n, n).low > above)


def chance_within(limits: tuple[float, float], mean: float, sd: float, n: int) -> float:
    """Chance that the 95 % t-interval of n normal values is within the limits, one may be infinite.

    ∫ Φ((high - mean) √n / σ - t r) - Φ((low - mean) √n / σ + t r) dF(r), over those r = s / σ for
    which the interval is no wider than the limits. (n - 1) r² is chi-squared with n - 1 degrees of
    freedom and independent of the mean found (Student, 1908).
    """
    freedom, error = n - 1, sd / math.sqrt(n)
    quantile = special.stdtrit(freedom, (1 + CONFIDENCE) / 2)
    low, high = ((limit - mean) / error for limit in limits)
    widest = (high - low) / 2 / quantile
    narrow = float(special.chdtr(freedom, freedom * widest**2))
    chances = narrow * (NODES + 1) / 2
    ratio = np.sqrt(2 * special.gammaincinv(freedom / 2, chances) / freedom)
    inside = special.ndtr(high - quantile * ratio) - special.ndtr(low + quantile * ratio)
    return float(narrow / 2 * (WEIGHTS @ inside))

import math

import numpy as np
import pytest
from scipy import stats

from actscope.analysis.claims.power import Power, chance_within, of_all, of_any, of_mean, of_share


@pytest.mark.parametrize("n", [5, 10, 34])
def test_above_a_limit_the_power_is_that_of_the_noncentral_t(n: int) -> None:
    critical = stats.t.ppf(0.975, n - 1)
    expected = stats.nct.sf(critical, n - 1, 0.5 * math.sqrt(n))  # a gap of half an sd
    assert chance_within((0.0, math.inf), 0.1, 0.2, n) == pytest.approx(expected, abs=1e-5)
    assert chance_within((-math.inf, 0.3), 0.2, 0.2, n) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("n", "sd"), [(5, 0.15), (5, 0.04), (20, 0.09)])
def test_between_limits_the_power_is_how_often_simulated_intervals_lie_there(
    n: int, sd: float
) -> None:
    values = np.random.default_rng(0).normal(0.1, sd, (200_000, n))
    half = stats.t.ppf(0.975, n - 1) * values.std(1, ddof=1) / math.sqrt(n)
    means = values.mean(1)
    share = ((means - half > 0.05) & (means + half < 0.15)).mean()
    assert chance_within((0.05, 0.15), 0.1, sd, n) == pytest.approx(share, abs=0.003)


def test_five_seeds_could_hardly_show_that_elu_equals_relu() -> None:
    # ± 0.05 points around 0, with an sd of 0.15 points: a chance of 0.001.
    power = Power(5, of_mean((-0.05, 0.05), 0.0, 0.15))
    assert round(power.chance, 3) == 0.001
    assert not power.is_enough
    assert power.needed == 97
    assert power.curve(96) < 0.8 <= power.curve(97)


@pytest.mark.parametrize(
    ("gap_over_sd", "seeds"), [(3, 5), (2, 5), (1, 10), (0.5, 34)]
)  # the 4 seeds that a gap of 3 sd needs are too few for any verdict
def test_the_pairs_needed_are_those_of_the_noncentral_t(gap_over_sd: float, seeds: int) -> None:
    assert Power(2, of_mean((0, math.inf), gap_over_sd, 1.0)).needed == seeds


def test_six_of_six_are_the_fewest_for_more_than_half() -> None:
    # 0.025^(1/5) = 0.478, 0.025^(1/6) = 0.541; and 0.025^(1/17) = 0.805.
    assert [of_share(0.5)(n) for n in (0, 2, 5, 6)] == [0, 0, 0, 1]
    assert Power(5, of_share(0.5)).needed == 6
    assert Power(5, of_share(0.8)).needed == 17


def test_a_claim_on_its_own_limit_is_decided_by_no_number_of_seeds() -> None:
    assert Power(20, of_mean((0.1, math.inf), 0.1, 0.05)).needed is None


def test_checks_together_and_checks_of_which_one_is_enough() -> None:
    first, second = Power(6, lambda n: n / 10), Power(5, lambda _: 0.9)
    both, either = of_all([first, second]), of_any([first, second])
    assert both is not None
    assert either is not None
    assert (both.seeds, either.seeds) == (5, 5)
    assert both.chance == pytest.approx(0.4)  # 1 - 0.5 - 0.1
    assert both.needed == 9
    assert either.chance == 0.9
    assert of_all([]) is None

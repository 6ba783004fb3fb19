import numpy as np
import pytest
from scipy import stats as scipy_stats

from actscope.analysis.shares import Share, run_share, unit_share


def interval(found: Share) -> list[float]:
    return [found.low, found.high]


def has_interval(found: Share) -> bool:
    return not np.isnan([found.low, found.high]).any()


def test_a_share_of_runs_has_the_exact_interval() -> None:
    found = run_share(4, 5)
    assert (found.n, found.clusters, found.share) == (5, 5, 0.8)
    assert interval(found) == pytest.approx([0.2836, 0.9949], abs=5e-5)


def test_all_of_five_runs_may_be_less_than_half_of_all_seeds_and_all_of_six_not() -> None:
    # All of n: the lower limit solves low to the power n = 0.025.
    assert interval(run_share(5, 5)) == pytest.approx([0.025 ** (1 / 5), 1])
    assert interval(run_share(6, 6)) == pytest.approx([0.025 ** (1 / 6), 1])
    assert run_share(5, 5).low < 0.5 < run_share(6, 6).low


@pytest.mark.parametrize(("hits", "n"), [(0, 3), (1, 3), (3, 3), (7, 20), (99, 100)])
def test_the_exact_interval_is_that_of_scipy(hits: int, n: int) -> None:
    expected = scipy_stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert interval(run_share(hits, n)) == pytest.approx([expected.low, expected.high])


def test_fewer_than_three_runs_have_a_share_and_no_interval() -> None:
    assert run_share(1, 2).share == 0.5
    assert not has_interval(run_share(1, 2))
    found = unit_share([10, 0], [10, 10])
    assert (found.n, found.clusters, found.share) == (20, 2, 0.5)
    assert not has_interval(found)


def test_no_run_and_no_unit_have_no_share() -> None:
    assert np.isnan(run_share(0, 0).share)
    assert np.isnan(unit_share([], []).share)
    assert np.isnan(unit_share([0, 0, 0], [0, 0, 0]).share)


def test_units_of_a_run_count_less_the_more_runs_differ() -> None:
    # p = 15/30. v = 3/2 * (3² + 0 + 3²) / 30² = 0.03. p (1 - p) / v = 8.333;
    # times (t(0.975, 29) / t(0.975, 2))² = (2.04523 / 4.30265)² gives 1.88284 effective units.
    found = unit_share([2, 5, 8], [10, 10, 10])
    effective = 8.33333 * (2.04523 / 4.30265) ** 2
    expected = scipy_stats.beta.ppf(
        [0.025, 0.975],
        [effective / 2, effective / 2 + 1],
        [effective / 2 + 1, effective / 2],
    )
    assert interval(found) == pytest.approx(expected, abs=1e-5)


def test_runs_with_more_units_weigh_more() -> None:
    # p = 8/20. Deviations 1 - 4, 1 - 2, 6 - 2 of 10, 5, 5 units: v = 3/2 * 26 / 20² = 0.0975.
    found = unit_share([1, 1, 6], [10, 5, 5])
    effective = 0.24 / 0.0975 * (2.09302 / 4.30265) ** 2
    assert found.share == 0.4
    assert found.low == pytest.approx(
        scipy_stats.beta.ppf(0.025, 0.4 * effective, 0.6 * effective + 1), abs=1e-5
    )


def test_runs_that_agree_count_as_no_more_than_all_their_units() -> None:
    found = unit_share([5, 5, 5], [10, 10, 10])
    expected = scipy_stats.binomtest(15, 30).proportion_ci(0.95, method="exact")
    assert interval(found) == pytest.approx([expected.low, expected.high])


def test_if_no_unit_or_every_unit_hits_a_run_counts_as_one_unit() -> None:
    assert interval(unit_share([0] * 5, [128] * 5)) == interval(run_share(0, 5))
    assert interval(unit_share([128] * 5, [128] * 5)) == interval(run_share(5, 5))


def test_runs_without_units_are_no_clusters() -> None:
    assert unit_share([2, 5, 0, 8], [10, 10, 0, 10]) == unit_share([2, 5, 8], [10, 10, 10])
    assert not has_interval(unit_share([2, 5, 0], [10, 10, 0]))


def test_an_interval_stays_within_0_and_1() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        totals = rng.integers(1, 20, size=rng.integers(3, 8))
        found = unit_share(rng.binomial(totals, rng.beta(0.2, 0.2, len(totals))), totals)
        assert 0 <= found.low <= found.share <= found.high <= 1


@pytest.mark.parametrize("spread", [(60, 40), (3, 2), (0.6, 0.4)])
def test_the_interval_covers_the_share_of_clustered_units(spread: tuple[float, float]) -> None:
    """Five runs of 128 units whose own shares differ little, much, or nearly all or none."""
    rng = np.random.default_rng(1)
    own = rng.beta(*spread, size=(2000, 5))
    found = [unit_share(hits, [128] * 5) for hits in rng.binomial(128, own)]
    coverage = np.mean([share.low <= 0.6 <= share.high for share in found])
    assert coverage >= 0.94

"""Intervals over seeds and test examples, against values worked by hand and simulated studies."""

import numpy as np
import pytest
from scipy import stats

from actscope.analysis.seeds_and_examples import estimate_over_both, shares_of_wins
from actscope.analysis.stats import estimate


def test_the_error_over_seeds_and_examples_is_the_one_worked_by_hand():
    """Seeds 1/32 / 2, examples 11/48 / 4, residual 1/8 / 8: the first and the last are equal."""
    found = estimate_over_both(np.array([[1, 0, 0, 0], [1, 0, 1, 0]]))
    assert (found.seeds, found.examples) == (2, 4)
    assert found.mean == 0.375
    assert found.error == pytest.approx(np.sqrt(11 / 48 / 4))
    assert found.error == pytest.approx(0.239, abs=5e-4)


def test_the_degrees_of_freedom_are_satterthwaites():
    """By the mean squares of an analysis of variance: seeds and examples, less the residual."""
    rng = np.random.default_rng(3)
    rows = rng.random((5, 40)) < rng.random(40)
    mean, of_seed, of_example = rows.mean(), rows.mean(1), rows.mean(0)
    seed = 40 * ((of_seed - mean) ** 2).sum() / 4
    example = 5 * ((of_example - mean) ** 2).sum() / 39
    rest = ((rows - mean) ** 2).sum() - 4 * seed - 39 * example
    rest /= 4 * 39
    degrees = (seed + example - rest) ** 2 / (seed**2 / 4 + example**2 / 39 + rest**2 / 156)
    half = stats.t.ppf(0.975, degrees) * np.sqrt((seed + example - rest) / 200)
    found = estimate_over_both(rows)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))


def test_it_is_not_less_than_that_over_seeds():
    """Every example is as hard as the others: the residual is all the variance of examples."""
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
    over_seeds = estimate(rows.mean(1))
    found = estimate_over_both(rows)
    assert found.error == pytest.approx(float(over_seeds.sd) / 2)
    assert (found.low, found.high) == pytest.approx((float(over_seeds.low), float(over_seeds.high)))


def test_it_is_not_shorter_than_that_over_seeds():
    """Three seeds that differ much: with the examples there are more degrees of freedom."""
    rows = np.zeros((3, 60))
    for row, right in zip(rows, (20, 30, 45), strict=True):
        row[:right] = 1
    found, over_seeds = estimate_over_both(rows), estimate(rows.mean(1))
    assert found.error > float(over_seeds.sd) / np.sqrt(3)
    assert found.low <= float(over_seeds.low) < float(over_seeds.high) <= found.high


def test_runs_that_are_right_about_every_example_have_no_interval():
    found = estimate_over_both(np.ones((3, 20)))
    assert (found.mean, found.error) == (1, 0)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("shape", [(1, 10), (3, 1), (0, 10)])
def test_fewer_than_two_seeds_or_examples_have_no_interval(shape):
    found = estimate_over_both(np.ones(shape))
    assert np.isnan([found.error, found.low, found.high]).all()


def test_the_interval_holds_as_often_as_it_says():
    """Of 400 simulated studies with random seeds and examples, 95 % contain the true accuracy."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        seed, example = rng.normal(0, 0.3, (6, 1)), rng.normal(0, 1.5, (1, 200))
        chance = 1 / (1 + np.exp(-1.5 - seed - example))
        found = estimate_over_both(rng.random((6, 200)) < chance)
        covered += found.low <= TRUE_ACCURACY <= found.high
    assert 0.93 <= covered / 400 <= 0.985


def true_accuracy() -> float:
    """Mean of the logistic function over seeds and examples together: sd sqrt(0.3² + 1.5²)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = 1 / (1 + np.exp(-1.5 - np.hypot(0.3, 1.5) * nodes))
    return float(values @ weights / weights.sum())


TRUE_ACCURACY = true_accuracy()


def test_the_better_of_two_cells_wins_by_the_chance_of_a_resample():
    """Only the first of three examples tells them apart. It is drawn in 19 of 27 resamples."""
    better, worse = np.array([[True, True, False]]), np.array([[False, True, False]])
    wins = shares_of_wins([better, worse], [[0], [0]], resamples=20_000)
    assert wins == pytest.approx([1 - 8 / 27 / 2, 8 / 27 / 2], abs=0.01)


def test_cells_that_are_equal_share_the_wins():
    same = np.array([[True, False], [False, True]])
    assert shares_of_wins([same, same, same], [[0, 1]] * 3).tolist() == pytest.approx([1 / 3] * 3)


def test_a_cell_without_the_drawn_seeds_does_not_win():
    """Two seeds are drawn: in a quarter of the resamples the first is never."""
    best, other = np.array([[True, True]]), np.array([[False, False], [False, False]])
    wins = shares_of_wins([best, other], [[0], [0, 1]], resamples=20_000)
    assert wins == pytest.approx([0.75, 0.25], abs=0.01)


def test_the_same_runs_win_as_often_each_time():
    rng = np.random.default_rng(1)
    cells = [rng.random((4, 30)) < 0.8 for _ in range(3)]
    first, second = (shares_of_wins(cells, [[0, 1, 2, 3]] * 3) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert first.sum() == pytest.approx(1)

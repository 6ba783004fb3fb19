"""The protocol that chooses a rate, on trials worked by hand."""

from collections.abc import Callable
from math import log2

import pytest

from actscope.analysis.tuning import ALL_LOST, EDGE, CellPlan, Trial, plan_cell
from actscope.tuning_settings import Tuning

RULES = Tuning(rates=(0.01, 0.04, 0.16), seeds=(7, 8, 9), evaluation_seeds=(1, 2), extensions=2)
Accuracy = Callable[[float, int], Trial]


def tuned(accuracy: Accuracy) -> tuple[CellPlan, dict[tuple[float, int], Trial]]:
    """The plan of a cell after all trials that it asks for, and these trials in order."""
    trials: dict[tuple[float, int], Trial] = {}
    while (plan := plan_cell(RULES, trials, 0.1)).missing:
        assert not set(plan.missing) & set(trials)
        trials |= {trial: accuracy(*trial) for trial in plan.missing}
    return plan, trials


def peak(best: float, *, lost_above: float = float("inf"), noise: float = 0.0) -> Accuracy:
    """Falls by 0.1 a doubling on either side of the best rate; seed 8 is better by `noise`."""

    def accuracy(rate: float, seed: int) -> Trial:
        if rate > lost_above:
            return None
        return 0.9 - 0.1 * abs(log2(rate / best)) + noise * (seed - 8)

    return accuracy


def test_the_coarse_grid_has_one_seed_and_the_fine_grid_all() -> None:
    plan = plan_cell(RULES, {}, 0.1)
    assert (plan.stage, plan.missing) == ("coarse", ((0.01, 7), (0.04, 7), (0.16, 7)))
    trials = {(rate, 7): peak(0.04)(rate, 7) for rate in RULES.rates}
    plan = plan_cell(RULES, trials, 0.1)
    assert plan.stage == "fine"
    rates = (0.02, 0.02, 0.02, 0.04, 0.04, 0.08, 0.08, 0.08)  # seed 7 has tried 0.04
    assert [rate for rate, _ in plan.missing] == list(rates)


def test_the_best_rate_inside_its_grid_is_chosen() -> None:
    plan, trials = tuned(peak(0.04))
    assert plan.choice is not None
    assert (plan.choice.rate, plan.choice.flag) == (0.04, "")
    assert [score.rate for score in plan.choice.scores] == [0.02, 0.04, 0.08]
    assert plan.choice.scores[0].mean == pytest.approx(0.8)
    assert len(trials) == 3 + 8


@pytest.mark.parametrize(("best", "extra"), [(0.0025, [0.0025, 0.000625]), (0.64, [0.64, 2.56])])
def test_a_grid_is_extended_until_its_best_rate_is_inside(best: float, extra: list[float]) -> None:
    plan, trials = tuned(peak(best))
    assert plan.choice is not None
    assert plan.choice.rate == pytest.approx(best)
    asked = [rate for rate, _ in trials]
    assert asked[3:5] == pytest.approx(extra)


def test_a_fine_grid_is_extended_too() -> None:
    # The coarse grid finds 0.04; only half of the half is lower than the best, 0.02.
    plan, _ = tuned(peak(0.02001))
    assert plan.choice is not None
    assert [score.rate for score in plan.choice.scores] == [0.01, 0.02, 0.04, 0.08]
    assert plan.choice.rate == 0.02


def test_a_best_rate_that_stays_at_the_edge_is_flagged() -> None:
    plan, trials = tuned(lambda rate, _: 0.5 - rate)
    assert plan.choice is not None
    assert plan.choice.flag == EDGE
    # Two extensions by 4, then the half, then two extensions by 2.
    assert min(rate for rate, _ in trials) == pytest.approx(0.01 / 4**2 / 2 / 2**2)


def test_a_rate_that_lost_a_seed_is_barred_and_its_lost_runs_count_as_chance() -> None:
    def accuracy(rate: float, seed: int) -> Trial:
        if (rate, seed) == (0.08, 9):
            return None
        return 0.5 + rate if rate < 0.1 else 0.3

    plan, _ = tuned(accuracy)
    assert plan.choice is not None
    scores = {score.rate: score for score in plan.choice.scores}
    assert scores[0.08].lost == 1
    assert scores[0.08].mean == pytest.approx((0.58 + 0.58 + 0.1) / 3)
    assert plan.choice.rate == 0.04


def test_of_rates_within_one_standard_error_of_the_best_the_smallest_is_chosen() -> None:
    # The half is 0.1 worse. The standard error of three seeds with spread noise is noise / sqrt(3).
    for noise, chosen in ((0.17, 0.04), (0.18, 0.02)):
        plan, _ = tuned(peak(0.04, noise=noise))
        assert plan.choice is not None
        assert plan.choice.rate == chosen


def test_a_cell_in_which_no_rate_learns_has_no_choice_and_no_fine_grid() -> None:
    plan, trials = tuned(lambda *_: None)
    assert plan.choice is not None
    assert (plan.choice.rate, plan.choice.flag) == (None, ALL_LOST)
    assert {seed for _, seed in trials} == {7}
    assert len(trials) == 5  # the grid and two extensions towards smaller rates


def test_a_cell_that_learns_only_at_small_rates_is_followed_down() -> None:
    plan, _ = tuned(peak(0.01, lost_above=0.003))
    assert plan.choice is not None
    assert plan.choice.rate == pytest.approx(0.0025)

"""The search of one cell, on accuracies that a formula gives."""

import math
from collections.abc import Callable

import pytest

from actscope.analysis.search import plan_search
from actscope.analysis.tuning import (
    NONE_LEARNS,
    SearchPlan,
    SearchTrial,
    Settings,
    choose,
    value_of_lost,
)
from actscope.errors import ConfigError
from actscope.metric import ACCURACY, RMSE, Metric
from actscope.parsing import parse_rules
from actscope.tuning_settings import Range, Search

CHANCE = 0.1
RULES = Search(
    space={"lr": {"low": 1e-4, "high": 1.0, "log": True}, "train.momentum": [0.0, 0.9]},
    trials=16,
    seeds=(1, 2, 3),
    evaluation_seeds=(10, 11),
)
Trained = dict[tuple[Settings, int], float | None]
Train = Callable[[Settings, int], float | None]


def peak(settings: Settings, seed: int) -> float | None:
    """Highest at a rate of 0.01 without momentum; rates from 0.3 on lose each run."""
    chosen = dict(settings)
    rate = chosen["lr"]
    assert isinstance(rate, float)
    if rate > 0.3:
        return None
    return 0.9 - 0.1 * abs(math.log10(rate) + 2) - 0.05 * bool(chosen["train.momentum"])


def finish(
    rules: Search, train: Train, trained: Trained, chance: float = CHANCE, metric: Metric = ACCURACY
) -> SearchPlan:
    """Train all that a search asks for, into `trained`."""
    while (plan := plan_search(rules, trained, chance, metric)).choice is None:
        assert plan.missing
        assert not set(plan.missing) & set(trained)
        trained |= {key: train(*key) for key in plan.missing}
    return plan


@pytest.fixture(scope="module")
def searched() -> tuple[SearchPlan, Trained]:
    trained: Trained = {}
    return finish(RULES, peak, trained), trained


def test_the_best_trial_is_the_finished_one_with_the_highest_mean(
    searched: tuple[SearchPlan, Trained],
) -> None:
    plan, _ = searched
    assert plan.choice is not None
    means = {
        t.settings: sum(map(float, t.values)) / 3 for t in plan.trials if t.state == "finished"
    }
    assert plan.choice.settings == max(means, key=lambda settings: means[settings])
    assert 0.001 < dict(plan.choice.settings)["lr"] < 0.1
    assert [trial.number for trial in plan.trials] == list(range(1, 17))


def test_pruned_and_failed_trials_get_no_further_seeds(
    searched: tuple[SearchPlan, Trained],
) -> None:
    plan, trained = searched
    seeds = {"finished": {1, 2, 3}, "pruned": {1}, "failed": {1}}
    assert {trial.state for trial in plan.trials} == set(seeds)
    for trial in plan.trials:
        own = {seed for settings, seed in trained if settings == trial.settings}
        assert own == seeds[trial.state]
        assert (trial.state == "failed") == (trial.rate > 0.3)


def test_a_trial_is_pruned_below_the_median_of_the_finished_ones_before_its_batch(
    searched: tuple[SearchPlan, Trained],
) -> None:
    plan, _ = searched
    decided = 0
    for start in range(0, 16, RULES.batch):
        before = sorted(t.values[0] for t in plan.trials[:start] if t.state == "finished")
        for trial in plan.trials[start : start + RULES.batch]:
            if trial.state == "failed":
                continue
            if len(before) < 5:
                assert trial.state == "finished"
                continue
            decided += 1
            middle = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
            assert (trial.state == "pruned") == (trial.values[0] < middle)
    assert decided >= 4


def test_the_same_results_give_the_same_trials_also_after_an_interruption(
    searched: tuple[SearchPlan, Trained],
) -> None:
    plan, trained = searched
    assert plan_search(RULES, trained, CHANCE) == plan
    half = dict(list(trained.items())[: len(trained) // 2])
    assert finish(RULES, peak, half) == plan
    assert half == trained


def test_more_trials_continue_a_search(searched: tuple[SearchPlan, Trained]) -> None:
    plan, trained = searched
    longer = Search(**{**vars_of(RULES), "trials": 20})
    again = finish(longer, peak, dict(trained))
    assert again.trials[:16] == plan.trials
    assert again.search == plan.search
    other = Search(**{**vars_of(RULES), "sampler_seed": 1})
    assert plan_search(other, trained, CHANCE).search != plan.search


def vars_of(rules: Search) -> dict[str, object]:
    return {name: getattr(rules, name) for name in rules.__dataclass_fields__}


def test_a_trial_that_loses_a_later_seed_has_failed_and_the_lost_run_counts_as_chance() -> None:
    def losing(settings: Settings, seed: int) -> float | None:
        return None if seed == 3 else 0.7

    plan = finish(Search(**{**vars_of(RULES), "trials": 2}), losing, {})
    assert [(trial.state, trial.values) for trial in plan.trials] == [
        ("failed", (0.7, 0.7, None))
    ] * 2
    assert plan.trials[0].score(CHANCE).mean == pytest.approx((0.7 + 0.7 + 0.1) / 3)
    assert plan.choice is not None
    assert (plan.choice.rate, plan.choice.flag) == (None, NONE_LEARNS)


def test_a_search_for_the_smallest_value_mirrors_one_for_the_largest(
    searched: tuple[SearchPlan, Trained],
) -> None:
    def error(settings: Settings, seed: int) -> float | None:
        value = peak(settings, seed)
        return None if value is None else 1 - value

    plan, _ = searched
    mirrored = finish(RULES, error, {}, RMSE.chance, RMSE)
    assert [(each.settings, each.state) for each in mirrored.trials] == [
        (each.settings, each.state) for each in plan.trials
    ]
    assert mirrored.choice is not None
    assert plan.choice is not None
    assert mirrored.choice.settings == plan.choice.settings
    assert mirrored.choice.scores[0].mean == pytest.approx(1 - plan.choice.scores[0].mean)


def test_where_chance_is_unknown_a_lost_run_counts_as_the_worst_one_so_far() -> None:
    ended = [
        SearchTrial(number, (("lr", 0.1),), "failed", values)
        for number, values in enumerate([(None,), (0.2, None), (0.5, 0.4), (0.3, None)], 1)
    ]
    worst = [value_of_lost(ended[:count], RMSE.chance, RMSE) for count in (1, 2, 3, 4)]
    assert worst == pytest.approx([math.nan, 0.2, 0.5, 0.5], nan_ok=True)
    assert value_of_lost(ended, CHANCE, ACCURACY) == CHANCE


def test_of_equal_trials_the_first_is_chosen() -> None:
    first, second = (
        SearchTrial(number, (("lr", rate),), "finished", (0.5, 0.7))
        for number, rate in ((1, 0.2), (2, 0.1))
    )
    assert choose([first, second]).settings == (("lr", 0.2),)


def test_tried_values_have_three_digits_and_lie_in_their_range(
    searched: tuple[SearchPlan, Trained],
) -> None:
    plan, _ = searched
    space = RULES.space["lr"]
    assert isinstance(space, Range)
    for trial in plan.trials:
        assert space.low <= trial.rate <= space.high
        assert trial.rate == float(f"{trial.rate:.3g}")


GIVEN = {
    "space": {"lr": {"low": 0.001, "high": 0.1, "log": True}},
    "trials": 4,
    "seeds": [1, 2],
    "evaluation_seeds": [3, 4],
}
LR = GIVEN["space"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {**LR, "seed": [1, 2]}}, "tuning.space.seed: seeds are averaged, not searched"),
        ({"space": {"lr": {"low": 0.1, "high": 0.1}}}, "tuning.space.lr: low=0.1 must be less"),
        ({"space": {"lr": {"low": 0, "high": 1, "log": True}}}, "tuning.space.lr: low=0 must be"),
        ({"space": {**LR, "train": {"momentum": []}}}, "tuning.space.train.momentum: needs at"),
        ({"space": {**LR, "model.depth": [1, 2]}}, "tuning.space.model.depth: cannot be searched"),
        ({"space": {**LR, "train.metric": ["r2", "rmse"]}}, "tuning.space.train.metric: cannot be"),
        ({"space": {**LR, "data.noise": [0, 1]}}, "tuning.space.data.noise: cannot be searched"),
        ({"space": {"train.momentum": [0.0, 0.9]}}, "tuning.space.lr: is missing"),
        ({"space": None}, "tuning.space=None: must have settings by name"),
        ({"trials": 0}, "tuning.trials=0: must be at least 1"),
        ({"seeds": [1, 1]}, "tuning.seeds: has a seed twice"),
        ({"seeds": [1, 3]}, "tuning.evaluation_seeds: 3 is one of tuning.seeds too"),
        ({"trial": 3}, "tuning.trial: unknown setting"),
    ],
)
def test_wrong_rules_are_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}[^\n]*$"):
        parse_rules({**GIVEN, **change})


def test_groups_of_a_space_may_be_nested() -> None:
    nested = {**LR, "train": {"momentum": {"low": 0.0, "high": 0.9}, "batch_size": [20, 50]}}
    rules = parse_rules({**GIVEN, "space": nested})
    assert isinstance(rules, Search)
    assert list(rules.space) == ["lr", "train.momentum", "train.batch_size"]

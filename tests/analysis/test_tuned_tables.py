from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from actscope.analysis.factors import Factors, find_factors
from actscope.analysis.tuned_tables import (
    choices,
    judged,
    leads,
    leads_by_seed,
    slope_by_seed,
    slopes,
)
from actscope.analysis.tuning import ALL_LOST, EDGE
from actscope.analysis.tuning_budget import agreement, budget, expected_best, shared
from actscope.metric import ACCURACY, R2
from actscope.tuning_settings import Tuning

RULES = Tuning(rates=(0.25, 0.5, 1.0), seeds=(100, 101), evaluation_seeds=(0, 1, 2), extensions=0)
DEPTH = Factors(("model.depth",))
LOST = None


def cell(activation: str, depth: int) -> dict[str, object]:
    return {"variant": "", "model.depth": depth, "activation": activation}


def trials_of(
    activation: str, depth: int, chance: float = 0.1, **by_rate: Sequence[float | None]
) -> list[dict[str, object]]:
    """Trials by rate, as r05 of 0.5, with the seeds of RULES."""
    rates = {"r025": 0.25, "r05": 0.5, "r1": 1.0}
    return [
        cell(activation, depth)
        | {"lr": rates[name], "seed": seed, "outcome": "failed" if value is LOST else "learned"}
        | {"validation": np.nan if value is LOST else value, "run_id": "r", "chance": chance}
        for name, values in by_rate.items()
        for seed, value in zip(RULES.seeds, values, strict=False)
    ]


def tuned_at_half(activation: str, depth: int, best: float = 0.9) -> list[dict[str, object]]:
    """Trials of a cell that choose the rate 0.5."""
    low = [best - 0.1] * 2
    return trials_of(activation, depth, r025=low, r05=[best, best], r1=low)


def evaluated(
    activation: str, depth: int, finals: Sequence[float | None], lr: float = 0.5
) -> list[dict[str, object]]:
    return [
        cell(activation, depth)
        | {"lr": lr, "seed": seed, "outcome": "diverged" if value is LOST else "learned"}
        | {"final": np.nan if value is LOST else value, "run_id": "r"}
        for seed, value in enumerate(finals)
    ]


def frames(
    trials: list[dict[str, object]], evaluations: list[dict[str, object]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Trials, evaluations and choices."""
    tried, tested = pd.DataFrame(trials), pd.DataFrame(evaluations)
    return tried, tested, choices(tried, tested, [RULES], DEPTH)


def test_a_choice_has_the_accuracy_of_its_neighbours() -> None:
    trials = trials_of("relu", 1, r025=[0.7, 0.8], r05=[0.9, 0.92], r1=[0.6, LOST])
    _, _, chosen = frames(trials, evaluated("relu", 1, [0.9]))
    (row,) = chosen.to_dict("records")
    assert (row["lr"], row["n"], row["flag"], row["trials"], row["wanted"]) == (0.5, 2, "", 6, 3)
    assert row["validation"] == pytest.approx(0.91)
    assert row["error"] == pytest.approx(0.01)  # sd sqrt(2) / 100, of two
    assert row["half"] == pytest.approx(0.75)
    assert row["double"] == pytest.approx((0.6 + ACCURACY.chance) / 2)
    assert (row["half_lost"], row["lost"], row["double_lost"]) == (0, 0, 1)


def test_a_cell_without_a_rate_is_flagged_and_not_judged() -> None:
    trials = trials_of("relu", 1, r025=[LOST], r05=[LOST], r1=[LOST])
    _, tested, chosen = frames(trials, evaluated("relu", 2, [0.9]))
    assert chosen["flag"].tolist() == [ALL_LOST]
    assert chosen["lr"].isna().all()
    assert judged(tested, chosen, DEPTH).empty


def test_an_unfinished_cell_has_no_choice() -> None:
    _, _, chosen = frames(trials_of("relu", 1, r05=[0.9]), evaluated("relu", 2, [0.9]))
    assert chosen["flag"].tolist() == ["not finished"]


def test_lost_runs_are_counted_beside_the_mean() -> None:
    evaluations = [
        *evaluated("relu", 1, [0.9, 0.8, LOST]),
        *evaluated("relu", 1, [0.7, 0.7], lr=0.25),
        *evaluated("relu", 1, [0.1], lr=1.0),  # judges nothing
    ]
    _, tested, chosen = frames(tuned_at_half("relu", 1), evaluations)
    at_choice, at_half = judged(tested, chosen, DEPTH).to_dict("records")
    assert (at_choice["runs"], at_choice["learned"], at_choice["lost"]) == (3, 2, 1)
    assert at_choice["mean"] == pytest.approx(0.85)
    low, high = scipy_stats.t.interval(0.95, 1, 0.85, 0.05)
    assert (at_choice["low"], at_choice["high"]) == pytest.approx((low, high))
    assert (at_half["rate"], at_half["lr"], at_half["runs"]) == ("half", 0.25, 2)


def test_the_rival_is_the_better_one_by_validation_and_not_by_test() -> None:
    trials = [
        *tuned_at_half("relu", 1, best=0.91),
        *tuned_at_half("leaky_relu", 1, best=0.90),
        *tuned_at_half("elu", 1),
    ]
    evaluations = [
        *evaluated("relu", 1, [0.80, 0.81, 0.82]),
        *evaluated("leaky_relu", 1, [0.99, 0.99, 0.99]),
        *evaluated("elu", 1, [0.81, 0.83, 0.85]),
    ]
    _, tested, chosen = frames(trials, evaluations)
    (row,) = leads(leads_by_seed(tested, chosen, DEPTH), chosen, DEPTH).to_dict("records")
    assert (row["activation"], row["rival"], row["n"], row["better"]) == ("elu", "relu", 3, 3)
    expected = scipy_stats.ttest_1samp([0.01, 0.02, 0.03], 0)
    assert row["mean"] == pytest.approx(0.02)
    assert row["p"] == pytest.approx(expected.pvalue)
    assert row["low"] == pytest.approx(expected.confidence_interval().low)
    assert row["p_holm"] == row["p"]


def test_a_lead_is_paired_by_seed_over_the_seeds_with_which_both_learned() -> None:
    trials = [*tuned_at_half("relu", 1), *tuned_at_half("elu", 1)]
    evaluations = [
        *evaluated("relu", 1, [0.5, LOST, 0.7]),
        *evaluated("elu", 1, [0.6, 0.9, LOST]),
    ]
    _, tested, chosen = frames(trials, evaluations)
    by_seed = leads_by_seed(tested, chosen, DEPTH)
    assert by_seed["seed"].tolist() == [0]
    assert by_seed["lead"].tolist() == [pytest.approx(0.1)]


@pytest.mark.parametrize("flagged", ["elu", "relu"])
def test_a_flagged_cell_has_no_lead(flagged: str) -> None:
    at_edge = trials_of(flagged, 1, r025=[0.5, 0.5], r05=[0.6, 0.6], r1=[0.9, 0.9])
    at_edge += [row | {"lr": 2.0} for row in trials_of(flagged, 1, r1=[0.95, 0.95])]
    other = "relu" if flagged == "elu" else "elu"
    evaluations = [
        *evaluated(flagged, 1, [0.9, 0.91, 0.92], lr=2.0),
        *evaluated(other, 1, [0.8, 0.82, 0.84]),
    ]
    _, tested, chosen = frames([*at_edge, *tuned_at_half(other, 1)], evaluations)
    by_seed = leads_by_seed(tested, chosen, DEPTH)
    table = leads(by_seed, chosen, DEPTH)
    assert (table["low"] > 0).tolist() == [False]  # a number, although unknown
    (row,) = table.to_dict("records")
    assert row["n"] == 0
    assert row["flag"] == row["method"] == f"{flagged}: {EDGE}"
    assert pd.isna(row["mean"])
    assert pd.isna(row["p_holm"])
    assert flagged not in set(judged(tested, chosen, DEPTH)["activation"])
    (slope,) = slopes(by_seed, table, DEPTH).to_dict("records")
    assert (slope["n"], slope["values"]) == (0, 0)


def test_no_activation_leads_where_no_base_has_a_rate() -> None:
    trials = [*trials_of("relu", 1, r025=[LOST], r05=[LOST], r1=[LOST]), *tuned_at_half("elu", 1)]
    _, tested, chosen = frames(trials, evaluated("elu", 1, [0.9, 0.8]))
    (row,) = leads(leads_by_seed(tested, chosen, DEPTH), chosen, DEPTH).to_dict("records")
    assert (row["rival"], row["n"]) == ("", 0)
    assert row["flag"] == f"relu and leaky_relu: {ALL_LOST}"


def test_a_slope_is_that_of_the_lead_when_depth_doubles() -> None:
    leads_of_one = pd.DataFrame(
        [
            (seed, depth, start + slope * np.log2(depth))
            for seed, start, slope in [(0, 0.1, 0.01), (1, 0.3, 0.03)]
            for depth in (1, 2, 8)
        ]
        + [(2, 1, 0.5)],  # without a lead at the other depths
        columns=["seed", "model.depth", "lead"],
    )
    slope = slope_by_seed(leads_of_one, "model.depth")
    assert slope.to_dict() == pytest.approx({0: 0.01, 1: 0.03})


def test_slopes_have_an_interval_over_seeds() -> None:
    trials = [row for depth in (1, 4) for a in ("relu", "elu") for row in tuned_at_half(a, depth)]
    evaluations = [
        *evaluated("relu", 1, [0.5, 0.5, 0.5]),
        *evaluated("elu", 1, [0.5, 0.5, 0.5]),
        *evaluated("relu", 4, [0.5, 0.5, 0.5]),
        *evaluated("elu", 4, [0.52, 0.54, 0.56]),
    ]
    _, tested, chosen = frames(trials, evaluations)
    by_seed = leads_by_seed(tested, chosen, DEPTH)
    (row,) = slopes(by_seed, leads(by_seed, chosen, DEPTH), DEPTH).to_dict("records")
    assert (row["n"], row["values"], row["lowest"], row["highest"]) == (3, 2, 1, 4)
    expected = scipy_stats.ttest_1samp([0.01, 0.02, 0.03], 0)  # over two doublings
    assert row["mean"] == pytest.approx(0.02)
    assert row["p"] == pytest.approx(expected.pvalue)


def test_the_best_of_two_of_three_trials() -> None:
    best = expected_best(np.array([3.0, 1.0, 2.0]))
    assert best.tolist() == pytest.approx([2, 8 / 3, 3])  # of 12, 13 and 23: 2, 3 and 3


def test_the_budget_is_of_the_first_seed_and_a_lost_trial_counts_as_chance() -> None:
    by_rate = {"r025": [0.6, 0.9], "r05": [LOST, 0.9], "r1": [0.7, 0.9]}
    for chance in (0.1, 0.5):  # ten classes, two classes
        table = budget(pd.DataFrame(trials_of("relu", 1, chance, **by_rate)), 100, DEPTH)
        assert table["k"].tolist() == [1, 2, 3]
        assert table["of"].tolist() == [3, 3, 3]
        expected = [(0.6 + chance + 0.7) / 3, (0.6 + 0.7 + 0.7) / 3, 0.7]
        assert table["expected"].tolist() == pytest.approx(expected)


def test_a_lost_seed_of_two_classes_counts_as_a_half() -> None:
    trials = trials_of("relu", 1, 0.5, r025=[0.6, 0.6], r05=[0.7, 0.7], r1=[0.6, LOST])
    _, _, chosen = frames(trials, evaluated("relu", 1, [0.9]))
    (row,) = chosen.to_dict("records")
    assert (row["lr"], row["double"]) == (0.5, pytest.approx((0.6 + 0.5) / 2))


def test_chance_is_that_of_the_classes() -> None:
    assert [ACCURACY.chance_of(classes) for classes in (2, 10, np.nan)] == [0.5, 0.1, 0.1]
    assert R2.chance_of(0) == 0.0


def test_one_rate_for_all_can_rank_activations_otherwise() -> None:
    trials = [
        *trials_of("relu", 1, r025=[0.5, 0.5], r05=[0.9, 0.9], r1=[0.3, 0.3]),
        *trials_of("elu", 1, r025=[0.7, 0.7], r05=[0.8, 0.8], r1=[LOST, 0.2]),
    ]
    tried, _, chosen = frames(trials, evaluated("relu", 1, [0.9]))
    table = shared(tried, chosen, 100, DEPTH)
    ranks = {
        lr: dict(zip(own["activation"], own["rank"], strict=True))
        for lr, own in table.groupby("lr")
    }
    assert ranks == {
        0.25: {"relu": 2, "elu": 1},
        0.5: {"relu": 1, "elu": 2},
        1.0: {"relu": 1, "elu": 2},
    }
    assert set(table.loc[table["activation"] == "relu", "tuned_rank"]) == {1}
    agreed = agreement(table, DEPTH)
    assert agreed["same"].tolist() == [0, 1, 1]
    assert agreed["pairs"].tolist() == [1, 1, 1]
    assert agreed["best"].tolist() == ["elu", "relu", "relu"]


def params_of(**columns: Sequence[str]) -> pd.DataFrame:
    named = {name.replace("__", "."): values for name, values in columns.items()}
    return pd.DataFrame(named).assign(activation="relu", lr="0.1", seed="0")


def test_depth_and_epochs_are_factors_and_a_word_makes_a_variant() -> None:
    factors, settings = find_factors(
        params_of(
            train__epochs=["2", "10"], model__hidden=["[8]", "[8, 8]"], model__init=["he", "own"]
        )
    )
    assert factors.names == ("model.depth", "train.epochs")
    assert factors.axis == "model.depth"
    assert factors.panel == ["variant", "train.epochs"]
    assert settings["model.depth"].tolist() == [1, 2]
    assert settings["train.epochs"].tolist() == [2, 10]
    assert settings["variant"].tolist() == ["model.init=he", "model.init=own"]


def test_the_width_of_equal_layers_is_a_factor() -> None:
    factors, settings = find_factors(params_of(model__hidden=["[8, 8]", "[16, 16]"]))
    assert factors.names == ("model.width",)
    assert settings["model.width"].tolist() == [8, 16]


def test_layers_of_unequal_width_make_a_variant() -> None:
    factors, settings = find_factors(params_of(model__hidden=["[8, 4]", "[16, 16]"]))
    assert factors.names == ()
    assert settings["variant"].tolist() == ["model.hidden=[8,4]", "model.hidden=[16,16]"]


def test_the_rules_count_whose_choice_was_judged() -> None:
    trials = pd.DataFrame(tuned_at_half("relu", 1))
    tested = pd.DataFrame(evaluated("relu", 1, [0.9]))
    newer = Tuning(rates=(0.25, 0.5, 1.0), seeds=(100, 102), evaluation_seeds=(0, 1), extensions=0)
    (row,) = choices(trials, tested, [newer, RULES], DEPTH).to_dict("records")
    assert (row["lr"], row["flag"], row["wanted"]) == (0.5, "", 3)
    (row,) = choices(trials, tested, [newer], DEPTH).to_dict("records")
    assert row["flag"] == "not finished"

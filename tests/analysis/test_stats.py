import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from actscope.analysis.stats import (
    NO_PAIR,
    NO_SPREAD,
    ONE_PAIR,
    Comparison,
    T,
    compare,
    compare_pair,
    estimate,
    holm,
    in_words,
    is_mixed,
    paired_difference,
    seeds_to_resolve,
    summarise,
    summarise_by_epoch,
    t_test_power,
)
from actscope.metric import ACCURACY
from actscope.report.tables.study import readable_comparisons

# The 0.975 quantiles of Student's t, from the printed tables.
T_1, T_2 = 12.706, 4.303


def test_mean_sd_and_interval_are_those_worked_by_hand() -> None:
    # mean 4; squares of deviations 4 + 0 + 4 = 8, over n - 1 = 2: sd 2; half = 4.303 * 2 / sqrt(3)
    found = estimate(np.array([2.0, 4.0, 6.0]))
    assert found.n == 3
    assert found.mean == 4.0
    assert found.sd == 2.0
    assert found.low == pytest.approx(4 - T_2 * 2 / 3**0.5, abs=1e-3)
    assert found.high == pytest.approx(4 + T_2 * 2 / 3**0.5, abs=1e-3)


def test_dimensions_behind_the_seeds_are_kept() -> None:
    found = estimate(np.array([[1.0, 10.0], [3.0, 10.0]]))
    assert found.mean.tolist() == [2.0, 10.0]
    assert found.high[0] == pytest.approx(2 + T_1, abs=1e-3)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = estimate(np.array([0.9]))
    assert found.mean == 0.9
    assert np.isnan([found.sd, found.low, found.high]).all()


def test_no_value_has_no_mean() -> None:
    assert np.isnan(estimate(np.array([])).mean)


def test_equal_values_have_no_interval() -> None:
    found = estimate(np.array([0.1, 0.1, 0.1 + 1e-9]))  # equal up to rounding
    assert (found.mean, found.sd) == (0.1, 0.0)
    assert np.isnan([found.low, found.high]).all()


def test_differences_are_paired_by_seed() -> None:
    # Seeds 0 and 1 are shared: differences 1 and 3.
    first = pd.Series([5.0, 9.0, 100.0], index=[0, 1, 2])
    second = pd.Series([6.0, 4.0], index=[1, 0])
    found = paired_difference(first, second)
    assert (found.n, found.mean) == (2, 2.0)
    assert found.sd == pytest.approx(2**0.5)


def test_outcomes_that_did_not_occur_are_left_out() -> None:
    assert in_words({"learned": 3, "failed": 0, "diverged": 1}) == "3 learned, 1 diverged"


def test_the_mean_is_over_the_runs_that_learned_and_the_others_are_counted() -> None:
    runs = pd.DataFrame(
        {
            "variant": "",
            "activation": "relu",
            "lr": 0.1,
            "outcome": ["learned", "learned", "failed", "diverged"],
            "final": [0.9, 0.8, 0.1, np.nan],
        }
    )
    (cell,) = summarise(runs).to_dict("records")
    assert (cell["runs"], cell["n"], cell["learned"]) == (4, 2, 2)
    assert cell["outcomes"] == "2 learned, 1 failed, 1 diverged"
    assert cell["final_mean"] == pytest.approx(0.85)
    assert is_mixed(cell)


def test_where_no_run_learned_there_is_no_mean() -> None:
    cell = {"variant": "", "activation": "relu", "lr": 0.1, "outcome": "failed"}
    (failed,) = summarise(pd.DataFrame({**cell, "final": [0.1, 0.2]})).to_dict("records")
    assert (failed["runs"], failed["n"]) == (2, 0)
    assert np.isnan(failed["final_mean"])
    assert not is_mixed(failed)


def test_curves_are_averaged_epoch_by_epoch() -> None:
    accuracy = pd.DataFrame(
        {
            "variant": "",
            "activation": "relu",
            "lr": 0.1,
            "seed": [0, 0, 1, 1],
            "epoch": [1, 2, 1, 2],
            "value": [0.25, 0.5, 0.75, 0.5],
        }
    )
    curve = summarise_by_epoch(accuracy)
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["mean"].tolist() == [0.5, 0.5]
    assert curve["n"].tolist() == [2, 2]
    assert curve["high"].isna().tolist() == [False, True]


def by_seed(*values: float, first_seed: int = 0) -> "pd.Series[float]":
    return pd.Series(values, index=range(first_seed, first_seed + len(values)), dtype=float)


def test_of_two_pairs_interval_and_p_are_those_worked_by_hand() -> None:
    # Differences 1 and 3: mean 2, sd sqrt(2), so t = 2 / (sqrt(2) / sqrt(2)) = 2 with one degree of
    # freedom, for which p = 1 - 2 / pi * atan(2).
    found = compare_pair(by_seed(2, 7), by_seed(1, 4))
    assert (found.n, found.method, found.mean) == (2, T, 2.0)
    assert found.sd == pytest.approx(2**0.5)
    assert found.low == pytest.approx(2 - T_1, abs=1e-3)
    assert found.high == pytest.approx(2 + T_1, abs=1e-3)
    assert found.p == pytest.approx(1 - 2 / np.pi * np.arctan(2))


def test_pairs_are_matched_by_seed_whatever_their_order() -> None:
    first, second = by_seed(2, 7, 5), by_seed(1, 4, 3)
    assert compare_pair(first[::-1], second) == compare_pair(first, second)


def test_ten_pairs_have_a_t_interval_too() -> None:
    # Differences 1 to 10: mean 5.5, variance 82.5 / 9, t(0.975, 9) = 2.262.
    found = compare_pair(by_seed(*range(1, 11)), by_seed(*[0] * 10))
    assert (found.method, found.mean) == (T, 5.5)
    assert found.low == pytest.approx(3.33, abs=0.005)
    assert found.high == pytest.approx(7.67, abs=0.005)


def test_interval_and_p_agree() -> None:
    first, second = by_seed(*range(1, 6)), by_seed(*[0] * 5)
    found = compare_pair(first, second)
    assert found.p == pytest.approx(scipy_stats.ttest_rel(first, second).pvalue)
    assert found.low is not None
    at_its_end = compare_pair(first - found.low, second)
    assert at_its_end.p == pytest.approx(0.05)


def test_one_pair_has_a_difference_and_nothing_else() -> None:
    assert compare_pair(by_seed(3), by_seed(1)) == Comparison(1, ONE_PAIR, 2.0, better=1, ties=0)


def test_without_a_seed_in_common_nothing_is_compared() -> None:
    assert compare_pair(by_seed(3), by_seed(1, first_seed=5)) == Comparison(0, NO_PAIR)


@pytest.mark.parametrize("n", [2, 12])
def test_equal_differences_have_no_interval_and_no_test(n: int) -> None:
    # 0.3 - 0.1 and 0.5 - 0.3 differ in their last bit.
    found = compare_pair(by_seed(*[0.3, 0.5] * n), by_seed(*[0.1, 0.3] * n))
    assert found.method == NO_SPREAD
    assert found.mean == pytest.approx(0.2)
    assert (found.low, found.high, found.p, found.pairs_needed) == (None, None, None, None)


def test_equal_runs_cannot_be_told_apart_by_any_number_of_seeds() -> None:
    found = compare_pair(by_seed(0.5, 0.6), by_seed(0.5, 0.6))
    assert (found.mean, found.better, found.ties, found.pairs_needed) == (0.0, 0, 2, None)


def test_pairs_in_which_the_first_is_better_and_ties_are_counted() -> None:
    found = compare_pair(by_seed(1, -1, 0, 2), by_seed(0, 0, 0, 0))
    assert (found.n, found.better, found.ties) == (4, 2, 1)


@pytest.mark.parametrize(
    ("gap", "sd", "seeds"),
    [
        (3.0, 1.0, 4),
        (2.0, 1.0, 5),
        (1.0, 1.0, 10),
        (-0.5, 1.0, 34),
        (100.0, 1.0, 2),  # there is no test of one seed
        (0.1, 0.0, 2),
        (0.0, 1.0, None),
        (-1e-8, 1.0, None),  # the sum of float32 numbers that cancel out
    ],
)
def test_seeds_to_resolve_a_gap_are_the_fewest_that_detect_it(
    gap: float, sd: float, seeds: int | None
) -> None:
    assert seeds_to_resolve(gap, sd) == seeds


def test_the_power_of_the_t_test_is_the_share_of_tests_that_detect_the_gap() -> None:
    rng = np.random.default_rng(0)
    ps = scipy_stats.ttest_1samp(rng.normal(1, 1, (9, 20_000)), 0).pvalue
    assert t_test_power(1.0, 9) == pytest.approx((ps < 0.05).mean(), abs=0.01)
    assert t_test_power(0.0, 9) == pytest.approx(0.05)
    assert t_test_power(1.0, 9) < 0.8 < t_test_power(1.0, 10)


def test_holms_correction_is_that_worked_by_hand() -> None:
    # In order: 0.01 * 3, 0.03 * 2, and 0.04 * 1, which must not be under the 0.06 before it.
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])


def test_a_corrected_p_is_1_at_most() -> None:
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def runs_of(**finals: list[float]) -> pd.DataFrame:
    """Runs at rate 0.1, a seed each; under 0.2 is failed, NaN diverged."""
    rows = [
        {"variant": "", "activation": name, "lr": 0.1, "seed": seed, "final": final}
        for name, values in finals.items()
        for seed, final in enumerate(values)
    ]
    table = pd.DataFrame(rows)
    ended = np.select(
        [table["final"] >= 0.2, table["final"] < 0.2], ["learned", "failed"], "diverged"
    )
    return table.assign(outcome=ended)


def test_each_pair_of_a_rate_is_compared_once_and_the_rates_apart() -> None:
    runs = runs_of(relu=[0.5, 0.7], elu=[0.4, 0.5], selu=[0.2, 0.5])
    both = pd.concat([runs, runs.assign(lr=0.2)])
    table = compare(both)
    assert table[["lr", "first", "second"]].to_numpy().tolist() == [
        [lr, *pair]
        for lr in (0.1, 0.2)
        for pair in (["relu", "elu"], ["relu", "selu"], ["elu", "selu"])
    ]
    # Holm's family is the whole table.
    assert table["p_holm"].tolist() == holm(table["p"].tolist())
    assert table["p_holm"].min() == pytest.approx(6 * table["p"].min())


def test_runs_that_failed_or_diverged_enter_no_pair_and_are_counted() -> None:
    table = compare(runs_of(relu=[0.5, np.nan, 0.7, 0.6], elu=[0.4, 0.5, 0.5, 0.1]))
    assert table["n"].tolist() == [2]
    assert table["mean"].tolist() == pytest.approx([0.15])
    counts = table[["first_learned", "first_runs", "second_learned", "second_runs"]]
    assert counts.to_numpy().tolist() == [[3, 4, 3, 4]]
    assert readable_comparisons(table, ACCURACY)["learned"].tolist() == ["3 of 4, 3 of 4"]


def test_better_pairs_are_counted_in_words() -> None:
    table = compare(runs_of(relu=[0.5, 0.7, 0.6, 0.6], elu=[0.4, 0.5, 0.6, 0.7], selu=[0.1] * 4))
    better = readable_comparisons(table, ACCURACY)["first better"].tolist()
    assert better == ["2 of 4, 1 tie", "–", "–"]  # noqa: RUF001


def test_one_activation_has_no_pair() -> None:
    assert compare(runs_of(relu=[0.5])).empty


def test_what_is_not_known_is_told_in_words_and_never_nan() -> None:
    table = compare(runs_of(relu=[0.5], elu=[0.4], selu=[np.nan]))
    text = readable_comparisons(table, ACCURACY).to_csv(index=False)
    assert ONE_PAIR in text
    assert NO_PAIR in text
    assert "nan" not in text.lower()


def test_what_float32_adds_is_no_spread() -> None:
    # 0.92 - 0.91 and 0.98 - 0.97, as a store holds them, differ in their eighth digit.
    first, second = np.float32([0.92, 0.98]), np.float32([0.91, 0.97])
    assert compare_pair(by_seed(*first), by_seed(*second)).method == NO_SPREAD


def test_fewer_than_five_pairs_are_too_few_to_plan_by():
    first = pd.Series([0.5, 0.6, 0.55, 0.7, 0.66])
    second = first - [0.01, 0.03, 0.02, 0.05, 0.04]
    assert compare_pair(first, second).pairs_needed is not None
    assert compare_pair(first[:4], second[:4]).pairs_needed is None

import numpy as np
import pandas as pd
import pytest

from actscope.report.stats import (
    estimate,
    in_words,
    paired_difference,
    summarise,
    summarise_by_epoch,
)

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
    assert found.high.tolist() == pytest.approx([2 + T_1, 10.0], abs=1e-3)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = estimate(np.array([0.9]))
    assert found.mean == 0.9
    assert np.isnan([found.sd, found.low, found.high]).all()


def test_no_value_has_no_mean() -> None:
    assert np.isnan(estimate(np.array([])).mean)


def test_equal_values_have_an_interval_of_width_zero() -> None:
    found = estimate(np.array([0.1, 0.1, 0.1]))
    assert (found.low, found.mean, found.high, found.sd) == (0.1, 0.1, 0.1, 0.0)


def test_differences_are_paired_by_seed() -> None:
    # Seeds 0 and 1 are shared: differences 1 and 3.
    first = pd.Series([5.0, 9.0, 100.0], index=[0, 1, 2])
    second = pd.Series([6.0, 4.0], index=[1, 0])
    found = paired_difference(first, second)
    assert (found.n, found.mean) == (2, 2.0)
    assert found.sd == pytest.approx(2**0.5)


def test_outcomes_that_did_not_occur_are_left_out() -> None:
    assert in_words({"learned": 3, "failed": 0, "diverged": 1}) == "3 learned, 1 diverged"


def test_a_diverged_run_is_counted_and_not_averaged() -> None:
    runs = pd.DataFrame(
        {
            "variant": "",
            "activation": "relu",
            "lr": 0.1,
            "outcome": ["learned", "failed", "diverged"],
            "final": [0.9, 0.1, np.nan],
            "best": [1.0, 0.2, np.nan],
        }
    )
    (cell,) = summarise(runs).to_dict("records")
    assert cell["n"] == 2
    assert cell["outcomes"] == "1 learned, 1 failed, 1 diverged"
    assert cell["final_mean"] == 0.5
    assert cell["best_mean"] == 0.6


def test_curves_are_averaged_epoch_by_epoch() -> None:
    accuracy = pd.DataFrame(
        {
            "variant": "",
            "activation": "relu",
            "lr": 0.1,
            "seed": [0, 0, 1, 1],
            "epoch": [1, 2, 1, 2],
            "accuracy": [0.25, 0.5, 0.75, 0.5],
        }
    )
    curve = summarise_by_epoch(accuracy)
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["mean"].tolist() == [0.5, 0.5]
    assert curve["n"].tolist() == [2, 2]
    assert curve["high"][1] == 0.5

"""Metrics: how values are shown, which one is better, and which one a run has."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest

from actscope.metric import ACCURACY, METRICS, R2, RMSE, learned_by, metric_of


def test_accuracies_are_shown_in_per_cent_and_their_differences_in_points() -> None:
    assert ACCURACY.show(0.97204) == "97.20 %"
    assert ACCURACY.number(math.nan) == ""
    assert f"{ACCURACY.difference(0.0123)}{ACCURACY.difference_behind}" == "+1.230 points"
    assert ACCURACY.difference(-1e-9) == "+0.000"
    assert (ACCURACY.heading("mean"), ACCURACY.label) == ("mean, %", "accuracy (%)")


def test_other_metrics_have_no_unit() -> None:
    assert (R2.show(0.5), RMSE.show(0.12345)) == ("0.5000", "0.1235")
    assert (R2.heading("mean"), R2.label, R2.difference_behind) == ("mean", "R²", "")
    assert RMSE.difference(0.25) == "+0.25000"


def test_a_gain_is_positive_where_the_first_is_better() -> None:
    assert [metric.gain(0.75, 0.5) for metric in METRICS.values()] == [0.25, 0.25, -0.25]
    both = RMSE.gain(pd.Series([1.0, 2.0]), pd.Series([2.0, 1.0]))
    assert both.tolist() == [1.0, -1.0]


def test_values_below_an_axis_are_drawn_at_its_end() -> None:
    assert R2.drawn(np.array([-3.0, 0.5])).tolist() == [0.0, 0.5]
    assert ACCURACY.drawn(np.array([0.25])).tolist() == [25.0]
    assert RMSE.drawn(np.array([7.0])).tolist() == [7.0]


@pytest.mark.parametrize(
    ("loss", "metric", "found"),
    [
        (None, None, ACCURACY),
        ("cross_entropy", "None", ACCURACY),
        ("mse", "None", R2),
        ("mse", "rmse", RMSE),
    ],
)
def test_the_metric_of_a_run_is_in_its_settings(loss, metric, found) -> None:
    assert metric_of({"train.loss": loss, "train.metric": metric}) is found


def test_a_metric_is_the_same_in_another_process() -> None:
    assert all(pickle.loads(pickle.dumps(metric)) is metric for metric in METRICS.values())  # noqa: S301


def test_runs_of_numbers_learn_by_r2() -> None:
    assert [learned_by(metric) for metric in METRICS.values()] == [ACCURACY, R2, R2]

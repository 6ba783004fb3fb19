"""Loss and accuracy over the training, and their summary by epoch."""

import math

import numpy as np
import pandas as pd
import pytest

from actscope.artifacts.metrics import Series, by_epoch, final_and_best
from actscope.engine.train import train_stack
from tests.support.making import make_data, make_point

DATA = make_data()  # 95 examples: 5 minibatches an epoch, the last one of 15

COLUMNS = {
    "step": "int32",
    "epoch": "float32",
    "split": "str",
    "loss": "float32",
    "accuracy": "float32",
}


def history_of(**settings) -> pd.DataFrame:
    return train_stack([make_point(**settings)], DATA)[0].history


def history(*rows: tuple[int, str, float, float], steps_per_epoch: int) -> pd.DataFrame:
    """A history of rows (step, split, loss, accuracy)."""
    frame = pd.DataFrame(rows, columns=["step", "split", "loss", "accuracy"])
    frame.insert(1, "epoch", frame["step"] / steps_per_epoch)
    return frame.astype(COLUMNS)


def test_a_history_has_the_columns_of_the_contract():
    assert history_of().dtypes.astype(str).to_dict() == COLUMNS


def test_a_history_has_training_rows_where_units_are_recorded_and_test_rows_by_epoch():
    frame = history_of(epochs=2, every=3)
    assert list(frame[["step", "split"]].itertuples(index=False)) == [
        (3, "train"),
        (5, "test"),
        (6, "train"),
        (9, "train"),
        (10, "train"),
        (10, "test"),
    ]
    np.testing.assert_allclose(frame["epoch"], [0.6, 1.0, 1.2, 1.8, 2.0, 2.0])


def test_a_training_row_is_the_mean_over_the_examples_since_the_last_one():
    often = history_of(epochs=2, every=1)
    seldom = history_of(epochs=2, every=4)
    each = often[often["split"] == "train"].set_index("step")
    sizes = pd.Series([20, 20, 20, 20, 15] * 2, index=range(1, 11))
    rows = seldom[seldom["split"] == "train"].set_index("step")
    for step, since in ((4, [1, 2, 3, 4]), (8, [5, 6, 7, 8]), (10, [9, 10])):
        for measure in ("loss", "accuracy"):
            expected = np.average(each.loc[since, measure], weights=sizes[since])
            assert rows.loc[step, measure] == pytest.approx(expected, rel=1e-6)


def by_step(series):
    return dict(zip(series.steps.tolist(), series.numbers.tolist(), strict=True))


def test_series_by_epoch():
    """Of rows at steps 2 and 4 of an epoch of four, each stands for two minibatches."""
    series = by_epoch(
        history(
            (2, "train", 3.0, 0.1),
            (4, "train", 2.0, 0.3),
            (4, "test", 1.5, 0.4),
            (6, "train", 1.0, 0.5),
            (8, "train", 0.5, 0.8),
            (8, "test", 0.75, 0.6),
            steps_per_epoch=4,
        )
    )
    assert list(series) == ["train/loss", "train/accuracy", "test/loss", "test/accuracy"]
    assert by_step(series["train/loss"]) == pytest.approx({1: 2.5, 2: 0.75})
    assert by_step(series["train/accuracy"]) == pytest.approx({1: 0.2, 2: 0.65})
    assert by_step(series["test/loss"]) == pytest.approx({1: 1.5, 2: 0.75})
    assert by_step(series["test/accuracy"]) == pytest.approx({1: 0.4, 2: 0.6})


def test_a_training_row_weighs_by_the_minibatches_it_stands_for():
    """Rows at 4 and 5 of an epoch of five: (4 * 1.0 + 1 * 6.0) / 5 = 2.0."""
    series = by_epoch(history((4, "train", 1.0, 0.0), (5, "train", 6.0, 1.0), steps_per_epoch=5))
    assert by_step(series["train/loss"]) == pytest.approx({1: 2.0})
    assert by_step(series["train/accuracy"]) == pytest.approx({1: 0.2})


def test_a_training_row_belongs_to_the_epoch_in_which_it_ends():
    rows = ((4, "train", 1.0, 0.0), (8, "train", 3.0, 0.5), (10, "train", 6.0, 1.0))
    series = by_epoch(history(*rows, steps_per_epoch=5))
    assert by_step(series["train/loss"]) == pytest.approx({1: 1.0, 2: (4 * 3.0 + 2 * 6.0) / 6})


def test_epochs_are_told_apart_after_many():
    rows = [(600 * epoch, "test", float(epoch), 0.5) for epoch in (299, 300)]
    rows += [(600 * 299 + 1, "train", 1.0, 0.5), (600 * 300, "train", 2.0, 0.5)]
    series = by_epoch(history(*rows, steps_per_epoch=600))
    assert series["test/loss"].steps.tolist() == [299, 300]
    assert series["train/loss"].steps.tolist() == [300]


def test_series_of_a_real_run_end_where_its_history_ends():
    frame = history_of(epochs=3, every=1)
    series = by_epoch(frame)
    test = frame[frame["split"] == "test"]
    assert all(own.steps.tolist() == [1, 2, 3] for own in series.values())
    assert series["test/accuracy"].numbers.tolist() == test["accuracy"].tolist()


def test_final_is_the_last_and_best_the_lowest_loss_and_the_highest_accuracy():
    series = {
        "test/loss": Series(np.arange(3), np.array([0.9, 0.4, 0.7])),
        "test/accuracy": Series(np.arange(3), np.array([0.5, 0.8, 0.6])),
    }
    assert final_and_best(series) == {
        "test/loss_final": 0.7,
        "test/loss_best": 0.4,
        "test/accuracy_final": 0.6,
        "test/accuracy_best": 0.8,
    }


def test_an_empty_history_has_empty_series_and_no_summary():
    series = by_epoch(history(steps_per_epoch=5))
    assert series == {}
    assert final_and_best(series) == {}


def test_a_run_that_diverged_in_its_first_epoch_has_no_test_summary():
    summary = final_and_best(by_epoch(history((1, "train", 2.0, 0.1), steps_per_epoch=5)))
    assert summary == pytest.approx(
        {
            "train/loss_final": 2.0,
            "train/loss_best": 2.0,
            "train/accuracy_final": 0.1,
            "train/accuracy_best": 0.1,
        }
    )
    assert not any(math.isnan(value) for value in summary.values())

"""What is held out, which epoch validation chooses, and what is known of each test image."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from actscope.config import DataSource, Point
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import Training, steady_arithmetic, train_stack
from actscope.errors import DataError
from tests.support.making import BN_RELU, ELU, RELU, make_data, make_point

TESTED = make_data()  # 5 minibatches an epoch
VALIDATED = make_data(validation=40)
POINTS = [
    make_point(activation, lr=lr, epochs=12, hidden=(8,))
    for activation in (RELU, BN_RELU, ELU)
    for lr in (0.003, 0.05)
]


@pytest.fixture(scope="module")
def validated() -> list[RunResult]:
    return train_stack(POINTS, VALIDATED)


def rows_of(result: RunResult, split: str) -> pd.DataFrame:
    return result.history[result.history["split"] == split]


def accuracy_at(point: Point, epoch: int) -> float:
    """Test accuracy after an epoch of the same training, tested after each one."""
    result = train_stack([point], replace(VALIDATED, validation_x=VALIDATED.validation_x[:0]))[0]
    return float(rows_of(result, "test")["accuracy"].iloc[epoch - 1])


def test_predictions_say_of_each_image_whether_the_network_is_right():
    (result,) = train_stack([make_point(lr=0.003, hidden=(8,))], TESTED)
    state = result.state
    hidden = (TESTED.test_x @ state["layer1.weight"].T + state["layer1.bias"]).relu()
    logits = hidden @ state["layer2.weight"].T + state["layer2.bias"]
    expected = logits.argmax(1) == TESTED.test_y
    assert 0 < expected.sum() < len(expected)
    assert result.predictions["correct"].tolist() == expected.tolist()
    assert result.predictions["correct"].mean() == pytest.approx(result.test_final)


def test_a_diverged_run_predicts_nothing():
    (result,) = train_stack([make_point(lr=1e30)], TESTED)
    assert result.diverged_at is not None
    assert result.predictions.empty


def test_with_validation_a_run_is_tested_once_after_its_best_epoch(validated):
    chosen = set()
    for point, result in zip(POINTS, validated, strict=True):
        by_epoch = rows_of(result, "validation")["accuracy"].tolist()
        assert len(by_epoch) == 12
        (tested,) = rows_of(result, "test").itertuples()
        best = by_epoch.index(max(by_epoch)) + 1
        assert (tested.epoch, tested.step) == (best, 5 * best)
        assert tested.accuracy == pytest.approx(accuracy_at(point, best))
        assert result.test_final == tested.accuracy
        assert result.predictions["correct"].mean() == pytest.approx(tested.accuracy)
        chosen.add(best)
    assert len(chosen) > 2, "the runs of a stack choose their epochs on their own"


def test_validation_changes_no_other_number(validated):
    plain = train_stack(POINTS, replace(VALIDATED, validation_x=VALIDATED.validation_x[:0]))
    for with_it, without in zip(validated, plain, strict=True):
        pd.testing.assert_frame_equal(with_it.trajectory, without.trajectory, check_exact=True)
        pd.testing.assert_frame_equal(with_it.probe, without.probe, check_exact=True)


def test_the_best_epoch_survives_a_checkpoint(validated):
    with steady_arithmetic():
        first = Training(POINTS, VALIDATED, torch.float32)
        for step in first.steps():
            if step == 33:
                break
        saved = {name: part.clone() for name, part in first.state().items()}
        second = Training(POINTS, VALIDATED, torch.float32)
        second.load_state(saved)
        list(second.steps())
    for resumed, whole in zip(second.results(), sorted_as_trained(validated), strict=True):
        pd.testing.assert_frame_equal(resumed.history, whole.history, check_exact=True)
        pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)
        assert all(torch.equal(value, whole.state[name]) for name, value in resumed.state.items())


def sorted_as_trained(results: list[RunResult]) -> list[RunResult]:
    return [next(r for r in results if r.point == point) for point in POINTS]


@pytest.mark.parametrize("activation", [RELU, BN_RELU])
def test_a_run_that_is_not_tested_has_no_test_accuracy(activation):
    searched = replace(VALIDATED, test_x=VALIDATED.test_x[:0], test_y=VALIDATED.test_y[:0])
    points = [replace(point, activation=activation) for point in POINTS[:2]]
    for result in train_stack(points, searched):
        assert set(result.history["split"]) == {"train", "validation"}
        assert math.isnan(result.test_final)
        assert result.predictions.empty


@pytest.mark.parametrize(("validation", "count"), [(0.2, 288), (237, 237)])
def test_validation_examples_are_a_fixed_stratified_part_of_those_of_training(validation, count):
    whole = load_data(DataSource("digits"))
    split = load_data(DataSource("digits", validation=validation))
    assert (len(split.train_x), len(split.validation_x)) == (1437 - count, count)
    shares = [torch.bincount(y) / len(y) for y in (split.validation_y, whole.train_y)]
    torch.testing.assert_close(*shares, atol=1 / count, rtol=0)
    both = torch.cat([split.train_x, split.validation_x])
    assert torch.equal(sort_rows(both), sort_rows(whole.train_x))
    assert torch.equal(split.test_x, whole.test_x)
    assert split.sha256 == whole.sha256
    load_data.cache_clear()
    again = load_data(DataSource("digits", validation=validation))
    assert torch.equal(again.validation_x, split.validation_x)


def sort_rows(x: torch.Tensor) -> torch.Tensor:
    return torch.stack(sorted(x, key=lambda row: row.tolist()))


@pytest.mark.parametrize("validation", [9, 1428, 5000, 0.0001, 0.9999])
def test_too_few_or_too_many_validation_examples_are_one_line(validation):
    text = (
        f"data.validation={validation}: digits has 1437 training examples. "
        "Hold out 10 to 1427 of them."
    )
    with pytest.raises(DataError, match=text):
        load_data(DataSource("digits", validation=validation))

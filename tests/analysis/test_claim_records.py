from dataclasses import replace

import pandas as pd
import pytest

from actscope.analysis.claims.records import stated_in_words, stored_records
from actscope.analysis.frames import read_study
from actscope.analysis.histories import late_training
from actscope.config import OutcomeRule
from actscope.network_settings import Model
from actscope.tracking import GridPoint, begin_sweep, end_sweep
from tests.support.studies import RELU, Lab, point


def history(rows: list[tuple[int, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["step", "split", "accuracy"])


def test_the_late_accuracy_is_that_of_the_last_tenth_of_the_minibatches() -> None:
    # 25 steps: the last 3. Two of them are in one row.
    rows = [(22, "train", 0.1), (24, "train", 0.5), (25, "train", 0.8), (25, "test", 0.9)]
    assert late_training(history(rows)) == pytest.approx((2 * 0.5 + 0.8) / 3)


def test_a_row_that_began_before_the_last_tenth_counts_by_its_minibatches_inside() -> None:
    # 20 steps: the last 2, one of each row.
    rows = [(5, "train", 0.0), (19, "train", 0.4), (20, "train", 0.6)]
    assert late_training(history(rows)) == pytest.approx(0.5)


def test_the_late_accuracy_of_a_trained_run_is_on_the_side_of_its_outcome(lab: Lab) -> None:
    changes = {"model": Model((16,)), "outcome": OutcomeRule(0.5)}
    points = [replace(point("late", RELU, lr, 0, 5), **changes) for lr in (0.0001, 0.01)]
    ids = lab.run("late", points)
    runs = read_study(lab.store, "late")
    late = stored_records(lab.store).late(runs)
    assert [late[run_id] >= 0.5 for run_id in ids] == [False, True]
    assert runs.used.set_index("run_id").loc[ids, "outcome"].tolist() == ["failed", "learned"]


@pytest.mark.parametrize(
    ("stated", "used", "words"),
    [
        ({1, 2}, {1, 2}, "The study's first sweep stated 2 seeds; all have runs."),
        ({1, 2, 3}, {1, 2}, "The study's first sweep stated 3 seeds; 2 have runs."),
        ({1}, {1, 2, 3}, "The study's first sweep stated 1 seed; it was enlarged to 3."),
        ({1}, {1, 2, 3}, "2 were added after results could be seen."),
        (None, {1}, "No record says how many seeds the study was to have."),
    ],
)
def test_a_study_says_whether_it_has_the_seeds_that_it_stated(
    stated: set[int] | None, used: set[int], words: str
) -> None:
    assert words in stated_in_words(stated, used)


def test_the_first_sweep_states_the_seeds_and_a_later_one_may_enlarge_them(lab: Lab) -> None:
    def sweep(name: str, stated: int, trained: list[int]) -> str:
        grid = [GridPoint.of(point("stated", RELU, 0.01, seed)) for seed in range(stated)]
        begun = begin_sweep(lab.store, "stated", name, grid)
        lab.log(begun, lab.train([point("stated", RELU, 0.01, seed) for seed in trained]))
        end_sweep(lab.store, begun, "FINISHED")
        return stored_records(lab.store).seeds(read_study(lab.store, "stated"))

    assert "stated 2 seeds; 1 have" in sweep("interrupted", 2, [0])
    assert "stated 2 seeds; all have" in sweep("resumed", 2, [1])
    assert "stated 2 seeds; it was enlarged to 3" in sweep("enlarged", 3, [2])

"""What MLflow's UI tells of a sweep, from results worked out by hand."""

import math
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from mlflow import MlflowClient

from actscope.analysis.frames import read_study
from actscope.config import DataSource
from actscope.engine.result import Outcome
from actscope.metric import ACCURACY
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.summary import best_in_words, cell_means
from actscope.tracking.sweeps import begin_sweep
from actscope.tracking.ui import NOTE, about_study, about_sweep, study_tags
from tests.support.making import ELU, RELU, make_point
from tests.support.tracked import STUDY, log_study, new_store, trained

RESULTS: list[Result] = [
    Done(make_point(RELU, lr=0.1, seed=0), "a", Outcome.LEARNED, 0.5),
    Done(make_point(RELU, lr=0.1, seed=1), "b", Outcome.LEARNED, 0.7),
    Done(make_point(ELU, lr=0.1, seed=0), "c", Outcome.LEARNED, 0.9),
    Done(make_point(ELU, lr=0.1, seed=1), "d", Outcome.DIVERGED, math.nan),
    Failed(make_point(ELU, lr=0.01, seed=0), "it raised"),
]


def test_a_cell_is_the_mean_over_its_points_that_learned() -> None:
    cells = cell_means(RESULTS).set_index(["lr", "activation"])
    assert list(cells.index) == [(0.01, "elu"), (0.1, "relu"), (0.1, "elu")]
    relu, elu, none = cells.loc[(0.1, "relu")], cells.loc[(0.1, "elu")], cells.loc[(0.01, "elu")]
    assert (relu["final_mean"], relu["n"]) == (pytest.approx(0.6), 2)
    assert relu["final_sd"] == pytest.approx(0.02**0.5)
    assert (elu["final_mean"], elu["n"], elu["outcomes"]) == (0.9, 1, "1 learned, 1 diverged")
    assert math.isnan(none["final_mean"])
    assert none["outcomes"] == "1 not trained"


def test_a_sweep_tells_its_best_cell_and_every_other() -> None:
    note = about_sweep(cell_means(RESULTS), best_in_words(RESULTS))
    # elu has the higher mean, but one of its runs diverged.
    assert note.startswith("relu at lr = 0.1 has the only mean, on the test set itself: 60.00 % (")
    assert "| 0.1 | relu | 0.6000 | 0.1414 | 2 | 2 learned |" in note
    assert "| 0.01 | elu | - | - | 0 | 1 not trained |" in note
    assert "variant" not in note


def test_a_note_ends_with_a_whole_row_where_mlflow_would_cut_it() -> None:
    done = [Done(make_point(lr=0.001 * step), "a", Outcome.LEARNED, 0.5) for step in range(1, 400)]
    note = about_sweep(cell_means(done))
    assert len(note) <= 8000
    assert note.endswith("| relu | 0.5000 | - | 1 | 1 learned |")


def test_a_sweep_without_any_accuracy_has_no_best_cell() -> None:
    untested = Done(make_point(), "a", Outcome.LEARNED, math.nan)
    for results in (RESULTS[-1:], [untested]):
        assert best_in_words(results) == ["no activation learned with every seed at any rate."]


def test_a_sweep_with_validation_is_not_ranked_by_its_test() -> None:
    source = DataSource("digits", validation=0.2)
    points = [replace(make_point(RELU, lr=lr), data=source) for lr in (0.1, 0.2)]
    results = [
        Done(points[0], "a", Outcome.LEARNED, 0.9, 0.5),
        Done(points[1], "b", Outcome.LEARNED, 0.8, 0.6),
    ]
    (words,) = best_in_words(results)
    assert words.startswith(
        "relu at lr = 0.2 has the highest mean of 2 cells on the validation set"
    )


def test_a_study_tells_how_to_report_it() -> None:
    assert "make report STUDY=mine" in about_study("mine", ACCURACY)


def test_a_run_in_a_local_store_links_to_the_explorer(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    run_id, *_ = log_study(store, trained())
    tags = store.client.get_run(run_id).data.tags
    point = tags["actscope.signature.config"][:12]
    link = f"(/reports/{STUDY}/explore.html#point={point})"
    assert tags[NOTE].splitlines()[0].endswith(link)  # MLflow folds what comes later
    runs = read_study(store, STUDY).used
    assert runs.loc[runs["run_id"] == run_id, "point"].str.startswith(point).all()


def test_two_sweeps_of_a_new_study_set_no_tag_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow fails if two processes add the same tag to an experiment.
    monkeypatch.setattr(MlflowClient, "set_experiment_tag", Mock(side_effect=AssertionError))
    store = new_store(tmp_path)
    for name in ("first", "second"):
        begin_sweep(store, "study", name, [])
    assert study_tags("study", ACCURACY).items() <= store.find_experiment("study").tags.items()


def test_tags_of_an_earlier_version_are_replaced(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = store.ensure_experiment("study", dict.fromkeys(study_tags("study", ACCURACY), "old"))
    assert begin_sweep(store, "study", "sweep", []).experiment_id == old
    assert study_tags("study", ACCURACY).items() <= store.find_experiment("study").tags.items()

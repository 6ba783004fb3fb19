"""What is chosen by validation examples, and what the page says of it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from actscope.analysis.frames import StudyRuns, read_study
from actscope.analysis.ranking import find_lead, ranked_cells
from actscope.analysis.run_tables import read_correct
from actscope.analysis.stats import summarise
from actscope.analysis.study_analysis import analyse_stored
from actscope.config import DataSource
from actscope.engine.data import load_data
from actscope.report.cli import main as report
from actscope.report.text.study import answer
from tests.support.studies import ELU, RELU, Lab, point


def runs(**accuracies: tuple[float, float]) -> pd.DataFrame:
    """One run an activation, with its final test accuracy and its validation accuracy."""
    rows = [
        {"variant": "", "activation": name, "lr": 0.1, "seed": 0, "outcome": "learned"}
        | {"run_id": name, "final": test, "validation": validation}
        for name, (test, validation) in accuracies.items()
    ]
    return pd.DataFrame(rows)


CHOSEN = runs(relu=(0.9, 0.8), elu=(0.85, 0.95))  # each split has another order


def test_the_best_cell_is_chosen_by_validation_where_there_is_any() -> None:
    assert ranked_cells(summarise(CHOSEN))["activation"].tolist() == ["elu", "relu"]
    untouched = summarise(CHOSEN.drop(columns="validation"))
    assert ranked_cells(untouched)["activation"].tolist() == ["relu", "elu"]


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (
            "test",
            "elu at lr = 0.1 has the highest mean of 2 cells on the validation set. Its",
        ),
        ("validation", "elu at lr = 0.1 has the highest mean of 2 cells, on the validation set: "),
    ],
)
def test_the_headline_says_what_chose_the_cell(split: str, said: str) -> None:
    cells = summarise(CHOSEN)
    (sentences,) = answer({"": split}, cells, {"": find_lead(CHOSEN, cells)})
    assert sentences[0].startswith(said)
    assert "85.00 % (one run, so no interval)" in sentences[0]
    assert sentences[1].startswith("That is 5.00 points below the next activation, relu")


@pytest.mark.parametrize(
    ("elu", "said"),
    [((0.5, 0.502), "the next one is better"), ((0.9, 0.6), "either may be better")],
)
def test_a_chosen_cell_may_be_the_lower_one_on_the_test_set(
    elu: tuple[float, float], said: str
) -> None:
    """Relu has 0.8 and 0.803 with two seeds, but the lower validation accuracy."""
    pairs = {"relu": (0.8, 0.803), "elu": elu}
    used = pd.concat(
        runs(**{name: (finals[seed], 0.9 if name == "elu" else 0.8)}).assign(seed=seed)
        for name, finals in pairs.items()
        for seed in (0, 1)
    )
    cells = summarise(used)
    (sentences,) = answer({"": "test"}, cells, {"": find_lead(used, cells)})
    assert sentences[0].startswith("elu at lr = 0.1 has the highest mean of 2 cells on the valid")
    assert sentences[1].endswith(f": {said}.")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A store with a study that holds examples out, and one that leaves the test out as well."""
    lab = Lab(tmp_path_factory.mktemp("validation"))
    for study, source in (
        ("held_out", DataSource("digits", validation=0.1)),
        ("searched", DataSource("digits", validation=100, test=False)),
    ):
        lab.data = load_data(source)
        points = [
            replace(point(study, activation, lr, seed, epochs=4), data=source)
            for activation in (RELU, ELU)
            for lr in (0.003, 0.01)
            for seed in (0, 1)
        ]
        lab.run(study, points)
    return lab


@pytest.fixture
def held_out(lab: Lab) -> StudyRuns:
    return read_study(lab.store, "held_out")


@pytest.fixture
def searched(lab: Lab) -> StudyRuns:
    return read_study(lab.store, "searched")


def test_each_epoch_is_measured_on_what_is_held_out(lab: Lab, held_out: StudyRuns) -> None:
    assert (held_out.split, held_out.split_of_epochs) == ("test", "validation")
    study = analyse_stored(lab.store, held_out)
    by_run = study.runs_by_epoch.groupby(["activation", "lr", "seed"])["value"]
    assert (by_run.size() == 4).all()
    best = held_out.used.set_index(["activation", "lr", "seed"])["validation"]
    pd.testing.assert_series_equal(
        by_run.max(), best.loc[by_run.max().index], check_names=False, check_index_type=False
    )


def test_the_final_accuracy_is_that_of_the_examples_which_were_right(
    lab: Lab, held_out: StudyRuns
) -> None:
    for run in held_out.used.to_dict("records"):
        correct = read_correct(lab.store, "held_out", run["run_id"])
        assert correct is not None
        assert correct.mean() == pytest.approx(run["final"])


def test_a_search_has_validation_accuracies_only(lab: Lab, searched: StudyRuns) -> None:
    assert (searched.split, searched.split_of_epochs) == ("validation", "validation")
    used = searched.used
    assert len(used) == 8
    assert used["final"].tolist() == used["validation"].tolist()
    study = analyse_stored(lab.store, searched)
    assert study.correct == {}
    assert study.cells["both_low"].isna().all()
    assert study.cells["wins"].isna().all()


def test_cells_have_an_interval_over_seeds_and_examples_around_their_mean(
    lab: Lab, held_out: StudyRuns
) -> None:
    study = analyse_stored(lab.store, held_out)
    assert (study.cells["images"] == 360).all()
    assert ((study.cells["both_low"] + study.cells["both_high"]) / 2).tolist() == pytest.approx(
        study.cells["final_mean"].tolist()
    )
    assert study.cells["wins"].sum() == pytest.approx(1)
    pairs = study.comparisons
    assert ((pairs["both_low"] + pairs["both_high"]) / 2).tolist() == pytest.approx(
        pairs["mean"].tolist()
    )


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(("study", "split"), [("held_out", "test"), ("searched", "validation")])
def test_the_page_says_what_its_accuracies_are_of(
    lab: Lab, tmp_path: Path, study: str, split: str
) -> None:
    words = [f"study={study}", f"tracking.uri={lab.store.uri}", f"report.folder={tmp_path}"]
    assert report(words) == 0
    page = (tmp_path / study / "index.html").read_text().replace("\xa0", " ")
    assert f"Final {split} accuracy of every run" in page
    assert "Validation accuracy at the end of each epoch" in page
    assert "on the test set itself" not in page
    held_out = {"held_out": "10 %", "searched": "100 examples"}[study]
    assert f"Held out of the training examples for validation: {held_out}" in page

"""A searched study from its first trial to its report, on a real store."""

import io
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.tuned_study import read_tuned
from actscope.analysis.tuning import SearchPlan
from actscope.commands import status
from actscope.commands.settings import StatusSettings
from actscope.commands.train import options_first
from actscope.config import Activation, Point, Tracking
from actscope.errors import ConfigError
from actscope.metric import ACCURACY
from actscope.report.cli import main
from actscope.sweep.grid import Grid
from actscope.sweep.open_sweep import OpenSweep
from actscope.sweep.resources import Resources
from actscope.sweep.results import Result
from actscope.sweep.tuned_cells import TunedCell, cells_of
from actscope.sweep.tuned_sweep import plan_tuned, run_tuned
from actscope.tracking import RunSummary
from actscope.tuning_settings import Search
from tests.support.making import ELU, RELU, make_point

# Half of these rates, by their logarithm, are too high for the sum over a minibatch.
SPACE = {
    "lr": {"low": 0.001, "high": 1.0, "log": True},
    "train.momentum": {"low": 0.0, "high": 0.5},
}
RULES = Search(SPACE, trials=6, seeds=(200, 201), evaluation_seeds=(10, 11), batch=3)
HERE = Resources(0, 20)


def cell(activation: Activation) -> Point:
    point = make_point(activation, study="mine", hidden=(16,), epochs=3, every="epoch")
    return replace(point, data=replace(point.data, validation=0.2))


CELLS = [cell(RELU), cell(ELU)]


def run(settings: Tracking, screen: io.StringIO | None = None) -> list[TunedCell]:
    console = Console(file=screen or io.StringIO(), width=120)
    return run_tuned(CELLS, RULES, settings, "s1", HERE, console)


def runs_of(study: str, settings: Tracking) -> list[RunSummary]:
    store = tracking.locate_store(settings)
    return tracking.read_summaries(store, store.find_experiment(study).experiment_id)


def plan_of(state: TunedCell) -> SearchPlan:
    assert isinstance(state.plan, SearchPlan)
    return state.plan


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path_factory.mktemp('searched')}/mlflow.db", patch=False)


@pytest.fixture(scope="module")
def states(settings: Tracking) -> list[TunedCell]:
    """Both cells after a search that was interrupted in its second round and then continued."""
    train, rounds = OpenSweep.train, []

    def interrupted(sweep: OpenSweep, grid: Grid) -> dict[Point, Result]:
        rounds.append(len(grid))
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return train(sweep, grid)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(OpenSweep, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(settings)
    assert len([each for each in runs_of("mine.tuning", settings) if each.is_point]) == 6
    return run(settings)


def test_a_continued_search_has_all_trials_and_judges_the_best(
    states: list[TunedCell], settings: Tracking
) -> None:
    for state in states:
        assert state.stage == "done"
        assert [trial.number for trial in plan_of(state).trials] == [1, 2, 3, 4, 5, 6]
        choice = state.plan.choice
        assert choice is not None
        judges = {(done.point.lr, done.point.train.momentum) for done in state.evaluations()}
        assert judges == {tuple(value for _, value in choice.settings)}
        assert sorted(done.point.seed for done in state.evaluations()) == [10, 11]
    judged = [each for each in runs_of("mine", settings) if each.is_point]
    assert len(judged) == 4
    assert all(0 < each.final("test", ACCURACY) <= 1 for each in judged)
    trials = [each for each in runs_of("mine.tuning", settings) if each.is_point]
    assert all(math.isnan(each.final("test", ACCURACY)) for each in trials)  # not tested
    best = json.loads(judged[0].tags["chosen_by"])
    tags = [json.loads(each.tags["trial"]) for each in trials if each.run_id in best]
    assert [tag["state"] for tag in tags] == ["finished"] * len(RULES.seeds)


def test_a_diverged_trial_has_failed_and_its_other_seeds_are_not_trained(
    states: list[TunedCell], settings: Tracking
) -> None:
    failed = [each for state in states for each in plan_of(state).trials if each.state == "failed"]
    assert failed
    assert all(trial.values[-1] is None for trial in failed)
    runs = Counter(
        (each.tags["trial"], each.name.split()[0])
        for each in runs_of("mine.tuning", settings)
        if each.is_point
    )
    for state in states:
        for trial in plan_of(state).trials:
            tag = {"search": plan_of(state).search, "number": trial.number, "state": trial.state}
            assert runs[json.dumps(tag), state.cell.activation.name] == len(trial.values)


def test_each_call_is_one_sweep_with_one_run_in_each_study(
    states: list[TunedCell], settings: Tracking
) -> None:
    first, second = (each for each in runs_of("mine.tuning", settings) if each.is_sweep)
    assert (first.status, second.status) == ("KILLED", "FINISHED")
    (judging,) = (each for each in runs_of("mine", settings) if each.is_sweep)
    assert judging.status == "FINISHED"


def test_the_same_command_and_a_plan_train_nothing_again(
    states: list[TunedCell], settings: Tracking
) -> None:
    screen = io.StringIO()
    # nan, for no number, equals nothing.
    assert repr(run(settings, screen)) == repr(states)
    assert "round" not in screen.getvalue()
    planned = plan_tuned(CELLS, RULES, settings, Console(file=screen, width=120))
    assert repr(planned) == repr(states)
    assert "cells   2: 2 done; 0 runs to train next" in screen.getvalue()


def test_the_status_has_a_row_of_trials_and_no_grid(
    states: list[TunedCell], settings: Tracking, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.run(StatusSettings(settings, "mine")) == 0
    shown = capsys.readouterr().out
    for state in states:
        marks = " ".join("#" * len(trial.values) for trial in plan_of(state).trials)
        assert sorted(marks.split()) in [sorted(m.split()) for m in _rows(shown)]
    assert "momentum" not in shown


def _rows(shown: str) -> list[str]:
    return [line.split("│")[2] for line in shown.splitlines() if line.count("│") == 3]


@pytest.mark.usefixtures("unrendered")
def test_a_searched_study_is_reported_as_searched(
    states: list[TunedCell], settings: Tracking, tmp_path: Path
) -> None:
    words = [f"tracking.uri={settings.uri}", f"report.folder={tmp_path}", "report.attach=false"]
    assert main(["study=mine", *words, "report.processes=1"]) == 0
    page = (tmp_path / "mine" / "index.html").read_text()
    for said in (
        "The settings were searched, not tried on a grid: each cell had 6 trials of lr and ",
        "<code>lr</code>: 0.001 to 1, even in the logarithm.",
        "Fresh seeds, 10, 11, train at the settings of the best trial.",
    ):
        assert said in page
    assert "coarse grid" not in page
    figures = {path.stem for path in (tmp_path / "mine" / "figures").glob("*.png")}
    assert {"best_so_far", "search_lr", "search_momentum"} < figures
    assert "accuracy_by_rate" not in figures


def test_the_tables_of_a_report_are_those_of_the_search(
    states: list[TunedCell], settings: Tracking
) -> None:
    study = read_tuned(tracking.locate_store(settings), "mine")
    assert isinstance(study, SearchedStudy)
    for state in states:
        own = study.trials[study.trials["activation"] == state.cell.activation.name]
        assert own["state"].tolist() == [trial.state for trial in plan_of(state).trials]
        finished = own.loc[own["state"] == "finished", "validation"]
        assert own["best"].iloc[-1] == finished.max()
        (best,) = study.choices[study.choices["activation"] == state.cell.activation.name].to_dict(
            "records"
        )
        assert state.plan.choice is not None
        assert [best[name] for name in study.tuned] == [v for _, v in state.plan.choice.settings]
        assert best["validation"] == state.plan.choice.scores[0].mean
    assert study.judged["runs"].tolist() == [2, 2]
    assert study.leads["n"].tolist() == [2]


def test_a_space_that_a_cell_does_not_have_is_refused() -> None:
    def searching(**values: list[object]) -> Search:
        return replace(RULES, space={**SPACE, **{f"train.{k}": v for k, v in values.items()}})

    unknown = r"^tuning.space.train.momentun: unknown setting. Choose one of epochs, batch_size"
    with pytest.raises(ConfigError, match=unknown):
        cells_of(CELLS, searching(momentun=[0.1, 0.2]))
    with pytest.raises(ConfigError, match=r"^tuning.space.train.momentum=1.5: must be less than 1"):
        cells_of(CELLS, searching(momentum=[0.1, 1.5]))


def test_a_lost_trial_counts_as_guessing_among_the_classes_of_its_data(
    states: list[TunedCell], settings: Tracking
) -> None:
    """A search stops a trial at its first lost run; alone, that run is the trial's mean."""
    store = tracking.locate_store(settings)
    study = read_tuned(store, "mine")
    assert isinstance(study, SearchedStudy)
    found = study.tuning.found.assign(classes="2")
    two = replace(study, tuning=replace(study.tuning, found=found))
    for each, chance in ((study, 0.1), (two, 0.5)):
        alone = each.trials[(each.trials["n"] == 1) & (each.trials["lost"] == 1)]
        assert set(alone["validation"]) == {chance}


def test_optunas_sweeper_is_refused_in_favour_of_the_search() -> None:
    with pytest.raises(ConfigError, match=r"^hydra/sweeper=optuna: .* Use tuning=search"):
        options_first(["--multirun", "hydra/sweeper=optuna"])

"""A tuned study from its first trial to its evaluation, on a real store."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.tuning import CHOSEN_BY_TAG, RULES_TAG
from actscope.commands import status
from actscope.commands.settings import StatusSettings
from actscope.config import Activation, Point, SweepRules, Tracking
from actscope.errors import ConfigError, SweepError
from actscope.metric import ACCURACY
from actscope.sweep.grid import Grid
from actscope.sweep.open_sweep import OpenSweep
from actscope.sweep.resources import Resources
from actscope.sweep.results import Failed, Result
from actscope.sweep.tuned_cells import TunedCell, cells_of
from actscope.sweep.tuned_sweep import plan_tuned, run_tuned
from actscope.tracking import RunSummary
from actscope.tuning_settings import Tuning
from tests.support.making import ELU, RELU, make_point

RULES = Tuning(
    rates=(0.0016, 0.0064, 0.0256), seeds=(200, 201), evaluation_seeds=(10, 11), extensions=3
)
HERE = Resources(0, 20)


def cell(activation: Activation = RELU) -> Point:
    point = make_point(activation, study="mine", hidden=(16,), epochs=3, every="epoch")
    return replace(point, data=replace(point.data, validation=0.2))


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


class Finished(NamedTuple):
    """A study that was tuned to its end, and what the screen showed of it."""

    settings: Tracking
    state: TunedCell
    printed: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    settings = Tracking(f"sqlite:///{tmp_path_factory.mktemp('finished')}/mlflow.db")
    (state,), printed = run([cell(), replace(cell(), lr=0.5, seed=3)], settings)
    return Finished(settings, state, printed)


def run(points: list[Point], settings: Tracking, **rules: bool) -> tuple[list[TunedCell], str]:
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    states = run_tuned(points, RULES, settings, "s1", HERE, console, SweepRules(**rules))
    return states, screen.getvalue()


def runs_of(study: str, settings: Tracking) -> list[RunSummary]:
    store = tracking.locate_store(settings)
    return tracking.read_summaries(store, store.find_experiment(study).experiment_id)


def test_trials_are_validated_and_only_the_chosen_rate_and_its_half_are_tested(
    finished: Finished,
) -> None:
    settings, state, printed = finished
    assert state.stage == "done"
    choice = state.plan.choice
    assert choice is not None
    assert choice.rate is not None
    trials = [run for run in runs_of("mine.tuning", settings) if run.is_point]
    assert len(trials) == len(state.trials())
    assert all(math.isnan(run.final("test", ACCURACY)) for run in trials)  # not tested
    assert all(0 < run.final("validation", ACCURACY) <= 1 for run in trials)
    best = max(score.mean for score in choice.scores)
    assert best == pytest.approx(
        sum(d.validation_final for d in state.trials() if d.point.lr == _best(state)) / 2
    )
    judged = [run for run in runs_of("mine", settings) if run.is_point]
    rates = (choice.rate, choice.rate / 2)
    names = {f"relu lr={rate} seed={seed}" for rate in rates for seed in (10, 11)}
    assert {run.name for run in judged} == names
    assert all(0 < run.final("test", ACCURACY) <= 1 for run in judged)
    (sweep, *_) = [run for run in runs_of("mine.tuning", settings) if run.is_sweep]
    assert Tuning(**json.loads(sweep.tags["tuning"])) == RULES
    ids = json.loads(judged[0].tags[CHOSEN_BY_TAG.removeprefix("actscope.")])
    tried = {score.rate for score in choice.scores}
    assert set(ids) == {d.run_id for d in state.trials() if d.point.lr in tried}
    assert "cells   1: 1 done; 0 runs to train next" in printed
    assert RULES_TAG == "actscope.tuning"


def _best(state: TunedCell) -> float:
    assert state.plan.choice is not None
    return max(state.plan.choice.scores, key=lambda score: score.mean).rate


def test_an_interrupted_study_continues_and_a_finished_one_trains_nothing(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    train = OpenSweep.train

    def interrupted(sweep: OpenSweep, grid: Grid) -> dict[Point, Result]:
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(1)
        return train(sweep, grid)

    monkeypatch.setattr(OpenSweep, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([cell()], settings)
    monkeypatch.setattr(OpenSweep, "train", train)
    before = {r.run_id for r in runs_of("mine.tuning", settings) if r.is_point}
    states, _ = run([cell()], settings)
    assert before < {done.run_id for done in states[0].trials()}
    again, printed = run([cell()], settings)
    assert repr(again) == repr(states)  # nan, for no number, equals nothing
    assert "round" not in printed


def test_a_plan_and_the_status_show_the_stages_and_train_nothing(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, state, _ = finished
    assert status.run(StatusSettings(settings, "mine")) == 0
    shown = capsys.readouterr().out
    assert shown.index("study   mine.tuning") < shown.index("study   mine,")
    assert f"# {len(state.trials())} finished" in shown
    assert "# 4 finished" in shown
    screen = io.StringIO()
    states = plan_tuned([cell(), cell(ELU)], RULES, settings, Console(file=screen, width=120))
    assert [state.stage for state in states] == ["done", "coarse"]
    assert "cells   2: 1 done, 1 coarse; 3 runs to train next" in screen.getvalue()
    assert {run.name.split()[0] for run in runs_of("mine.tuning", settings) if run.is_point} == {
        "relu"
    }


def test_runs_that_fail_stop_the_study_with_the_first_reason(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: OpenSweep, grid: Grid) -> dict[Point, Failed]:
        return {point: Failed(point, "no room") for point in grid}

    monkeypatch.setattr(OpenSweep, "train", failing)
    with pytest.raises(SweepError, match=r"^3 runs failed, so no rate .*seed=200: no room"):
        run([cell()], settings)


def changed(**data: object) -> Callable[[], Point]:
    return lambda: replace(cell(), data=replace(cell().data, **data))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (changed(validation=0), "data.validation=0: a tuned sweep chooses"),
        (changed(test=False), "data.test=False: a tuned sweep ends"),
        (lambda: replace(cell(), study="x" * 58), "study=x+: its trials .* at most 57"),
    ],
)
def test_a_cell_that_cannot_be_tuned_is_refused(make: Callable[[], Point], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cells_of([make()], RULES)


def test_a_choice_is_not_repeated_by_force(settings: Tracking) -> None:
    with pytest.raises(ConfigError, match=r"sweep.force=True: would repeat a choice"):
        run([cell()], settings, force=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": (0.1, 0.4, 1.2)}, "tuning.rates: must grow by one factor"),
        ({"rates": (0.4, 0.1, 0.025)}, "tuning.rates: must grow by one factor"),
        ({"seeds": (1, 1)}, "tuning.seeds: has a seed twice"),
        ({"seeds": (10, 12)}, "tuning.evaluation_seeds: 10 is one of tuning.seeds too"),
    ],
)
def test_wrong_rules_are_refused(change: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RULES, **change)  # type: ignore[arg-type]

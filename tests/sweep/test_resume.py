"""Sweeps that find work done before them, or being done beside them."""

import math
import threading
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Activation, Point, SweepRules, Tracking
from actscope.engine.data import load_data
from actscope.engine.result import Outcome
from actscope.sweep import open_sweep
from actscope.sweep.console import Progress
from actscope.sweep.plan import DEFAULT_RULES, plan_sweep
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.runner import run_alone, run_sweep
from actscope.tracking import GridPoint
from actscope.tracking.signature import code_hash
from tests.support.making import ELU, PRELU, RELU, make_point
from tests.support.tracked import begin_run
from tests.support.waiting import wait_for

STUDY = "tests"
RAISING = Activation("raising", "tests.support.raising.RaisesInTraining")
GRID = [
    make_point(activation, seed=seed, hidden=(4,), epochs=1, every="epoch")
    for activation in (RELU, ELU)
    for seed in (0, 1)
]


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


class Session:
    """Runs sweeps on one store and remembers what they said."""

    def __init__(self, settings: Tracking) -> None:
        self.settings = settings
        self.said = ""

    def run(
        self,
        points: Sequence[Point],
        sweep_id: str = "s1",
        rules: SweepRules = DEFAULT_RULES,
        stack_size: int = 20,
    ) -> dict[Point, Result]:
        screen = StringIO()
        console = Console(file=screen, width=200)
        try:
            resources = Resources(0, stack_size)
            return run_sweep(points, self.settings, sweep_id, resources, console, rules)
        finally:
            self.said = screen.getvalue()

    def history(self, result: Result) -> pd.DataFrame:
        assert isinstance(result, Done)
        return tracking.read_history(tracking.locate_store(self.settings), STUDY, result.run_id)

    def runs(self) -> pd.DataFrame:
        return tracking.read_runs(tracking.locate_store(self.settings), STUDY)


@pytest.fixture
def session(settings: Tracking) -> Session:
    return Session(settings)


def test_finished_points_are_not_trained_again(session: Session) -> None:
    first = session.run(GRID[:2])
    second = session.run(GRID, "s2")
    assert len(session.runs()) == len(GRID)
    assert "2 finished already, 2 to train" in session.said
    for point in GRID[:2]:
        was, is_now = first[point], second[point]
        assert isinstance(was, Done)
        assert isinstance(is_now, Done)
        assert is_now.is_earlier
        assert (is_now.run_id, is_now.outcome) == (was.run_id, was.outcome)
        assert is_now.test_final == pytest.approx(was.test_final)


def test_a_sweep_that_finds_all_finished_says_so_and_trains_nothing(session: Session) -> None:
    session.run(GRID)
    session.run(GRID, "s2")
    assert "4 finished already, nothing to train" in session.said
    assert len(session.runs()) == len(GRID)


def test_a_diverged_point_found_finished_has_no_accuracy(session: Session) -> None:
    wild = make_point(PRELU, lr=1e6, hidden=(4,), epochs=1, every="epoch")
    session.run([wild])
    (found,) = session.run([wild], "s2").values()
    assert isinstance(found, Done)
    assert found.outcome is Outcome.DIVERGED
    assert math.isnan(found.test_final)


def test_force_trains_finished_points_again(session: Session) -> None:
    session.run(GRID[:1])
    session.run(GRID[:1], "s2", SweepRules(force=True))
    assert list(session.runs()["status"]) == ["FINISHED", "FINISHED"]


def test_other_settings_data_or_code_are_another_point(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.run(GRID[:1])
    code_hash()  # so that it is cached as it was
    monkeypatch.setattr("actscope.tracking.signature.code_hash", lambda: "changed")
    session.run(GRID[:1], "s2")
    assert len(session.runs()) == 2


def test_failed_points_are_trained_again(session: Session) -> None:
    point = make_point(RAISING, hidden=(4,), epochs=1, every="epoch")
    for sweep_id in ("s1", "s2"):
        (result,) = session.run([point], sweep_id).values()
        assert isinstance(result, Failed)
    assert list(session.runs()["status"]) == ["FAILED", "FAILED"]


def test_an_error_stops_the_sweep_where_that_is_wanted(session: Session) -> None:
    raising, later = (
        make_point(activation, seed=seed, hidden=(4,), epochs=1, every="epoch")
        for activation, seed in ((RAISING, 0), (RELU, 2))
    )
    points = [raising, *GRID, later]
    results = session.run(points, rules=SweepRules(on_error="stop"), stack_size=3)
    first, second = sorted(points, key=lambda point: point.seed)[:3], [*GRID[1::2], later]
    assert {point: results[point] for point in second} == {
        point: Failed(point, open_sweep.STOPPED) for point in second
    }
    assert set(session.runs()["name"]) == set(map(str, first))
    assert [type(results[point]) for point in first] == [Failed, Done, Done]


def test_a_single_run_is_not_trained_again_either(session: Session, settings: Tracking) -> None:
    console = Console(quiet=True)
    first = run_alone(GRID[0], settings, "s1", console)
    second = run_alone(GRID[0], settings, "s2", console)
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert second.run_id == first.run_id
    run_alone(GRID[0], settings, "s3", console, SweepRules(force=True))
    assert len(session.runs()) == 2


def test_a_plan_trains_nothing_and_makes_no_store(settings: Tracking, tmp_path: Path) -> None:
    screen = StringIO()
    plan_sweep(GRID, settings, Resources(2, 20), Console(file=screen, width=200))
    assert "4 missing" in screen.getvalue()
    assert list(tmp_path.iterdir()) == []


def test_a_plan_tells_how_each_point_stands(session: Session, settings: Tracking) -> None:
    session.run(GRID[:2])
    longer = [make_point(RELU, hidden=(4,), epochs=2, every="epoch")]
    screen = StringIO()
    plan_sweep([*GRID[1:], *longer], settings, Resources(0, 20), Console(file=screen, width=200))
    said = screen.getvalue()
    assert "1 finished" in said
    assert "2 missing" in said
    assert "1 stale. Changed since their training: config" in said
    assert len(session.runs()) == 2


def test_points_that_another_sweep_trains_are_waited_for(
    session: Session, settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_sweep, "SECONDS_BETWEEN_POLLS", 0.05)
    store = tracking.open_store(settings)
    other = tracking.begin_sweep(store, STUDY, "other", [GridPoint.of(GRID[0])])
    thread = threading.Thread(target=session.run, args=[GRID, "s2"])
    thread.start()
    wait_for(lambda: len(session.runs()) == len(GRID) - 1 and all_finished(session))
    assert GRID[0].seed == 0
    assert str(GRID[0]) not in set(session.runs()["name"])
    tracking.end_sweep(store, other, "FAILED")  # without having trained it: now it is ours
    thread.join(timeout=180)
    assert not thread.is_alive()
    assert "wait    1 in training by sweep other" in session.said
    assert sorted(session.runs()["name"]) == sorted(map(str, GRID))


def test_a_sweep_whose_process_died_is_not_waited_for(session: Session, settings: Tracking) -> None:
    store = tracking.open_store(settings)
    dead = tracking.begin_sweep(store, STUDY, "dead", [GridPoint.of(GRID[0])])
    run_id = begin_run(store, dead, GRID[0], load_data(GRID[0].data)).run_id
    assert dead.parent_run_id is not None
    store.client.set_tag(dead.parent_run_id, "actscope.process", "1 1.00")
    session.run(GRID[:1], "s2")
    runs = session.runs().set_index("run_id")
    assert runs.loc[run_id, "status"] == "KILLED"
    assert "died" in runs.loc[run_id, "reason"]
    assert sorted(runs["status"]) == ["FINISHED", "KILLED"]


def test_a_live_sweep_elsewhere_is_left_alone(session: Session, settings: Tracking) -> None:
    store = tracking.open_store(settings)
    living = tracking.begin_sweep(store, STUDY, "living", [GridPoint.of(GRID[0])])
    run_id = begin_run(store, living, GRID[0], load_data(GRID[0].data)).run_id
    session.run(GRID[1:2], "s2")
    assert session.runs().set_index("run_id").loc[run_id, "status"] == "RUNNING"


def test_a_stack_goes_on_from_where_an_interrupt_left_it(
    session: Session, settings: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        make_point(RELU, seed=seed, epochs=3, batch_size=100, every="epoch") for seed in (0, 1)
    ]
    seen: list[int] = []

    def interrupt(progress: Progress, stack: int, run_steps: int) -> None:
        seen.append(run_steps)
        if stack == 0 and run_steps >= 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "advance", interrupt)
    saving = SweepRules(checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        session.run(points, rules=saving, stack_size=1)
    assert "interrupted: 0 of 2 points are finished" in session.said
    assert list((tmp_path / "mlruns" / "checkpoints" / STUDY).iterdir()) != []

    seen.clear()
    monkeypatch.setattr(Progress, "advance", lambda *told: seen.append(told[-1]))
    results = session.run(points, "s2", saving, stack_size=1)
    assert seen[0] == 11  # the first stack was saved before that step
    assert list((tmp_path / "mlruns" / "checkpoints" / STUDY).iterdir()) == []

    calm = Session(Tracking(f"sqlite:///{tmp_path}/calm/mlflow.db"))
    expected = calm.run(points)
    for point in points:
        pd.testing.assert_frame_equal(
            session.history(results[point]), calm.history(expected[point])
        )


def test_ten_thousand_runs_are_looked_up_by_few_statements(settings: Tracking) -> None:
    """The time is in the benchmark; here, that no run is asked for on its own."""
    store = tracking.open_store(settings)
    tracking.begin_sweep(store, STUDY, "s1", [GridPoint.of(GRID[0])])
    experiment_id = store.find_experiment(STUDY).experiment_id
    store.client.search_runs = None  # the look-up must not go through MLflow's own search
    assert [attempt.is_sweep for attempt in tracking.read_summaries(store, experiment_id)] == [True]


def all_finished(session: Session) -> bool:
    return set(session.runs()["status"]) == {"FINISHED"}

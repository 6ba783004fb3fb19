"""Points to stacks to workers to runs, on a real store and real worker processes."""

import math
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Activation, Point, Tracking
from actscope.engine.data import load_data
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import train_stack
from actscope.errors import ConfigError
from actscope.metric import Metric
from actscope.runtime import forkserver, signals
from actscope.sweep import runner
from actscope.sweep import worker as workers_module
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.runner import run_alone, run_sweep
from actscope.sweep.stacks import make_stacks
from actscope.tracking import OpenRun, Store
from tests.support.making import ELU, RELU, make_point

STUDY = "tests"
LEAKY = Activation("leaky_relu", "torch.nn.LeakyReLU", (("negative_slope", 0.01),))
GRID = [
    make_point(activation, lr=lr, seed=seed, hidden=(4,), epochs=2, every="epoch")
    for activation in (RELU, ELU)
    for lr in (0.001, 0.01)
    for seed in (0, 1)
]
FEW = GRID[::2]  # both activations at both rates, with one seed


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


def run(
    points: list[Point], settings: Tracking, workers: int = 0, writers: int = 0
) -> dict[Point, Result]:
    console, resources = Console(quiet=True), Resources(workers, 20, writers=writers)
    return run_sweep(points, settings, "s1", resources, console)


def histories(settings: Tracking) -> dict[str, pd.DataFrame]:
    store = tracking.locate_store(settings)
    runs = tracking.read_runs(store, STUDY)
    assert set(runs["status"]) == {"FINISHED"}, runs["reason"].tolist()
    return {
        row["name"]: tracking.read_history(store, STUDY, row["run_id"])
        for _, row in runs.iterrows()
    }


class TestStacks:
    def test_hold_points_that_differ_in_activation_rate_and_seed(self) -> None:
        (stack,) = make_stacks(GRID, Resources(workers=1))
        assert set(stack) == set(GRID)

    def test_hold_as_few_seeds_as_can_be(self) -> None:
        stacks = make_stacks(GRID, Resources(workers=2))
        assert [[p.seed for p in stack] for stack in stacks] == [[0] * 4, [1] * 4]

    def test_hold_no_more_points_than_the_caches_of_a_processor(self) -> None:
        # Of 8 MiB: the largest layer has 64 * 64 weights, and six tensors of 100 x 64 numbers.
        for hidden in ((64,), (64, 64, 64)):
            points = [make_point(seed=seed, hidden=hidden, batch_size=100) for seed in range(50)]
            assert [len(stack) for stack in make_stacks(points, Resources(1))] == [25, 25]
            assert [len(stack) for stack in make_stacks(points[:49], Resources(1))] == [49]

    @pytest.mark.parametrize(("layers", "seeds", "activations"), [(1, 1, 2), (8, 2, 1)])
    def test_have_few_seeds_or_in_deep_networks_few_activations(
        self, layers: int, seeds: int, activations: int
    ) -> None:
        points = [
            make_point(activation, lr=lr, seed=seed, hidden=(4,) * layers)
            for seed in (0, 1)
            for lr in (0.1, 0.2)
            for activation in (RELU, ELU)
        ]
        for stack in make_stacks(points, Resources(workers=2, stack_size=4)):
            assert len({point.seed for point in stack}) == seeds
            assert len({point.activation for point in stack}) == activations

    def test_are_no_larger_than_allowed(self) -> None:
        points = [make_point(lr=0.01 * (i + 1)) for i in range(7)]
        stacks = make_stacks(points, Resources(workers=1, stack_size=3))
        assert [len(stack) for stack in stacks] == [3, 2, 2]
        assert {point for stack in stacks for point in stack} == set(points)

    def test_are_cut_until_they_share_out_evenly(self) -> None:
        stacks = make_stacks(
            [make_point(lr=0.01 * (i + 1), seed=seed) for seed in range(5) for i in range(15)],
            Resources(workers=2, stack_size=20),
        )
        assert [len(stack) for stack in stacks] == [19, 19, 19, 18]

    def test_are_cut_where_they_are_largest(self) -> None:
        grids = [[make_point(seed=seed, epochs=n) for seed in range(n)] for n in (1, 9, 20)]
        stacks = make_stacks([point for grid in grids for point in grid], Resources(workers=4))
        assert [len(stack) for stack in stacks] == [10, 10, 9, 1]

    def test_are_of_one_point_where_there_is_a_worker_for_each(self) -> None:
        assert [len(stack) for stack in make_stacks(GRID[:3], Resources(workers=7))] == [1, 1, 1]

    def test_cannot_be_more_than_the_points(self) -> None:
        assert len(make_stacks([make_point()], Resources(workers=3, stack_size=20))) == 1

    def test_never_mix_shapes(self) -> None:
        points = [make_point(hidden=(4,)), make_point(hidden=(5,)), make_point(epochs=9)]
        assert len(make_stacks(points, Resources(workers=1, stack_size=20))) == 3


def test_every_point_becomes_one_finished_run(settings: Tracking) -> None:
    results = run(FEW, settings)
    runs = tracking.read_runs(tracking.locate_store(settings), STUDY)
    assert set(runs["status"]) == {"FINISHED"}
    assert sorted(runs["name"]) == sorted(str(point) for point in FEW)
    assert all(isinstance(results[point], Done) for point in FEW)


@pytest.mark.usefixtures("workers_forkserver")
def test_numbers_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    here, elsewhere = (Tracking(f"sqlite:///{tmp_path}/{n}/mlflow.db") for n in (0, 2))
    run(FEW, here, workers=0)
    run(FEW, elsewhere, workers=2)
    others = histories(elsewhere)
    assert others.keys() == histories(here).keys()
    for name, history in histories(here).items():
        pd.testing.assert_frame_equal(others[name], history, check_exact=True)


def test_ctrl_c_that_was_swallowed_ends_the_training_in_this_process(settings: Tracking) -> None:
    with signals.installed():
        with suppress(KeyboardInterrupt):  # as the garbage collector does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(FEW, settings)
    runs = tracking.read_runs(tracking.locate_store(settings), STUDY)
    assert set(runs["status"]) == {"KILLED"}


@pytest.mark.usefixtures("workers_forkserver")
@pytest.mark.parametrize(
    ("workers", "writers"),
    [
        (0, 0),
        pytest.param(2, 0, marks=pytest.mark.slow),
        pytest.param(1, 1, marks=pytest.mark.slow),
    ],
)
def test_a_point_that_raises_takes_no_neighbour_down(
    settings: Tracking, workers: int, writers: int
) -> None:
    raising = make_point(
        Activation("raising", "tests.support.raising.RaisesInTraining"), hidden=(4,), every="epoch"
    )
    greedy = make_point(
        Activation("greedy", "tests.support.raising.RunsOutOfMemory"), hidden=(5,), every="epoch"
    )
    leaving = make_point(
        Activation("leaving", "tests.support.raising.ExitsInTraining"), hidden=(6,), every="epoch"
    )
    results = run([*FEW, raising, greedy, leaving], settings, workers, writers)
    failed, starved, left = results[raising], results[greedy], results[leaving]
    assert isinstance(left, Failed)
    assert left.reason == "TrainingError: a user's own code raises SystemExit: 0"
    assert isinstance(failed, Failed)
    assert isinstance(starved, Failed)
    assert failed.reason == "RuntimeError: this function cannot be trained"
    assert "can't allocate memory" in starved.reason
    alone = {str(point): train_stack([point], load_data(point.data))[0] for point in FEW}
    store = tracking.locate_store(settings)
    runs = tracking.read_runs(store, STUDY).set_index("name")
    assert runs.loc["raising lr=0.01 seed=0", "status"] == "FAILED"
    assert runs.loc["raising lr=0.01 seed=0", "reason"] == failed.reason
    for point in FEW:
        row = runs.loc[str(point)]
        assert row["status"] == "FINISHED"
        history = tracking.read_history(store, STUDY, row["run_id"])
        pd.testing.assert_frame_equal(history, alone[str(point)].history, check_exact=True)


class WaitedFor(ThreadPoolExecutor):
    """A thread that is waited for, so that a short training is shown at each of its epochs."""

    def submit(self, *call: Any, **settings: Any) -> "Future[Any]":
        future = super().submit(*call, **settings)
        wait([future])
        return future


def test_metrics_can_be_watched_while_a_stack_trains(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "SECONDS_BETWEEN_METRICS", 0)
    monkeypatch.setattr(workers_module, "ThreadPoolExecutor", WaitedFor)
    seen: list[list[float]] = []

    show = tracking.show_progress

    def show_and_look(store: Store, run: OpenRun, metrics: Iterable[Metric]) -> None:
        given = list(metrics)
        show(store, run, given)
        assert run.run_id is not None
        told = store.client.get_metric_history(run.run_id, "test/accuracy")
        seen.append([metric.value for metric in told])
        assert seen[-1] == [value for name, value, _ in given if name == "test/accuracy"]

    monkeypatch.setattr(tracking, "show_progress", show_and_look)
    results = run(FEW[:3], settings)
    assert all(isinstance(result, Done) for result in results.values())
    assert sorted(map(len, seen)) == [1, 1, 1, 2, 2, 2]


def test_training_does_not_wait_for_a_store_that_is_slow_to_show_it(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "SECONDS_BETWEEN_METRICS", 0)
    is_trained = threading.Event()
    waited: list[bool] = []

    def train(*words: Any, **settings: Any) -> list[RunResult]:
        results = train_stack(*words, **settings)
        is_trained.set()
        return results

    monkeypatch.setattr(workers_module, "train_stack", train)
    monkeypatch.setattr(tracking, "show_progress", lambda *_: waited.append(is_trained.wait(60)))
    (result,) = run(FEW[:1], settings).values()
    assert isinstance(result, Done)
    assert waited == [True]


def test_a_fault_of_ours_in_showing_a_run_is_not_lost(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "SECONDS_BETWEEN_METRICS", 0)
    monkeypatch.setattr(tracking, "show_progress", Mock(side_effect=KeyError("no such column")))
    (result,) = run(FEW[:1], settings).values()
    assert isinstance(result, Failed)
    assert result.reason == "KeyError: 'no such column'"


def test_the_machine_is_watched_on_request(
    settings: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    run(FEW[:1], replace(settings, system_metrics=True))
    store = tracking.locate_store(settings)
    experiment_id = store.find_experiment(STUDY).experiment_id
    sweeps = store.client.search_runs([experiment_id], "tags.`actscope.kind` = 'sweep'")
    (metrics,) = [run.data.metrics for run in sweeps]
    assert metrics["system/system_memory_usage_megabytes"] > 0
    (point,) = tracking.read_runs(store, STUDY)["run_id"]
    assert not any(key.startswith("system/") for key in store.client.get_run(point).data.metrics)


@pytest.mark.usefixtures("workers_forkserver")
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_runs_carry_more_on_request_of_a_sweep_and_of_a_point_alone(
    settings: Tracking, workers: int
) -> None:
    generous = replace(settings, model=True, plotly=True)
    run(FEW[:1], generous, workers)
    run_alone(FEW[1], generous, "s2", Console(quiet=True))
    run(FEW[:3], settings, workers)  # what is finished stays as it is, and is the same point
    store = tracking.locate_store(settings)
    runs = tracking.read_runs(store, STUDY)
    assert len(runs) == 3
    carrying = {
        row["name"]
        for _, row in runs.iterrows()
        for folder in [store.artifact_path(STUDY, row["run_id"], ".")]
        if (folder / "trajectories.html").exists() and (folder / "model" / "MLmodel").exists()
    }
    assert carrying == {str(point) for point in FEW[:2]}


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "writers"), [(2, 0), (1, 1)])
def test_a_killed_worker_costs_its_stack_one_retry(
    settings: Tracking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    writers: int,
) -> None:
    flag = tmp_path / "already-killed"
    monkeypatch.setenv("KILLED_ONCE", str(flag))
    killing = make_point(
        Activation("killing", "tests.support.raising.KillsItsProcessOnce"),
        hidden=(4,),
        every="epoch",
    )
    with forkserver.running(["actscope.sweep.dask_executor"]):  # has the variable that was set
        results = run([*FEW, killing], settings, workers, writers)
    assert flag.exists()
    assert [result for result in results.values() if isinstance(result, Failed)] == []
    runs = tracking.read_runs(tracking.locate_store(settings), STUDY)
    finished = runs[runs["status"] == "FINISHED"]
    assert sorted(finished["name"]) == sorted(str(point) for point in results)
    assert set(runs["status"]) == {"FINISHED", "KILLED"}


def test_a_diverging_point_is_an_outcome_and_no_failure(settings: Tracking) -> None:
    wild = make_point(LEAKY, lr=1e20, hidden=(4,), every="epoch")
    results = run([*FEW, wild], settings)
    result = results[wild]
    assert isinstance(result, Done)
    assert result.outcome is Outcome.DIVERGED
    runs = tracking.read_runs(tracking.locate_store(settings), STUDY).set_index("name")
    assert runs.loc[str(wild), "outcome"] == "diverged"


def test_nothing_is_made_where_a_setting_is_wrong(settings: Tracking, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.batch_size=9999"):
        run([*FEW, make_point(batch_size=9999)], settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (LauncherSettings(workers=-1), r"workers=-1: must be at least"),
        (LauncherSettings(workers=2, stack_size=0), r"stack_size=0: must be at least"),
        (LauncherSettings(writers=-1), r"writers=-1: must be at least"),
        (LauncherSettings(workers=0, writers=2), r"writers=2: writers needs local workers"),
        (
            LauncherSettings(scheduler="tcp://h:8786", writers=2),
            r"writers=2: writers needs local workers",
        ),
    ],
)
def test_impossible_resources_are_refused(settings: LauncherSettings, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra\.launcher\.{named}"):
        Resources.checked(settings)


def test_zero_workers_is_a_number_of_workers() -> None:
    assert Resources.checked(LauncherSettings(0, 20)).workers == 0
    assert Resources.checked(LauncherSettings(None, 20)).workers >= 1


@pytest.mark.parametrize(
    ("outcome", "accuracy", "value"),
    [(Outcome.LEARNED, 0.75, 0.75), (Outcome.DIVERGED, math.nan, "diverged")],
)
def test_a_point_that_diverged_has_no_number_for_a_sweeper(
    outcome: Outcome, accuracy: float, value: object
) -> None:
    given = runner.value_of(Done(FEW[0], "0" * 32, outcome, accuracy))
    assert given == value
    if outcome is Outcome.DIVERGED:
        with pytest.raises(ValueError, match="diverged"):  # what optuna takes for a failed trial
            float(given)

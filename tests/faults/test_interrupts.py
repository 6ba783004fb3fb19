"""Sweeps that are stopped: by Ctrl-C, by SIGTERM, by SIGKILL at any moment, or by one another."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Tracking
from actscope.errors import MissingStudyError
from actscope.sweep.resources import Resources
from actscope.sweep.runner import run_sweep
from tests.support.making import RELU, make_point
from tests.support.processes import PYTHONPATH, Start
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

# Of what depends on the moment: 20, unless the environment asks for fewer where time is short.
REPETITIONS = int(os.environ.get("REPETITIONS", "20"))

STUDY = "interrupted"
ARTIFACTS = {
    "config.yaml",
    "history.parquet",
    "trajectory.parquet",
    "layers.parquet",
    "predictions.parquet",
    "probe.parquet",
    "model.safetensors",
    "trajectories.svg",
}


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


@pytest.fixture
def start(tmp_path: Path, settings: Tracking, begin: Start) -> Start:
    """`start("seed=0,1")`: begin `python -m actscope -m study=... seed=0,1`."""
    number = itertools.count()

    def started(*words: str) -> "subprocess.Popen[str]":
        return begin(
            *("actscope", "-m", f"study={STUDY}", *words, "activation=relu", "lr=0.01"),
            *("trajectory.every=epoch", f"hydra.sweep.dir={tmp_path}/outputs/{next(number)}"),
            env={**os.environ, "MLFLOW_TRACKING_URI": str(settings.uri), "PYTHONPATH": PYTHONPATH},
        )

    return started


def runs_of(settings: Tracking) -> pd.DataFrame:
    return tracking.read_runs(tracking.locate_store(settings), STUDY)


def wait_for_end(processes: Sequence[psutil.Process], seconds: float) -> None:
    wait_for(lambda: not any(map(is_alive, processes)), seconds)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that ended and was not asked about yet does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_training(settings: Tracking) -> bool:
    """Whether a worker has opened a run."""
    database = Path(str(tracking.locate_store(settings)))
    try:
        return database.exists() and "RUNNING" in set(runs_of(settings).get("status", []))
    except (
        *tracking.errors.STORE_ERRORS,
        MissingStudyError,
    ):  # a store that is being made right now
        return False


def helpers_of(pid: int) -> list[psutil.Process]:
    """Its processes, but for Python's own, which ends with the one that it helps."""
    family = psutil.Process(pid).children(recursive=True)
    return [child for child in family if "resource_tracker" not in " ".join(child.cmdline())]


@pytest.mark.parametrize(("workers", "writers"), [(2, 0), (1, 2)])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_workers_closes_runs_and_tells_how_to_go_on(
    start: Start,
    settings: Tracking,
    number: signal.Signals,
    code: int,
    workers: int,
    writers: int,
) -> None:
    words = (f"hydra.launcher.workers={workers}", f"hydra.launcher.writers={writers}")
    process = start("seed=0,1", "train.epochs=100000", *words)
    wait_for(lambda: is_training(settings))
    # And what they are forked from.
    wait_for(lambda: len(helpers_of(process.pid)) == workers + writers + 1)
    helpers = helpers_of(process.pid)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    wait_for_end(helpers, seconds=5)
    said, _ = process.communicate(timeout=60)
    wait_for_end(family, seconds=1)
    assert process.returncode == code
    assert "interrupted: 0 of 2 points are finished; to go on: " in said
    assert "python -m actscope -m" in said
    assert "Traceback" not in said
    assert set(runs_of(settings)["status"]) == {"KILLED"}


@pytest.mark.parametrize("seconds", [0, 0.1, 0.5, 1.5])  # after the first
def test_a_second_ctrl_c_leaves_no_run_open(
    start: Start, settings: Tracking, seconds: float
) -> None:
    process = start("seed=0,1", "train.epochs=100000", "hydra.launcher.workers=1")
    wait_for(lambda: is_training(settings))
    process.send_signal(signal.SIGINT)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert set(runs_of(settings)["status"]) == {"KILLED"}
    store = tracking.locate_store(settings)
    experiment = store.find_experiment(STUDY)
    assert not any(a.is_open for a in tracking.read_summaries(store, experiment.experiment_id))


def server_of(pid: int) -> psutil.Process:
    """The process that workers are forked from."""
    (found,) = [
        child for child in psutil.Process(pid).children() if "forkserver" in str(child.cmdline())
    ]
    return found


def has_server(pid: int) -> bool:
    return any("forkserver" in str(child.cmdline()) for child in psutil.Process(pid).children())


@pytest.mark.parametrize("is_early", [True, False])
def test_a_sweep_goes_on_where_what_its_workers_are_forked_from_is_stopped(
    start: Start, settings: Tracking, is_early: bool
) -> None:
    process = start("seed=0,1", "train.epochs=300", "hydra.launcher.workers=2")
    wait_for(lambda: has_server(process.pid) if is_early else is_training(settings))
    server_of(process.pid).suspend()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert set(runs_of(settings)["status"]) == {"FINISHED"}


def test_a_sweep_ends_in_a_line_where_what_its_workers_are_forked_from_is_killed(
    start: Start, settings: Tracking
) -> None:
    process = start("seed=0,1", "train.epochs=100000", "hydra.launcher.workers=2")
    wait_for(lambda: is_training(settings))
    family = psutil.Process(process.pid).children(recursive=True)
    server_of(process.pid).kill()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "which starts the workers, was killed. Finished points are kept" in said
    assert "Traceback" not in said
    assert set(runs_of(settings)["status"]) == {"KILLED"}
    wait_for_end(family, seconds=10)


@pytest.mark.parametrize("seconds", np.linspace(0.7, 4.7, REPETITIONS))
def test_ctrl_c_is_heard_however_early_it_comes(
    start: Start, settings: Tracking, seconds: float
) -> None:
    process = start("seed=0,1", "train.epochs=100000")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    # Python ends itself by the signal where that came as a library executed a text.
    assert process.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said


# Every fourth with worker processes, whose start takes longer than all the rest.
@pytest.mark.parametrize("workers", [0 if number % 4 else 2 for number in range(REPETITIONS)])
def test_two_sweeps_at_once_on_a_fresh_store_train_each_point_once(
    start: Start, settings: Tracking, workers: int
) -> None:
    words = ("seed=0,1,2", "train.epochs=3", "model.hidden=[4]")
    words = (*words, f"hydra.launcher.workers={workers}")
    both = [start(*words), start(*words)]
    said = [process.communicate(timeout=180)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(runs_of(settings)["status"]) == ["FINISHED"] * 3, said


def test_a_sweep_killed_again_and_again_ends_as_one_that_never_was(
    start: Start, settings: Tracking, tmp_path: Path
) -> None:
    seeds, words = range(12), ("train.epochs=150", "hydra.launcher.stack_size=1")
    grid = f"seed={','.join(map(str, seeds))}"
    rng = np.random.default_rng(20170523)
    for _ in range(REPETITIONS):
        process = start(grid, *words)
        family = [psutil.Process(process.pid)]
        time.sleep(rng.uniform(1, 12))
        family += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=60)
        wait_for_end(family, seconds=10)
    process = start(grid, *words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said

    runs = runs_of(settings)
    assert set(runs["status"]) <= {"FINISHED", "KILLED"}
    finished = runs[runs["status"] == "FINISHED"]
    assert sorted(finished["params.seed"].astype(int)) == list(seeds)
    assert_same_as_uninterrupted(settings, finished, tmp_path)


def assert_same_as_uninterrupted(
    settings: Tracking, finished: pd.DataFrame, tmp_path: Path
) -> None:
    points = [
        make_point(
            RELU,
            study=STUDY,
            seed=int(seed),
            hidden=(64,),
            epochs=150,
            batch_size=100,
            every="epoch",
            probe_every=50,
        )
        for seed in finished["params.seed"]
    ]
    calm = Tracking(f"sqlite:///{tmp_path}/calm/mlflow.db")
    results = run_sweep(points, calm, "calm", Resources(0, 20), Console(quiet=True))
    for point, run_id in zip(points, finished["run_id"], strict=True):
        stormy, quiet = tracking.locate_store(settings), tracking.locate_store(calm)
        folder = stormy.artifact_path(STUDY, run_id, "config.yaml").parent
        assert {path.name for path in folder.iterdir()} == ARTIFACTS
        for read in (tracking.read_history, tracking.read_trajectory, tracking.read_probe):
            pd.testing.assert_frame_equal(
                read(stormy, STUDY, run_id), read(quiet, STUDY, results[point].run_id)
            )

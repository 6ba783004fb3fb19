"""Small studies in a store, and what two stores must have in common of one."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from actscope import tracking
from actscope.config import Extras, Point, Tracking
from actscope.engine.data import Data, load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.sweep.worker import finish_run
from actscope.tracking import GridPoint, OpenRun, Store, Sweep, run_record
from tests.support.making import RELU, make_point

STUDY = "tests"
NO_EXTRAS = Extras()
# What read_runs tells of a run that may differ from one store to another.
OWN = ["run_id", "host", "process", "heartbeat"]


@cache
def trained(runs: int = 3) -> tuple[RunResult, ...]:
    """Runs of a tiny network, one a seed."""
    points = [
        make_point(RELU, hidden=(3,), epochs=3, batch_size=200, every=4, seed=seed)
        for seed in range(runs)
    ]
    return tuple(train_stack(points, load_data(points[0].data)))


def new_store(folder: Path) -> Store:
    return tracking.open_store(Tracking(f"sqlite:///{folder}/mlruns/mlflow.db"))


def begin_sweep(
    store: Store,
    results: Sequence[RunResult],
    sweep_id: str = "s1",
    extras: Extras = NO_EXTRAS,
    study: str = STUDY,
) -> Sweep:
    return tracking.begin_sweep(
        store, study, sweep_id, [GridPoint.of(r.point) for r in results], extras
    )


def begin_run(
    store: Store, sweep: Sweep, point: Point, data: Data, stack: str | None = None
) -> OpenRun:
    (run,) = tracking.begin_runs(store, sweep, [point], data, stack=stack)
    return run


def begin(store: Store, sweep: Sweep, result: RunResult, stack: str | None = None) -> OpenRun:
    data = load_data(result.point.data)
    return begin_run(store, sweep, result.point, data, stack=stack)


def log(store: Store, sweep: Sweep, result: RunResult, stack: str | None = None) -> str:
    run = begin(store, sweep, result, stack)
    finish_run(store, run, result)
    assert run.run_id is not None
    return run.run_id


def log_study(
    store: Store, results: Sequence[RunResult], sweep_id: str = "s1", extras: Extras = NO_EXTRAS
) -> list[str]:
    """Ids of the runs that a whole sweep leaves."""
    sweep = begin_sweep(store, results, sweep_id, extras)
    ids = [log(store, sweep, result) for result in results]
    tracking.end_sweep(store, sweep, "FINISHED")
    return ids


def runs_of(store: Store) -> pd.DataFrame:
    """What is told of a study's runs, but for what is each store's own."""
    runs = tracking.read_runs(store, STUDY).drop(columns=OWN, errors="ignore")
    return runs.sort_values(["name", "started"], ignore_index=True).sort_index(axis="columns")


def finished_once(store: Store, results: Sequence[RunResult]) -> list[str]:
    """Ids of the results' runs, by seed: each is there once, whole and as it was logged."""
    runs = tracking.read_runs(store, STUDY)
    finished = runs[runs["status"] == "FINISHED"].sort_values("name")
    assert finished["name"].tolist() == [str(result.point) for result in results]
    ids: list[str] = finished["run_id"].tolist()
    for run_id, result in zip(ids, results, strict=True):
        pd.testing.assert_frame_equal(tracking.read_history(store, STUDY, run_id), result.history)
        assert_as_logged(store, run_id)
    return ids


def assert_as_logged(store: Store, run_id: str) -> None:
    """The artifacts are those whose hashes the run's tag holds, all eight of them."""
    logged = run_record.logged_artifacts(store.client.get_run(run_id).data.tags)
    assert logged is not None
    assert len(logged) == 8
    for name, sha256 in logged.items():
        with store.artifact(STUDY, run_id, name) as path:
            assert run_record.sha256_of_file(path) == sha256

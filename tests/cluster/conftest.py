"""Sweeps on Dask clusters, each command in a process of its own and in a project of its own."""

import itertools
import os
import subprocess
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Tracking
from actscope.errors import MissingStudyError
from actscope.project import ROOT
from actscope.sweep import dask_cluster
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_sweep
from actscope.tracking import Store
from tests.support.making import RELU, make_point
from tests.support.processes import Start

STUDY = "clustered"
EPOCHS = 150


@pytest.fixture
def start(tmp_path: Path, project: Path, begin: Start) -> Start:
    """`start(store, "seed=0,1")`: begin a sweep with one point a seed, trained one by one."""
    number = itertools.count()

    def started(store: Store, *words: str, epochs: int = EPOCHS) -> "subprocess.Popen[str]":
        return begin(
            *("actscope", "-m", f"study={STUDY}", "activation=relu", "lr=0.01"),
            *("trajectory.every=epoch", f"train.epochs={epochs}", "hydra.launcher.stack_size=1"),
            *(*words, f"hydra.sweep.dir={tmp_path}/outputs/{next(number)}"),
            cwd=project,
            env={
                **os.environ,
                "COLUMNS": "200",
                "MLFLOW_TRACKING_URI": store.uri,
                "PYTHONPATH": f"{project / 'src'}:{ROOT}",
            },
        )

    return started


def said_when_used(address: str) -> str:
    """What the screen shows of a cluster that does its work."""
    screen = StringIO()
    with dask_cluster.open_cluster(Resources(1, 20, address), stacks=1) as workplace:
        dask_cluster.wait_for_workers(workplace, Console(file=screen, width=200))
        assert workplace.client.submit(len, "abc").result() == 3
    return screen.getvalue()


def runs_of(store: Store) -> pd.DataFrame:
    """The runs of points; none while there is no study or no run yet."""
    columns = ["status", "seed", "name", "run_id"]
    try:
        runs = tracking.read_runs(store, STUDY)
    except MissingStudyError:
        return pd.DataFrame(columns=columns)
    return pd.DataFrame(columns=columns) if runs.empty else runs


def count(store: Store, status: str) -> int:
    return int((runs_of(store)["status"] == status).sum())


def is_training(store: Store) -> bool:
    try:
        return count(store, "RUNNING") > 0
    except tracking.errors.STORE_ERRORS:  # a store that is being made right now
        return False


def assert_each_seed_finished_once(
    store: Store, seeds: range, folder: Path, epochs: int = EPOCHS
) -> None:
    """All points are finished, once, with the numbers of a sweep in this process."""
    finished = runs_of(store).query("status == 'FINISHED'")
    assert sorted(finished["params.seed"].astype(int)) == list(seeds)
    points = {
        seed: make_point(
            RELU,
            study=STUDY,
            seed=seed,
            hidden=(64,),
            epochs=epochs,
            batch_size=100,
            every="epoch",
            probe_every=50,
        )
        for seed in seeds
    }
    calm = Tracking(f"sqlite:///{folder}/calm/mlflow.db")
    results = run_sweep(list(points.values()), calm, "calm", Resources(0, 20), Console(quiet=True))
    alone = tracking.locate_store(calm)
    for seed, run_id in zip(finished["params.seed"].astype(int), finished["run_id"], strict=True):
        result = results[points[seed]]
        assert isinstance(result, Done)
        for read in (tracking.read_history, tracking.read_trajectory, tracking.read_probe):
            pd.testing.assert_frame_equal(
                read(store, STUDY, run_id), read(alone, STUDY, result.run_id), check_exact=True
            )

"""Processes of this machine that track what a worker trains."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pandas as pd
import psutil
import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Point, Tracking
from actscope.engine.data import load_data
from actscope.engine.train import train_stack
from actscope.sweep import dask_cluster
from actscope.sweep.dask_cluster import TRAINING, Cluster
from actscope.sweep.dask_worker import forwarded_warnings
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed
from actscope.sweep.runner import run_sweep
from actscope.sweep.worker import Begin, Task, Trained, train_and_track
from actscope.tracking import OpenRun, Sweep
from tests.support import writing
from tests.support.making import ELU, RELU, make_point
from tests.support.tracked import STUDY, new_store
from tests.support.waiting import wait_for

POINTS = [make_point(activation, hidden=(4,), every="epoch") for activation in (RELU, ELU)]


@pytest.fixture(scope="module")
def workplace(workers_forkserver: None) -> Iterator[Cluster]:
    """A worker that trains, and two that write."""
    with dask_cluster.open_cluster(Resources(1, writers=2), stacks=1) as workplace:
        yield workplace


def in_worker(workplace: Cluster, do: Callable[..., Any], *words: Any) -> Any:
    """What a function gives that is called where stacks are trained."""
    assert workplace.training == TRAINING
    future = workplace.client.submit(do, *words, pure=False, resources=workplace.training)
    return future.result()


def test_writers_do_it_and_whoever_trains_does_not(workplace: Cluster) -> None:
    wait_for(lambda: len(workplace.workers()) == 3)
    trainer, writers = in_worker(workplace, writing.who_does_what, 8)
    assert len(writers) == 8
    assert len(set(writers)) == 2
    assert trainer not in writers


def test_what_a_killed_writer_was_at_another_does(workplace: Cluster, tmp_path: Path) -> None:
    done = in_worker(workplace, writing.have_it_done_though_one_dies, tmp_path / "died")
    assert len(done) == 3


@pytest.mark.slow
def test_what_kills_each_writer_is_done_by_whoever_trained_it(workplace: Cluster) -> None:
    trainer, done = in_worker(workplace, writing.have_it_done_though_writers_die)
    assert len(done) == 4
    assert done[1] == trainer


def test_what_a_writer_warns_of_is_told(workplace: Cluster) -> None:
    in_worker(workplace, writing.have_it_warned_of, ["it rains", "it pours"])
    told = [event[-1] for _, event in workplace.client.get_events(writing.TOPIC)]
    assert sorted(told) == ["it pours", "it rains"]


def test_a_process_that_is_yet_to_start_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(psutil, "Process", lambda pid: Mock(kill=lambda: killed.append(pid)))
    nannies = {name: Mock(pid=pid, close=AsyncMock()) for name, pid in enumerate((None, 4711))}
    asyncio.run(dask_cluster._kill_workers(Mock(workers=nannies)))
    assert killed == [4711]
    assert all(nanny.close.await_count == 1 for nanny in nannies.values())


def test_a_warning_is_told_once_and_by_the_stack_that_it_is_of() -> None:
    worker = Mock(address="tcp://here:1")

    def warn() -> None:
        with forwarded_warnings(worker, "second"):
            logging.getLogger("actscope.tests").warning("it rains")

    with forwarded_warnings(worker, "first"), ThreadPoolExecutor(1) as other:
        other.submit(warn).result()
    assert [call.args[0] for call in worker.log_event.call_args_list] == ["second"]


@pytest.mark.usefixtures("workers_forkserver")
def test_a_worker_trains_its_next_stack_while_its_runs_are_logged(
    tmp_path: Path,
) -> None:
    store = new_store(tmp_path)
    points = [make_point(lr=0.1 / n, hidden=(4,), every="epoch") for n in range(1, 9)]
    resources = Resources(1, 4, writers=1)
    run_sweep(points, Tracking(store.uri), "s1", resources, Console(quiet=True))
    runs = tracking.read_runs(store, STUDY).sort_values("started")
    assert set(runs["status"]) == {"FINISHED"}
    first, second = runs.iloc[:4], runs.iloc[4:]
    assert first["started"].max() < second["started"].min() < first["ended"].max()
    alone = train_stack(points, load_data(points[0].data))
    histories = {str(result.point): result.history for result in alone}
    for name, run_id in zip(runs["name"], runs["run_id"], strict=True):
        history = tracking.read_history(store, STUDY, run_id)
        pd.testing.assert_frame_equal(history, histories[name], check_exact=True)


def test_runs_are_begun_and_finished_by_whom_they_are_spread_to(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    task = Task(POINTS, store, Sweep("s1", STUDY, store.ensure_experiment(STUDY), None))
    begun: list[Point] = []
    finished: list[type] = []

    def begin_each(begin: Begin, points: Sequence[Point]) -> list[OpenRun | Failed]:
        begun.extend(points)
        return [run for point in points for run in begin([point])]

    def log_each(log: Callable[[Any], Any], trained: Sequence[Any]) -> list[Any]:
        finished.extend(map(type, trained))
        return [log(each) for each in trained]

    results = train_and_track(task, lambda _: None, begin_each, log_each)
    assert begun == POINTS
    assert finished == [Trained] * 2
    assert all(isinstance(result, Done) for result in results)

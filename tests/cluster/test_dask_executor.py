"""What sharing out a study's stacks costs the process that does it."""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest
from distributed import Client, LocalCluster

from actscope.runtime import forkserver, signals
from actscope.sweep import dask_cluster, dask_executor
from actscope.sweep.dask_cluster import Cluster
from actscope.sweep.dask_connection import silence_logs
from actscope.sweep.dask_job import StackJob
from actscope.sweep.resources import Resources
from actscope.sweep.worker import Task
from actscope.tracking import Sweep
from tests.support.making import make_point
from tests.support.tracked import new_store

STACKS = 12


def train_for_a_moment(job: StackJob) -> list[int]:
    time.sleep(0.05)
    return [job.number]


def test_ended_stacks_leave_nothing_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_executor, "run_job", train_for_a_moment)
    sweep = Sweep("s1", "tests", "1", None)
    tasks = [Task([make_point()], new_store(tmp_path), sweep)] * STACKS
    waiting, ended = [], []
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as here,
        Client(here) as client,
    ):
        executor = dask_executor.DaskExecutor(tasks, Cluster(client, "here"), Mock())
        for (number,) in executor.results():
            ended.append(number)
            waiting.append(len(asyncio.all_tasks(client.loop.asyncio_loop)))
    assert sorted(ended) == list(range(STACKS))
    assert max(waiting) < waiting[0] + STACKS


def test_ctrl_c_that_was_swallowed_ends_the_work_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workplace = Mock()
    executor = dask_executor.DaskExecutor([Mock()], workplace, Mock())
    monkeypatch.setattr(executor, "_next_ended", Mock(side_effect=AssertionError("it went on")))
    with signals.installed():
        with suppress(KeyboardInterrupt):  # as the garbage collector does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            next(executor.results())
    workplace.stop.assert_called_once()


def test_ctrl_c_waits_until_a_cluster_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    did = []

    class Starting:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> None:
            signal.raise_signal(signal.SIGINT)
            did.append("started")

        def __exit__(self, *_: object) -> None:
            did.append("closed")

    monkeypatch.setattr("distributed.LocalCluster", Starting)
    monkeypatch.setattr("distributed.Client", MagicMock())
    with (
        forkserver.running([]),  # which imports nothing
        pytest.raises(KeyboardInterrupt),
        dask_cluster.open_cluster(Resources(1), stacks=1),
    ):
        pass
    assert did == ["started", "closed"]


def test_a_scheduler_that_loses_its_client_prints_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    silence_logs()
    logging.getLogger("distributed.scheduler").critical("Closed comm")
    assert caplog.messages == []

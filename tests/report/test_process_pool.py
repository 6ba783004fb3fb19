"""The processes that a report's work is shared among: what they do, and how they end."""

import multiprocessing
import operator
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from actscope.analysis.frames import read_study
from actscope.errors import ReportError
from actscope.report.process_pool import KEYS_AT_ONCE, worker_pool
from actscope.report.run_digests import read_digests
from tests.report.test_report import lost
from tests.support.processes import started
from tests.support.stores import store_at
from tests.support.studies import Lab

NOWHERE = store_at("sqlite:////nowhere/mlflow.db")  # of a pool at work on numbers


def workers() -> list[multiprocessing.process.BaseProcess]:
    return multiprocessing.active_children()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_what_comes_is_in_the_order_of_the_keys(processes: int) -> None:
    keys = list(range(5 * KEYS_AT_ONCE + 1))
    with worker_pool(processes, NOWHERE) as pool:
        assert list(pool.read(NOWHERE, operator.neg, keys)) == [-key for key in keys]
        begun = [pool.begin(operator.neg, key) for key in keys]
        assert [wait() for wait in begun] == [-key for key in keys]


def test_one_process_is_this_one() -> None:
    with worker_pool(1, NOWHERE) as pool:
        assert pool.begin(lambda _: os.getpid(), None)() == os.getpid()
        assert not workers()


def test_a_server_is_spared_a_crowd() -> None:
    server = store_at("http://127.0.0.1:1")
    with worker_pool(64, server) as pool:
        assert pool.processes == 8
    with worker_pool(64, NOWHERE) as pool:
        assert pool.processes == 64


def test_the_processes_are_gone_when_their_work_is_done() -> None:
    with worker_pool(2, NOWHERE) as pool:
        pool.begin(operator.neg, 1)()
        assert workers()
    assert not workers()


def interrupted() -> None:
    with worker_pool(2, NOWHERE) as pool:
        *_, last = [pool.begin(time.sleep, 60) for _ in range(9)]
        signal.raise_signal(signal.SIGINT)
        last()


def test_an_interrupt_waits_for_nobody() -> None:
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - begun < 30
    assert not workers()


class InterruptedAtItsEnd:
    """What is raised in a finalizer is lost."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_comes_at_a_bad_moment_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), worker_pool(2, NOWHERE):
        InterruptedAtItsEnd()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_worker_ignores_a_closing_terminal_where_its_parent_does() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with worker_pool(2, NOWHERE) as pool:
            assert pool.begin(signal.getsignal, signal.SIGHUP)() == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_killed_worker_is_an_error() -> None:
    with (
        pytest.raises(ReportError, match="out of memory"),
        worker_pool(2, NOWHERE) as pool,
    ):
        pool.begin(os._exit, 1)()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_lost_a_file_is_left_out_whoever_reads(
    lab: Lab, grid: str, processes: int
) -> None:
    runs = read_study(lab.store, grid)
    run_id = runs.used["run_id"].iloc[5]
    with lost(lab, grid, run_id, "probe.parquet"), worker_pool(processes, lab.store) as pool:
        left, series = read_digests(lab.store, runs, pool)
    others = [other for other in runs.used["run_id"] if other != run_id]
    assert left.runs.used["run_id"].tolist() == sorted(series, key=others.index) == others
    assert left.runs.unreadable == {run_id: "probe.parquet is missing"}


# --- the command --------------------------------------------------------------------------------


@contextmanager
def reporting(
    lab: Lab, study: str, folder: Path
) -> Iterator[tuple["subprocess.Popen[str]", list[psutil.Process]]]:
    """The command at work and all beneath it, in a session of their own, as in a terminal."""
    words = [f"study={study}", f"report.folder={folder}", "report.attach=false"]
    with started() as start:
        process = start(
            *("actscope.report", *words, "report.processes=2"),
            env={**os.environ, "MLFLOW_TRACKING_URI": lab.store.uri},
            stderr=subprocess.PIPE,
        )
        yield process, family_at_work(process)


def family_at_work(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Everybody beneath the command, once its helpers are there."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        family = psutil.Process(process.pid).children(recursive=True)
        if len(family) == 2:
            return family
        time.sleep(0.05)
    raise AssertionError("the helpers never came")


def left_alive(family: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=10)
    return alive


@pytest.mark.slow
def test_an_interrupt_ends_the_command_and_all_who_help_it(
    lab: Lab, grid: str, tmp_path: Path
) -> None:
    with reporting(lab, grid, tmp_path) as (process, family):
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=30)
        assert (process.returncode, *said) == (130, "", "")
        assert not left_alive(family)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_who_helps_a_command_that_is_killed_ends_with_it(
    lab: Lab, grid: str, tmp_path: Path
) -> None:
    with reporting(lab, grid, tmp_path) as (process, family):
        process.kill()
        assert not left_alive(family)

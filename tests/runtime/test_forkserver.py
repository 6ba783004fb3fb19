"""The process that workers are forked from."""

import gc
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver as stdlib_forkserver
from pathlib import Path

import psutil
import pytest

from actscope.errors import ClusterError
from actscope.runtime import forkserver
from tests.support.waiting import wait_for


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what the process sets for good."""
    for name, value in forkserver.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def exit_code(target: Callable[..., None], *arguments: object) -> int | None:
    worker = multiprocessing.get_context("forkserver").Process(target=target, args=arguments)
    worker.start()
    worker.join(60)
    return worker.exitcode


@pytest.fixture
def far_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder whose name is too long for a socket in it."""
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # multiprocessing keeps what it was once given.
    monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)
    return folder


def test_a_temporary_folder_may_have_a_long_name(far_away: Path) -> None:
    with forkserver.running([]):
        assert exit_code(os._exit, 3) == 3
    assert tempfile.gettempdir() == str(far_away)


def exit_with_news() -> None:
    os._exit(int(os.environ.get("NEWS", "0")))


def test_workers_have_todays_environment_whoever_was_forked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert exit_code(exit_with_news) == 0
    monkeypatch.setenv("NEWS", "5")
    with forkserver.running([]):
        assert exit_code(exit_with_news) == 5


def test_it_may_wait_for_the_first_worker(far_away: Path) -> None:
    with forkserver.running([], at_once=False):
        assert stdlib_forkserver._forkserver._forkserver_pid is None
        assert psutil.pid_exists(forkserver.wait_until_ready())
    assert stdlib_forkserver._forkserver._forkserver_pid is None
    assert tempfile.gettempdir() == str(far_away)


def test_ctrl_c_while_it_starts_is_heard_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = stdlib_forkserver.ensure_running, []

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        start()
        started.append(True)

    monkeypatch.setattr(stdlib_forkserver, "ensure_running", interrupted)
    with pytest.raises(KeyboardInterrupt), forkserver.running([]):
        pass
    assert started == [True]
    assert stdlib_forkserver._forkserver._forkserver_pid is None  # it was stopped


def server() -> psutil.Process:
    return psutil.Process(stdlib_forkserver._forkserver._forkserver_pid)


def suspend(process: psutil.Process) -> None:
    process.suspend()
    wait_for(lambda: bool(process.status() == psutil.STATUS_STOPPED))


def test_one_that_is_stopped_is_continued_and_ends_in_any_case() -> None:
    with forkserver.running([]):
        stopped = server()
        suspend(stopped)
        assert forkserver.wait_until_ready() == stopped.pid
        suspend(stopped)
        forkserver.check(stopped.pid)
        assert exit_code(os._exit, 3) == 3
        suspend(stopped)
    assert not stopped.is_running()


def test_another_takes_the_place_of_one_that_is_killed() -> None:
    with forkserver.running([]):
        killed = server()
        killed.kill()
        assert forkserver.wait_until_ready() == server().pid != killed.pid
        with pytest.raises(
            ClusterError, match=f"Process {killed.pid}, which starts the workers, was killed"
        ):
            forkserver.check(killed.pid)
        assert exit_code(interrupt_itself) == 4
        second = server()
    assert not second.is_running()


def interrupt_itself() -> None:
    for number in forkserver.OF_A_TERMINAL:
        os.kill(os.getpid(), number)
    os._exit(4)


def test_workers_do_not_hear_ctrl_c() -> None:
    with forkserver.running([]):
        assert exit_code(interrupt_itself) == 4


def exit_with_the_collectors_state() -> None:
    frozen = gc.get_freeze_count() > 0
    os._exit(10 * frozen + gc.isenabled())


def test_workers_collect_their_own_garbage_only() -> None:
    with forkserver.running([]):
        assert exit_code(exit_with_the_collectors_state) == 11

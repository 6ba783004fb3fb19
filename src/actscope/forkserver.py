"""A process that has imported what workers need: forked from it, they begin at once.

Importing torch and MLflow takes seconds, as long as it takes the process that asks for workers to
come to that point: so both import at the same time.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any

import psutil

from actscope import interrupts
from actscope.errors import ClusterError
from actscope.own_source import name_command

# Read by libraries when they are loaded, so that a worker, which is forked later, cannot set them.
ENVIRONMENT = {
    # A worker has one core.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Dask has a worker give freed memory back at once, and each minibatch would then fetch its few
    # MB from the system anew: that made recording every step two to three times as dear.
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
}

PRELOAD = "actscope.preload"
OF_A_TERMINAL = set(interrupts.SIGNALS) - {signal.SIGTERM}
SECONDS_BETWEEN_CHECKS = 0.5
LONGEST_FOLDER = 70  # bytes: a Unix socket's address has 107 at most, and 32 more are added


@contextmanager
def running(modules: Sequence[str]) -> Iterator[None]:
    """Have the process as long as the context lasts; it imports these modules meanwhile."""
    os.environ.update(ENVIRONMENT)
    name_command()  # before there are processes that are to know it
    _stop()  # one that runs already would know neither these modules nor this environment
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD, *modules])
    try:
        with interrupts.held(), _short_temporary_folder(), _deaf_children():
            forkserver.ensure_running()
        yield
    finally:
        _stop()


def wait_until_ready() -> None:
    """Wait until it forks, which it does when it has imported all; another one if it was killed.

    Raises:
        ClusterError: it is stopped, and would be waited for without end.

    """
    fork = threading.Thread(target=_fork_once, daemon=True)
    with _deaf_children():  # one that is started in its place has them deaf as well
        fork.start()
    while fork.is_alive():
        fork.join(SECONDS_BETWEEN_CHECKS)
        server: Any = forkserver._forkserver
        if server._forkserver_pid is not None and _is_stopped(server._forkserver_pid):
            raise ClusterError(
                f"process {server._forkserver_pid}, from which workers are forked, is stopped. "
                "Give the same command again"
            )


def _fork_once() -> None:
    child = multiprocessing.get_context("forkserver").Process(target=_do_nothing, daemon=True)
    with suppress(OSError, EOFError):  # it was killed; who asks for workers starts another
        child.start()


def _do_nothing() -> None: ...


def _is_stopped(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Ctrl-C, or its end, reaches all processes of a terminal; the caller sees to its workers."""
    resource_tracker.ensure_running()  # which, as it starts, would lift the block
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, OF_A_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """One in which multiprocessing may put its socket, as Python itself sees to from 3.14 on."""
    chosen = tempfile.gettempdir()
    if len(os.fsencode(chosen)) > LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"  # noqa: S108 - a folder of its own is made there
    try:
        yield
    finally:
        tempfile.tempdir = chosen


def _stop() -> None:
    """End it, though it may still be importing; left alone it would outlive the command."""
    server: Any = forkserver._forkserver  # there is no public way
    if server._forkserver_pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(server._forkserver_pid, signal.SIGKILL)  # which one that is stopped heeds too
    server._stop()

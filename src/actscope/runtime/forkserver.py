"""A process that has imported what workers need: forked from it, they begin at once.

Importing torch and MLflow takes seconds, as long as it takes the process that asks for workers to
come to that point: so both import at the same time.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any

import psutil

from actscope.errors import ClusterError
from actscope.own_source import name_command
from actscope.runtime import signals

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

PRELOAD = "actscope.runtime.preload"
OF_A_TERMINAL = set(signals.SIGNALS) - {signal.SIGTERM}
SECONDS_BETWEEN_CHECKS = 0.2
FORKS_TO_TRY = 3
LONGEST_FOLDER = 70  # bytes: a Unix socket's address has 107 at most, and 32 more are added


@contextmanager
def running(modules: Sequence[str]) -> Iterator[None]:
    """Have the process as long as the context lasts; it imports these modules meanwhile."""
    os.environ.update(ENVIRONMENT)
    name_command()  # before there are processes that are to know it
    _stop()  # one that runs already would know neither these modules nor this environment
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD, *modules])
    try:
        with signals.deferred(), _short_temporary_folder(), _deaf_children():
            forkserver.ensure_running()
        yield
    finally:
        _stop()


def wait_until_ready() -> int:
    """Wait until it forks, as it does once it has imported all; its process id.

    One that is stopped is continued, and another takes the place of one that was killed.
    """
    server: Any = forkserver._forkserver
    fork = threading.Thread(target=_fork_once, daemon=True)
    with _deaf_children():  # of another one too
        fork.start()
    while fork.is_alive():
        fork.join(SECONDS_BETWEEN_CHECKS)
        if server._forkserver_pid is not None:
            _continue(server._forkserver_pid)
    pid: int = server._forkserver_pid
    return pid


def check(pid: int) -> None:
    """Continue it where it was stopped: it is waited for as a worker is restarted, or ends.

    Raises:
        ClusterError: it was killed, and each of its workers with it, as far as Dask knows.

    """
    if not _continue(pid):
        raise ClusterError(
            f"process {pid}, from which workers are forked, was killed. What is finished is kept: "
            "give the same command again"
        )


def _continue(pid: int) -> bool:
    """Continue a process that was stopped; whether it lives."""
    try:
        process = psutil.Process(pid)
        status = process.status()
        if status == psutil.STATUS_STOPPED:
            process.resume()
    except psutil.NoSuchProcess:
        return False
    return bool(status != psutil.STATUS_ZOMBIE)


def _fork_once() -> None:
    context = multiprocessing.get_context("forkserver")
    for _ in range(FORKS_TO_TRY):
        with suppress(OSError, EOFError):  # it was killed: another is started once it is gone
            context.Process(target=_do_nothing, daemon=True).start()
            return
        time.sleep(SECONDS_BETWEEN_CHECKS)


def _do_nothing() -> None: ...


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

"""A process that imports torch and Dask, from which workers are forked and start at once.

These imports take seconds. The command starts this process first, so that both import at the same
time.
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

# Libraries read these when they are loaded; a worker, which is forked later, cannot set them.
ENVIRONMENT = {
    # A worker has one core.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Dask makes workers return freed memory at once. Each minibatch would then request its few MB
    # from the system again, which made recording every step two to three times slower.
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
}

PRELOAD = "actscope.runtime.preload"
OF_A_TERMINAL = set(signals.SIGNALS) - {signal.SIGTERM}
SECONDS_BETWEEN_CHECKS = 0.2
MAX_FORKS = 3
LONGEST_FOLDER = 70  # bytes; a Unix socket's address has at most 107, and 32 are added


@contextmanager
def running(modules: Sequence[str], *, at_once: bool = True) -> Iterator[None]:
    """Start the process, which imports these modules; stop it when the block exits.

    Unless `at_once`, it starts only when the first worker is wanted.
    """
    os.environ.update(ENVIRONMENT)
    name_command()  # before the processes start that inherit it
    _stop()  # a running one would have neither these modules nor this environment
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD, *modules])
    try:
        if at_once:
            with signals.deferred(), _short_temporary_folder(), _signals_blocked_in_children():
                forkserver.ensure_running()
        yield
    finally:
        _stop()


def wait_until_ready() -> int:
    """Wait until the process has imported all modules and can fork; return its id.

    A stopped process is continued, and a killed one is started again.
    """
    server: Any = forkserver._forkserver
    fork = threading.Thread(target=_fork_once, daemon=True)
    with _signals_blocked_in_children():  # also in one that starts only now, or again
        fork.start()
    while fork.is_alive():
        fork.join(SECONDS_BETWEEN_CHECKS)
        if server._forkserver_pid is not None:
            _continue(server._forkserver_pid)
    pid: int = server._forkserver_pid
    return pid


def check(pid: int) -> None:
    """Continue the process if it was stopped, as Dask waits for it to restart or end a worker.

    Raises:
        ClusterError: the process was killed; Dask takes its workers for dead too.

    """
    if not _continue(pid):
        raise ClusterError(
            f"Process {pid}, which starts the workers, was killed. Finished points are kept. Run "
            "the same command again."
        )


def _continue(pid: int) -> bool:
    """Continue a stopped process; return whether it is alive."""
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
    for _ in range(MAX_FORKS):
        # OSError, EOFError: it was killed, and another process is started when it is gone.
        with suppress(OSError, EOFError), _short_temporary_folder():
            context.Process(target=_do_nothing, daemon=True).start()
            return
        time.sleep(SECONDS_BETWEEN_CHECKS)


def _do_nothing() -> None: ...


@contextmanager
def _signals_blocked_in_children() -> Iterator[None]:
    """Block the terminal's signals in new child processes, as the caller ends its workers."""
    resource_tracker.ensure_running()  # its start would lift the block
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, OF_A_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Use a short folder for multiprocessing's socket, as Python does itself from 3.14 on."""
    chosen = tempfile.gettempdir()
    if len(os.fsencode(chosen)) > LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"  # noqa: S108 - multiprocessing creates its own folder there
    try:
        yield
    finally:
        tempfile.tempdir = chosen


def _stop() -> None:
    """Kill the process, even during its imports; otherwise it would outlive the command."""
    server: Any = forkserver._forkserver  # there is no public API
    if server._forkserver_pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(server._forkserver_pid, signal.SIGKILL)  # also ends a stopped process
    server._stop()

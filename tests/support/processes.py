"""Commands in processes of their own, as a terminal begins them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from actscope.project import ROOT
from actscope.runtime import signals

# Where a command finds the actscope of these very files, and what tests/support has for it.
PYTHONPATH = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
PR_SET_PDEATHSIG = 1  # of linux/prctl.h

Start = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def started() -> Iterator[Start]:
    """`start("actscope", "-m", "seed=0,1", cwd=folder)`: a command, which ends with the block.

    What it said and nobody has read is printed, for pytest to show where a test fails.
    """
    begun: list[subprocess.Popen[str]] = []

    def start(*words: str, **settings: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **settings},
            text=True,
            start_new_session=True,
            preexec_fn=_as_in_a_terminal,
        )
        begun.append(process)
        return process

    try:
        yield start
    finally:
        for process in begun:
            process.kill()
            if process.stdout is not None and not process.stdout.closed:
                print(process.communicate()[0])  # noqa: T201


def _as_in_a_terminal() -> None:
    """Heed Ctrl-C, and the end of the terminal, to which what nohup starts is deaf."""
    for number in signals.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    end_with_pytest()


def end_with_pytest() -> None:
    """Have the system kill this process when pytest is gone, which may have been killed itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

"""Commands in processes of their own, as a terminal begins them."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
            preexec_fn=heed_interrupts,
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


def heed_interrupts() -> None:
    """As in a terminal: what a shell starts in the background is deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

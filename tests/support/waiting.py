"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.1)

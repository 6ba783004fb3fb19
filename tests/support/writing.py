"""What a worker may have its writers do."""

import logging
import os
import signal
from functools import partial
from pathlib import Path

from actscope.sweep.dask_worker import map_on_writers

TOPIC = "tests"


def who_does_what(pieces: int) -> tuple[int, list[int]]:
    """Id of the process that this is given to, and for each piece that of the one that did it."""
    return os.getpid(), map_on_writers(TOPIC, 0, _own_id, range(pieces))


def have_it_done_though_one_dies(flag: Path) -> list[int]:
    return map_on_writers(TOPIC, 0, _die_once, [flag] * 3)


def have_it_done_though_writers_die() -> tuple[int, list[int]]:
    """Id of the process that this is given to, and of those that did each of four pieces."""
    own = os.getpid()
    return own, map_on_writers(TOPIC, 0, partial(_die_elsewhere, own), [1, 2, 3, 4])


def have_it_warned_of(words: list[str]) -> list[None]:
    return map_on_writers(TOPIC, 0, logging.getLogger("actscope.tests").warning, words)


def _own_id(_: int) -> int:
    return os.getpid()


def _die_elsewhere(own: int, piece: int) -> int:
    if piece == 2 and os.getpid() != own:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def _die_once(flag: Path) -> int:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()

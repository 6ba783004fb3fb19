"""Random streams that depend on a point's seed alone, and those of the whole process."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def stream_seed(seed: int, stream: str) -> int:
    """Seed of one of a point's independent random streams."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1


@contextmanager
def global_streams_kept() -> Iterator[None]:
    """Let code draw from the global streams of Python and numpy, and restore them."""
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - others use it
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002

"""Imports of what is large: torch, MLflow and Dask have thousands of modules."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from actscope.runtime import signals


@contextmanager
def without_gc() -> Iterator[None]:
    """Import without the garbage collector, which takes a quarter of the time, and uninterrupted.

    Of what comes up in their imports numpy, torch and MLflow catch some, Ctrl-C too, to go on half
    loaded and fail elsewhere: so it is heard afterwards.
    """
    was_collecting, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        with signals.deferred():
            yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # modules stay: else it would now look at all that they have made
        if was_collecting:
            gc.enable()

"""Fast imports of large packages: torch, MLflow and Dask have thousands of modules."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from actscope.runtime import signals


@contextmanager
def without_gc() -> Iterator[None]:
    """Import without the garbage collector, which takes a quarter of the time, or signals.

    numpy, torch and MLflow catch some exceptions during their imports, even Ctrl-C, and would
    continue half loaded. So signals are deferred until the block exits.
    """
    was_collecting, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        with signals.deferred():
            yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # modules stay, so the collector need not check their objects
        if was_collecting:
            gc.enable()

"""When Ctrl-C and SIGTERM are heard."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[None]:
    """Have them wait for the end of the context, where whatever heeded them before does so.

    For what must not be cut short: the start of another process, and heavy imports. Of theirs
    numpy, torch and MLflow catch what comes up in some, to go on half loaded and fail elsewhere.
    """
    came: list[int] = []
    heeded = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])

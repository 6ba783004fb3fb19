"""When Ctrl-C and SIGTERM are heard."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_came: list[int] = []  # of those that are remembered


class Terminated(KeyboardInterrupt):
    """SIGTERM, which cleans up as Ctrl-C does."""


@contextmanager
def remembered() -> Iterator[None]:
    """Raise them as KeyboardInterrupt, and remember them for `check`.

    What is raised where they happen to come is lost if that is in a finalizer or another callback
    of the garbage collector, of which SQLAlchemy has many; and what is cut short may fail with an
    error of its own, as OmegaConf does.
    """
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _remember)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else nobody is to hear it
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _remember)
    try:
        yield
    except Exception:
        check()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _came.clear()


def check() -> None:
    """Raise what came and may have been lost; for loops that would go on without it."""
    if _came:
        raise _interrupt(_came[0])


@contextmanager
def held() -> Iterator[None]:
    """Have them wait for the end of the context, where whatever heeded them before does so.

    For what must not be cut short, as the start of another process.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears them
        yield
        return
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


@contextmanager
def noticed() -> Iterator[list[int]]:
    """Tell a Ctrl-C that comes within the context from a KeyboardInterrupt that code raises.

    It is heeded as before, and its number is in the list.
    """
    came: list[int] = []
    heeded = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(heeded):
        yield came
        return

    def notice(number: int, frame: FrameType | None) -> None:
        came.append(number)
        heeded(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, heeded)


def _remember(number: int, _: FrameType | None) -> None:
    _came.append(number)
    raise _interrupt(number)


def _interrupt(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()

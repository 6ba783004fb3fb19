"""When Ctrl-C, SIGTERM and SIGHUP are heard, and how a command ends by them."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP is that of a terminal that is closed; Windows has none.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

_received: list[KeyboardInterrupt] = []  # of those that are remembered


class Signalled(KeyboardInterrupt):
    """A signal that ended the command. It cleans up as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number  # as a shell tells of a command that a signal ended


@contextmanager
def installed() -> Iterator[None]:
    """Raise them as KeyboardInterrupt, and remember them for `check`.

    What is raised where they happen to come is lost if that is in a finalizer or another callback
    of the garbage collector, of which SQLAlchemy has many; and what is cut short may fail with an
    error of its own, as OmegaConf does.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears them
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS if ends_process(number)}
    for number in before:
        signal.signal(number, _record)
    try:
        yield
    except Exception:
        check()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def ends_process(number: int) -> bool:
    """Whether a signal ends this process: one begun by nohup, say, is to be deaf to SIGHUP."""
    handlers = (signal.SIG_DFL, signal.default_int_handler, _record)
    return signal.getsignal(number) in handlers


def check() -> None:
    """Raise what came and may have been lost; for loops that would go on without it."""
    if _received:
        raise _received[0]


def stop(reason: KeyboardInterrupt) -> None:
    """Have the command end: here and now, or at the next `check` where this is another thread.

    Not while it ends already: a second Ctrl-C would leave half of the clean-up undone.
    """
    _received.append(reason)
    if threading.current_thread() is threading.main_thread() and not _is_ending():
        raise reason


def exit_code(reason: KeyboardInterrupt) -> int:
    """Exit code of a command that was ended so."""
    code: int = getattr(reason, "exit_code", 128 + signal.SIGINT)
    return code


def raise_interrupts() -> None:
    """Have them raise KeyboardInterrupt and no more: they are how a server is meant to end."""
    for number in filter(ends_process, SIGNALS):
        signal.signal(number, signal.default_int_handler)


def ignore() -> None:
    """Be deaf to them from now on: the process has cleaned up and is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[None]:
    """Have them wait for the end of the context, where whatever before them before does so.

    For what must not be cut short, as the start of another process.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears them
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number)) for number in SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@contextmanager
def noticed() -> Iterator[list[int]]:
    """Tell a Ctrl-C that comes within the context from a KeyboardInterrupt that code raises.

    It is before as before, and its number is in the list.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield came
        return

    def notice(number: int, frame: FrameType | None) -> None:
        came.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _record(number: int, _: FrameType | None) -> None:
    stop(Signalled(number))


def _is_ending() -> bool:
    """Whether the code that runs now cleans up after one that came before."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None

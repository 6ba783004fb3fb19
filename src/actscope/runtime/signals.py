"""How a command handles SIGINT (Ctrl-C), SIGTERM and SIGHUP."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP comes from a closing terminal; Windows has none.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

_received: list[KeyboardInterrupt] = []  # with the handlers of `installed`


class Signalled(KeyboardInterrupt):
    """A signal that ends the command, with the same clean-up as Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number  # as a shell reports a command that a signal ended


@contextmanager
def installed() -> Iterator[None]:
    """Install handlers that raise KeyboardInterrupt and record the signal for `check`.

    An exception is lost if the signal arrives in a callback of the garbage collector; SQLAlchemy
    has many. And interrupted code may raise another error instead, as OmegaConf does.
    """
    if threading.current_thread() is not threading.main_thread():  # only it gets signals
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
    """Whether a signal ends this process; for example under nohup SIGHUP does not."""
    handlers = (signal.SIG_DFL, signal.default_int_handler, _record)
    return signal.getsignal(number) in handlers


def check() -> None:
    """Raise a received signal whose exception may have been lost; call it in long loops."""
    if _received:
        raise _received[0]


def stop(reason: KeyboardInterrupt) -> None:
    """End the command: at once in the main thread, else at the next `check`.

    If it is ending already, do nothing: a second Ctrl-C would interrupt the clean-up.
    """
    _received.append(reason)
    if threading.current_thread() is threading.main_thread() and not _is_ending():
        raise reason


def exit_code(reason: KeyboardInterrupt) -> int:
    """Exit code of a command that ended for this reason."""
    code: int = getattr(reason, "exit_code", 128 + signal.SIGINT)
    return code


def raise_interrupts() -> None:
    """Make the signals raise KeyboardInterrupt only: they are the normal end of a server."""
    for number in filter(ends_process, SIGNALS):
        signal.signal(number, signal.default_int_handler)


def ignore() -> None:
    """Ignore the signals from now on, as the process has cleaned up and is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[None]:
    """Defer SIGINT, SIGTERM and SIGHUP until the block exits, then redeliver the first one.

    For code that must not be interrupted, like the start of another process.
    """
    if threading.current_thread() is not threading.main_thread():  # only it gets signals
        yield
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


@contextmanager
def sigint_received() -> Iterator[list[int]]:
    """Yield a list that gets each SIGINT within the block, which is handled as before.

    It distinguishes Ctrl-C from a KeyboardInterrupt that other code raises.
    """
    received: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield received
        return

    def notice(number: int, frame: FrameType | None) -> None:
        received.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)


def _record(number: int, _: FrameType | None) -> None:
    stop(Signalled(number))


def _is_ending() -> bool:
    """Whether the running code cleans up after an earlier KeyboardInterrupt."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None

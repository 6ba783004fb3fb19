"""Standard output: a command ends in a line where nobody can read what it says there."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from actscope.credentials import scrub
from actscope.runtime import signals


class OutputLost(KeyboardInterrupt):
    """Ends a command as Ctrl-C does: its work is cleaned up, and no point is blamed for it."""

    exit_code = 1


@contextmanager
def guarded() -> Iterator[None]:
    """Have a write to standard output that fails raise OutputLost, at the latest at the end."""
    stream = sys.stdout
    if stream is None:
        raise OutputLost("it is closed")
    _fill_closed()
    output = _GuardedStream(stream)
    sys.stdout = cast(TextIO, output)
    try:
        yield
    finally:
        try:
            output.flush()
        finally:
            sys.stdout = stream


def print_error(text: str) -> None:
    """Write it as one line to standard error, if that is open, and without credentials."""
    if sys.stderr is None:  # it is closed
        return
    line = " ".join(scrub(text).split())
    try:
        sys.stderr.write(f"actscope: {line}\n")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def report_end(reason: KeyboardInterrupt) -> int:
    """Say why a command ends where that is not known; its exit code."""
    if isinstance(reason, OutputLost):
        print_error(f"standard output cannot be written: {reason}. Redirect it to another place.")
    return signals.exit_code(reason)


class _GuardedStream:
    """A stream that ends the command where it cannot be written, and is silent from then on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
        except OSError as error:
            _silence(self._stream)
            signals.stop(OutputLost(error.strerror or type(error).__name__))


def _silence(stream: TextIO) -> None:
    """Have a stream lead nowhere: what is in its buffer would else fail again as Python ends."""
    with suppress(OSError):  # it has no number: a test's own
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fill_closed() -> None:
    """Keep the numbers of standard streams that are closed from being those of other files."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)

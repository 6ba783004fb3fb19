"""Standard output and error: a command ends with one line if its output cannot be written."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from actscope.credentials import scrub
from actscope.runtime import signals


class OutputLost(KeyboardInterrupt):
    """Standard output cannot be written. It ends the command as Ctrl-C does; no point fails."""

    exit_code = 1


@contextmanager
def guarded() -> Iterator[None]:
    """Raise OutputLost if a write to standard output fails, at the latest when the block exits."""
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
    """Print a text as one line to standard error, without credentials."""
    if sys.stderr is None:  # closed
        return
    line = " ".join(scrub(text).split())
    try:
        sys.stderr.write(f"actscope: {line}\n")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def report_end(reason: KeyboardInterrupt) -> int:
    """Print why a command ends, unless the user knows; return its exit code."""
    if isinstance(reason, OutputLost):
        print_error(f"Standard output cannot be written: {reason}. Redirect it to another place.")
    return signals.exit_code(reason)


class _GuardedStream:
    """A stream that ends the command when a write fails, and then drops all writes."""

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
    """Redirect a stream to nowhere, as its buffer would fail again when Python exits."""
    with suppress(OSError):  # a test's stream has no file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fill_closed() -> None:
    """Open the descriptors of closed standard streams, so that no other file gets them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)

"""Signals that come while they had better not be heard."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from actscope.runtime import signals

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("number", CODES)
def test_a_signal_waits_for_the_end_and_is_heeded_then(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda number, _: heard.append(number))
    try:
        with signals.deferred():
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert heard == []
        assert heard == [number]
        signal.raise_signal(number)
        assert heard == [number] * 2
    finally:
        signal.signal(number, before)


def test_ctrl_c_is_an_interrupt_as_it_always_is() -> None:
    with pytest.raises(KeyboardInterrupt), signals.deferred():
        signal.raise_signal(signal.SIGINT)


def test_what_is_raised_in_between_goes_first() -> None:
    def fail_after_ctrl_c() -> None:
        with signals.deferred():
            signal.raise_signal(signal.SIGINT)
            raise ImportError

    with pytest.raises(ImportError):
        fail_after_ctrl_c()


@pytest.mark.parametrize("number", CODES)
def test_one_that_is_lost_in_a_callback_is_raised_again(number: signal.Signals) -> None:
    with signals.installed():
        signals.check()
        lose(number)
        with pytest.raises(KeyboardInterrupt) as raised:
            signals.check()
    signals.check()
    assert signals.exit_code(raised.value) == CODES[number]


def lose(number: int) -> None:
    with suppress(KeyboardInterrupt):  # as the garbage collector does
        signal.raise_signal(number)


@pytest.mark.parametrize("second", CODES)
def test_a_second_one_does_not_cut_the_clean_up_short(second: signal.Signals) -> None:
    cleaned = []

    @contextmanager
    def opened() -> Iterator[None]:
        try:
            yield
        finally:
            signal.raise_signal(second)
            cleaned.append("in a context")

    def work() -> None:
        try:
            with opened():
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            with suppress(OSError):
                try:
                    raise OSError
                finally:
                    signal.raise_signal(second)
            cleaned.append("in a handler")
            raise

    with pytest.raises(KeyboardInterrupt) as raised, signals.installed():
        work()
    assert cleaned == ["in a context", "in a handler"]
    assert signals.exit_code(raised.value) == 130


def test_a_second_one_is_raised_where_the_first_was_lost() -> None:
    with signals.installed():
        lose(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_error_of_what_was_cut_short_is_an_interrupt() -> None:
    def composed() -> None:
        with signals.installed():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                raise AttributeError

    with pytest.raises(KeyboardInterrupt):
        composed()


def test_an_error_of_its_own_stays_one() -> None:
    with pytest.raises(AttributeError), signals.installed():
        raise AttributeError


@pytest.mark.parametrize("number", CODES)
def test_who_is_deaf_to_a_signal_stays_so(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with signals.installed(), signals.deferred():
            signals.raise_interrupts()
            signal.raise_signal(number)
        signals.check()
    finally:
        signal.signal(number, before)

"""Signals that come while they had better not be heard."""

import signal
from contextlib import suppress

import pytest

from actscope import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_and_is_heeded_then(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda number, _: heard.append(number))
    try:
        with interrupts.held():
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert heard == []
        assert heard == [number]
        signal.raise_signal(number)
        assert heard == [number] * 2
    finally:
        signal.signal(number, before)


def test_ctrl_c_is_an_interrupt_as_it_always_is() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        signal.raise_signal(signal.SIGINT)


def test_what_is_raised_in_between_goes_first() -> None:
    def fail_after_ctrl_c() -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            raise ImportError

    with pytest.raises(ImportError):
        fail_after_ctrl_c()


@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, interrupts.Terminated)],
)
def test_one_that_is_lost_in_a_callback_is_raised_again(
    number: signal.Signals, kind: type[KeyboardInterrupt]
) -> None:
    with interrupts.remembered():
        interrupts.check()
        with suppress(KeyboardInterrupt):  # as the garbage collector does
            signal.raise_signal(number)
        with pytest.raises(kind):
            interrupts.check()
    interrupts.check()


def test_an_error_of_what_was_cut_short_is_an_interrupt() -> None:
    def composed() -> None:
        with interrupts.remembered():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                raise AttributeError

    with pytest.raises(KeyboardInterrupt):
        composed()


def test_an_error_of_its_own_stays_one() -> None:
    with pytest.raises(AttributeError), interrupts.remembered():
        raise AttributeError


def test_who_is_deaf_to_ctrl_c_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.remembered():
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, before)

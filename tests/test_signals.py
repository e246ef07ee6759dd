"""SIGTERM and SIGINT ask a long-lived process to end, and a second one insists."""

from __future__ import annotations

import signal

import pytest

from lepton_fed.signals import stopped_by_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_and_a_second_one_insists(number: signal.Signals, second: signal.Signals) -> None:
    with stopped_by_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)


def test_signals_are_answered_afterwards_as_they_were_before_whatever_happens() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), stopped_by_signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
        raise ZeroDivisionError
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before

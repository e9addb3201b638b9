"""A signal interrupts the sessions of a command, and leaves a service alone that handles it by itself."""

import signal
from contextlib import nullcontext

import pytest

from zoho_pipeline import stopping


@pytest.mark.parametrize("number", stopping.SIGNALS)
@pytest.mark.parametrize("is_service", [False, True], ids=["command", "service"])
def test_a_service_is_not_interrupted(number: signal.Signals, is_service: bool) -> None:
    interrupted: list[str] = []
    handled: list[int] = []
    before = signal.signal(number, signal.SIG_DFL)  # a shell starts its background jobs with signals ignored
    with (
        stopping.own_handling() if is_service else nullcontext(),
        stopping.interruptible(lambda: interrupted.append("session")),
    ):
        with stopping.stoppable():  # its end waits until every signal has been seen
            if is_service:
                signal.signal(number, lambda received, _: handled.append(received))
                signal.raise_signal(number)
                stopping.raise_if_requested()
            else:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(number)
                assert stopping.requested() == number
        assert stopping.requested() is None
    signal.signal(number, before)
    assert (interrupted, handled) == (([], [number]) if is_service else (["session"], []))

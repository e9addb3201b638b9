"""The window of a sync, and when it can be read."""

from datetime import UTC, datetime, timedelta

import pytest

from zoho_pipeline.ingest.routes.window import Window

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_window_ends_at_the_next_second_and_is_settled_once() -> None:
    clock, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    window = Window(NOON + timedelta(milliseconds=300), 5, monotonic=lambda: clock[0], sleep=sleep)
    assert window.hi == NOON + timedelta(seconds=1)
    assert not window.settled
    window.settle()
    window.settle()
    assert slept == [pytest.approx(4.7), pytest.approx(1)]
    assert window.settled
    assert window.over(settled=False) == NOON - timedelta(seconds=59)


@pytest.mark.parametrize(
    ("shown", "waited"),
    [
        (0.0, 5.7),
        (0.4, 5.3),
        (0.95, 4.75),
        (30.0, 4.7),  # more than a header can hide: the wait is not shorter for it
        (-3.0, 5.7),
        (None, 5.7),  # the answers contradict each other
    ],
)
def test_what_later_answers_show_of_the_clock_is_not_waited_for(shown: float | None, waited: float) -> None:
    clock, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds + 1e-6  # less is nothing beside 105 s in a float

    def surely() -> datetime | None:
        if shown is None:
            return None
        return NOON + timedelta(milliseconds=300, seconds=clock[0] - 100 + shown)

    window = Window(NOON + timedelta(milliseconds=300), 5, monotonic=lambda: clock[0], sleep=sleep, surely=surely)
    window.settle()
    assert window.settled
    assert sum(slept) == pytest.approx(waited, abs=1e-4)
    clock[0] -= 0.01
    assert not window.settled

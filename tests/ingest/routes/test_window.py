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
    assert slept == [pytest.approx(5.7)]
    assert window.settled
    assert window.over(settled=False) == NOON - timedelta(seconds=59)

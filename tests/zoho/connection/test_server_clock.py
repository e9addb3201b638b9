"""The format in which Zoho writes times, and Zoho's clock."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.zoho.connection.server_clock import ServerClock, format_time, parse_date_header, parse_time
from zoho_pipeline.zoho.errors import BadAnswer

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=OFFSETS)  # noqa: DTZ001


@given(INSTANTS)
def test_there_and_back_to_the_second_below(instant: datetime) -> None:
    text = format_time(instant)
    assert len(text) == 25
    assert text.endswith("+00:00")
    assert timedelta(0) <= instant - parse_time(text) < timedelta(seconds=1)


@given(INSTANTS)
def test_any_offset_is_the_same_instant(instant: datetime) -> None:
    cut = instant.replace(microsecond=0)
    assert parse_time(cut.isoformat()) == cut
    assert parse_time(cut.isoformat()).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-05-01T10:00:00+05:30", "2026-05-01T04:30:00Z", "2026-04-30T17:30:00-11:00"])
def test_samples_of_one_instant(text: str) -> None:
    assert parse_time(text) == datetime(2026, 5, 1, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-05-01T10:00:00", "yesterday", "", None, 7, "2026-13-01T00:00:00Z"])
def test_texts_that_are_not_an_instant(text: object) -> None:
    with pytest.raises(BadAnswer):
        parse_time(text)  # type: ignore[arg-type]


def test_a_bound_without_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        format_time(datetime(2026, 5, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Mon, 23 Nov 2026 14:40:37 GMT", datetime(2026, 11, 23, 14, 40, 37, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 14:40:37 -0000", datetime(2026, 11, 23, 14, 40, 37, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_date_headers(text: str | None, instant: datetime | None) -> None:
    assert parse_date_header(text) == instant


def test_the_clock_runs_by_the_time_elapsed_here() -> None:
    ticks = iter((100.0, 107.5, 200.0, 200.5))
    clock = ServerClock(monotonic=lambda: next(ticks))
    clock.observe(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 7, 500_000, tzinfo=UTC)
    assert clock.observe(datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)) == ""
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 40, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "passed", "waited", "jumped"),
    [
        (100, 100, 0, False),
        (0, 3_600, 0, False),  # a clock that stands still
        (109, 100, 0, False),
        (112, 100, 0, True),
        (-9, 1, 0, False),
        (-12, 1, 0, True),
        (-20, 60, 30, False),  # written when the request arrived, half a minute ago
        (86_400, 1, 0, True),
        (-86_400, 1, 0, True),
        (36_030, 36_000, 0, False),  # over ten hours, our clock is slow by one thousandth
    ],
)
def test_a_date_that_the_time_passed_does_not_explain_is_not_taken_over(
    seconds: float, passed: float, waited: float, jumped: bool
) -> None:
    now = [1_000.0]
    clock = ServerClock(monotonic=lambda: now[0])
    first = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.observe(first) == ""
    now[0] += passed
    said = clock.observe(first + timedelta(seconds=seconds), now[0] - waited)
    assert bool(said) is jumped
    assert clock.now() == first + timedelta(seconds=passed if jumped else seconds)
    if jumped:
        assert "2026-01-01 00:00:00" in said
        assert f"{passed} s passed" in said


def test_small_steps_of_a_date_do_not_add_up() -> None:
    now = [1_000.0]
    clock = ServerClock(monotonic=lambda: now[0])
    first = datetime(2026, 1, 1, tzinfo=UTC)
    assert [bool(clock.observe(first + timedelta(seconds=8 * n))) for n in range(4)] == [False, False, True, True]

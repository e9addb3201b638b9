"""Nights: each channel once a night, at 01:00 of the right zone, spread, whatever ticks are missed or doubled."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.orchestration.automation.nightly_plan import due, steps
from zoho_pipeline.orchestration.channel_summaries import Member
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"]


def channel(channel_id: str, zone: str = "UTC", connected: datetime = LONG_AGO, status: str = "active") -> Member:
    return Member(channel_id, status, zone, connected)


@given(
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=30),
    missed=st.sets(st.integers(0, 2 * 288 - 1)),
    start=st.integers(0, 264 * 288).map(lambda n: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=5 * n)),
    setting=st.sampled_from([None, "Asia/Kolkata", "channel"]),
)
@settings(max_examples=25, deadline=None)
def test_once_a_night_whatever_ticks_are_missed(
    zones: list[str], missed: set[int], start: datetime, setting: str | None
) -> None:
    channels = [channel(f"c{n}", zone) for n, zone in enumerate(zones)]
    asked: dict[date, set[str]] = {}
    for number in range(2 * 288):
        if number in missed and number != 2 * 288 - 1:
            continue
        now = start + timedelta(minutes=5 * number)
        for night in due(channels, now, setting, asked):
            assert night.starts <= now
            assert night.channel_id not in asked.setdefault(night.date, set())
            asked[night.date].add(night.channel_id)
    for one in channels:
        nights = [day for day, ids in asked.items() if one.id in ids]
        assert 1 <= len(nights) <= 3, "two days hold two nights; the first tick may still owe the one before"


@pytest.mark.parametrize("zone", ZONES)
def test_a_channels_own_night_begins_at_one_in_its_zone(zone: str) -> None:
    now = datetime(2026, 6, 17, 23, 55, tzinfo=UTC)
    (night,) = due([channel("solo", zone)], now, "channel", {})
    assert night.starts.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "01:00"
    assert night.date == night.starts.astimezone(ZoneInfo(zone)).date()


def test_clock_changes_neither_skip_nor_double_a_night() -> None:
    """01:00 happens twice on 2026-11-01 in New York, and not at all on 2026-03-29 in London."""
    for zone, day in (("America/New_York", date(2026, 11, 1)), ("Europe/London", date(2026, 3, 29))):
        asked: dict[date, set[str]] = {}
        tick = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=4)
        while tick < datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=20):
            for night in due([channel("solo")], tick, zone, asked):
                asked.setdefault(night.date, set()).add(night.channel_id)
            tick += timedelta(minutes=5)
        assert day in asked


def test_five_thousand_channels_start_over_the_hour() -> None:
    channels = [channel(f"tenant-{n:04}") for n in range(5000)]
    before = {date(2026, 6, 16): {c.id for c in channels}}
    ticks = [datetime(2026, 6, 17, 1, minute, tzinfo=UTC) for minute in range(0, 60, 5)]
    at = [len(due(channels, tick, None, before)) for tick in ticks]
    new = [after - before for before, after in zip([0, *at], at, strict=False)]
    assert at[-1] == 5000
    assert min(new) > 300, new
    assert max(new) < 550, new


def test_few_channels_share_one_run() -> None:
    assert steps(1) == steps(MAX_CHANNELS_PER_RUN) == 1
    assert steps(MAX_CHANNELS_PER_RUN + 1) == 2
    assert steps(100_000) == 12


def test_who_is_left_out() -> None:
    now = datetime(2026, 6, 17, 1, 0, tzinfo=UTC)
    just_now = channel("new", connected=now + timedelta(minutes=1))
    paused, dead = channel("paused", status="paused"), channel("dead", status="reconnect_needed")
    odd = replace(channel("odd"), timezone="Mars/Base")
    assert [night.channel_id for night in due([just_now, paused, dead, odd], now, "channel", {})] == ["odd"]

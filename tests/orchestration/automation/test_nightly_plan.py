"""The nightly plan: one sync per channel and night, from 01:00 in its zone, even if ticks are missed or repeated."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.orchestration.automation.nightly_plan import CHANNELS_PER_SLOT, due_syncs, slot_count
from zoho_pipeline.orchestration.channel_summaries import ChannelSummary
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_OF_A_NIGHT_RUN

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"]
TICKS_PER_DAY = 288


def channel(
    channel_id: str, zone: str = "UTC", connected: datetime = LONG_AGO, status: str = "active"
) -> ChannelSummary:
    return ChannelSummary(channel_id, status, zone, connected)


@given(
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=30),
    missed=st.sets(st.integers(0, 2 * TICKS_PER_DAY - 1)),
    start=st.integers(0, 264 * TICKS_PER_DAY).map(
        lambda n: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=5 * n)
    ),
    setting=st.sampled_from([None, "Asia/Kolkata", "channel"]),
)
@settings(max_examples=25, deadline=None)
def test_each_channel_has_one_sync_per_night_whatever_ticks_are_missed(
    zones: list[str], missed: set[int], start: datetime, setting: str | None
) -> None:
    channels = [channel(f"c{n}", zone) for n, zone in enumerate(zones)]
    requested: dict[date, set[str]] = {}
    last_tick = 2 * TICKS_PER_DAY - 1
    for number in range(2 * TICKS_PER_DAY):
        if number in missed and number != last_tick:
            continue
        now = start + timedelta(minutes=5 * number)
        for sync in due_syncs(channels, now, setting, requested):
            assert sync.starts_at <= now
            assert sync.channel_id not in requested.setdefault(sync.date, set())
            requested[sync.date].add(sync.channel_id)
    for one in channels:
        nights = [day for day, ids in requested.items() if one.id in ids]
        assert 1 <= len(nights) <= 3, "two days hold two nights, and the first tick may request the night before"


@pytest.mark.parametrize("zone", ZONES)
def test_the_night_of_a_channel_starts_at_one_in_its_own_zone(zone: str) -> None:
    now = datetime(2026, 6, 17, 23, 55, tzinfo=UTC)
    (sync,) = due_syncs([channel("solo", zone)], now, "channel", {})
    assert sync.starts_at.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "01:00"
    assert sync.date == sync.starts_at.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", date(2026, 11, 1)), ("Europe/London", date(2026, 3, 29))]
)
def test_a_clock_change_neither_skips_nor_doubles_a_night(zone: str, day: date) -> None:
    """01:00 happens twice on 2026-11-01 in New York, and never on 2026-03-29 in London."""
    requests: list[date] = []
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    tick = midnight - timedelta(hours=4)
    while tick < midnight + timedelta(hours=20):
        for sync in due_syncs([channel("solo")], tick, zone, {night: {"solo"} for night in requests}):
            requests.append(sync.date)
        tick += timedelta(minutes=5)
    assert requests.count(day) == 1


def test_five_thousand_channels_start_over_the_hour() -> None:
    channels = [channel(f"tenant-{n:04}") for n in range(5000)]
    before = {date(2026, 6, 16): {c.id for c in channels}}
    ticks = [datetime(2026, 6, 17, 1, minute, tzinfo=UTC) for minute in range(0, 60, 5)]
    at = [len(due_syncs(channels, tick, None, before)) for tick in ticks]
    new = [after - before for before, after in zip([0, *at], at, strict=False)]
    assert at[-1] == 5000
    assert min(new) > 300, new
    assert max(new) <= MAX_CHANNELS_OF_A_NIGHT_RUN, new  # each slot is one run


def test_few_channels_share_one_slot() -> None:
    assert slot_count(1) == slot_count(CHANNELS_PER_SLOT) == 1
    assert slot_count(CHANNELS_PER_SLOT + 1) == 2
    assert slot_count(100_000) == 12


def test_new_paused_and_disconnected_channels_have_no_nightly_sync() -> None:
    now = datetime(2026, 6, 17, 1, 0, tzinfo=UTC)
    new = channel("new", connected=now + timedelta(minutes=1))
    paused, disconnected = channel("paused", status="paused"), channel("disconnected", status="reconnect_needed")
    assert due_syncs([new, paused, disconnected], now, "channel", {}) == []


def test_an_unknown_zone_counts_as_utc() -> None:
    now = datetime(2026, 6, 17, 1, 0, tzinfo=UTC)
    odd = replace(channel("odd"), timezone="Mars/Base")
    assert [sync.starts_at for sync in due_syncs([odd], now, "channel", {})] == [now]

"""The nightly plan: which channels a tick of the schedule must sync, from the clock and the syncs requested so far.

Each channel has one sync per night. The night of a channel starts at 01:00 in its zone (its own, or the zone of the
deployment). A hash of the channel id spreads the starts over the hour in slots of five minutes, so that 5,000
channels do not start in the same second. The plan depends on the runs that this night has, and not on the tick that
asks. So a tick that is missed or repeated changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.channel_summaries import ChannelSummary
from zoho_pipeline.setting_checks import known_zone

NIGHT_STARTS_AT = time(1, 0)
SLOT = timedelta(minutes=5)
MAX_SLOTS = 12  # one hour
CHANNELS_PER_SLOT = 400
"""A hash fills the slots unevenly, by some 10 %. So each slot of up to 4,800 channels fits into one run
(MAX_CHANNELS_OF_A_NIGHT_RUN)."""
CHANNEL_ZONE = "channel"
"""The value of ZOHO_PIPELINE_SCHEDULE_TIMEZONE that means: each channel's own zone."""


@dataclass(frozen=True)
class NightlySync:
    """The sync of one channel in one night. `date` is the local date; `starts_at` is the start of its slot in UTC."""

    channel_id: str
    date: date
    starts_at: datetime


def due_syncs(
    channels: Iterable[ChannelSummary],
    now: datetime,
    zone: str | None,
    requested: Mapping[date, Collection[str]],
) -> list[NightlySync]:
    """The syncs of active channels whose slot has started and that no run was requested for, earliest first.

    Args:
        zone: an IANA name, `channel` for each channel's own zone, or None for UTC.
        requested: local date of the night → ids of the channels whose sync was requested.
    """
    active = [channel for channel in channels if channel.status == ACTIVE]
    zones = {channel.id: _zone_of(channel, zone) for channel in active}
    channels_per_zone: dict[ZoneInfo, int] = {}
    for own_zone in zones.values():
        channels_per_zone[own_zone] = channels_per_zone.get(own_zone, 0) + 1
    due = []
    for channel in active:
        own_zone = zones[channel.id]
        sync = _latest_sync(channel, now, own_zone, slot_count(channels_per_zone[own_zone]))
        # The sensor requests the first sync of a channel that was connected after its slot.
        if sync.starts_at >= channel.connected_at and channel.id not in requested.get(sync.date, ()):
            due.append(sync)
    return sorted(due, key=lambda sync: (sync.starts_at, sync.channel_id))


def slot_count(channels: int) -> int:
    """The number of slots for the channels of one zone: one per 400 of them, at most twelve."""
    return max(1, min(MAX_SLOTS, -(-channels // CHANNELS_PER_SLOT)))


def _latest_sync(channel: ChannelSummary, now: datetime, zone: ZoneInfo, slots: int) -> NightlySync:
    """The latest nightly sync of a channel whose slot has started by `now`."""
    offset = SLOT * (crc32(channel.id.encode()) % slots)
    day = now.astimezone(zone).date()
    starts_at = _night_start(day, zone) + offset
    if starts_at > now:
        day -= timedelta(days=1)
        starts_at = _night_start(day, zone) + offset
    return NightlySync(channel.id, day, starts_at)


def _night_start(day: date, zone: ZoneInfo) -> datetime:
    """01:00 of a local date, in UTC. When clocks change, it is the first of two such hours, or one hour later."""
    return datetime.combine(day, NIGHT_STARTS_AT, zone).astimezone(UTC)


def _zone_of(channel: ChannelSummary, zone: str | None) -> ZoneInfo:
    if zone != CHANNEL_ZONE:
        return ZoneInfo(zone or "UTC")
    # one unknown zone name must not stop the other channels
    return known_zone(channel.timezone) or ZoneInfo("UTC")

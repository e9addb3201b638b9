"""Nights: when each channel's sync is due, worked out from the clock and what was already asked for.

A channel's night begins at 01:00 in its zone (its own, or the deployment's) and has one sync. Channels
are spread over the hour in steps of five minutes by a hash of their id: 5,000 of them must not start in
one second. The answer depends on the runs of that night, not on which tick asks: a tick that was
missed, or asked twice, changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.channel_summaries import Member
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN

STARTS = time(1, 0)
STEP = timedelta(minutes=5)
MOST_STEPS = 12  # within the hour
OWN_ZONE = "channel"
"""The value of the deployment's zone that means: each channel's own."""


@dataclass(frozen=True)
class Night:
    """A channel's sync of one local date."""

    channel_id: str
    date: date
    starts: datetime


def due(
    channels: Iterable[Member], now: datetime, zone: str | None, asked: Mapping[date, Collection[str]]
) -> list[Night]:
    """The active channels whose night began by `now` and whose sync nobody asked for yet, earliest first.

    Args:
        zone: IANA name, `channel` for each channel's own, None for UTC.
        asked: night → channels whose sync of that night was asked for.
    """
    active = [channel for channel in channels if channel.status == ACTIVE]
    zones = {channel.id: _zone(channel, zone) for channel in active}
    sizes: dict[ZoneInfo, int] = {}
    for own in zones.values():
        sizes[own] = sizes.get(own, 0) + 1
    nights = [_night(channel, now, zones[channel.id], steps(sizes[zones[channel.id]])) for channel in active]
    return sorted(
        (
            night
            for channel, night in zip(active, nights, strict=True)
            # one that was connected since has its first sync from the sensor
            if night.starts >= channel.connected_at and night.channel_id not in asked.get(night.date, ())
        ),
        key=lambda night: (night.starts, night.channel_id),
    )


def steps(channels: int) -> int:
    """Into how many starts a zone's channels are spread: as many as there are batches, twelve at most."""
    return max(1, min(MOST_STEPS, -(-channels // MAX_CHANNELS_PER_RUN)))


def _night(channel: Member, now: datetime, zone: ZoneInfo, parts: int) -> Night:
    """The newest night of a channel that began by `now`."""
    offset = STEP * (crc32(channel.id.encode()) % parts)
    day = now.astimezone(zone).date()
    starts = _begin(day, zone) + offset
    if starts > now:
        day -= timedelta(days=1)
        starts = _begin(day, zone) + offset
    return Night(channel.id, day, starts)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    """01:00 of a local date as an instant (of two such hours the first; of none, an hour on)."""
    return datetime.combine(day, STARTS, zone).astimezone(UTC)


def _zone(channel: Member, zone: str | None) -> ZoneInfo:
    if zone != OWN_ZONE:
        return ZoneInfo(zone or "UTC")
    try:
        return ZoneInfo(channel.timezone)
    except (ZoneInfoNotFoundError, ValueError):  # a name this machine's table lacks must not stop the others
        return ZoneInfo("UTC")

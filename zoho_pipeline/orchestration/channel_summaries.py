"""What schedules, sensors and the freshness check need to know about every channel, read in two queries.

`Registry.list()` builds each channel with its settings and about fifteen module rows. For 5,000 channels that takes
seconds of CPU, and a tick may take one second.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.registry import Registry


@dataclass(frozen=True)
class ChannelSummary:
    """One channel in short.

    Attributes:
        status: one of the constants in `channels.registry.model`.
        timezone: IANA name; the zone that a person set wins over the org's own zone.
        last_complete_sync_at: UTC, as `Channel.last_complete_sync_at` computes it; None before the first one.
        has_synced: at least one module was ever read, whatever the outcome.
    """

    id: str
    status: str
    timezone: str
    connected_at: datetime
    last_complete_sync_at: datetime | None = None
    has_synced: bool = False
    status_detail: str | None = None


def read_channel_summaries(registry: "Registry") -> list[ChannelSummary]:
    """A summary of every channel, ordered by channel id."""
    from sqlalchemy import func, or_, select

    from zoho_pipeline.channels.registry.tables import channels, modules

    # A skipped module does not hold a channel back, except Leads: without leads nothing is complete.
    relevant = or_(modules.c.outcome != "skipped", modules.c.module == "Leads")
    bounds_per_channel = (
        select(modules.c.channel_id, func.min(modules.c.upper_bound), func.count(), func.count(modules.c.upper_bound))
        .where(relevant)
        .group_by(modules.c.channel_id)
    )
    zone = func.coalesce(channels.c.set_timezone, channels.c.timezone)
    channel_rows = select(
        channels.c.channel_id, channels.c.status, zone, channels.c.connected_at, channels.c.status_detail
    ).order_by(channels.c.channel_id)
    with registry.database.read() as transaction:
        rows = transaction.execute(channel_rows).all()
        bounds = transaction.execute(bounds_per_channel).all()
    complete = {channel: bound if total == bounded else None for channel, bound, total, bounded in bounds}
    return [ChannelSummary(*row[:4], complete.get(row[0]), row[0] in complete, row[4]) for row in rows]


def channels_synced_since(registry: "Registry", channel_ids: Collection[str], since: datetime) -> set[str]:
    """Those of `channel_ids` whose every module was synced at or after `since`, without a failed module."""
    from sqlalchemy import case, func, select

    from zoho_pipeline.channels.registry.tables import modules

    failed = func.sum(case((modules.c.outcome == "failed", 1), else_=0))
    all_done = (func.min(modules.c.synced_at) >= since.astimezone(UTC)) & (failed == 0)
    chosen = select(modules.c.channel_id).where(modules.c.channel_id.in_(channel_ids))
    with registry.database.read() as transaction:
        return set(transaction.execute(chosen.group_by(modules.c.channel_id).having(all_done)).scalars())

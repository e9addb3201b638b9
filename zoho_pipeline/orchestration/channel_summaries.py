"""The roster: what schedules, sensors and freshness must know of every channel, in two queries.

`Registry.list()` builds each channel whole, with its settings and a row for each of some fifteen modules: seconds
of CPU with 5,000 channels, and a tick has one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.registry import Registry


@dataclass(frozen=True)
class Member:
    """A channel as the roster has it; `last_complete_sync_at` as `Channel` tells it, `synced`: it ever was asked."""

    id: str
    status: str
    timezone: str
    connected_at: datetime
    last_complete_sync_at: datetime | None = None
    synced: bool = False
    status_detail: str | None = None


def roster(registry: "Registry") -> list[Member]:
    """Every channel, by id."""
    from sqlalchemy import func, or_, select

    from zoho_pipeline.channels.registry.tables import channels, modules

    counts = or_(modules.c.outcome != "skipped", modules.c.module == "Leads")
    known = select(
        modules.c.channel_id, func.min(modules.c.upper_bound), func.count(), func.count(modules.c.upper_bound)
    )
    zone = func.coalesce(channels.c.set_timezone, channels.c.timezone)
    members = select(channels.c.channel_id, channels.c.status, zone, channels.c.connected_at, channels.c.status_detail)
    with registry.database.read() as transaction:
        rows = transaction.execute(members.order_by(channels.c.channel_id)).all()
        bounds = transaction.execute(known.where(counts).group_by(modules.c.channel_id)).all()
    complete = {channel: bound if whole == some else None for channel, bound, whole, some in bounds}
    return [Member(*row[:4], complete.get(row[0]), row[0] in complete, row[4]) for row in rows]


def synced_since(registry: "Registry", wanted: Collection[str], since: datetime) -> set[str]:
    """Which of the wanted channels had every module synced since an instant, none of them failing."""
    from sqlalchemy import case, func, select

    from zoho_pipeline.channels.registry.tables import modules

    failed = func.sum(case((modules.c.outcome == "failed", 1), else_=0))
    whole = (func.min(modules.c.synced_at) >= since.astimezone(UTC)) & (failed == 0)
    asked = select(modules.c.channel_id).where(modules.c.channel_id.in_(wanted))
    with registry.database.read() as transaction:
        return set(transaction.execute(asked.group_by(modules.c.channel_id).having(whole)).scalars())

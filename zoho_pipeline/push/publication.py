"""What a publication of the marts means for notifications: which records lists show now, and which numbers count."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection

from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform import push_subscriptions as subscriptions
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.channel_rows import read_channel_page
from zoho_pipeline.channels.registry.registry import Registry

PER_TRANSACTION = 100


def note_publication(registry: Registry, channel_ids: Collection[str], built_at: datetime, *, whole: bool) -> None:
    """Mark what was published for these channels. After lists alone, open pages are told, because no other event is.

    Args:
        built_at: when the build began; UTC where it has no zone. It shows what was loaded before.
        whole: all marts were published, and not only lists.
    """
    at = built_at.replace(tzinfo=UTC) if built_at.tzinfo is None else built_at
    waiting, database = sorted(channel_ids), registry.database
    for start in range(0, len(waiting), PER_TRANSACTION):
        part = waiting[start : start + PER_TRANSACTION]
        with database.write() as transaction:
            subscriptions.hold(transaction, part)
            now = database.now_in(transaction)
            push_queue.mark_published(transaction, part, at, now)
            for channel_id in part if whole else ():
                found = _readable(transaction, channel_id)
                if found is not None:
                    push_queue.mark_insight(transaction, channel_id, at, now, found.skew_seconds)
            if whole:
                continue
            for channel in read_channel_page(database, transaction, limit=len(part), ids=part):
                data = {"status": channel_events.shown_status(channel.status), "leads": "published"}
                channel_events.record(transaction, channel.id, channel.tenant, channel_events.CHANNEL_STATUS, data, now)


def _readable(transaction: Connection, channel_id: str) -> subscriptions.Subscription | None:
    """The subscription of a channel. A damaged one counts as none: the other channels of the publication go on."""
    try:
        return subscriptions.get(transaction, channel_id)
    except DamagedValue:
        return None

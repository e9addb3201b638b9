"""The proof of notifications: what a whole sync found, against what notifications named.

A changed row that no notification named was missed. A record that a notification named, and that had not changed, was
an idle one. So everybody can see how far notifications may be relied upon; the sync finds every change without them.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform import push_subscriptions as subscriptions
from zoho_pipeline.channels.platform.push_subscriptions import Subscription
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import values_of, versions_since
from zoho_pipeline.warehouse.connection import Connection

MOST_COMPARED = 20_000
"""Changed rows per module that are compared. More of them come from an import."""

TOLERANCE = timedelta(seconds=5)
"""Times of Zoho have whole seconds, and our estimate of its clock may be this far behind it."""


def prove(sync: SyncContext) -> None:
    """Compare a whole sync that has just ended with the notifications of its channel. Without push, do nothing."""
    database, channel_id = sync.registry.database, sync.channel.id
    with database.read() as transaction:
        known = subscriptions.get(transaction, channel_id)
    if known is None:
        return
    ended = [m for m, report in sync.reports.items() if report.outcome in ("complete", "skipped")]
    read = [m for m in known.modules if m in sync.readers and sync.reports[m].outcome == "complete"]
    skew = (sync.window.clock() - database.now()).total_seconds()
    with sync.warehouse.connect() as connection, database.write() as transaction:
        now = database.now_in(transaction)
        missed_at: list[datetime] = []
        idle = 0
        for module in read:
            place = (connection, transaction, known, sync.readers[module])
            missed_at += _missed(*place, sync.window.hi, skew)
            idle += _idle(*place)
        push_queue.loaded_by_sync(transaction, channel_id, read, sync.started_at, now, skew)
        push_queue.mark_counted(transaction, channel_id, ended, sync.started_at, now)
        gap = known.gap_since if known.gap_since is not None and known.gap_since >= sync.started_at else None
        subscriptions.store(
            transaction,
            channel_id,
            missed=len(missed_at),
            idle=idle,
            missed_total=known.missed_total + len(missed_at),
            compared_at=now,
            skew_seconds=skew,
            gap_since=gap,
        )
        subscriptions.judge_silence(transaction, known, min(missed_at, default=None), now)


def _missed(
    connection: Connection,
    transaction: Transaction,
    known: Subscription,
    reader: ModuleReader,
    hi: datetime,
    skew: float,
) -> list[datetime]:
    """When the rows were modified that changed since the last sync, and that no notification named since then."""
    if reader.began_at is None:
        return []
    ahead = timedelta(seconds=skew)
    since = max(reader.began_at, known.created_at + ahead)
    table, channel_id = reader.spec.table, known.channel_id
    changed = versions_since(connection, table, channel_id, since, MOST_COMPARED, before=hi)
    if not changed:
        return []
    named = push_queue.named_since(transaction, channel_id, reader.spec.module, since - ahead - TOLERANCE)
    return [at for id_, at in changed if id_ not in named or named[id_] + ahead < at - TOLERANCE]


def _idle(connection: Connection, transaction: Transaction, known: Subscription, reader: ModuleReader) -> int:
    """How many records a notification named since the last comparison although they had not changed."""
    if reader.began_at is None:
        return 0
    table, channel_id = reader.spec.table, known.channel_id
    named = push_queue.named_since(transaction, channel_id, reader.spec.module, known.compared_at or known.created_at)
    stored = values_of(connection, table, "id", channel_id, list(named))
    return sum(at is not None and at < reader.began_at for _, at in stored.values())

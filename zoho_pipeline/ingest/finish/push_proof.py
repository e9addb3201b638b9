"""The proof of notifications: what a whole sync found, against what notifications named.

A changed row that no notification named was missed; a change of ours (write-back) is not. A record that a notification
named, and that had not changed, was an idle one. So everybody can see how far notifications may be relied upon; the
sync finds every change without them.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.platform import lead_changes, push_queue
from zoho_pipeline.channels.platform import push_subscriptions as subscriptions
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import values_of, versions_since

LEADS = "Leads"

MOST_COMPARED = 20_000
"""Changed rows per module that are compared. More of them come from an import."""

TOLERANCE = timedelta(seconds=5)
"""Times of Zoho have whole seconds, and our estimate of its clock may be this far behind it."""


def prove(sync: SyncContext) -> None:
    """Compare a whole sync that has just ended with the notifications of its channel.

    Without push, it only marks those that came before push was switched off. Otherwise they would ask for one whole
    sync after another.

    The warehouse is asked while no transaction of the registry is open: on SQLite, deliveries of every channel would
    wait for it.
    """
    database, channel_id = sync.registry.database, sync.channel.id
    ended = [m for m, report in sync.reports.items() if report.outcome in ("complete", "skipped")]
    with database.read() as transaction:
        try:
            known = subscriptions.get(transaction, channel_id)
        except DamagedValue:  # there is nothing to compare with; the sync itself needs no notification
            known = None
        is_left = known is None and push_queue.has_uncounted(transaction, channel_id)
    if known is None:
        if is_left:
            with database.write() as transaction:
                _mark(transaction, sync, ended, database.now_in(transaction), 0.0)
        return
    readers = {m: sync.readers[m] for m in known.modules if m in sync.readers}
    read = {m: reader for m, reader in readers.items() if sync.reports[m].outcome == "complete"}
    skew = timedelta(seconds=(sync.window.clock() - database.now()).total_seconds())
    begun = {m: reader.began_at for m, reader in read.items() if reader.began_at is not None}
    last = known.compared_at or known.created_at
    since = {m: max(at, known.created_at + skew) for m, at in begun.items()}
    with database.read() as transaction:
        named = {
            m: push_queue.named_since(transaction, channel_id, m, min(at - skew - TOLERANCE, last))
            for m, at in since.items()
        }
        ours = lead_changes.times_of_own(transaction, channel_id, min(since.values(), default=database.now()))
    missed_at: list[datetime] = []
    idle = 0
    with sync.warehouse.connect() as connection:
        for module, at in since.items():
            table = read[module].spec.table
            changed = versions_since(connection, table, channel_id, at, MOST_COMPARED, before=sync.window.hi)
            heard = {id_: seen + skew for id_, seen in named[module].items()}
            if module == LEADS:  # whether Zoho tells us of what we wrote ourselves is not settled
                own = [version[0] for version in changed if version in ours]
                by = values_of(connection, table, "modified_by_id", channel_id, own)
                # a person may have edited the lead in the second of our change, or before we read it
                own = [id_ for id_ in own if by.get(id_, (None,))[0] in (None, sync.channel.user_id)]
                changed = [version for version in changed if version[0] not in own]
            missed_at += [then for id_, then in changed if id_ not in heard or heard[id_] < then - TOLERANCE]
            asked = [id_ for id_, seen in named[module].items() if seen >= last]
            stored = values_of(connection, table, "id", channel_id, asked)
            idle += sum(at is not None and at < begun[module] for _, at in stored.values())
    with database.write() as transaction:
        now = database.now_in(transaction)
        subscriptions.hold(transaction, [channel_id])
        current = subscriptions.get(transaction, channel_id)
        if current is None:  # it was switched off meanwhile
            return
        gap = current.gap_since if current.gap_since is not None and current.gap_since >= sync.started_at else None
        found: dict[str, Any] = {"missed": len(missed_at), "idle": idle, "compared_at": now, "gap_since": gap}
        found |= {"missed_total": current.missed_total + len(missed_at), "skew_seconds": skew.total_seconds()}
        subscriptions.store(transaction, channel_id, **found)
        subscriptions.judge_silence(transaction, current, min(missed_at, default=None), now)
        _mark(transaction, sync, ended, now, skew.total_seconds())


def _mark(transaction: Connection, sync: SyncContext, ended: list[str], now: datetime, skew_seconds: float) -> None:
    """What was named before this sync began needs no further reading. A module that the connection may not read is
    skipped by each sync, so its records must not wait for ever either."""
    push_queue.loaded_by_sync(transaction, sync.channel.id, ended, sync.started_at, now, skew_seconds)
    push_queue.mark_counted(transaction, sync.channel.id, ended, sync.started_at, now)

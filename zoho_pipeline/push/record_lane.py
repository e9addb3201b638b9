"""The record lane: records that notifications named are read by their ids at once, and loaded.

It needs no whole sync, and changes no cursor. What it cannot load (a module that no sync has read yet, a record that is
not there) is left to the sync.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform import push_subscriptions as subscriptions
from zoho_pipeline.channels.platform.push_queue import DELETE, Dirty
from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.sync.load_records import FieldPlans, RecordSession, record_session
from zoho_pipeline.push.limits import PushLimits
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.zoho.errors import BadAnswer, ModuleMissing, NoPermission, NotSupported, ScopeMissing

log = logging.getLogger(__name__)

LISTED = "Leads"
"""The module of the list that is published at once."""

UNREADABLE = (ModuleMissing, NoPermission, NotSupported, ScopeMissing)


@dataclass(frozen=True)
class Turn:
    """What one turn of a channel did.

    Attributes:
        rows: rows that were loaded.
        lists_changed: whether the list of the newest leads can differ.
    """

    channel_id: str
    rows: int = 0
    lists_changed: bool = False


class RecordLane:
    """Reads and loads the records of one channel at a time; several threads may share it.

    Args:
        quiet: seconds without a notification before records are read.
        sync_limits: `lock_wait` is how long a turn waits for its channel.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        warehouse: Warehouse,
        quiet: float,
        limits: PushLimits,
        sync_limits: SyncLimits,
    ) -> None:
        self._settings, self._registry, self._warehouse = settings, registry, warehouse
        self._quiet, self._limits, self._sync_limits = quiet, limits, sync_limits
        self._plans = FieldPlans()

    def due(self, *, at_once: bool = False) -> list[str]:
        """The channels that have records to read now, the longest waiting first. Paused ones wait.

        Args:
            at_once: without waiting for quiet.
        """
        database = self._registry.database
        with database.read() as transaction:
            now = database.now_in(transaction)
            waiting = push_queue.due_channels(transaction, now, 0.0 if at_once else self._quiet)
            if not waiting:
                return []
            active = select(channels.c.channel_id).where(channels.c.status == ACTIVE)
            allowed = set(transaction.scalars(active.where(channels.c.channel_id.in_(waiting))))
        return [channel_id for channel_id in waiting if channel_id in allowed]

    def unlisted(self) -> list[str]:
        """The channels whose records were loaded by a process that was killed before it published their lists."""
        with self._registry.database.read() as transaction:
            return push_queue.unlisted_channels(transaction, LISTED)

    def serve(self, channel_id: str) -> Turn:
        """One turn: read, load, and mark what was served.

        Raises:
            ChannelBusy, LockLost, ZohoError, LoadFailed, WarehouseError: nothing was marked; try again later.
        """
        database = self._registry.database
        opened = (self._settings, self._registry, self._warehouse, channel_id, self._plans, self._sync_limits)
        with record_session(*opened) as session:
            with database.read() as transaction:
                now = database.now_in(transaction)
                dirty = push_queue.take(transaction, channel_id, now, self._limits.records_per_turn)
            by_module: dict[str, list[Dirty]] = {}
            for one in dirty:
                by_module.setdefault(one.module, []).append(one)
            served: list[Dirty] = []
            passes: set[str] = set()
            for module, asked in sorted(by_module.items()):
                served += self._read(session, module, asked, now, passes)
            session.load()
            self._mark(session, by_module, served, passes)
        return Turn(channel_id, sum(session.loaded.values()), bool(session.loaded.get(LISTED)) or LISTED in passes)

    def _read(
        self, session: RecordSession, module: str, asked: list[Dirty], now: datetime, passes: set[str]
    ) -> list[Dirty]:
        """Read the records of one module; returns those that need nothing more once they are loaded."""
        if not session.knows(module):
            self._postpone(session, asked, now + self._limits.unknown_wait)
            return []
        try:
            there = session.read(module, [one.record_id for one in asked])
        except UNREADABLE as error:
            log.warning("channel %s: %s cannot be read by ids: %s", session.channel.id, module, error)
            return asked
        gone = [one for one in asked if one.record_id not in there and one.operation == DELETE and one.is_trusted]
        if gone:
            with self._registry.database.read() as transaction:
                last = push_queue.last_load(transaction, session.channel.id, module, "deletions")
            if last is not None and now - last < self._limits.deletions_every:
                self._postpone(session, gone, last + self._limits.deletions_every)
                return [one for one in asked if one not in gone]
            session.read_deletions(module)
            passes.add(module)
        return asked

    def _postpone(self, session: RecordSession, waiting: list[Dirty], until: datetime) -> None:
        with self._registry.database.write() as transaction:
            subscriptions.hold(transaction, [session.channel.id])
            push_queue.postpone(transaction, session.channel.id, waiting, until)

    def _mark(
        self, session: RecordSession, by_module: dict[str, list[Dirty]], served: list[Dirty], passes: set[str]
    ) -> None:
        database, channel_id = self._registry.database, session.channel.id
        with database.write() as transaction:
            subscriptions.hold(transaction, [channel_id])
            now = database.now_in(transaction)
            try:
                skew = (session.client.server_time - now).total_seconds()
            except BadAnswer:  # no call was made
                skew = None
            if skew is not None:
                subscriptions.store(transaction, channel_id, skew_seconds=skew)
            push_queue.mark_loaded(transaction, channel_id, served, now, skew or 0.0)
            for module, credits in session.credits.items():
                numbers = (len(by_module[module]), session.loaded.get(module, 0), credits)
                kind = "deletions" if module in passes else "records"
                push_queue.log_load(transaction, channel_id, module, kind, numbers, now)

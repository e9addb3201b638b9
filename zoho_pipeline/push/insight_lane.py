"""The insight lane: a whole sync for what notifications named, now and then, because only it moves the numbers.

It is asked for when the last whole sync of the channel ended long enough ago, whoever asked for that one. Once the
share of the day's credits is used up, it comes once per hour. A gap is asked for here too: the request that was made
for it may have joined a sync that had begun before the gap, may have failed, or was refused by a paused channel.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from zoho_pipeline.channels.errors import DamagedChannel, SyncRefused, UnknownChannel
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_subscriptions import credits_by_lane
from zoho_pipeline.channels.registry.channel_rows import read_channel
from zoho_pipeline.channels.registry.model import ACTIVE, Channel
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions, sync_requests
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.channels.sync_requests.model import GAP, PUSH, UNFINISHED
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.push.limits import PushLimits
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.zoho.connection.credits import FREE, known_edition

log = logging.getLogger(__name__)


class InsightLane:
    """Asks for whole syncs."""

    def __init__(self, registry: Registry, service: ServiceSettings, limits: PushLimits) -> None:
        self._registry, self._service, self._limits = registry, service, limits

    def request_syncs(self, *, at_once: bool = False) -> list[str]:
        """Ask for a sync of each channel that needs one now. Returns their ids.

        A sync holds the channel for several seconds, so the records that were just named are read before it.

        Args:
            at_once: do not wait for these records.
        """
        database, own = self._registry.database, push_subscriptions.c
        with database.read() as transaction:
            now = database.now_in(transaction)
            gaps = set(transaction.scalars(select(own.channel_id).where(own.gap_since.is_not(None))))
            due = [
                channel_id
                for channel_id, ended in self._waiting(transaction, gaps)
                if self._may_start(transaction, channel_id, ended, now)
                and (
                    at_once
                    or channel_id in gaps
                    or push_queue.has_served(transaction, channel_id, now - self._limits.records_first)
                )
            ]
        asked = []
        for channel_id in due:
            reason = GAP if channel_id in gaps else PUSH
            try:
                _, joined = request_sync(self._registry, channel_id, reason=reason, requested_by="push")
            except (SyncRefused, UnknownChannel, DamagedChannel) as refused:  # it was paused or removed in this moment
                log.info("channel %s: no sync now: %s", channel_id, refused)
                continue
            asked += [] if joined else [channel_id]
        return asked

    def _waiting(self, transaction: Connection, gaps: Collection[str]) -> list[tuple[str, datetime | None]]:
        """(channel, end of its last whole sync) of active channels without an unfinished request, where a notification
        came, or a gap was found, that no whole sync has followed."""
        named = {*push_queue.uncounted_channels(transaction), *gaps}
        if not named:
            return []
        busy = select(sync_requests.c.channel_id).where(sync_requests.c.state.in_(UNFINISHED))
        ended = (
            select(channels.c.channel_id, func.max(sync_requests.c.finished_at))
            .outerjoin(sync_requests, sync_requests.c.channel_id == channels.c.channel_id)
            .where(channels.c.channel_id.in_(named), channels.c.status == ACTIVE, channels.c.channel_id.not_in(busy))
            .group_by(channels.c.channel_id)
        )
        return [(row[0], row[1]) for row in transaction.execute(ended.order_by(channels.c.channel_id))]

    def _may_start(self, transaction: Connection, channel_id: str, ended: datetime | None, now: datetime) -> bool:
        if ended is None:
            return True
        if now - ended < timedelta(seconds=self._service.push_sync_interval):
            return False
        if now - ended >= self._limits.hourly:
            return True
        channel = read_channel(self._registry.database, transaction, channel_id, damaged_too=True)
        return not is_limited(transaction, channel, self._service.push_credit_share, now)


def is_limited(transaction: Connection, channel: Channel, share: float, now: datetime) -> bool:
    """Whether notifications have used up their share of the day's credits, so that numbers are renewed once per hour.

    An org of unknown edition counts as one of the smallest.
    """
    edition = known_edition(channel.edition) or FREE
    spent = sum(credits_by_lane(transaction, channel.id, now).values())
    return spent >= share * edition.credits(channel.users_licensed or 0)

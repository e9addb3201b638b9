"""First syncs: which active channels were never synced, and a request for each."""

import logging
from datetime import timedelta

from sqlalchemy import and_, exists, not_, or_, select

from zoho_pipeline.channels.errors import DamagedChannel, SyncRefused, UnknownChannel
from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.platform_tables import sync_requests
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels, modules
from zoho_pipeline.channels.sync_requests.model import CONNECT, UNFINISHED
from zoho_pipeline.channels.sync_requests.queue import request_sync

log = logging.getLogger(__name__)

RETRY_AFTER = timedelta(hours=1)
"""A first sync that failed is asked for again after this time."""


def request_first_syncs(registry: Registry, requested_by: str) -> list[str]:
    """Ask for the first sync of each active channel whose leads were never read to their end.

    A channel that was tried within the last hour, since it was connected, is left out.

    Returns:
        The ids of the channels.
    """
    asked = []
    for channel_id in _without_first_sync(registry):
        try:
            _, joined = request_sync(registry, channel_id, reason=CONNECT, requested_by=requested_by)
        except (SyncRefused, UnknownChannel):  # it was paused or removed in this moment
            continue
        except DamagedChannel as error:  # it must not keep the others from their first sync
            log.warning("channel %s: no first sync: %s", channel_id, error)
            continue
        asked += [] if joined else [channel_id]
    return asked


def _without_first_sync(registry: Registry) -> list[str]:
    of_channel = sync_requests.c.channel_id == channels.c.channel_id
    with registry.database.read() as transaction:
        since = registry.database.now_in(transaction) - RETRY_AFTER
        lately = and_(sync_requests.c.asked_at > since, sync_requests.c.asked_at >= channels.c.connected_at)
        tried = exists().where(of_channel, or_(sync_requests.c.state.in_(UNFINISHED), lately))
        of_leads = (modules.c.channel_id == channels.c.channel_id, modules.c.module == "Leads")
        # leads that this connection may not read were synced as far as they can be
        synced = exists().where(*of_leads, or_(modules.c.upper_bound.is_not(None), modules.c.outcome == "skipped"))
        new = select(channels.c.channel_id).where(channels.c.status == ACTIVE, not_(synced), not_(tried))
        return list(transaction.scalars(new.order_by(channels.c.connected_at, channels.c.channel_id)))

"""The first sync after a consent: a row in the queue, which a worker takes."""

import logging

from zoho_pipeline.channels.errors import ChannelError
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.queue import request_sync

log = logging.getLogger(__name__)


def ask_first_sync(registry: Registry, channel_id: str, principal_id: str) -> None:
    """Ask for a sync of a channel that was just connected. A paused channel gets none; its consent is good all the
    same."""
    try:
        request_sync(registry, channel_id, reason="connect", requested_by=principal_id)
    except ChannelError as error:
        log.info("channel %s is connected, and no sync was asked for: %s", channel_id, error)

"""Deletes the rows of removed channels: the web server asks for it, because it never writes to the warehouse."""

import logging

from zoho_pipeline.channels.errors import ChannelBusy, LockLost, RegistryError
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.load.purge import purge_alone
from zoho_pipeline.reading.published import connect as connect_published
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)


BUSY_SECONDS = 1.0
"""How long a purge waits for its channel. Then the worker goes on with its other work, and tries again later."""


def purge_removed(
    settings: Settings, registry: Registry, warehouse: Warehouse, wait: float = BUSY_SECONDS
) -> list[str]:
    """Delete the rows of the channels that were removed with them, and publish the marts without them.

    A channel that another process has in use waits for the next call. So does one whose marts could not be
    published: its rows are gone, and the id is free only when nobody can read them any more.

    Returns:
        The ids of the channels whose rows are gone.

    Raises:
        RegistryError: the registry cannot be used. The next call purges again.
    """
    purges = Purges(registry.database)
    deleted = []
    for channel_id in purges.waiting():
        try:
            rows = purge_alone(settings, warehouse, channel_id, wait=wait)
        except (ChannelBusy, LockLost) as error:
            log.info("the rows of the removed channel %s wait: %s", channel_id, error)
            continue
        except RegistryError:
            raise
        except PipelineError as error:
            log.warning("the rows of the removed channel %s cannot be deleted now: %s", channel_id, error)
            continue
        log.info("%d rows of the removed channel %s were deleted.", rows, channel_id)
        deleted.append(channel_id)
    if not deleted or not _published(settings, registry, warehouse):
        return []
    registry.database.erase_deleted()
    for channel_id in deleted:
        purges.done(channel_id)
    return deleted


def _published(settings: Settings, registry: Registry, warehouse: Warehouse) -> bool:
    """Publish the marts again, if they were published before. Returns whether nothing of a purge is left in them."""
    try:
        with connect_published(warehouse):
            pass
    except NotPublished:
        return True
    try:
        publish(settings, registry, warehouse)
        transform(warehouse)
    except PipelineError as error:
        log.warning("the marts still hold rows of a removed channel: %s", error)
        return False
    return True

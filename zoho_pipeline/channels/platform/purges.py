"""Removed channels whose rows a worker must still delete: the web server never writes to the warehouse."""

from sqlalchemy import delete, or_, select

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.registry.platform_tables import channel_events, webhook_deliveries
from zoho_pipeline.channels.registry.platform_tables import purges as table
from zoho_pipeline.channels.registry.tables import form_channels, form_submissions


class Purges:
    """The ids of the removed channels whose rows remain. While one is here, no channel can take its id.

    `Registry.remove` adds them, in the transaction that removes the channel.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[str]:
        """The ids, the oldest request first."""
        with self._database.read() as transaction:
            return list(transaction.scalars(select(table.c.channel_id).order_by(table.c.asked_at, table.c.channel_id)))

    def done(self, channel_id: str) -> None:
        """The rows are deleted, so the id is free again. What forms left in the registry, and the salt, go too.

        So do the events of single leads, also those that wait for a delivery. Events of the connection stay: the
        platform must hear that the channel was removed.
        """
        with self._database.write() as transaction:
            for told in (channel_events, webhook_deliveries):
                of_leads = or_(told.c.type.startswith("lead."), told.c.type.startswith("writeback."))
                transaction.execute(delete(told).where(told.c.channel_id == channel_id, of_leads))
            for own in (form_submissions, form_channels):
                transaction.execute(delete(own).where(own.c.channel_id == channel_id))
            transaction.execute(delete(table).where(table.c.channel_id == channel_id))

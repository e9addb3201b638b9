"""Removed channels whose rows a worker must still delete: the web server never writes to the warehouse."""

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.registry.platform_tables import purges as table


class Purges:
    """The ids of the removed channels whose rows remain. While one is here, no channel can take its id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, channel_id: str, tenant: str | None, requested_by: str) -> None:
        """Let a worker delete the rows of a channel. Asking twice is asking once."""
        dialect = postgresql if self._database.is_postgres else sqlite
        with self._database.write() as transaction:
            values = {"channel_id": channel_id, "tenant": tenant, "requested_by": requested_by}
            row = dialect.insert(table).values(**values, asked_at=self._database.now_in(transaction))
            transaction.execute(row.on_conflict_do_nothing())

    def waiting(self) -> list[str]:
        """The ids, the oldest request first."""
        with self._database.read() as transaction:
            return list(transaction.scalars(select(table.c.channel_id).order_by(table.c.asked_at, table.c.channel_id)))

    def done(self, channel_id: str) -> None:
        """The rows are deleted, so the id is free again."""
        with self._database.write() as transaction:
            transaction.execute(delete(table).where(table.c.channel_id == channel_id))

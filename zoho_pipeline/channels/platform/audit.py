"""The audit: who changed what, without personal data and without secrets. Rows are kept for 400 days."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.registry.platform_tables import audit as table

KEPT = timedelta(days=400)
LONGEST_DETAIL = 500


class Audit:
    """Writes rows of `registry_audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        principal: str,
        action: str,
        *,
        tenant: str | None = None,
        channel_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Write one row.

        Args:
            principal: who did it, such as `key:1a2b3c`; the end user's name of a session is not written.
            action: what was done, such as `consent.refused`.
            detail: a code or a short sentence; no name, address or token.
        """
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            self._forget(transaction, now)
            values = {"at": now, "principal": principal, "tenant": tenant, "channel_id": channel_id, "action": action}
            transaction.execute(insert(table).values(**values, detail=detail and detail[:LONGEST_DETAIL]))

    def rows(self, channel_id: str | None = None) -> list[dict[str, object]]:
        """The rows, the oldest first; of one channel, or all."""
        wanted = select(table).order_by(table.c.id)
        if channel_id is not None:
            wanted = wanted.where(table.c.channel_id == channel_id)
        with self._database.read() as transaction:
            return [dict(row) for row in transaction.execute(wanted).mappings()]

    def _forget(self, transaction: Connection, now: datetime) -> None:
        transaction.execute(delete(table).where(table.c.at < now - KEPT))

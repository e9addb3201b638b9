"""The newest submissions of a channel, as a person may see them: without any hash of a person."""

from typing import Any

from zoho_pipeline.channels.forms import submissions
from zoho_pipeline.channels.forms.salts import WAITING
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import FORM_SUBMISSIONS
from zoho_pipeline.warehouse.connection import RAW_SCHEMA
from zoho_pipeline.warehouse.warehouse import Warehouse

_HIDDEN = ("channel_id", "email_key", "phone_key", "synced_at")
COLUMNS = tuple(column.name for column in FORM_SUBMISSIONS.columns if column.name not in _HIDDEN)


def newest_submissions(registry: Registry, warehouse: Warehouse, channel_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest submissions, with `state`: `waiting` (not in the raw table yet) or `loaded`.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    with registry.database.read() as transaction:
        queued = submissions.waiting(transaction, channel_id, limit, newest=True)
    waiting = [{**{name: row.get(name) for name in COLUMNS}, "state": WAITING} for row in queued]
    loaded: list[dict[str, Any]] = []
    with warehouse.connect() as connection:
        if FORM_SUBMISSIONS.name in connection.tables(RAW_SCHEMA):
            sql = (
                f"select {', '.join(COLUMNS)} from {RAW_SCHEMA}.{FORM_SUBMISSIONS.name} where channel_id = ?"  # noqa: S608
                f" order by received_at desc, submission_id limit {int(limit)}"
            )
            loaded = [{**row, "state": submissions.LOADED} for row in connection.rows(sql, (channel_id,))]
    known = {row["submission_id"] for row in waiting}
    return [*waiting, *(row for row in loaded if row["submission_id"] not in known)][:limit]

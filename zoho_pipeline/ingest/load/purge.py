"""Removes the rows of a channel: raw tables, cursors, staging schema, and files that a killed load left on disk."""

import shutil
from collections.abc import Callable

from zoho_pipeline.channels.database.locks import WAIT_SECONDS, channel_lock
from zoho_pipeline.ingest.catalog.tables import RAW_TABLES
from zoho_pipeline.ingest.load.loader import pipeline_name
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, RAW_SCHEMA
from zoho_pipeline.warehouse.warehouse import Warehouse

STATE_TABLE = "_dlt_pipeline_state"
PURPOSES = ("zoho_crm", "content")


def purge_alone(settings: Settings, warehouse: Warehouse, channel_id: str, *, wait: float = WAIT_SECONDS) -> int:
    """Run `purge_channel` and `drop_local` while nobody else loads rows of the channel. Returns the deleted rows.

    Args:
        wait: seconds to wait for somebody else.

    Raises:
        ChannelBusy: a sync or a load of the content catalogue is running; nothing was deleted.
        LockLost: another one may have begun since then; nothing was deleted.
    """
    with (
        channel_lock(settings, channel_id, wait=wait) as rows,
        channel_lock(settings, channel_id, wait=wait, kind="content") as content,
    ):

        def ensure_alone() -> None:
            rows.ensure_held()
            content.ensure_held()

        deleted = purge_channel(warehouse, channel_id, ensure_alone)
        drop_local(settings, channel_id)
    return deleted


def purge_channel(warehouse: Warehouse, channel_id: str, ensure_alone: Callable[[], None] | None = None) -> int:
    """Delete all raw rows and cursors of a channel in one transaction. Returns the number of deleted rows.

    A later sync of the same id reads everything again. `ensure_alone` is called before the deletions are committed.
    """
    deleted = 0
    names = [pipeline_name(purpose, channel_id) for purpose in PURPOSES]
    with warehouse.connect(read_only=False) as connection:
        there = connection.tables(RAW_SCHEMA)
        for table in RAW_TABLES:
            if table.name in there:
                sql = f"delete from {RAW_SCHEMA}.{table.name} where channel_id = ?"  # noqa: S608
                deleted += max(connection.execute(sql, (channel_id,)), 0)
        if STATE_TABLE in there:
            for name in names:
                connection.execute(f"delete from {RAW_SCHEMA}.{STATE_TABLE} where pipeline_name = ?", (name,))  # noqa: S608
        for table_name, columns in connection.tables(MARTS_SCHEMA).items():
            if "channel_id" in columns:
                connection.execute(f'delete from {MARTS_SCHEMA}."{table_name}" where channel_id = ?', (channel_id,))  # noqa: S608
        warehouse.drop_staging(connection, channel_id)
        if ensure_alone is not None:
            ensure_alone()
    return deleted


def drop_local(settings: Settings, channel_id: str) -> None:
    """Delete the work folders of the channel in HOME, because a killed load may have left rows there."""
    for purpose in PURPOSES:
        shutil.rmtree(settings.home / "dlt" / pipeline_name(purpose, channel_id), ignore_errors=True)

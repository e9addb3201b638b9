"""Removes a channel from the warehouse: raw tables, cursors, staged rows, marts, and files of killed processes.

What is removed is gone from every byte of the files that are ours: DuckDB only marks a deleted row, so its files are
written anew.
"""

import shutil
from collections.abc import Callable

from zoho_pipeline.channels.database.locks import WAIT_SECONDS, channel_lock
from zoho_pipeline.ingest.forms.load_forms import LOCK_KIND
from zoho_pipeline.ingest.load.loader import pipeline_name
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.run.open_engine import forget_channel
from zoho_pipeline.warehouse.connection import RAW_SCHEMA
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.work_folders import DLT, remove_all_dead

STATE_TABLE = "_dlt_pipeline_state"
PURPOSES = ("zoho_crm", "content")


def purge_alone(settings: Settings, warehouse: Warehouse, channel_id: str, *, wait: float = WAIT_SECONDS) -> int:
    """Remove everything of a channel while nobody else loads rows of it. Returns the number of deleted raw rows.

    It can be repeated: a purge that was killed leaves nothing that the next one does not remove.

    Args:
        wait: seconds to wait for somebody else.

    Raises:
        ChannelBusy: a sync or a load of content or of submissions is running; nothing was deleted.
        LockLost: another one may have begun since then; nothing was deleted.
        WarehouseBusy: another process has held the warehouse for too long. Purge again.
    """
    with (
        channel_lock(settings, channel_id, wait=wait) as rows,
        channel_lock(settings, channel_id, wait=wait, kind="content") as content,
        channel_lock(settings, channel_id, wait=wait, kind=LOCK_KIND) as forms,
    ):

        def ensure_alone() -> None:
            rows.ensure_held()
            content.ensure_held()
            forms.ensure_held()

        deleted = purge_channel(warehouse, channel_id, ensure_alone)
        warehouse.erase_deleted()
        forget_channel(warehouse, channel_id)
        drop_local(settings, channel_id)
    return deleted


def purge_channel(warehouse: Warehouse, channel_id: str, ensure_alone: Callable[[], None] | None = None) -> int:
    """Delete all raw rows and cursors of a channel in one transaction. Returns the number of deleted rows.

    A later sync of the same id reads everything again. `ensure_alone` is called before the deletions are committed.
    """
    deleted = 0
    names = [pipeline_name(purpose, channel_id) for purpose in PURPOSES]
    staging = warehouse.staging_schema(channel_id)
    with warehouse.connect(read_only=False) as connection:
        # a load that was killed may have left staged rows; the staged tables are not counted
        for schema, counts in ((RAW_SCHEMA, 1), (staging, 0)):
            there = connection.tables(schema)
            for table in (name for name, columns in there.items() if "channel_id" in columns):
                sql = f'delete from {schema}."{table}" where channel_id = ?'  # noqa: S608
                deleted += counts * max(connection.execute(sql, (channel_id,)), 0)
            if STATE_TABLE in there:
                for name in names:
                    connection.execute(f"delete from {schema}.{STATE_TABLE} where pipeline_name = ?", (name,))  # noqa: S608
        warehouse.drop_staging(connection, channel_id)
        if ensure_alone is not None:
            ensure_alone()
    return deleted


def drop_local(settings: Settings, channel_id: str) -> None:
    """Delete the work folders of the channel in HOME, and those of dead processes: they may hold its rows."""
    for purpose in PURPOSES:
        shutil.rmtree(settings.home / DLT / pipeline_name(purpose, channel_id), ignore_errors=True)
    remove_all_dead(settings.home)

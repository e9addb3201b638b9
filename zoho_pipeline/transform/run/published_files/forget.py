"""Removes every byte of a channel from the published files."""

from zoho_pipeline.transform.run.engine import text_literal
from zoho_pipeline.transform.run.published_files.files import STORAGE_VERSION, PublishedFiles
from zoho_pipeline.warehouse.connection import STATE_SCHEMA
from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance, remove_leftovers, remove_with_wal
from zoho_pipeline.warehouse.duckdb_rewrite import rewrite
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.work_folders import spill_folder


def forget_in_published_files(warehouse: DuckDBWarehouse, channel_id: str) -> None:
    """Write the published file anew without the rows of a channel, so that no byte of them stays in it.

    The same is done with a file that an earlier setting of ZOHO_PIPELINE_PUBLISHED left beside the warehouse. The
    standby is removed: the next publication copies the published file instead.

    Raises:
        WarehouseBusy: a transform has run for LOCK_SECONDS.
        TransformError: the folder cannot be written, or the standby cannot be removed.
        DamagedFile: a published file is damaged.
    """
    files = PublishedFiles(warehouse)
    with files.alone(), spill_folder(warehouse.work) as spill:
        remove_with_wal(files.draft)
        files.remove_standby()
        for path in dict.fromkeys((warehouse.published_path, warehouse.default_published_path)):
            remove_leftovers(path)
            file = DuckDBFile(path, published=True)
            if path.exists() and _is_published(file):
                rewrite(file, spill, without=channel_id, storage_version=STORAGE_VERSION)


def _is_published(file: DuckDBFile) -> bool:
    """Whether a transform wrote the file: a person may have put a database where the published file goes."""
    file.require_readable()
    with closing_duckdb(open_instance(), file) as connection:
        connection.execute(f"attach {text_literal(str(file.path))} as published (read_only)")
        return bool(
            connection.fetch(
                "select 1 from duckdb_tables() where database_name = 'published' and schema_name = ?", (STATE_SCHEMA,)
            )[1]
        )

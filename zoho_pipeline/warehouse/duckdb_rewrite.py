"""Writes a DuckDB file anew, because a deleted row stays readable in the blocks of the old file.

DuckDB marks rows as deleted and frees blocks, but overwrites neither. Only the rows that count go into the new file.
"""

import os
import shutil
from pathlib import Path

from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DRAFT, DuckDBFile, open_instance, remove_with_wal
from zoho_pipeline.work_folders import spill_statement


def rewrite(
    file: DuckDBFile, spill: Path | None, *, without: str | None = None, storage_version: str = "latest"
) -> None:
    """Replace the file by a copy of its tables. Whoever has it open goes on reading the old one until he closes it.

    The caller keeps all other writers out. The disk needs room for both files.

    Args:
        spill: the folder for rows that do not fit into memory; None: there is no such folder.
        without: leave out the rows of this channel, in every table that has a column `channel_id`.
        storage_version: the format of the new file, as in DuckDB's `attach`.

    Raises:
        SqlError: the file cannot be copied. It was not changed.
        DamagedFile: it is damaged. It was not changed.
    """
    file.require_readable()
    path = file.path
    draft = path.with_name(path.name + DRAFT)
    remove_with_wal(draft)
    try:
        with closing_duckdb(open_instance(), file) as connection:
            connection.execute(spill_statement(spill))
            connection.execute(f"attach {_text(path)} as old (read_only)")
            connection.execute(f"attach {_text(draft)} as fresh (storage_version '{storage_version}')")
            draft.chmod(0o600)
            connection.execute("copy from database old to fresh (schema)")
            tables = (
                "select schema_name, table_name, table_oid in (select table_oid from duckdb_columns()"
                " where database_name = 'fresh' and column_name = 'channel_id')"
                " from duckdb_tables() where database_name = 'fresh'"
            )
            for schema, table, is_of_channels in connection.fetch(tables)[1]:
                name = f'"{schema}"."{table}"'
                condition = "where channel_id is distinct from ?" if is_of_channels and without else ""
                parameters = (without,) if condition else ()
                connection.execute(f"insert into fresh.{name} select * from old.{name} {condition}", parameters)  # noqa: S608
            connection.execute("checkpoint fresh")
        shutil.copymode(path, draft)
        os.replace(draft, path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    finally:
        remove_with_wal(draft)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

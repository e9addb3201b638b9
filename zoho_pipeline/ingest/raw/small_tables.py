"""Raw tables with a few rows per channel. They are replaced as a whole in one transaction, and only if they differ.

These are users, stages, business hours, holidays and the tables from the registry. A dlt run for each would cost half a
second, and an upsert would keep rows that no longer exist.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zoho_pipeline.ingest.catalog.tables import RawTable
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

ROWS_PER_INSERT = 100


def stored_rows(connection: Connection, raw: RawTable, channel_id: str) -> list[dict[str, Any]]:
    """The channel's rows of a table; [] if the table does not exist yet."""
    if raw.name not in connection.tables(RAW_SCHEMA):
        return []
    columns = ", ".join(column.name for column in raw.columns)
    order = ", ".join(raw.key)
    return connection.rows(
        f"select {columns} from {RAW_SCHEMA}.{raw.name} where channel_id = ? order by {order}",  # noqa: S608
        (channel_id,),
    )


def differs(raw: RawTable, stored: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows differ in anything except `synced_at`."""
    names = [column.name for column in raw.columns if column.name != "synced_at"]

    def content(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        return sorted((tuple(row.get(name) for name in names) for row in rows), key=repr)

    return content(stored) != content(wanted)


def replace_rows(connection: Connection, raw: RawTable, channel_id: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Replace the channel's rows of a table if they differ. Returns whether they did. Keys must be unique."""
    if not differs(raw, stored_rows(connection, raw, channel_id), rows):
        return False
    connection.execute(f"delete from {RAW_SCHEMA}.{raw.name} where channel_id = ?", (channel_id,))  # noqa: S608
    insert_rows(connection, raw, rows)
    return True


def upsert_rows(connection: Connection, raw: RawTable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, and replace the rows with the same keys. Keys must be unique."""
    same = " and ".join(f"{name} = ?" for name in raw.key)
    for row in rows:
        connection.execute(f"delete from {RAW_SCHEMA}.{raw.name} where {same}", [row[name] for name in raw.key])  # noqa: S608
    insert_rows(connection, raw, rows)


def insert_rows(connection: Connection, raw: RawTable, rows: Sequence[Mapping[str, Any]]) -> None:
    names = [column.name for column in raw.columns]
    one = f"({', '.join('?' for _ in names)})"
    for start in range(0, len(rows), ROWS_PER_INSERT):
        part = rows[start : start + ROWS_PER_INSERT]
        values = ", ".join(one for _ in part)
        connection.execute(
            f"insert into {RAW_SCHEMA}.{raw.name} ({', '.join(names)}) values {values}",  # noqa: S608
            [row.get(name) for row in part for name in names],
        )

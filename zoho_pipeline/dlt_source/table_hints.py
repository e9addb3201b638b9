"""dlt's hints of a table: types, keys, how rows are written, and the mark of rows that a destination must remove."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from zoho_pipeline.dlt_source.options import Deletions
from zoho_pipeline.ingest.catalog.tables import RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import schema_of
from zoho_pipeline.ingest.load.dlt_source import columns_of

REMOVED = "is_removed"
"""The column that tells a destination to remove the row. It is never true in a row that stays."""


def hints_of(table: RawTable, deletions: Deletions, *, replaced: bool = False) -> dict[str, Any]:
    """The hints of a resource. A package has each key once, so that every strategy of a merge gives the same rows.

    The strategy is the destination's own default: delete-insert in databases, upsert in Delta and Iceberg. Plain files
    cannot merge, and dlt appends there.
    """
    columns = columns_of(table)
    if deletions == "hard" and table.module is not None:
        columns[REMOVED] = {"name": REMOVED, "data_type": "bool", "nullable": True, "hard_delete": True}
    return {"columns": columns, "write_disposition": "replace" if replaced else "merge"}


def removals(table: RawTable, deleted: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rows that remove the records of these rows of `deleted_records`; those of records that are live again do not."""
    schema = schema_of(table).append(pa.field(REMOVED, pa.bool_()))
    for part in deleted:
        gone = part.filter(part["restored_at"].is_null())
        given = {name: gone[name] for name in ("channel_id", "id", "synced_at")} | {
            REMOVED: pa.array([True] * gone.num_rows, pa.bool_())
        }
        if gone.num_rows:
            empty = {field.name: pa.nulls(gone.num_rows, field.type) for field in schema if field.name not in given}
            yield pa.Table.from_arrays([(given | empty)[field.name] for field in schema], schema=schema)


def staying(rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows with the mark of removals, which is empty. All tables of a resource have the same columns."""
    for part in rows:
        yield part.append_column(pa.field(REMOVED, pa.bool_()), pa.nulls(part.num_rows, pa.bool_()))

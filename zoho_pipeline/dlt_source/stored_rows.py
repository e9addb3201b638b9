"""Reads from the destination which rows a pipeline has loaded: keys and versions of a module, and its deletions.

The destination is asked in each run. It is the only place that knows what arrived: a person may have removed rows, or
restored it from a backup that is older than dlt's state. The queries are plain SELECTs without a function,
and types are converted here. So they work wherever dlt has an SQL client, also on files of the filesystem.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlglot
from dlt.common.destination.exceptions import DestinationUndefinedEntity, SqlClientNotAvailable
from dlt.common.schema import Schema
from dlt.common.schema.utils import has_table_seen_data
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from zoho_pipeline.ingest.catalog.model import Column, ColumnType
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import ARROW_TYPES
from zoho_pipeline.ingest.raw.lookup_names import NAME_COLUMNS, PARENTS
from zoho_pipeline.settings import UsageError

ROWS_AT_ONCE = 50_000
_VERSION = ("modified_time", "created_time", "converted_date_time", "synced_at")


class DestinationNotReadable(UsageError):
    """dlt has no SQL client for the destination."""


class StoredRows:
    """The rows of one channel in the destination of a pipeline.

    Args:
        pipeline: the pipeline that runs.
        schema: the schema of the source in this run: a refresh has removed the tables that it drops.

    Raises:
        DestinationNotReadable: the rows cannot be read.
    """

    def __init__(self, pipeline: Any, schema: Schema, channel_id: str) -> None:
        self._pipeline, self._schema, self._channel_id = pipeline, schema, channel_id
        if pipeline is not None:
            try:
                pipeline.sql_client(schema.name if schema.name in pipeline.schema_names else None)
            except SqlClientNotAvailable as error:
                raise DestinationNotReadable(
                    f"dlt has no SQL client for the destination {pipeline.destination.destination_name}, and zoho_crm "
                    "must read back which rows arrived: otherwise deleted records would stay. Load into a destination "
                    "with SQL (a database, a warehouse, the filesystem), and copy from there."
                ) from error

    def of_module(self, raw: RawTable) -> Iterator[pa.Table]:
        """The stored rows of a module: the columns that a sync compares."""
        yield from self._read(raw, mirrored_columns(raw))

    def deletions(self, module: str) -> Iterator[pa.Table]:
        """The stored rows of `deleted_records` of one module, as a whole."""
        yield from self._read(DELETED_RECORDS, DELETED_RECORDS.columns, {"module": module})

    def _read(
        self, raw: RawTable, columns: Sequence[Column], only: Mapping[str, str] | None = None
    ) -> Iterator[pa.Table]:
        table = loaded_table(self._schema, raw)
        if self._pipeline is None or table is None:
            return
        with self._pipeline.sql_client(self._schema.name) as client:

            def shown(name: str) -> str:
                return str(client.escape_column_name(self._schema.naming.normalize_identifier(name)))

            tests = {"channel_id": self._channel_id, **(only or {})}
            query = (
                f"SELECT {', '.join(shown(column.name) for column in columns)}"  # noqa: S608
                f" FROM {client.make_qualified_table_name(table['name'])}"
                f" WHERE {' AND '.join(f'{shown(name)} = {text!r}' for name, text in tests.items())}"
            )
            try:
                if isinstance(client, DuckDbSqlClient):
                    yield from _streamed(client, query, columns)
                else:
                    yield from _paged(client, query, shown("id"), columns)
            except DestinationUndefinedEntity:
                return  # somebody has dropped the table; the comparison of counts finds that all its rows are missing


def loaded_table(schema: Schema, raw: RawTable) -> Any:
    """The table in dlt's schema, if it has had rows. None: no run has loaded any, or a refresh has dropped it."""
    table = schema.tables.get(schema.naming.normalize_table_identifier(raw.name))
    return table if table is not None and has_table_seen_data(table) else None


def _streamed(client: DuckDbSqlClient, query: str, columns: Sequence[Column]) -> Iterator[pa.Table]:
    """The rows of DuckDB and of files, which DuckDB gives in parts. Of files, a key may have several rows."""
    schema = _schema(columns)
    with client.execute_query(f"{query} LIMIT 0"):  # dlt makes its views of files
        pass
    for batch in client.native_connection.sql(query).to_arrow_reader(ROWS_AT_ONCE):
        yield pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema)


def _paged(client: Any, query: str, id_: str, columns: Sequence[Column]) -> Iterator[pa.Table]:
    """The rows of other databases in pages of ids: their drivers would give the whole answer at once.

    The texts of ids are digits, so that they can be a part of the query.
    """
    dialect, after, schema = client.capabilities.sqlglot_dialect, "", _schema(columns)
    place = [column.name for column in columns].index("id")
    while True:
        page = f"{query} AND {id_} > '{after}'"
        asked = (
            sqlglot.parse_one(page, read=dialect, into=sqlglot.exp.Select)
            .order_by(id_, dialect=dialect)
            .limit(ROWS_AT_ONCE)
        )
        with client.execute_query(asked.sql(dialect)) as cursor:
            rows = cursor.fetchall()
        if rows:
            cells = zip(columns, zip(*rows, strict=True), strict=True)
            arrays = [
                pa.array([_typed(value, column.type) for value in values], schema.field(column.name).type)
                for column, values in cells
            ]
            yield pa.Table.from_arrays(arrays, schema=schema)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = str(rows[-1][place])


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])


def mirrored_columns(raw: RawTable) -> list[Column]:
    """The columns that a run reads back: key, version, the lookups that only a parent can name, and the own name.

    A history has few columns, and all of them are read.
    """
    if raw.module is None:
        return list(raw.columns)
    lookups = {
        f"{stem}_{part}"
        for column in raw.columns
        if column.part == "name" and PARENTS.get(stem := column.name.removesuffix("_name")) != ("users",)
        for part in ("id", "name")
    }
    wanted = {*raw.key, *_VERSION, *lookups, NAME_COLUMNS.get(raw.name, "id")}
    return [column for column in raw.columns if column.name in wanted]


def _typed(value: Any, type_: ColumnType) -> Any:
    """A value of a driver in the type of the catalogue. SQLite gives texts for times, and numbers for booleans."""
    if value is None:
        return None
    match type_:
        case "timestamp":
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        case "date":
            return date.fromisoformat(value[:10]) if isinstance(value, str) else value
        case "money" | "rate":
            return Decimal(str(value))
        case "boolean":
            return bool(value)
        case "integer":
            return int(value)
        case "double":
            return float(value)
        case _:
            return str(value)

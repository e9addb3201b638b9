"""The mirror: what a run must know of the rows that the destination has, and the rows of the run itself.

It is a DuckDB file in a folder of its own, and it ends with the run. Its schema `zoho_raw` has the tables of the
catalogue, so that the queries of a sync work on it as they are. Of a stored row it has only the columns that these
queries compare. Its schema `sent` has the rows of this run as a whole, each key once. So a package of dlt has each key
once too: some destinations merge without removing duplicates.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import BY_NAME, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import schema_of
from zoho_pipeline.ingest.raw.lookup_names import fill_names
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

SENT = "sent"
MEMORY = "256MB"
"""DuckDB's own limit. Beyond it, the file and the folder beside it take the rows."""

ROWS_AT_ONCE = 10_000
"""Rows of one Arrow table that a resource yields."""

_INCOMING = "incoming_rows"


class Mirror:
    """The keys that the destination has, and the rows of one run. Not thread-safe.

    It stands where a sync has its `Warehouse`: `connect` gives a session in it.

    Args:
        folder: an empty folder of this run.
        tables: the names of the tables of the catalogue that the run reads or writes.
    """

    def __init__(self, folder: Path, tables: Iterable[str]) -> None:
        options: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": str(folder / "spilled"), "threads": "2"}
        self._raw = duckdb.connect(str(folder / "mirror.duckdb"), config=options)
        self._raw.execute("set TimeZone = 'UTC'")
        self._session = DuckDBConnection(self._raw)
        for schema in (RAW_SCHEMA, SENT):
            self._raw.execute(f"create schema {schema}")
            for name in tables:
                with self._incoming(schema_of(BY_NAME[name]).empty_table()):
                    self._raw.execute(f"create table {schema}.{name} as select * from {_INCOMING}")  # noqa: S608

    @contextmanager
    def connect(self, *, read_only: bool = True) -> Iterator[Connection]:
        """The session of this mirror; there is only one."""
        del read_only
        yield self._session

    def fill(self, raw: RawTable, parts: Iterable[pa.Table]) -> None:
        """Add stored rows. They may have some of the columns only, and several versions of a key: the newest stays.

        A destination that cannot merge has every version that was ever loaded.
        """
        table, columns = f"{RAW_SCHEMA}.{raw.name}", list[str]()
        for part in parts:
            if part.num_rows:
                columns = part.column_names
                with self._incoming(part):
                    self._raw.execute(f"insert into {table} by name select * from {_INCOMING}")  # noqa: S608
        if columns:
            newest = "synced_at desc" + (", modified_time desc" if "modified_time" in columns else "")
            self._raw.execute(
                f"create or replace table {table} as select * from {table}"  # noqa: S608
                f" qualify row_number() over (partition by {', '.join(raw.key)} order by {newest}) = 1"
            )

    def put(self, tables: Mapping[str, Sequence[pa.Table]]) -> None:
        """Add rows of this run. A later row of a key takes the place of an earlier one."""
        for name, parts in tables.items():
            raw = BY_NAME[name]
            for part in parts:
                if part.num_rows:
                    with self._incoming(part):
                        for schema in (RAW_SCHEMA, SENT):
                            self._replace(schema, raw)

    def name_lookups(self, raw: RawTable, channel_id: str) -> None:
        """Fill in the names of lookups in the rows of this run, where the parent's name is known."""
        names = [column.name for column in raw.columns if column.part == "name"]
        if not names or not self.count(raw):
            return
        fill_names(self._session, raw, channel_id)
        sets = ", ".join(f"{name} = coalesce({SENT}.{raw.name}.{name}, r.{name})" for name in names)
        self._raw.execute(
            f"update {SENT}.{raw.name} set {sets} from {RAW_SCHEMA}.{raw.name} r"  # noqa: S608
            f" where {_same(f'{SENT}.{raw.name}', 'r', raw)}"
        )

    def count(self, raw: RawTable) -> int:
        """The number of rows of this run in one table."""
        found = self._raw.execute(f"select count(*) from {SENT}.{raw.name}").fetchone()  # noqa: S608
        return int(found[0]) if found else 0

    def sent(self, raw: RawTable, module: str | None = None, *, only_live: bool = False) -> Iterator[pa.Table]:
        """The rows of this run in one table, in the types of the catalogue.

        Args:
            module: of a table that several modules fill, only the rows of this one.
            only_live: without the records that are deleted now.
        """
        tests, params = [], list[str]()
        if module is not None:
            tests, params = ["t.module = ?"], [module]
        if only_live:
            tests.append(
                f"not exists (select 1 from {RAW_SCHEMA}.deleted_records d where d.channel_id = t.channel_id"  # noqa: S608
                " and d.module = ? and d.id = t.id and d.restored_at is null)"
            )
            params.append(str(raw.module))
        columns = ", ".join(f"t.{column.name}" for column in raw.columns)
        query = f"select {columns} from {SENT}.{raw.name} t where {' and '.join(tests) or 'true'}"  # noqa: S608
        reader: Any = self._raw.cursor().sql(query, params=params or None)
        for batch in reader.to_arrow_reader(ROWS_AT_ONCE):
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).cast(schema_of(raw))

    def close(self) -> None:
        self._raw.close()

    def _replace(self, schema: str, raw: RawTable) -> None:
        table = f"{schema}.{raw.name}"
        self._raw.execute("begin")
        self._raw.execute(f"delete from {table} using {_INCOMING} i where {_same(table, 'i', raw)}")  # noqa: S608
        self._raw.execute(f"insert into {table} by name select * from {_INCOMING}")  # noqa: S608
        self._raw.execute("commit")

    @contextmanager
    def _incoming(self, rows: pa.Table) -> Iterator[None]:
        self._raw.register(_INCOMING, rows)
        try:
            yield
        finally:
            self._raw.unregister(_INCOMING)


def _same(left: str, right: str, raw: RawTable) -> str:
    return " and ".join(f"{left}.{key} = {right}.{key}" for key in raw.key)

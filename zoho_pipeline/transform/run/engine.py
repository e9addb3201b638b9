"""Where a run builds: temporary tables beside the raw ones, and the marts that they replace.

Both engines offer the same few things: raw tables read through views that have every declared column
(a table or column an older warehouse lacks is empty or null), temporary tables named like the models,
and a `publishing` block in which the marts change all at once or not at all.

DuckDB builds in memory, spilling beside the warehouse: the warehouse file is held only while raw is
read, and the marts go into a draft, a file of their own that takes the published one's place. Where most
channels are rebuilt the draft begins empty and the marts are built in it at once: copying them from
temporary tables cost a sixth of a full run. Postgres builds in one repeatable-read transaction.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import duckdb
from filelock import FileLock, Timeout
from sqlglot import exp

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.docs import Column
from zoho_pipeline.transform.project.model import RAW_SCHEMA, SOURCE_DIALECT, Model
from zoho_pipeline.warehouse import LOCK_SECONDS, MARTS_SCHEMA, Connection, Dialect, SqlError, Warehouse, WarehouseBusy

STATE_SCHEMA = "pipeline_state"
BUSY = "another transform is still running. Let it finish, then try again."
_ADVISORY_KEY = 7_346_021_190  # any number; all transforms of a database share it
# Hashing whole rows of a million leads took 0.2 s of a one-channel run on DuckDB, 3 s on Postgres; their times are
# enough, as every load stamps the rows it writes. In smaller tables an edit by hand is seen too.
WHOLE_ROWS, WHOLE_ROWS_POSTGRES = 200_000, 10_000
RawColumns = Mapping[str, tuple[Column, ...]]


class Engine(Protocol):
    """A place to build in. `target(name)` is a mart's full name, `previous(name)` last run's.

    After `draft_marts()`, where it answers true, marts are built at their `target`, not as temporary tables.
    """

    dialect: Dialect
    connection: Connection
    in_draft: bool

    def draft_marts(self) -> bool: ...
    def place(self, model: Model) -> str: ...
    def raw(self) -> AbstractContextManager[None]: ...
    def raw_name(self, table: str) -> str: ...
    def model_sql(self, model: Model) -> str: ...
    def row_hash(self, alias: str, columns: tuple[Column, ...], rows: int) -> str: ...
    def create(self, statement: str) -> int: ...
    def guarded(self) -> AbstractContextManager[None]: ...
    def publishing(self) -> AbstractContextManager[None]: ...
    def shape(self, relation: str) -> dict[str, str]: ...
    def published(self, schema: str) -> dict[str, dict[str, str]]: ...
    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str: ...
    def previous(self, name: str, schema: str = MARTS_SCHEMA) -> str: ...


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=256)
def type_in(dialect: Dialect, data_type: str) -> str:
    """A column type of the yml (DuckDB's words) in the dialect; text where none is given."""
    return exp.DataType.build(data_type or "text", dialect=SOURCE_DIALECT).sql(dialect)


def raw_view(dialect: Dialect, source: str, present: Mapping[str, str] | None, columns: tuple[Column, ...]) -> str:
    """A SELECT with every declared column of a raw table: null where absent, no row where the table is."""
    parts = []
    for column in columns:
        have = present is not None and column.name in present
        value = quoted(column.name) if have else f"cast(null as {type_in(dialect, column.data_type)})"
        parts.append(f"{value} as {quoted(column.name)}")
    tail = f" from {source}" if present is not None else " where 1 = 0"
    return f"select {', '.join(parts)}{tail}"


@contextmanager
def open_engine(warehouse: Warehouse, raw_columns: RawColumns) -> Iterator[Engine]:
    """The engine of a warehouse; one transform at a time, others wait their turn."""
    if warehouse.dialect == "duckdb":
        with _duckdb_engine(warehouse, raw_columns) as engine:
            yield engine
    else:
        with warehouse.connect(read_only=False) as connection:
            yield PostgresEngine(connection, raw_columns)


class DuckDBEngine:
    """Builds in memory; `warehouse`, `published` and `draft` are attached files."""

    dialect: Dialect = "duckdb"

    def __init__(self, connection: Connection, warehouse: Warehouse, raw_columns: RawColumns) -> None:
        assert warehouse.published_path is not None
        self.connection, self._warehouse, self._raw_columns = connection, warehouse, raw_columns
        self._final = warehouse.published_path
        self._draft = self._final.with_name(f"{self._final.name}.draft")
        self.in_draft = False
        self._shapes: dict[str, dict[str, str]] = {}
        self._marts: dict[str, dict[str, dict[str, str]]] = {}
        self._has_published = self._final.exists()
        if self._has_published:
            connection.execute(f"attach {_literal(self._final)} as published (read_only)")

    @contextmanager
    def raw(self) -> Iterator[None]:
        path = self._warehouse.path
        assert path is not None
        with self._warehouse.exclusive():
            there = path.exists()
            if there:
                self.connection.execute(f"attach {_literal(path)} as warehouse (read_only)")
            present = self._tables("warehouse", RAW_SCHEMA) if there else {}
            self.connection.execute(f"create schema {RAW_SCHEMA}")
            for table, columns in self._raw_columns.items():
                source = f"warehouse.{RAW_SCHEMA}.{quoted(table)}"
                select = raw_view("duckdb", source, present.get(table), columns)
                self.connection.execute(f"create view {self.raw_name(table)} as {select}")
            try:
                yield
            finally:
                self.connection.execute(f"drop schema {RAW_SCHEMA} cascade")
                if there:
                    self.connection.execute("detach warehouse")

    def raw_name(self, table: str) -> str:
        return f"{RAW_SCHEMA}.{quoted(table)}"

    def model_sql(self, model: Model) -> str:
        return model.body  # verbatim, so that the engine's line numbers are the file's

    def row_hash(self, alias: str, columns: tuple[Column, ...], rows: int) -> str:
        """A number for a row of a table of `rows` rows: of every value, or in a large table of its times."""
        hashed = columns if rows <= WHOLE_ROWS else _times(columns) or columns
        return f"hash({', '.join(f'{alias}.{quoted(c.name)}' for c in hashed)})"

    def create(self, statement: str) -> int:
        """Run a `create table … as`; the rows it made."""
        self._shapes = {}
        return int(self.connection.fetch(statement)[1][0][0])

    def draft_marts(self) -> bool:
        """Begin with an empty draft, in which the marts of this run are built; models find them by bare name."""
        if not self.in_draft:
            self._open_draft()
            self.connection.execute(f"set search_path = 'memory.main,draft.{MARTS_SCHEMA}'")
            self.in_draft = True
        return True

    def place(self, model: Model) -> str:
        drafted = self.in_draft and model.layer == "marts"
        return f"table {self.target(model.name)}" if drafted else f"temporary table {quoted(model.name)}"

    def guarded(self) -> AbstractContextManager[None]:
        return nullcontext()  # a failed statement leaves the session as it was

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """What the block leaves in the draft takes the published file's place: in the draft the marts were
        built in, else in a copy of the published file."""
        if not self.in_draft:
            _remove(self._draft)
            if self._has_published:
                shutil.copyfile(self._final, self._draft)
            self._open_draft()
        yield
        self.connection.execute("reset search_path")
        self.connection.execute("checkpoint draft")
        self.connection.execute("detach draft")
        self._draft.chmod(0o600)
        os.replace(self._draft, self._final)

    def _open_draft(self) -> None:
        self.connection.execute(f"attach {_literal(self._draft)} as draft")
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            self.connection.execute(f"create schema if not exists draft.{schema}")

    def shape(self, relation: str) -> dict[str, str]:
        """Column → type of a table of this run."""
        if relation not in self._shapes:
            drafted = self._tables("draft", MARTS_SCHEMA) if self.in_draft else {}
            self._shapes = self._tables("temp", "main") | drafted
        return self._shapes[relation]

    def published(self, schema: str) -> dict[str, dict[str, str]]:
        """Table → column → type of what was published when the run began."""
        if schema not in self._marts:
            self._marts[schema] = self._tables("published", schema) if self._has_published else {}
        return self._marts[schema]

    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return f"draft.{schema}.{quoted(name)}"

    def previous(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return f"published.{schema}.{quoted(name)}"

    def _tables(self, catalog: str, schema: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        query = (
            "select table_name, column_name, data_type from duckdb_columns()"
            " where database_name = ? and schema_name = ? order by table_name, column_index"
        )
        for table, column, data_type in self.connection.fetch(query, (catalog, schema))[1]:
            found.setdefault(table, {})[column] = data_type
        return found


class PostgresEngine:
    """Builds in temporary tables of one transaction; the marts are ordinary tables."""

    dialect: Dialect = "postgres"

    def __init__(self, connection: Connection, raw_columns: RawColumns, lock_seconds: float = LOCK_SECONDS) -> None:
        self.connection, self._raw_columns = connection, raw_columns
        self.in_draft = False
        self._shapes: dict[str, dict[str, str]] = {}
        connection.raw.commit()
        self._wait_for_turn(lock_seconds)
        # each temporary table is analyzed once; at the default of 100 that took a quarter of a run
        connection.execute("set default_statistics_target = 10")
        # at the defaults (4 and 8 MB) sorts, hash tables and temporary tables of a few thousand leads go to disk
        connection.execute("set work_mem = '64MB'")
        connection.execute("set temp_buffers = '128MB'")
        connection.raw.commit()
        connection.raw.set_session(isolation_level="REPEATABLE READ")  # one state of raw for all models
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            connection.execute(f"create schema if not exists {schema}")

    def _wait_for_turn(self, seconds: float) -> None:
        """Take the lock of transforms, which the session's end frees; WarehouseBusy after `seconds`."""
        self.connection.execute(f"set lock_timeout = '{int(1000 * seconds)}ms'")
        try:
            self.connection.execute(f"select pg_advisory_lock({_ADVISORY_KEY})")
        except SqlError as error:
            if error.kind != "LockNotAvailable":
                raise
            raise WarehouseBusy(BUSY) from error
        self.connection.execute("set lock_timeout = 0")

    def draft_marts(self) -> bool:
        """Never: dropping a mart for a new one would take people's views and grants with it."""
        return False

    def place(self, model: Model) -> str:
        return f"temporary table {quoted(model.name)}"

    @contextmanager
    def raw(self) -> Iterator[None]:
        present = self.connection.tables(RAW_SCHEMA)
        for table, columns in self._raw_columns.items():
            select = raw_view("postgres", f"{RAW_SCHEMA}.{quoted(table)}", present.get(table), columns)
            self.connection.execute(f"create or replace temporary view {self.raw_name(table)} as {select}")
        yield

    def raw_name(self, table: str) -> str:
        return quoted(f"raw__{table}")

    def model_sql(self, model: Model) -> str:
        return model.sql("postgres", raw_prefix="raw__")

    def row_hash(self, alias: str, columns: tuple[Column, ...], rows: int) -> str:
        """A number for a row of a table of `rows` rows: of every value, or in a large table of its times."""
        times = [f"{alias}.{quoted(c.name)}" for c in _times(columns)]
        whole = rows <= WHOLE_ROWS_POSTGRES or not times
        value = f"{alias}::text" if whole else f"concat_ws('|', {', '.join(times)})"
        return f"hashtextextended({value}, 0)"

    def create(self, statement: str) -> int:
        """Run a `create table … as`; the rows it made."""
        self._shapes = {}
        return self.connection.execute(statement)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """A failed statement would spoil the transaction: roll back to here."""
        self.connection.execute("savepoint guarded")
        try:
            yield
        except Exception:
            self.connection.execute("rollback to savepoint guarded")
            raise
        self.connection.execute("release savepoint guarded")

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """The marts are changed in place, in this run's transaction."""
        yield
        self.connection.raw.commit()

    def shape(self, relation: str) -> dict[str, str]:
        """Column → type of a temporary table of this run."""
        if relation not in self._shapes:
            self._shapes = self._tables("n.oid = pg_my_temp_schema()")
        return self._shapes[relation]

    def published(self, schema: str) -> dict[str, dict[str, str]]:
        return self._tables("n.nspname = ?", schema)

    def _tables(self, where: str, *parameters: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        query = (
            "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"  # noqa: S608
            " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
            f" where {where} and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by 1, a.attnum"
        )
        for table, column, data_type in self.connection.fetch(query, parameters)[1]:
            found.setdefault(table, {})[column] = data_type
        return found

    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return f"{schema}.{quoted(name)}"

    previous = target


@contextmanager
def _duckdb_engine(warehouse: Warehouse, raw_columns: RawColumns) -> Iterator[DuckDBEngine]:
    final = warehouse.published_path
    assert final is not None
    lock = FileLock(f"{final}.lock", mode=0o600)
    spill = final.with_name(f"{final.name}.spill")
    draft = final.with_name(f"{final.name}.draft")
    try:
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise WarehouseBusy(BUSY) from error
    except OSError as error:
        raise TransformError(f"the folder {final.parent} cannot be written: {error.strerror}.") from error
    _remove(draft)
    raw = duckdb.connect(":memory:")
    try:
        raw.execute("set TimeZone = 'UTC'")
        raw.execute(f"set temp_directory = {_literal(spill)}")
        yield DuckDBEngine(Connection(raw, "duckdb"), warehouse, raw_columns)
    finally:
        raw.close()
        _remove(draft)
        shutil.rmtree(spill, ignore_errors=True)
        lock.release()


def _times(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.data_type.lower().startswith("timestamp"))


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)

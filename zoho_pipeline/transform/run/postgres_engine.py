"""Postgres builds in temporary tables of one repeatable-read transaction and changes the marts in place."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.engine import (
    BUSY,
    Engine,
    Publication,
    RawColumns,
    quoted,
    raw_view,
    time_columns,
)
from zoho_pipeline.transform.run.publish import Publisher
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    MARTS_SCHEMA,
    RAW_SCHEMA,
    STATE_SCHEMA,
    Connection,
    Dialect,
    SqlError,
    WarehouseBusy,
)
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse

WHOLE_ROWS = 10_000
"""Up to this number of rows, whole rows of a table are hashed, which also finds an edit by a person. Hashing
whole rows of a million leads took 3 s of a run of one channel."""
_ADVISORY_KEY = 7_346_021_190  # any number; all transforms of a database share it
_DEPENDENT = re.compile(r"^(?:DETAIL: *)?(?:rule _RETURN on )?(\S.*?) depends on ", re.MULTILINE)
"""A line of the server about an object that needs what a statement would take away. A view has its rule _RETURN."""


@contextmanager
def open_postgres_engine(warehouse: PostgresWarehouse, raw_columns: RawColumns) -> Iterator["PostgresEngine"]:
    """Open the engine. Only one transform can have it at a time. WarehouseBusy: another one ran for LOCK_SECONDS."""
    with warehouse.connect(read_only=False) as connection:
        yield PostgresEngine(connection, raw_columns)


def forget_in_marts(warehouse: PostgresWarehouse, channel_id: str) -> None:
    """Delete the rows of a channel from the marts, in one transaction, while no transform runs.

    Raises:
        WarehouseBusy: a transform has run for LOCK_SECONDS.
    """
    with warehouse.connect() as connection:
        if not connection.tables(MARTS_SCHEMA):
            return
    with open_postgres_engine(warehouse, {}) as engine:
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            for table, columns in engine.connection.tables(schema).items():
                if "channel_id" in columns and table not in engine.published_views():
                    sql = f"delete from {schema}.{quoted(table)} where channel_id = ?"  # noqa: S608
                    engine.connection.execute(sql, (channel_id,))


class PostgresEngine:
    """Builds in temporary tables of one transaction; the marts are ordinary tables. An `Engine`."""

    dialect: ClassVar[Dialect] = "postgres"
    reads_files_verbatim = False
    batch_memory = None  # the server sorts within work_mem, and its tables go to disk beyond temp_buffers

    def __init__(self, connection: Connection, raw_columns: RawColumns, lock_seconds: float = LOCK_SECONDS) -> None:
        self.connection, self._raw_columns = connection, raw_columns
        self._shapes: dict[str, dict[str, str]] = {}
        self._require_utf8()
        connection.commit()
        self._wait_for_turn(lock_seconds)
        # each temporary table is analyzed once; at the default of 100 that took a quarter of a run
        connection.execute("set default_statistics_target = 10")
        # at the defaults (4 and 8 MB) sorts, hash tables and temporary tables of a few thousand leads go to disk
        connection.execute("set work_mem = '64MB'")
        connection.execute("set temp_buffers = '128MB'")
        connection.commit()
        connection.raw.set_session(isolation_level="REPEATABLE READ")  # one state of raw for all models
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            connection.execute(f"create schema if not exists {schema}")

    def _require_utf8(self) -> None:
        """Refuse a database that counts bytes as characters, or that cannot hold every text of Zoho."""
        name, encoding = self.connection.fetch("select current_database(), current_setting('server_encoding')")[1][0]
        if encoding != "UTF8":
            raise TransformError(
                f"the database {name} has the encoding {encoding}, which loses texts. Create another one, "
                "with: create database … template template0 encoding 'UTF8'"
            )

    def _wait_for_turn(self, seconds: float) -> None:
        """Take the lock of transforms, which is released when the session ends; WarehouseBusy after `seconds`."""
        self.connection.execute(f"set lock_timeout = '{int(1000 * seconds)}ms'")
        try:
            self.connection.execute(f"select pg_advisory_lock({_ADVISORY_KEY})")
        except SqlError as error:
            if error.kind != "LockNotAvailable":
                raise
            raise WarehouseBusy(BUSY) from error
        self.connection.execute("set lock_timeout = 0")

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

    def row_hash(self, alias: str, columns: tuple[DocumentedColumn, ...], rows: int) -> str:
        times = [f"{alias}.{quoted(c.name)}" for c in time_columns(columns)]
        whole = rows <= WHOLE_ROWS or not times
        value = f"{alias}::text" if whole else f"concat_ws('|', {', '.join(times)})"
        return f"hashtextextended({value}, 0)"

    def repeated(self, columns: Sequence[str]) -> str | None:  # noqa: ARG002
        return None  # it sorts for `distinct`, which costs more than groups

    def place_marts(self, *, most: bool, in_batches: bool) -> None:
        """Do nothing: replacing a mart by a new one would also drop the views and grants that users put on it."""

    def statement(self, model: Model) -> str:
        return f"create temporary table {quoted(model.name)} as {self.model_sql(model)}"

    def create(self, model: Model) -> int:
        self._shapes = {}
        return self.connection.execute(self.statement(model))

    def drop(self, model: Model) -> None:
        kind = "view" if model.is_view else "table"
        self.connection.execute(f"drop {kind} if exists pg_temp.{quoted(model.name)}")

    def start_batch(self) -> None:
        """Do nothing."""

    def end_batch(self) -> None:
        """Do nothing: there is one batch."""

    def analyze(self, relation: str) -> None:
        self.connection.execute(f"analyze {quoted(relation)}")  # otherwise the planner expects joins of one row

    @contextmanager
    def guarded(self) -> Iterator[None]:
        # after a failed statement, the transaction must be rolled back to here
        self.connection.execute("savepoint guarded")
        try:
            yield
        except Exception:  # after Ctrl-C, the end of the session rolls back
            self.connection.execute("rollback to savepoint guarded")
            raise
        self.connection.execute("release savepoint guarded")

    def shape(self, relation: str) -> dict[str, str]:
        if relation not in self._shapes:
            self._shapes = _columns(self.connection, "n.oid = pg_my_temp_schema()")
        return self._shapes[relation]

    def published(self, schema: str) -> dict[str, dict[str, str]]:
        return columns_in(self.connection, schema)

    def published_views(self) -> set[str]:
        query = "select table_name from information_schema.views where table_schema = ?"
        return {str(name) for (name,) in self.connection.fetch(query, (MARTS_SCHEMA,))[1]}

    def previous(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return f"{schema}.{quoted(name)}"

    def publish(self, publication: Publication) -> None:
        # the marts are changed in place, in the transaction of this run
        publisher = _InPlacePublisher(self, publication)
        publisher.prepare()
        publisher.change_marts()
        self.connection.commit()


class _InPlacePublisher(Publisher):
    """Changes the marts themselves. Postgres has no `try_cast`."""

    lenient_cast = "cast"

    def __init__(self, engine: Engine, publication: Publication) -> None:
        super().__init__(engine, publication)
        self._readers: dict[str, list[str]] = {}
        """Mart that was dropped → the roles that could read it, as SQL names them."""

    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return self.engine.previous(name, schema)

    def drop(self, name: str) -> None:
        """TransformError names the views on the mart: a user made them, so that only the user drops them."""
        self._readers.setdefault(name, readers_of(self.connection, name))
        try:
            super().drop(name)
        except SqlError as error:
            if (on_it := views_on(error)) is None:
                raise
            raise TransformError(
                f"{MARTS_SCHEMA}.{name} changed, and {on_it} reads it. Drop that, run the transform again, then create "
                "it again. Nothing was published; the marts are those of the last run."
            ) from error

    def finish(self, model: Model) -> None:
        self.connection.execute(f"create index on {self.target(model.name)} (channel_id)")
        self._grant_again(model.name)

    def write_view(self, model: Model) -> None:
        super().write_view(model)
        self._grant_again(model.name)

    def _grant_again(self, name: str) -> None:
        """Let the roles read the mart that could read it before it was dropped and made anew."""
        if readers := self._readers.pop(name, []):
            self.connection.execute(f"grant select on {self.target(name)} to {', '.join(readers)}")

    def comments(self) -> dict[tuple[str, str], str]:
        return comments_in(self.connection, MARTS_SCHEMA)


def columns_in(connection: Connection, schema: str) -> dict[str, dict[str, str]]:
    """Table or view → column → type, as `format_type` names it, of a schema."""
    return _columns(connection, "n.nspname = ?", schema)


def _columns(connection: Connection, where: str, *parameters: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    query = (
        "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"  # noqa: S608
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        f" where {where} and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped order by 1, a.attnum"
    )
    for table, column, data_type in connection.fetch(query, parameters)[1]:
        found.setdefault(table, {})[column] = data_type
    return found


def comments_in(connection: Connection, schema: str) -> dict[tuple[str, str], str]:
    """(table or view, column or '') → its comment, of a schema."""
    query = (
        "select c.relname, coalesce(a.attname, ''), d.description from pg_description d"
        " join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass"
        " join pg_namespace n on n.oid = c.relnamespace"
        " left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0"
        " where n.nspname = ?"
    )
    return {(table, column): text for table, column, text in connection.fetch(query, (schema,))[1]}


def readers_of(connection: Connection, name: str) -> list[str]:
    """The roles that may read a mart besides its owner, as SQL names them."""
    query = (
        "select distinct case a.grantee when 0 then 'public' else a.grantee::regrole::text end from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a"
        " where n.nspname = ? and c.relname = ? and a.privilege_type = 'SELECT' and a.grantee <> c.relowner"
    )
    return [str(role) for (role,) in connection.fetch(query, (MARTS_SCHEMA, name))[1]]


def views_on(error: SqlError) -> str | None:
    """The views, policies, functions … that prevented a change of what they read; None: the error is another one.
    Users made them, so only users drop them."""
    if error.kind not in ("DependentObjectsStillExist", "FeatureNotSupported"):
        return None
    return ", ".join(_DEPENDENT.findall(str(error))) or "another object"

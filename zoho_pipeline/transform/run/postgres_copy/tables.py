"""The tables and views of the copy: their columns and comments, and how they change without breaking what users built.

Dashboards and views of users read the tables, so a table is never replaced by another one. A new column is added, a
column that no model makes is dropped, and a column of another type gets that type. What a user's view needs cannot
go: then nothing changes, and the error names the view. Views and grants of users survive everything else.
"""

import re
from collections.abc import Mapping

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.engine import quoted, text_literal
from zoho_pipeline.transform.run.postgres_copy.state import State
from zoho_pipeline.transform.run.postgres_engine import columns_in, comments_in, readers_of, views_on
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, Connection, SqlError, is_instant

_TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric(39,0)",
    "UHUGEINT": "numeric(39,0)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIME": "time without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "UUID": "uuid",
    "JSON": "jsonb",
}
"""DuckDB's type → Postgres's, as `format_type` names it. What is missing here is JSON text."""
Shape = dict[str, str]
"""Column → type in Postgres."""


def published_tables(source: Connection) -> dict[str, Shape]:
    """The tables of the published file, without its views, with the types that they have in the copy."""
    query = (
        "select c.table_name, c.column_name, c.data_type from duckdb_columns() as c"
        " inner join duckdb_tables() as t on c.table_oid = t.table_oid and c.database_name = t.database_name"
        " where c.database_name = 'published' and c.schema_name = ? order by c.table_name, c.column_index"
    )
    found: dict[str, Shape] = {}
    for table, column, data_type in source.fetch(query, (MARTS_SCHEMA,))[1]:
        found.setdefault(table, {})[column] = type_in_postgres(column, data_type)
    return found


def type_in_postgres(column: str, data_type: str) -> str:
    """The type in Postgres of a column of the published file. An instant, which has no zone there, gets one."""
    if data_type.startswith("TIMESTAMP") and "ZONE" not in data_type:  # also TIMESTAMP_S and the like
        return f"timestamp {'with' if is_instant(column) else 'without'} time zone"
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", data_type):
        return f"numeric({match[1]},{match[2]})"
    return _TYPES.get(data_type, "text")


class Tables:
    """The tables and views of the copy. Call `prepare`, fill the tables, call `finish`."""

    def __init__(self, target: Connection, state: State) -> None:
        self._target, self._state = target, state
        self._before, self._ours = columns_in(target, MARTS_SCHEMA), state.ours()
        self._readers: dict[str, list[str]] = {}

    def prepare(self, wanted: Mapping[str, Shape], views: Mapping[str, Model]) -> set[str]:
        """Give the tables their columns, and return the names of those that are empty now and need all their rows.

        Raises:
            TransformError: an object of a user is in the way; the message names it.
        """
        tables = {name for name, definition in self._ours.items() if definition is None}
        anew = {name for name, shape in wanted.items() if name not in tables or self._before.get(name) != shape}
        hurt = {name for name in anew & tables if not self._before.get(name, {}).items() <= wanted[name].items()}
        gone = tables - wanted.keys()
        self._drop_views(hurt | gone, wanted, views)
        for name in sorted(gone):
            self._drop("table", name)
            self._state.forget_mart(name)
        for name in sorted(anew):
            if name not in self._before:
                self._create(name, wanted[name])
            elif name in tables:
                self._change(name, self._before[name], wanted[name])
            else:
                raise TransformError(f"{_named(name)} of the copy is not ours, and a mart has that name. Rename it.")
            self._state.forget_mart(name)
        return anew

    def finish(self, source: Connection, wanted: Mapping[str, Shape], views: Mapping[str, Model]) -> None:
        """Write the views that are new or changed, and the comments, and note which objects are ours."""
        ours: dict[str, str | None] = dict.fromkeys(wanted)
        for name, model in views.items():
            if ours.keys() >= set(model.depends_on):
                select = ours[name] = model.sql("postgres", schema=MARTS_SCHEMA)
                if self._ours.get(name) != select or name not in self._before:  # somebody dropped it
                    self._target.execute(f"create or replace view {_named(name)} as {select}")
                    self._grant_again(name)
        self._comment(source, ours)
        if ours != self._ours:
            self._state.set_ours(ours)

    def _drop_views(self, hurt: set[str], wanted: Mapping[str, Shape], views: Mapping[str, Model]) -> None:
        """Drop our views that read a table that loses a column, or such a view, or that get other columns."""
        there = {name for name, definition in self._ours.items() if definition is not None and name in self._before}
        gone, first = set(hurt), list[str]()
        for name, view in views.items():  # a view comes after the views that it reads
            if name in there and (gone & set(view.depends_on) or [*self._before[name]] != [*view.selects]):
                gone.add(name)
                first.insert(0, name)
        unmade = sorted(name for name in there if name not in views)
        turned = sorted(name for name in there & wanted.keys() if name not in {*first, *unmade})  # into a table
        for name in [*first, *unmade, *turned]:
            self._drop("view", name)

    def _drop(self, kind: str, name: str) -> None:
        self._readers[name] = readers_of(self._target, name)
        self._alter(name, f"drop {kind} if exists {_named(name)}")
        self._before.pop(name, None)
        self._ours.pop(name, None)

    def _create(self, name: str, shape: Shape) -> None:
        columns = ", ".join(f"{quoted(column)} {data_type}" for column, data_type in shape.items())
        self._target.execute(f"create table {_named(name)} ({columns})")
        self._target.execute(f"create index on {_named(name)} (channel_id)")
        self._grant_again(name)

    def _grant_again(self, name: str) -> None:
        """Let the roles read a table or view that could read it before it was dropped and made anew."""
        if readers := self._readers.pop(name, []):
            self._target.execute(f"grant select on {_named(name)} to {', '.join(readers)}")

    def _change(self, name: str, before: Shape, wanted: Shape) -> None:
        """Empty a table, and give it other columns in place."""
        self._target.execute(f"delete from {_named(name)}")  # noqa: S608
        for column in before.keys() - wanted.keys():
            self._alter(name, f"alter table {_named(name)} drop column {quoted(column)}")
        for column, data_type in wanted.items():
            if column not in before:
                self._alter(name, f"alter table {_named(name)} add column {quoted(column)} {data_type}")
            elif before[column] != data_type:
                change = f"alter column {quoted(column)} type {data_type} using null"
                self._alter(name, f"alter table {_named(name)} {change}")

    def _alter(self, name: str, statement: str) -> None:
        """Run a statement that a view of a user can prevent. TransformError names the view and the cure."""
        try:
            self._target.execute(statement)
        except SqlError as error:
            if (on_it := views_on(error)) is None:
                raise
            raise TransformError(
                f"{MARTS_SCHEMA}.{name} changed, and {on_it} of that database reads it. Drop that, run the transform "
                "again, then create it again."
            ) from error

    def _comment(self, source: Connection, ours: Mapping[str, str | None]) -> None:
        query = (
            "select table_name, '', comment from duckdb_tables() where database_name = 'published' and schema_name = ?"
            " union all select view_name, '', comment from duckdb_views() where database_name = 'published'"
            " and schema_name = ? union all select table_name, column_name, comment from duckdb_columns()"
            " where database_name = 'published' and schema_name = ?"
        )
        there = comments_in(self._target, MARTS_SCHEMA)
        for name, column, text in source.fetch(query, (MARTS_SCHEMA,) * 3)[1]:
            if name in ours and text is not None and there.get((name, column)) != text:
                kind = "view" if ours[name] is not None else "table"
                on = f"column {_named(name)}.{quoted(column)}" if column else f"{kind} {_named(name)}"
                self._target.execute(f"comment on {on} is {text_literal(text)}")


def _named(name: str) -> str:
    return f"{MARTS_SCHEMA}.{quoted(name)}"

"""A session in Postgres."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg2

from zoho_pipeline import stopping
from zoho_pipeline.warehouse.connection import Connection, Dialect, SqlError

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?P<mark>\?)|(?P<percent>%)", re.DOTALL)


class PostgresConnection(Connection):
    """A session in Postgres; `raw` is a psycopg2 connection."""

    dialect: ClassVar[Dialect] = "postgres"

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        with self.raw.cursor() as cursor, _translated(sql):
            cursor.execute(*_call(sql, params))
            return int(cursor.rowcount)

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self.raw.cursor() as cursor, _translated(sql):
            cursor.execute(*_call(sql, params))
            if cursor.description is None:
                return [], []
            return [column.name for column in cursor.description], cursor.fetchall()


@contextmanager
def _translated(sql: str) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        if isinstance(error, psycopg2.extensions.QueryCanceledError):
            stopping.raise_if_requested()
        at = int(error.diag.statement_position or 0)
        word = re.match(r"\W*(\w+)", sql[at - 1 :]) if at else None
        raise SqlError(
            str(error).strip(),
            line=sql.count("\n", 0, at - 1) + 1 if at else None,
            near=word.group(1) if word else None,
            position=at - 1 + word.start(1) if word else None,
            kind=type(error).__name__,
            of_data=(error.pgcode or "").startswith(("21", "22")),  # cardinality violation, data exception
        ) from error


def _call(sql: str, params: Sequence[Any]) -> tuple[str, Sequence[Any] | None]:
    """The statement in psycopg2's form: `?` outside quotes → `%s`, every `%` doubled. Unchanged without parameters."""
    if not params:
        return sql, None

    def replace(match: re.Match[str]) -> str:
        return "%s" if match.group("mark") else match.group(0).replace("%", "%%")

    return _QUOTED.sub(replace, sql), params

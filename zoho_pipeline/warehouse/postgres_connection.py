"""A session in Postgres."""

import io
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg2

from zoho_pipeline import stopping
from zoho_pipeline.warehouse.connection import (
    BATCH_ROWS,
    MARTS_SCHEMA,
    NUMBER_AS_TEXT,
    STATE_SCHEMA,
    TEXTS_PER_LIST,
    Connection,
    ConnectionLost,
    Dialect,
    SqlError,
    WarehouseError,
    grants,
)

if TYPE_CHECKING:
    import pyarrow as pa

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What COPY reads as a sign of its own."""
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?P<mark>\?)|(?P<percent>%)", re.DOTALL)


_MAY_READ = """
select quote_ident(r.rolname), r.rolname is null
    or has_schema_privilege(r.oid, n.oid, 'usage') and has_any_column_privilege(r.oid, c.oid, 'select') as may_read
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
left join pg_roles as r on r.rolname = coalesce(?, current_user)
where n.nspname = ? and c.relkind in ('r', 'v', 'p', 'm', 'f')
order by may_read desc
limit 1
"""
"""The role as SQL writes it, and whether it may read a table of a schema.

A grant on a table is of no use without one on its schema. Where there is no such role, whoever takes it on says so.
"""
_ANSWER_SECONDS = 2
"""How long a server may take to accept a session before it counts as gone. libpq takes no shorter time."""
_SESSION_ENDED = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "08")
"""SQLSTATE: shut down or killed by an administrator, idle for too long, connection exceptions."""


class PostgresConnection(Connection):
    """A session in Postgres; `raw` is a psycopg2 connection.

    Args:
        what: what the database holds for us, for messages.
    """

    dialect: ClassVar[Dialect] = "postgres"

    def __init__(self, raw: Any, what: str = "warehouse") -> None:
        super().__init__(raw)
        self._what = what
        self._lost: str | None = None

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        with self._translated(sql), self.raw.cursor() as cursor:
            cursor.execute(*_call(sql, params))
            return int(cursor.rowcount)

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self._translated(sql), self.raw.cursor() as cursor:
            cursor.execute(*_call(sql, params))
            if cursor.description is None:
                return [], []
            return [column.name for column in cursor.description], cursor.fetchall()

    def arrow(self, sql: str, params: Sequence[Any] = ()) -> "pa.Table":
        with self._translated(sql), self.raw.cursor() as cursor:
            cursor.execute(*_call(sql, params))
            if cursor.description is None:
                raise SqlError("the statement gives no rows. Give a SELECT.")
            return table_of(cursor.description, cursor.fetchall())

    def batches(self, sql: str, params: Sequence[Any] = ()) -> "Iterator[pa.Table]":
        # a cursor of the server, so that this process holds one table at a time
        with self._translated(sql), self.raw.cursor(name="batches") as cursor:
            cursor.execute(*_call(sql, params))
            rows = cursor.fetchmany(BATCH_ROWS)  # the columns are known after the first fetch
            yield table_of(cursor.description, rows, in_batches=True)
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield table_of(cursor.description, rows, in_batches=True)

    def commit(self) -> None:
        with self._translated("commit"):
            self.raw.commit()

    def has_tables(self, schema: str, role: str | None = None) -> bool:
        for name, may_read in self.fetch(_MAY_READ, (role, schema))[1]:
            if may_read:
                return True
            raise WarehouseError(
                f"the {'role' if role else 'user'} {name} may read no table of the schema {schema}. Let the owner of "
                f"the tables run: {grants(name, schema)}"
            )
        return False

    @contextmanager
    def naming_grants(self) -> Iterator[None]:
        """A block that reads the marts. A right that its user lacks is told with the statements that grant all of them.

        Raises:
            SqlError: as the block raised it, or with these statements.
        """
        try:
            yield
        except SqlError as error:
            if error.kind != "InsufficientPrivilege":
                raise
            user = psycopg2.extensions.quote_ident(self.raw.info.user, self.raw)
            raise SqlError(
                f"{str(error).splitlines()[0]}. Let the owner of the tables run: "
                f"{grants(user, MARTS_SCHEMA, STATE_SCHEMA)}",
                kind=error.kind,
            ) from None

    def texts(self, sql: str) -> Iterator[list[str]]:
        # a cursor of the server, so that this process holds one list at a time
        with self._translated(sql), self.raw.cursor(name="texts") as cursor:
            cursor.itersize = TEXTS_PER_LIST
            cursor.execute(sql)
            while rows := cursor.fetchmany(TEXTS_PER_LIST):
                yield [row[0] for row in rows if row[0] is not None]

    def append(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> None:
        lines = ("\t".join("\\N" if t is None else t.translate(_ESCAPES) for t in row) + "\n" for row in rows)
        listed = ", ".join(f'"{name}"' for name, _ in columns)
        sql = f"copy {table} ({listed}) from stdin"
        with self._translated(sql), self.raw.cursor() as cursor:
            cursor.copy_expert(sql, io.StringIO("".join(lines)))

    def copy_csv(self, table: str, columns: Sequence[str], lines: Iterator[bytes]) -> None:
        """Add the rows of `csv_lines` to a table.

        Raises:
            SqlError: a value does not fit its column.
            Exception: what `lines` raised.
        """
        listed = ", ".join(f'"{name}"' for name in columns)
        sql, given = f"copy {table} ({listed}) from stdin (format csv)", _Pulled(lines)
        with self._translated(sql), self.raw.cursor() as cursor:
            try:
                cursor.copy_expert(sql, given)
            except psycopg2.Error:
                if given.error is not None:
                    raise given.error from None
                raise

    def interrupt(self) -> None:
        """Cancel the statement, or end the session where the server does not answer any more.

        psycopg2's `cancel` waits for the server without a limit, and no thread of Python runs meanwhile: a server that
        hung left a command that no Ctrl-C ended. So a session with a time limit asks first whether the server answers.
        It needs no password: a server that refuses it at once, such as a full one, does answer.
        """
        began = time.monotonic()
        with suppress(psycopg2.Error):
            psycopg2.connect(**{**self.raw.info.dsn_parameters, "connect_timeout": _ANSWER_SECONDS}).close()
        if time.monotonic() - began < _ANSWER_SECONDS / 2:  # libpq counts whole seconds, so its limit may come early
            self.raw.cancel()
            return
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self.raw.fileno())) as connected:
            connected.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _translated(self, sql: str) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            if isinstance(error, psycopg2.extensions.QueryCanceledError):
                stopping.raise_if_requested()
            if self.raw.closed or (error.pgcode or "").startswith(_SESSION_ENDED):
                self._lost = self._lost or _lost(error, self._what, during_commit=sql == "commit")
                raise ConnectionLost(self._lost) from error  # later errors only say that the session is closed
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


class _Pulled:
    """A stream that takes its bytes from an iterator, as `copy` wants them. psycopg2 would hide what the iterator
    raises, so it is kept in `error`."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left = parts, b""
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = next(self._parts)
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        size = size if size > 0 else len(self._left)
        part, self._left = self._left[:size], self._left[size:]
        return part


def _lost(error: psycopg2.Error, what: str, *, during_commit: bool) -> str:
    """One line for a session that ended. The driver's message has three lines, and no cure."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    kept = (
        "Whether the last step was kept is not known."
        if during_commit
        else "What was not committed is gone; what was there before is unchanged."
    )
    return (
        f"the session with the Postgres {what} ended in the middle of the work ({reason}). {kept} Check that the "
        "server runs and that nobody ends its sessions, then run the command again."
    )


def _call(sql: str, params: Sequence[Any]) -> tuple[str, Sequence[Any] | None]:
    """The statement in psycopg2's form: `?` outside quotes → `%s`, every `%` doubled. Unchanged without parameters."""
    if not params:
        return sql, None

    def replace(match: re.Match[str]) -> str:
        return "%s" if match.group("mark") else match.group(0).replace("%", "%%")

    return _QUOTED.sub(replace, sql), params


_NUMERIC, _JSON = 1700, (114, 3802)
_MOST_DIGITS = 76
"""Numbers of types in `pg_type`, and the most digits of a decimal in Arrow."""


@cache
def _types() -> "dict[int, pa.DataType]":
    """The numbers of types in `pg_type` → types of Arrow. Other values become text."""
    import pyarrow as pa  # here, because a command that reads no table must not wait for it

    whole, text = pa.int64(), pa.string()
    plain = {16: pa.bool_(), 20: whole, 21: whole, 23: whole, 26: whole, 700: pa.float64(), 701: pa.float64()}
    times = {1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC")}
    lists = {1000: pa.bool_(), 1005: whole, 1007: whole, 1016: whole, 1009: text, 1015: text, 1022: pa.float64()}
    return plain | times | {number: pa.list_(kind) for number, kind in lists.items()}


def table_of(description: Sequence[Any], rows: Sequence[Sequence[Any]], *, in_batches: bool = False) -> "pa.Table":
    """An Arrow table of the rows that a cursor of psycopg2 or psycopg gave.

    A `numeric` without a precision gets the digits that its values need. One that Arrow has no decimal for (NaN, or
    more than 76 digits) is text.

    Args:
        in_batches: there are other rows, so no type may depend on the values. Such a `numeric` is text with the mark
            NUMBER_AS_TEXT.

    Raises:
        SqlError: a value has no place in the type of its column.
    """
    import pyarrow as pa

    fields, arrays = [], []
    for place, column in enumerate(description):
        values = [row[place] for row in rows]
        is_open = in_batches and column.type_code == _NUMERIC and _declared(column) is None
        try:
            array = _digits(values) if is_open else _array(column, values)
            if in_batches and not is_open and column.type_code == _NUMERIC:
                array = array.cast(_declared(column))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise SqlError(
                f"the column {column.name} has a value that its type cannot hold in a file ({error}). Cast it to text."
            ) from error
        arrays.append(array)
        fields.append(pa.field(column.name, array.type, metadata=NUMBER_AS_TEXT if is_open else None))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _digits(values: Sequence[Decimal | None]) -> "pa.Array":
    """Numbers as texts with all their digits, without an exponent."""
    import pyarrow as pa

    return pa.array([None if value is None else format(value, "f") for value in values], pa.string())


def _declared(column: Any) -> "pa.DataType | None":
    """The decimal type of a `numeric` with a precision; None where it has none, or Arrow has no such decimal."""
    import pyarrow as pa

    precision, scale = column.precision, column.scale
    if precision is None or not 0 < precision <= _MOST_DIGITS or not 0 <= scale <= precision:
        return None
    return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)


def _array(column: Any, values: list[Any]) -> "pa.Array":
    import pyarrow as pa

    if column.type_code == _NUMERIC:
        return _decimals(column, values)
    if (kind := _types().get(column.type_code)) is not None:
        return pa.array(values, kind)
    text: Callable[[Any], str] = json.dumps if column.type_code in _JSON else str
    return pa.array([None if v is None else v if isinstance(v, str) else text(v) for v in values], pa.string())


def _decimals(column: Any, values: list[Any]) -> "pa.Array":
    import pyarrow as pa

    if (declared := _declared(column)) is not None and all(value is None or value.is_finite() for value in values):
        return pa.array(values, declared)
    given = [value for value in values if value is not None]
    if all(value.is_finite() for value in given):
        scale = max((_scale(value) for value in given), default=0)
        digits = max((max(value.adjusted() + 1, 0) for value in given), default=0) + scale
        if digits <= 38:
            return pa.array(values, pa.decimal128(38, scale))
        if digits <= _MOST_DIGITS:
            return pa.array(values, pa.decimal256(_MOST_DIGITS, scale))
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _scale(value: Decimal) -> int:
    return max(-int(value.as_tuple().exponent), 0)

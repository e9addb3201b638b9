"""Runs a query of a person on Postgres, in the process of the sandbox.

The server itself refuses a query that does more than read. This module only chooses how the text is sent:

- The text is sent by the extended protocol. There the server takes one statement, and refuses a second one.
- `declare … cursor for` stands before the text. After it the server's grammar takes only SELECT, VALUES, TABLE and
  WITH. The query after an EXPLAIN is tried in the same way first. A text that begins with SHOW is sent alone, because
  no other statement begins with this word.
- The transaction is read-only and already has its snapshot (our own queries took it), so no statement can make it
  read-write again. It is never committed, and the session ends with it.
- Only functions can act outside the transaction (on files, other sessions, locks, settings). The server's catalogue
  names them. A text that has one of these names anywhere, even in a comment, is refused.
"""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql as compose
from psycopg.adapt import Loader
from psycopg.types.json import set_json_loads
from psycopg.types.string import TextLoader

from zoho_pipeline.reading.limits import BATCH, ONE_STATEMENT, Limits
from zoho_pipeline.reading.values import from_json, json_ready
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import BATCH_ROWS, WarehouseError

if TYPE_CHECKING:
    import pyarrow as pa

CURSOR = "zoho_pipeline_query"
_DECLARE = f"declare {CURSOR} no scroll cursor for\n"
_SPACE = r"[ \t\r\n\f\v]"
_SHOW = re.compile(rf"{_SPACE}*show{_SPACE}", re.IGNORECASE)
_EXPLAIN = re.compile(
    rf"{_SPACE}*explain(?:{_SPACE}*\((?!{_SPACE}*(?:select|with|values|table){_SPACE})[a-z_, \t\r\n]*\){_SPACE}*"
    rf"|{_SPACE}+(?:analy[sz]e{_SPACE}+)?(?:verbose{_SPACE}+)?)",
    re.IGNORECASE,
)
_HARMLESS = (
    *("clock_timestamp", "timeofday", "random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7"),
    *("pg_sleep", "pg_sleep_for", "pg_sleep_until"),  # the time limit ends them
    *("pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_database_size"),
    *("pg_is_in_recovery", "pg_backend_pid", "pg_postmaster_start_time", "pg_column_size"),
)
"""Functions that the catalogue calls volatile, although they only give information."""
_ACTING = """
select distinct lower(p.proname) from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_language l on l.oid = p.prolang
where (p.provolatile = 'v' and (n.nspname = 'pg_catalog' or not l.lanpltrusted)
    or p.proname ~ '^(crosstab|connectby|xpath_table|dblink)'
    or p.proname ~ '^(query|cursor|table|schema|database)_to_xml')
  and p.proname <> all(%s)
  and p.prorettype::regtype::text not in ('tsm_handler', 'index_am_handler', 'table_am_handler', 'trigger', 'internal')
"""
"""Volatile functions of the server or in an untrusted language, and functions that run a text as SQL. Functions that no
query can call (such as the handler `system` of a sample) are left out."""


def ask(request: dict[str, Any], limits: Limits) -> Iterator[Any]:
    """Yield an empty list when the session is open, then the column names, then batches of rows; or tables for a file.

    Args:
        request: `sql`; `as_tables`: whether to yield Arrow tables instead of names and rows; `dsn`; `schema` whose
            tables need no prefix; `role` that the session takes, or None.
    """
    with closing(_opened(request)) as connection:
        yield []
        text: str = request["sql"]
        explain, alone = _EXPLAIN.match(text), _SHOW.match(text) is not None
        prefix = "" if alone else _DECLARE
        try:
            _begin(connection, request, limits)
            _refuse_acting(connection, text)
            if explain:
                # The explained statement must be valid in a cursor too: EXPLAIN ANALYZE would run a CREATE TABLE AS.
                text = text[explain.end() :]
                _extended(connection, _DECLARE + text)
                connection.execute(f"close {CURSOR}")
                alone, prefix = True, explain.group()
            cursor = _extended(connection, prefix + text)
            if request.get("as_tables"):
                yield from _tables(connection, cursor if alone else None)
                return
            if not alone:
                cursor = _fetched(connection)
            yield [column.name for column in cursor.description or ()]
            while rows := cursor.fetchmany(BATCH):
                yield [[json_ready(value) for value in row] for row in rows]
                if not alone and cursor.rownumber == cursor.rowcount:
                    cursor = _fetched(connection)
        except psycopg.errors.QueryCanceled as error:
            raise QueryError(f"the query took longer than {limits.seconds:g} s and was stopped. Read less.") from error
        except (psycopg.errors.OutOfMemory, psycopg.errors.ConfigurationLimitExceeded) as error:  # the temporary files
            raise QueryError(limits.out_of_memory) from error
        except psycopg.Error as error:
            if connection.closed:
                reason = str(error).strip().splitlines()[0]
                raise QueryError(f"the session with the warehouse ended ({reason}). Run the query again.") from error
            raise QueryError(_said(error, prefix, text)) from error


def _opened(request: dict[str, Any]) -> "psycopg.Connection[Any]":
    try:
        connection = psycopg.connect(
            request["dsn"],
            connect_timeout=15,
            application_name="zoho-pipeline sql",
            autocommit=True,
            prepare_threshold=None,  # a statement prepared by name would stay in the session of a pooler
        )
    except psycopg.Error as error:
        raise WarehouseError("cannot connect to the warehouse. Check ZOHO_PIPELINE_WAREHOUSE.") from error
    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        loader = psycopg.adapters.get_loader(psycopg.adapters.types[name].oid, psycopg.pq.Format.TEXT)
        assert loader is not None
        connection.adapters.register_loader(name, _lenient(loader))
    set_json_loads(from_json, connection)  # Python's own reader makes a float of each fraction
    return connection


def _lenient(loader: type[Any]) -> type[Any]:
    """A loader that keeps values as text that Python cannot express: infinity, years before 1 or after 9999, 24:00."""

    class Lenient(Loader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._known = loader(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self._known.load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return Lenient


def _begin(connection: "psycopg.Connection[Any]", request: dict[str, Any], limits: Limits) -> None:
    """Begin a read-only transaction with its limits and its role. They end with it, because a pooler may give the
    session to somebody else."""
    connection.execute("begin transaction isolation level repeatable read, read only")
    milliseconds = str(max(1, int(limits.seconds * 1000)))
    must = {"standard_conforming_strings": "on", "statement_timeout": milliseconds, "timezone": "UTC"}
    for name, value in {**must, "search_path": request["schema"]}.items():
        connection.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
    may = {  # an older server does not have this setting, or allows it only to superusers
        "idle_in_transaction_session_timeout": milliseconds,
        "client_connection_check_interval": "1000",  # then the query of a killed client ends too
        "work_mem": f"{max(1, limits.memory_mb // 16)}MB",
        "max_parallel_workers_per_gather": str(limits.threads - 1),
        "temp_file_limit": f"{limits.memory_mb}MB",
    }
    for name, value in may.items():
        with suppress(psycopg.Error), connection.transaction():
            connection.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
    if request["role"] is None:
        return
    try:
        connection.execute(compose.SQL("set local role {}").format(compose.Identifier(request["role"])))
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).strip()
        raise QueryError(
            f"the role of ZOHO_PIPELINE_SQL_ROLE cannot be used: {reason}. Create it, and grant it to the "
            "warehouse's user."
        ) from error


def _refuse_acting(connection: "psycopg.Connection[Any]", text: str) -> None:
    """Raise QueryError if the text names a function that acts outside the transaction.

    It looks for the names in the whole text, also inside quotes, because a text could deceive a tokenizer.
    """
    lowered = text.lower()
    if re.search(r"u&\s*\"", lowered):
        raise QueryError('a name with Unicode escapes (U&"…") is not allowed here; write it plainly.')
    words = set(re.findall(r"[a-z_][a-z0-9_]*", lowered))
    acting = {str(row[0]) for row in connection.execute(_ACTING, (list(_HARMLESS),))}
    if named := sorted(words & acting):
        raise QueryError(f"only reading is allowed here, and the function {named[0]} does more. Leave it out.")


def _extended(connection: "psycopg.Connection[Any]", text: str) -> "psycopg.Cursor[Any]":
    """Send the text by the extended protocol. Without a parameter or a binary result psycopg would take the simple one,
    which runs several statements."""
    return connection.execute(text, binary=True)


def _tables(connection: "psycopg.Connection[Any]", alone: "psycopg.Cursor[Any] | None") -> Iterator["pa.Table"]:
    """The rows as tables; the last one may be empty. `alone` has the answer of a statement without a cursor."""
    from zoho_pipeline.warehouse.postgres_connection import table_of  # another driver, for this alone

    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)  # a file has the text as the server wrote it
    while True:
        cursor = alone or _fetched(connection, BATCH_ROWS)
        rows = cursor.fetchall()
        yield table_of(cursor.description or (), rows, in_batches=True)
        if alone or not rows:
            return


def _fetched(connection: "psycopg.Connection[Any]", rows: int = BATCH) -> "psycopg.Cursor[Any]":
    return connection.execute(f"fetch forward {rows} from {CURSOR}")


def _said(error: psycopg.Error, prefix: str, text: str) -> str:
    """The server's message, with the line in the person's own text."""
    message = (error.diag.message_primary or str(error)).strip()
    if "multiple commands" in message:
        return ONE_STATEMENT
    at = int(error.diag.statement_position or 0) - len(prefix)
    first = re.match(r"\W*(\w+)", text)
    if first and error.sqlstate == "42601" and at - 1 == first.start(1):
        return f"only reading is allowed here: a SELECT, not {first.group(1).upper()}."
    place = f" (line {text.count(chr(10), 0, at - 1) + 1})" if at > 0 else ""
    hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
    return f"{message}{place}.{hint}"

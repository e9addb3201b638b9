"""One read-only statement of a person, on the published marts or (`raw=True`) on the raw tables.

The engine decides whether a statement only reads, and never a pattern over the text. DuckDB's own parser names the kind
of the statement, the file is attached read-only, no other file can be read and the configuration is locked
(`ask_duckdb`). Postgres prepares the text as the query of a cursor, by the extended protocol, in a read-only
transaction (`ask_postgres`). The statement runs in a separate process (`sandbox`), which may write no file and is
killed when its time is over.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

from zoho_pipeline.reading.limits import ONE_STATEMENT, RAW_SECONDS, ROWS, SECONDS, START_SECONDS, Limits
from zoho_pipeline.reading.published import NOT_PUBLISHED
from zoho_pipeline.reading.values import from_json, json_ready
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import NotPublished, QueryError
from zoho_pipeline.warehouse.connection import WarehouseError
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RAW_SECONDS", "ROWS", "SECONDS", "Limits", "QueryResult", "json_ready", "query", "query_tables"]

_START = "import sys; sys.path[:] = sys.argv[1:]; from zoho_pipeline.reading.sandbox import main; main()"


@dataclass(frozen=True)
class QueryResult:
    """Column names and rows; every value is ready for `values.json_text` (decimals as numbers, times in ISO 8601)."""

    columns: list[str]
    rows: list[list[Any]]


class _Ended(Exception):
    """The process of the query ended before the end of its answer."""


def query(
    where: Settings | Warehouse, sql: str, *, raw: bool = False, limits: Limits | None = None, timeout: float = SECONDS
) -> QueryResult:
    """Run one query.

    Args:
        raw: read `zoho_raw` in the warehouse itself. The query waits for a running load, and has at most 30 seconds.
        limits: the limits of the query. `timeout` sets only its seconds.

    Raises:
        QueryError: it is not one read-only statement, the engine refused it, or it reached a limit.
        NotPublished: no transform has run yet.
        WarehouseError: the warehouse cannot be opened.
    """
    limits = limits or Limits(seconds=timeout)
    with _asked(where, sql, raw, limits, as_tables=False) as answer:
        return _read(answer, limits)


def query_tables(
    where: Settings | Warehouse, sql: str, *, raw: bool = False, limits: Limits | None = None
) -> "Generator[pa.Table]":
    """Run one query, and give its answer as Arrow tables with the types of the engine (see `Connection.batches`).

    This process and that of the query hold one table at a time. While the caller works on a table, the query waits, and
    its time goes on.

    Args:
        raw: as in `query`.
        limits: `answer_bytes` is the largest size of one table here.

    Raises:
        what `query` raises.
    """
    limits = limits or Limits()
    with _asked(where, sql, raw, limits, as_tables=True) as answer:
        yield from _read_tables(answer, limits)


@contextmanager
def _asked(where: Settings | Warehouse, sql: str, raw: bool, limits: Limits, *, as_tables: bool) -> Iterator[IO[bytes]]:
    """The answer of a query, as the process of the sandbox writes it."""
    warehouse = open_warehouse(where) if isinstance(where, Settings) else where
    if raw and limits.seconds > RAW_SECONDS:
        limits = Limits(**asdict(limits) | {"seconds": RAW_SECONDS})
    if not sql.strip() or "\0" in sql:
        raise QueryError(ONE_STATEMENT)
    with _place(warehouse, raw) as place:
        request = {"sql": sql, "limits": asdict(limits), "as_tables": as_tables, **place}
        with _answering(request, limits, raw) as answer:
            yield answer


@contextmanager
def _place(warehouse: Warehouse, raw: bool) -> Iterator[dict[str, Any]]:
    with warehouse.query_place(raw) as place:
        if place is None and raw:
            raise QueryError("there are no raw tables yet. Run `zoho-pipeline sync`.")
        if place is None:
            raise NotPublished(NOT_PUBLISHED)
        yield place


@contextmanager
def _answering(request: dict[str, Any], limits: Limits, raw: bool) -> Iterator[IO[bytes]]:
    """The output of a separate process. Its standard input has the request, so no process list shows a password.

    Raises:
        QueryError: the block found that the process ended too early (`_Ended`).
    """
    command = [sys.executable, "-P", "-c", _START, *(os.path.abspath(path) for path in sys.path)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(START_SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended at once; its output is checked below
        if first := process.stdout.readline():
            if refused := json.loads(first).get("refused"):
                raise WarehouseError(refused)  # it could not open the file or the session
            # It is ready. The time of the query begins.
            _end(timer)
            timer = threading.Timer(limits.seconds, stop)
            timer.daemon = True
            timer.start()
        yield process.stdout
    except _Ended:
        _end(timer)
        # The process died before the engine could report that it lacks memory.
        raise QueryError(_too_long(limits, raw) if late.is_set() else limits.out_of_memory) from None
    finally:
        _end(timer)
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close(stream)


def _read(stream: IO[bytes], limits: Limits) -> QueryResult:
    """Read an answer in rows, batch by batch."""
    columns: list[str] = []
    rows: list[list[Any]] = []
    left = limits.answer_bytes
    while line := stream.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise QueryError(
                f"the answer has more than {limits.answer_bytes / 2**20:g} MB. Read fewer rows or columns."
            )
        part = _part(line)
        columns = part.get("columns", columns)
        rows += part.get("rows", ())
        if len(rows) > limits.rows:
            raise QueryError(_too_many(limits))
        if part.get("end"):
            return QueryResult(columns, rows)
    raise _Ended


def _read_tables(stream: IO[bytes], limits: Limits) -> "Iterator[pa.Table]":
    """Read an answer in tables. Before each one, a line says how many bytes it has."""
    import pyarrow as pa

    left = limits.rows
    while line := stream.readline():
        part = _part(line)
        if part.get("end"):
            return
        size = int(part["table"])
        if size > limits.answer_bytes:
            raise QueryError(
                f"{part['rows']:,} rows of the answer have more than {limits.answer_bytes / 2**20:g} MB. Read fewer "
                "columns, or shorter texts."
            )
        left -= part["rows"]
        if left < 0:
            raise QueryError(_too_many(limits))
        data = stream.read(size)
        if len(data) < size:
            break
        yield pa.ipc.open_stream(data).read_all()
    raise _Ended


def _part(line: bytes) -> dict[str, Any]:
    """One line of an answer. QueryError: it says that the engine refused the query."""
    try:
        part: dict[str, Any] = from_json(line)
    except ValueError:
        raise _Ended from None  # killed in the middle of a line
    if "refused" in part:
        raise QueryError(str(part["refused"]))
    return part


def _end(timer: threading.Timer) -> None:
    """Let the thread of a timer end. A thread that is alive when Python ends keeps our modules, and then DuckDB's
    library prints a page about leaked functions to standard error (3 of 45 queries on a loaded machine)."""
    timer.cancel()
    timer.join()


def _too_many(limits: Limits) -> str:
    return f"the answer has more than {limits.rows:,} rows. Add a limit to the query, or allow more by --max-rows."


def _too_long(limits: Limits, raw: bool) -> str:
    cure = "Read less, or the marts" if raw else "Read less, or allow more by --timeout"
    return f"the query took longer than {limits.seconds:g} s and was stopped. {cure}."


def _close(stream: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        stream.close()

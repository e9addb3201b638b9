"""The warehouse: one URL → a dlt destination, a SQL connection and a dialect.

DuckDB lets one process open a file for writing and, while it does, no other open it at all, not even
to read. So every use of the file goes through one lock file beside it (`exclusive`), people read a
published copy (`published_path`), and a file that a stranger holds is waited for, then named.
"""

import getpass
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, quote_plus

import duckdb
import psycopg2
from filelock import FileLock, Timeout

from zoho_pipeline.settings import PipelineError, Secret, Settings, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.destination import Destination

RAW_SCHEMA = "zoho_raw"
MARTS_SCHEMA = "marts"
LOCK_SECONDS = 600.0
"""How long a writer waits for another: the longest load step measured (1 M rows, merged) is far below."""
LOAD_MEMORY = "256MB"
"""What DuckDB may use for a load; its own default, 80 % of the machine, is left to those that cannot do with it."""

Dialect = Literal["duckdb", "postgres"]
_held = local()


class WarehouseError(PipelineError):
    """The warehouse cannot be used; the message says what to do."""


class UnknownWarehouse(WarehouseError, UsageError):
    """The URL is not one of a warehouse we know."""


class WarehouseBusy(WarehouseError):
    """Another process holds the DuckDB file."""


class SqlError(WarehouseError):
    """The engine refused or broke off a statement.

    Attributes:
        line: 1-based line within the statement, where the engine told it.
        near: the word at that place, or a name the message quotes; None where there is none.
        position: 0-based offset of that word in the statement (Postgres), where the engine told it.
        kind: the engine's class of error, e.g. `ConversionException`, `UndefinedColumn`.
        of_data: the statement was sound but met a value it could not handle (a cast, a division).
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        near: str | None = None,
        position: int | None = None,
        kind: str = "",
        of_data: bool = False,
    ) -> None:
        super().__init__(message)
        quoted = re.search(r"[\"'](\w+)[\"']", message)
        self.line, self.near = line, near or (quoted.group(1) if quoted else None)
        self.position, self.kind, self.of_data = position, kind, of_data


class Connection:
    """A session in the warehouse, time zone UTC. `?` marks a parameter in either dialect."""

    def __init__(self, raw: Any, dialect: Dialect) -> None:
        self.raw, self.dialect = raw, dialect

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed (-1 where the engine does not say)."""
        if self.dialect == "duckdb":
            with _translated():
                result = self.raw.execute(sql, list(params) or None)
                changed = result.fetchone() if sql.lstrip()[:6].lower() in ("insert", "delete", "update") else None
            return int(changed[0]) if changed else -1
        with self.raw.cursor() as cursor, _translated(sql):
            cursor.execute(*_postgres_call(sql, params))
            return int(cursor.rowcount)

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one query."""
        if self.dialect == "duckdb":
            with _translated():
                result = self.raw.execute(sql, list(params) or None)
                return [column[0] for column in result.description or ()], result.fetchall()
        with self.raw.cursor() as cursor, _translated(sql):
            cursor.execute(*_postgres_call(sql, params))
            if cursor.description is None:
                return [], []
            return [column.name for column in cursor.description], cursor.fetchall()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """One dict a row. Timestamps come with zone UTC where the column has one, decimals as Decimal."""
        names, rows = self.fetch(sql, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def arrow(self, sql: str) -> "pa.Table":
        """The result as an Arrow table. On Postgres through ADBC, in a session of its own that sees
        committed rows alone; decimals come as text there."""
        if self.dialect == "duckdb":
            with _translated():
                table: pa.Table = self.raw.sql(sql).to_arrow_table()
                return table
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(_adbc_uri(self.raw.info)) as connection, connection.cursor() as cursor:
            cursor.execute("set timezone to 'UTC'")
            cursor.execute(sql)
            fetched: pa.Table = cursor.fetch_arrow_table()
            return fetched

    def tables(self, schema: str = RAW_SCHEMA) -> dict[str, dict[str, str]]:
        """Table → column → type (as the engine names it) of a schema; empty where there is none."""
        found: dict[str, dict[str, str]] = {}
        query = (
            "select table_name, column_name, data_type from information_schema.columns"
            " where table_schema = ? order by table_name, ordinal_position"
        )
        for table, column, data_type in self.fetch(query, (schema,))[1]:
            found.setdefault(str(table), {})[str(column)] = str(data_type)
        return found


class Warehouse:
    """Where raw tables and marts live. Make one with `open_warehouse`.

    Attributes:
        url: safe to print: a password in it is struck out.
        path: the DuckDB file (None on Postgres).
        published_path: the DuckDB file people read, replaced whole by each transform (None on Postgres).
        dsn: how to connect, password and all (None on DuckDB).
        sql_role: the Postgres role that people's queries take on; None is the user of the URL.
    """

    def __init__(
        self,
        dialect: Dialect,
        url: str,
        *,
        path: Path | None = None,
        dsn: Secret | None = None,
        sql_role: str | None = None,
    ) -> None:
        self.dialect, self.url, self.path, self._dsn = dialect, url, path, dsn
        self.dsn, self.sql_role = dsn, sql_role
        self.published_path = path.with_name(f"{path.stem}.published.duckdb") if path else None

    def __repr__(self) -> str:
        return f"Warehouse({self.url})"

    def destination(self) -> "Destination[Any, Any]":
        """The dlt destination, credentials given outright: dlt finds nothing in the environment to add."""
        from dlt.destinations import duckdb as dlt_duckdb
        from dlt.destinations import postgres as dlt_postgres

        if self.path is not None:
            from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

            self._make_folder()
            return dlt_duckdb(credentials=DuckDbCredentials(str(self.path)))
        from dlt.destinations.impl.postgres.configuration import PostgresCredentials

        credentials = PostgresCredentials()
        for name, value in self._postgres_parts().items():
            setattr(credentials, name, value)
        credentials.session_timezone = "UTC"
        return dlt_postgres(credentials=credentials)

    @contextmanager
    def exclusive(self, timeout: float = LOCK_SECONDS) -> Iterator[None]:
        """The one-writer lock, and no stranger in the file; waits, then WarehouseBusy. Nothing to hold on Postgres.

        Held per thread: a thread that has it may take it again (`connect` does), another waits.
        """
        with self._lock(timeout):
            if self.path is not None and self.path.exists():
                open_duckdb(self.path, read_only=False, timeout=timeout).close()
            yield

    @contextmanager
    def lend(
        self, destination: "Destination[Any, Any]", memory: str | None = LOAD_MEMORY
    ) -> Iterator[Connection | None]:
        """Hold the warehouse for a step of dlt's, `destination` (one of `destination()`) working in the session given.

        On DuckDB dlt would open and close the file for each part of a load, and each closing writes the staged
        rows to disk once more: 4.4 of 28 s for 300,000 leads. Nothing is held on Postgres, and None given.
        `memory`: what DuckDB may use; None is its own default.
        """
        with self._lock(LOCK_SECONDS):
            if self.path is None:
                with self._postgres(read_only=True):
                    pass  # what cannot be reached is said in one line, not in a step's traceback
                yield None
                return
            from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

            by_path = destination.config_params["credentials"]
            with closing_duckdb(open_duckdb(self.path, read_only=False, timeout=LOCK_SECONDS)) as connection:
                if memory is not None:
                    connection.execute(f"set memory_limit = '{memory}'")
                destination.config_params["credentials"] = DuckDbCredentials(connection.raw)
                try:
                    yield connection
                finally:
                    destination.config_params["credentials"] = by_path

    @contextmanager
    def connect(self, read_only: bool = True, timeout: float = LOCK_SECONDS) -> Iterator[Connection]:
        """A connection; with `read_only=False` the block is one transaction, rolled back on an exception.

        On DuckDB it holds the writer lock for the block. A DuckDB file that is not there yet reads as an
        empty warehouse.
        """
        with self._lock(timeout):
            if self.path is None:
                with self._postgres(read_only) as connection:
                    yield connection
            elif read_only and not self.path.exists():
                with closing_duckdb(duckdb.connect(":memory:")) as connection:
                    yield connection
            else:
                raw = open_duckdb(self.path, read_only=read_only, timeout=timeout)
                with closing_duckdb(raw) as connection, _transaction(connection, wanted=not read_only):
                    yield connection

    def _lock(self, timeout: float) -> AbstractContextManager[None]:
        return nullcontext() if self.path is None else self._file_lock(timeout)

    @contextmanager
    def _file_lock(self, timeout: float) -> Iterator[None]:
        assert self.path is not None
        depths: dict[Path, int] = _held.__dict__.setdefault("depths", {})
        self._make_folder()
        key = self.path.resolve()
        if depths.get(key):
            depths[key] += 1
            try:
                yield
            finally:
                depths[key] -= 1
            return
        lock = FileLock(f"{self.path}.lock", mode=0o600)
        try:
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise WarehouseBusy(
                f"another zoho-pipeline has held {self.path} for {timeout:.0f} s. Let it finish, then try again."
            ) from error
        except OSError as error:
            raise _unusable(self.path, error) from error
        depths[key] = 1
        try:
            yield
        finally:
            depths[key] = 0
            lock.release()

    def _make_folder(self) -> None:
        assert self.path is not None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error

    @contextmanager
    def _postgres(self, read_only: bool) -> Iterator[Connection]:
        assert self._dsn is not None
        try:
            raw = psycopg2.connect(self._dsn.reveal(), connect_timeout=15, application_name="zoho-pipeline")
        except psycopg2.Error as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise WarehouseError(
                f"cannot connect to {self.url}: {reason}. Check ZOHO_PIPELINE_WAREHOUSE and that the server runs."
            ) from None
        try:
            raw.set_session(readonly=read_only)
            connection = Connection(raw, "postgres")
            connection.execute("set timezone to 'UTC'")
            raw.commit()
            yield connection
            raw.commit()
        finally:
            raw.close()  # rolls back what was not committed

    @property
    def takes_parquet(self) -> bool:
        """Whether dlt can load Parquet. It hands ADBC a URL with bare spaces, which libpq refuses: with a space in
        the user, the password or an option, rows go into Postgres as SQL, some ten times slower."""
        parts = psycopg2.extensions.parse_dsn(self._dsn.reveal()) if self._dsn else {}
        return not any(" " in value for value in parts.values())

    def hide(self, text: str) -> str:
        """A text of the engine's, the password struck out in whatever way it is written there."""
        secret = psycopg2.extensions.parse_dsn(self._dsn.reveal()).get("password") if self._dsn else None
        for written in {secret, quote(secret, safe=""), quote(secret, safe=" +"), quote_plus(secret)} if secret else ():
            text = text.replace(written, "***")
        return text

    def _postgres_parts(self) -> dict[str, Any]:
        assert self._dsn is not None
        parts = psycopg2.extensions.parse_dsn(self._dsn.reveal())
        user = parts.pop("user", None) or getpass.getuser()
        if parts.get("host", "/").startswith("/"):  # a socket's folder stands in the query, where libpq looks last
            parts["host"], host = parts.get("host", "/var/run/postgresql"), "localhost"
        else:
            host = parts.pop("host")
        known: dict[str, Any] = {"host": host, "port": int(parts.pop("port", 5432)), "username": user}
        # dlt asks for a password even where the server trusts the socket
        known |= {"database": parts.pop("dbname", user), "password": parts.pop("password", "")}
        return known | {"query": parts}


_NOT_POSTGRES = (
    "ZOHO_PIPELINE_WAREHOUSE is not a Postgres URL: postgresql://user:password@host:port/database "
    "(percent-encode special characters of the password)."
)


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of `settings.warehouse_url`: `duckdb:///path` or `postgresql://…`.

    Nothing is opened or made yet. UnknownWarehouse: another kind of URL, or one without a path.
    """
    kind, _, rest = settings.warehouse_url.partition("://")
    if kind == "duckdb":
        path = rest.removeprefix("/")
        if not rest.startswith("/") or not path or path.startswith(":"):
            raise UnknownWarehouse(
                f"ZOHO_PIPELINE_WAREHOUSE is {settings.warehouse_url!r}: a DuckDB warehouse is a file, duckdb:///path."
            )
        return Warehouse("duckdb", settings.warehouse_url, path=Path(path).expanduser().absolute())
    if kind.partition("+")[0] in ("postgresql", "postgres"):
        dsn = f"postgresql://{rest}"
        try:
            int(psycopg2.extensions.parse_dsn(dsn).get("port", 5432))
        except (psycopg2.ProgrammingError, ValueError):
            raise UnknownWarehouse(_NOT_POSTGRES) from None
        return Warehouse("postgres", _without_password(dsn), dsn=Secret(dsn), sql_role=settings.sql_role)
    known = f" ({kind!r})" if re.fullmatch(r"[a-z0-9+]{1,20}", kind) else ""  # else it may be anything, a password too
    raise UnknownWarehouse(
        f"ZOHO_PIPELINE_WAREHOUSE is of an unknown kind{known}. It takes duckdb:///path or postgresql://…"
    )


def open_duckdb(path: Path, *, read_only: bool, timeout: float) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, UTC; wait while another process (or another thread of this one) holds it."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            raw = duckdb.connect(str(path), read_only=read_only)
            raw.execute("set TimeZone = 'UTC'")
            return raw
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            if "Could not set lock" not in str(error) and "different configuration" not in str(error):
                raise _unusable(path, error) from error
            if time.monotonic() >= deadline:
                holder = re.search(r"held in (.+? \(PID \d+\))", str(error))
                raise WarehouseBusy(
                    f"{path} is open in {holder.group(1) if holder else 'another program'}. Close it there; to read "
                    "beside a running pipeline use `zoho-pipeline sql` or the published file."
                ) from error
            time.sleep(0.1)
        except duckdb.Error as error:
            raise _unusable(path, error) from error


@contextmanager
def closing_duckdb(raw: duckdb.DuckDBPyConnection) -> Iterator[Connection]:
    try:
        yield Connection(raw, "duckdb")
    finally:
        raw.close()


@contextmanager
def _transaction(connection: Connection, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    connection.raw.begin()
    yield
    connection.raw.commit()  # an exception leaves through close(), which rolls back


@contextmanager
def _translated(sql: str = "") -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        data = isinstance(error, (duckdb.DataError, duckdb.InvalidInputException))
        raise SqlError(
            str(error).strip(), line=int(line.group(1)) if line else None, kind=type(error).__name__, of_data=data
        ) from error
    except psycopg2.Error as error:
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


_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?P<mark>\?)|(?P<percent>%)", re.DOTALL)


def _postgres_call(sql: str, params: Sequence[Any]) -> tuple[str, Sequence[Any] | None]:
    """psycopg2's form: `?` outside quotes → `%s`, every `%` doubled; untouched where nothing is bound."""
    if not params:
        return sql, None

    def replace(match: re.Match[str]) -> str:
        return "%s" if match.group("mark") else match.group(0).replace("%", "%%")

    return _QUOTED.sub(replace, sql), params


def _adbc_uri(info: Any) -> str:
    from psycopg2.extensions import make_dsn

    uri: str = make_dsn(**(info.dsn_parameters | ({"password": info.password} if info.password else {})))
    return uri


def _without_password(dsn: str) -> str:
    """The URL as it may be shown; UnknownWarehouse where it is unclear which part of it is the password.

    libpq and Python split a URL differently at a bare @, #, ? or / of a password, and one of them would show it.
    """
    authority, rest = re.fullmatch(r"postgresql://([^/?]*)(.*)", dsn, re.DOTALL).groups()  # type: ignore[union-attr]
    user, at_sign, host = authority.partition("@")
    if any(mark in authority for mark in "# ") or "@" in host or "@" in rest:
        raise UnknownWarehouse(_NOT_POSTGRES)
    shown = f"{user.partition(':')[0]}:***@{host}" if at_sign and ":" in user else authority
    return f"postgresql://{shown}" + re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1***", rest)


def _unusable(path: Path, error: Exception) -> WarehouseError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).strip().splitlines()[0]
    return WarehouseError(f"the warehouse file {path} cannot be used: {reason}. Check ZOHO_PIPELINE_WAREHOUSE.")

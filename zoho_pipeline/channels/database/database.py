"""The registry's database: SQLite in HOME, or Postgres by URL, behind two kinds of transaction.

No connection outlives its transaction (NullPool): the registry is asked a few dozen times a sync, a
hundred channels must not hold a hundred Postgres connections, and a forked worker inherits none.
SQLite keeps its rollback journal rather than a write-ahead log: with a connection a transaction, a log
would be folded back and removed at every close.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.settings import Settings, SettingsError

BUSY_SECONDS = 30.0
"""How long a SQLite transaction waits for another; each lasts milliseconds."""

_ALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A server that cannot be reached any more is noticed within a minute of silence, not after the system's two hours."""

_CONNECT = {**_ALIVE, "tcp_user_timeout": 30_000, "connect_timeout": 10, "application_name": "zoho-pipeline"}


class Database:
    """Where the registry lives.

    Args:
        settings: `registry_url` is the place; HOME is made if it is absent.

    Raises:
        SettingsError: the URL cannot be read, or names a database in memory.
    """

    def __init__(self, settings: Settings) -> None:
        settings.ensure_home()
        self.url = _url(settings.registry_url)
        self.is_postgres = self.url.get_backend_name() == "postgresql"
        self.path = None if self.is_postgres else Path(str(self.url.database)).absolute()
        self.engine = self._postgres_engine() if self.path is None else self._sqlite_engine(self.path)

    @property
    def locks_folder(self) -> Path | None:
        """Where lock files stand: beside the SQLite file, so that all who share it share them."""
        return None if self.path is None else self.path.parent / "locks"

    @property
    def shown(self) -> str:
        """The place as a person may see it: no password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that sees one state.

        Raises:
            RegistryError: the database cannot be reached or read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that commits at the end; on SQLite the only writer from its first line on.

        Raises:
            RegistryError: the database cannot be reached or written.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def now(self) -> datetime:
        """Aware UTC now by the clock that all hosts of this registry share: the server's, or this machine's.

        Raises:
            RegistryError: the database cannot be reached.
        """
        if not self.is_postgres:
            return datetime.now(UTC)
        with self.read() as connection:
            return self.now_in(connection)

    def now_in(self, connection: Connection) -> datetime:
        """`now` inside a transaction that is under way."""
        if not self.is_postgres:
            return datetime.now(UTC)
        found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)

    def one_at_a_time(self, connection: Connection, name: str) -> None:
        """Let no second transaction of this name run before this one has ended.

        This lock ends with the transaction, so it cannot be lost while the transaction still commits. On SQLite a
        transaction that writes is the only one anyhow.
        """
        if self.is_postgres:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": lock_key(f"transaction {name}")})

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(registry_begin=begin)
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise RegistryError(
                f"the channel registry at {self.shown} cannot be used: {self.reason(error)}. Check "
                "ZOHO_PIPELINE_REGISTRY and ZOHO_PIPELINE_HOME, and that this user may write there."
            ) from None  # the driver's text may repeat what was bound

    def reason(self, error: DBAPIError) -> str:
        """The driver's words in one line, without the password."""
        said = " ".join(str(error.orig).split())
        password = str(self.url.password or "")
        return said.replace(password, "***") if password else said

    def _sqlite_engine(self, path: Path) -> Engine:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # the owner's alone whatever the umask
        except OSError as error:
            raise RegistryError(
                f"the channel registry {path} cannot be opened for writing ({error.strerror}). Set ZOHO_PIPELINE_HOME "
                "to a folder you can write, or ZOHO_PIPELINE_REGISTRY to another place."
            ) from error
        engine = create_engine(
            self.url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _postgres_engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=_CONNECT)


def lock_key(name: str) -> int:
    """The number of an advisory lock: 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(f"zoho-pipeline {name}".encode()).digest()[:8], "big", signed=True)


def _url(given: str) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise SettingsError(
            "ZOHO_PIPELINE_REGISTRY cannot be read. It takes sqlite:///path or postgresql://user@host/database."
        ) from None  # the text may carry a password
    if url.get_backend_name() in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg2")
    if not url.database or url.database == ":memory:":
        raise SettingsError("ZOHO_PIPELINE_REGISTRY names a database in memory. It takes a file: sqlite:///path.")
    return url.set(drivername="sqlite+pysqlite")


def _prepare_sqlite(connection: Any, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # the driver must not begin on its own: it would begin without IMMEDIATE
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("registry_begin", "BEGIN"))

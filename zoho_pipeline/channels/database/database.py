"""The registry's database: a SQLite file in HOME, or Postgres, with a transaction to read and one to write.

No connection outlives its transaction (NullPool): a hundred channels must not hold a hundred Postgres connections, and
a forked worker must not inherit one. A batch of syncs keeps a few of them (`kept_open`), because each of its syncs has
a dozen transactions. SQLite uses its rollback journal and not a write-ahead log: with one connection per transaction,
each close would merge the log and remove it.
"""

import copy
import errno
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import NullPool, QueuePool

from zoho_pipeline.channels.errors import DamagedValue, RegistryError
from zoho_pipeline.local_paths import sqlite_path
from zoho_pipeline.settings import Settings, SettingsError

_DAMAGED = re.compile(r"malformed|not a database|no such (table|column)|unsupported file format|already exists", re.I)
"""SQLite's words for a file that is cut, overwritten, or lacks tables."""

BUSY_SECONDS = 30.0
"""How long a SQLite transaction waits for another one. Each takes milliseconds."""

_ALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""With these settings, a server that has gone is noticed after a minute, and not after the system's two hours."""

_CONNECT = {**_ALIVE, "tcp_user_timeout": 30_000, "connect_timeout": 10, "application_name": "zoho-pipeline"}


KEPT = 2
"""Connections that a process keeps open where it writes all the time."""

KEPT_BY_A_BATCH = 6
"""Connections that a batch of syncs keeps open. Its syncs wait for Zoho most of the time, so few read at once."""


class Database:
    """The database of the registry.

    Args:
        settings: `registry_url` names the database. HOME is created if it does not exist.

    Raises:
        SettingsError: the URL cannot be read, or names a database in memory.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = _url(settings.registry_url)
        settings.ensure_home()
        self.is_postgres = self.url.get_backend_name() == "postgresql"
        self.path = None if self.is_postgres else Path(str(self.url.database))
        self.engine = self.lock_engine = (
            self._postgres_engine() if self.path is None else self._sqlite_engine(self.path)
        )
        self._is_kept = False

    @property
    def locks_folder(self) -> Path | None:
        """The folder of lock files, beside the SQLite file: all processes that share the file share the locks. None on
        Postgres."""
        return None if self.path is None else self.path.parent / "locks"

    @property
    def shown(self) -> str:
        """The database as a person may see it, without the password and the parameters, which may hold a password."""
        return str(self.path) if self.path else self.url.set(query={}).render_as_string(hide_password=True)

    def keeping_connections(self, kept: int = KEPT, most: int | None = 2 * KEPT) -> "Database":
        """The same database with a few connections that stay open, for a process that uses it many times per second.

        On Postgres each new connection starts a process of the server, and on SQLite each one reads the schema: both
        cost more than the transaction. A SQLite file that somebody replaces is opened anew. Locks have sessions of
        their own (`lock_engine`): on Postgres a lock would stay with the kept connection.

        Args:
            kept: the connections that stay open.
            most: the most connections at once; who needs another one waits. None means no limit.
        """
        same = copy.copy(self)
        same.engine, same._is_kept = self._keeping_engine(kept, most), True
        return same

    @contextmanager
    def kept_open(self, kept: int = KEPT_BY_A_BATCH) -> Iterator[None]:
        """Let everybody who has this object use a few connections that stay open meanwhile, as `keeping_connections`.

        Whoever finds none free opens one, so nobody waits.
        """
        if self._is_kept:
            yield
            return
        alone, self.engine, self._is_kept = self.engine, self._keeping_engine(kept, None), True
        try:
            yield
        finally:
            keeping, self.engine, self._is_kept = self.engine, alone, False
            keeping.dispose()

    def _keeping_engine(self, kept: int, most: int | None) -> Engine:
        pool = {"pool_size": kept, "max_overflow": -1 if most is None else most - kept}
        if self.path is None:
            return create_engine(self.url, hide_parameters=True, connect_args=_CONNECT, pool_pre_ping=True, **pool)
        engine = self._sqlite_engine(self.path, poolclass=QueuePool, **pool)
        event.listen(engine, "connect", partial(_note_file, self.path))
        event.listen(engine, "checkout", partial(_check_file, self.path))
        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that reads one state.

        Raises:
            RegistryError: the database cannot be reached or read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that commits at the end. On SQLite it is the only writer from its beginning.

        Raises:
            RegistryError: the database cannot be reached or written.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def erase_deleted(self) -> None:
        """Write the SQLite file anew: rows that an earlier release deleted may still be readable in it.

        Postgres does this by its own VACUUM.

        Raises:
            RegistryError: another process has written for BUSY_SECONDS.
        """
        if self.is_postgres:
            return
        try:
            with self.engine.connect() as connection:
                connection.connection.execute("VACUUM")
        except (DBAPIError, sqlite3.Error) as error:
            raise RegistryError(f"the channel registry at {self.shown} cannot be written anew: {error}.") from None

    def now(self) -> datetime:
        """Aware UTC now, by the clock that all hosts of this registry share: the server's, or this machine's on SQLite.

        Raises:
            RegistryError: the database cannot be reached.
        """
        if not self.is_postgres:
            return datetime.now(UTC)
        with self.read() as connection:
            return self.now_in(connection)

    def now_in(self, connection: Connection) -> datetime:
        """`now` inside an open transaction."""
        if not self.is_postgres:
            return datetime.now(UTC)
        found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)

    def one_at_a_time(self, connection: Connection, name: str) -> None:
        """Make other transactions of this name wait until this one has ended.

        The lock ends with the transaction, so it cannot be lost before the commit. SQLite needs no lock: it has one
        writer.
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
            raise RegistryError(self._explained(error)) from None  # the driver's text may repeat values
        except DamagedValue:
            raise RegistryError(
                f"a row of the channel registry at {self.shown} is damaged. Put it back from a backup. If there is "
                "none and one channel does not work, run zoho-pipeline channels remove with its id, then connect it "
                "again and set its settings again: its rows in the warehouse stay."
            ) from None

    def _explained(self, error: DBAPIError) -> str:
        """What is wrong with the database, and what to do about it."""
        reason = self.reason(error)
        if self.path is not None and _DAMAGED.search(reason):
            return _damaged(self.path, reason)
        if self.path is not None and "locked" in reason:
            return (
                f"the channel registry {self.path} has been locked for {BUSY_SECONDS:g} s. Close the program that has "
                "it open, then try again."
            )
        return (
            f"the channel registry at {self.shown} cannot be used: {reason}. Check ZOHO_PIPELINE_REGISTRY and "
            "ZOHO_PIPELINE_HOME, and that this user may write there."
        )

    def reason(self, error: DBAPIError) -> str:
        """The driver's message in one line, without the password."""
        message = " ".join(str(error.orig).split())
        given = (text for texts in self.url.normalized_query.values() for text in texts)
        for value in (str(self.url.password or ""), *given):
            message = message.replace(value, "***") if value else message
        return message

    def _sqlite_engine(self, path: Path, **pool: Any) -> Engine:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_file(path)
        except OSError as error:
            if path.is_dir():
                raise RegistryError(_damaged(path, "it is a folder")) from error
            raise RegistryError(
                f"the channel registry {path} cannot be opened for writing ({error.strerror}). Set ZOHO_PIPELINE_HOME "
                "to a folder that you may write, or ZOHO_PIPELINE_REGISTRY to another database."
            ) from error
        pool = pool or {"poolclass": NullPool}
        engine = create_engine(self.url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}, **pool)
        event.listen(engine, "do_connect", partial(_refuse_missing_file, path))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _postgres_engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=_CONNECT)


def lock_key(name: str) -> int:
    """The number of an advisory lock: a signed 64-bit integer made from its name."""
    return int.from_bytes(hashlib.sha256(f"zoho-pipeline {name}".encode()).digest()[:8], "big", signed=True)


def _damaged(path: Path, reason: str) -> str:
    named, put = f"the channel registry {path} is damaged ({reason})", "Put"
    if re.search(r"not a database|folder", reason):
        named += (
            ", or it never was the registry. If it belongs to something else, leave it there, and name another "
            "database in ZOHO_PIPELINE_REGISTRY (sqlite:///PATH)"
        )
        put = "If it was the registry, put"
    return (
        f"{named}. {put} it back from a backup. If there is none, move it "
        "away, and connect each channel again (`zoho-pipeline connect ID` or `zoho-pipeline channels add ID …`): the "
        "rows in the warehouse stay."
    )


def _url(given: str) -> URL:
    if given.partition("://")[0].partition("+")[0].lower() == "sqlite":
        try:
            return URL.create("sqlite+pysqlite", database=str(sqlite_path(given)), query=make_url(given).query)
        except (ArgumentError, ValueError) as error:
            raise SettingsError(f"ZOHO_PIPELINE_REGISTRY {error}") from None
    try:
        url = make_url(given)
        if "@" in f"{url.host} {url.database}":  # a bare @ in the password: a part of it would be shown as the host
            raise ValueError
    except (ArgumentError, ValueError):
        raise SettingsError(
            "ZOHO_PIPELINE_REGISTRY cannot be read. Use sqlite:///path or postgresql://user:password@host/database, "
            "and percent-encode special characters of the password (@ is %40)."
        ) from None  # the text may hold a password
    if url.get_backend_name() in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg2")
    raise SettingsError("ZOHO_PIPELINE_REGISTRY is of an unknown kind. Use sqlite:///path or postgresql://…")


def _make_file(path: Path) -> None:
    """Make the file, so that only its owner may read it, whatever the umask is. OSError: it cannot be used.

    A file that exists is never opened here: closing it would drop the locks that SQLite holds for other threads of this
    process, and another process could write at the same time.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    elif not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _refuse_missing_file(path: Path, dialect: Any, record: Any, args: Any, options: Any) -> None:  # noqa: ARG001
    """SQLite makes a file that is missing. After somebody moved HOME away, a server would leave an empty registry."""
    if not path.exists():
        raise sqlite3.OperationalError("the file is not there any more")


def _prepare_sqlite(connection: Any, record: Any) -> None:  # noqa: ARG001
    # a text that is no UTF-8 would end every statement that reads its row, and hide all other rows of a list with it
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.isolation_level = None  # else the driver would begin transactions itself, without IMMEDIATE
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # a deleted row is overwritten, so that nobody can read it later
    connection.execute("PRAGMA temp_store = MEMORY")  # otherwise VACUUM would write to the system's temporary folder


def _note_file(path: Path, connection: Any, record: Any) -> None:  # noqa: ARG001
    """Remember which file a kept connection has open."""
    record.info["file"] = _identity(path)


def _check_file(path: Path, connection: Any, record: Any, proxy: Any) -> None:  # noqa: ARG001
    """Refuse a kept connection whose file was replaced, for example by a backup: its rows would reach nobody."""
    if record.info["file"] != _identity(path):
        raise DisconnectionError


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("registry_begin", "BEGIN"))

"""A lock for all hosts that share a Postgres registry: an advisory lock of a session that does nothing else.

The lock ends with its session, for whatever reason: a server restart, an administrator, a firewall. The server does
not tell the holder, so a holder calls `why_lost` before each step that only one process may take.
"""

import time
from contextlib import suppress
from threading import Lock
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from zoho_pipeline.channels.database.database import Database, lock_key
from zoho_pipeline.channels.errors import RegistryError

POLL_SECONDS = 0.1
ANSWER_MILLISECONDS = 10_000

_SESSION = {
    "statement_timeout": str(ANSWER_MILLISECONDS),
    "idle_session_timeout": "0",  # the session is idle while the sync runs
    # without these settings, the server would keep the lock of a dead host for two hours
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_CONFIGURE = text(
    "select set_config(s.name, :value, false) from pg_settings s where s.name = :name"  # if the server knows the name
)
_ACQUIRE = text("select pg_try_advisory_lock(:key)")
# a new session holds no lock, unless another client works in the same session
_ACQUIRE_FIRST = text(
    "select case when exists (select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"
    " then null else pg_try_advisory_lock(:key) end"
)
_HELD = text(
    "select pg_backend_pid() = :pid and exists (select 1 from pg_locks where locktype = 'advisory'"
    " and pid = pg_backend_pid() and granted and objsubid = 1"
    " and classid::bigint = :high and objid::bigint = :low"
    " and database = (select oid from pg_database where datname = current_database()))"
)
_PID = text("select pg_backend_pid()")

_direct: set[str] = set()
"""Registries that this process reaches without a pooler in transaction mode."""


class SessionLockHolder:
    """Acquires, checks and releases the advisory lock of a name. Each holder needs an object of its own."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = lock_key(name)
        self._guard = Lock()
        self._connection: Connection | None = None
        self._pid = 0
        self._lost: str | None = None

    def acquire(self, seconds: float) -> bool:
        """Try to acquire the lock for so many seconds; whether it was acquired.

        Raises:
            RegistryError: the server cannot be reached, or only through a pooler that shares sessions.
        """
        deadline = time.monotonic() + seconds
        try:
            if self._connection is None:
                self._connection = self._open()
                got = self._connection.scalar(_ACQUIRE_FIRST, {"key": self._key})
                if got is None:
                    raise _pooled(self._database)
            else:
                got = self._connection.scalar(_ACQUIRE, {"key": self._key})
            while not got and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                got = self._connection.scalar(_ACQUIRE, {"key": self._key})
        except DBAPIError as error:
            self.release()
            raise RegistryError(
                f"the channel registry at {self._database.shown} cannot be reached for a lock: "
                f"{self._database.reason(error)}"
            ) from None
        except BaseException:
            self.release()
            raise
        return bool(got)

    def why_lost(self) -> str | None:
        """Why the lock is no longer held; None while it is held. A lost lock stays lost."""
        with self._guard:
            self._lost = self._lost or self._check()
            return self._lost

    def release(self) -> None:
        """End the session, which ends the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):  # the session may have ended before
                connection.close()

    def _check(self) -> str | None:
        if self._connection is None:
            return "it was released"
        number = self._key % 2**64
        lock: dict[str, Any] = {"pid": self._pid, "high": number >> 32, "low": number % 2**32}
        try:
            held = self._connection.scalar(_HELD, lock)
        except SQLAlchemyError as error:
            why = self._database.reason(error) if isinstance(error, DBAPIError) else str(error)
            return f"its database session ended: {why}"
        return None if held else "its database session no longer holds it"

    def _open(self) -> Connection:
        connection = self._database.lock_engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            _refuse_pooler(self._database, connection)
            for name, value in _SESSION.items():
                connection.execute(_CONFIGURE, {"name": name, "value": value})
            self._pid = int(connection.execute(_PID).scalar_one())
        except BaseException:
            connection.close()
            raise
        return connection


def _refuse_pooler(database: Database, connection: Connection) -> None:
    """Refuse a pooler that gives one session of the server to two open connections.

    Each process checks a registry once. The check can miss a busy pooler, which may give two different sessions.
    """
    if database.url.render_as_string(hide_password=True) in _direct:
        return
    first = connection.execute(_PID).scalar_one()
    with database.lock_engine.connect() as other, other.begin():
        second = other.execute(_PID).scalar_one()
        if second == first or connection.execute(_PID).scalar_one() != first:
            raise _pooled(database)
    _direct.add(database.url.render_as_string(hide_password=True))


def _pooled(database: Database) -> RegistryError:
    return RegistryError(
        f"the channel registry at {database.shown} is reached through a pooler in transaction mode. Several "
        "clients share one session of the server, so no lock works between them. Set ZOHO_PIPELINE_REGISTRY to the "
        "server itself, or to a pooler in session mode."
    )

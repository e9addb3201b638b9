"""Kept sessions that read the published marts in Postgres. Each block is one read-only transaction on one state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2

from zoho_pipeline.settings import Secret
from zoho_pipeline.warehouse.connection import (
    MARTS_SCHEMA,
    STATE_SCHEMA,
    Connection,
    PublishedPool,
    WarehouseBusy,
    WarehouseError,
)
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection

SESSIONS = 8
WAIT_SECONDS = 10.0


class PostgresPublished(PublishedPool):
    """A pool of at most `sessions` sessions.

    Args:
        dsn: the URL with its password.
        shown: the URL without it, for messages.
    """

    def __init__(self, dsn: Secret, shown: str, sessions: int = SESSIONS, wait: float = WAIT_SECONDS) -> None:
        self._dsn, self._shown, self._wait = dsn, shown, wait
        self._free = threading.BoundedSemaphore(sessions)
        self._lock = threading.Lock()
        self._idle: list[psycopg2.extensions.connection] = []

    def publication(self) -> str | None:
        with self._transaction() as connection:
            return _publication(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        with self._transaction() as connection:
            yield connection if _publication(connection) else None

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for raw in idle:
            raw.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if not self._free.acquire(timeout=self._wait):
            raise WarehouseBusy(f"all sessions to {self._shown} have been in use for {self._wait:g} s. Try again.")
        raw = None
        try:
            raw = self._begun()
            connection = PostgresConnection(raw)
            with connection.naming_grants():
                yield connection
            raw.rollback()
            with self._lock:
                self._idle.append(raw)
            raw = None
        finally:
            if raw is not None:
                with suppress(psycopg2.Error):
                    raw.close()
            self._free.release()

    def _begun(self) -> psycopg2.extensions.connection:
        """A session with a begun transaction. Sessions that the server closed meanwhile are dropped."""
        while True:
            with self._lock:
                raw = self._idle.pop() if self._idle else None
            is_kept = raw is not None
            raw = raw or self._opened()
            try:
                with raw.cursor() as cursor:  # the settings end with the transaction: a pooler may share the session
                    cursor.execute(
                        "select set_config('search_path', %s, true), set_config('timezone', 'UTC', true)",
                        (MARTS_SCHEMA,),
                    )
                return raw
            except psycopg2.Error as error:
                raw.close()
                if not is_kept:
                    raise self._unreachable(error) from None

    def _opened(self) -> psycopg2.extensions.connection:
        try:
            raw = psycopg2.connect(self._dsn.reveal(), connect_timeout=15, application_name="zoho-pipeline web")
        except psycopg2.Error as error:
            raise self._unreachable(error) from None
        raw.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return raw

    def _unreachable(self, error: psycopg2.Error) -> WarehouseError:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        return WarehouseError(
            f"cannot connect to {self._shown}: {reason}. Check ZOHO_PIPELINE_WAREHOUSE and that the server runs."
        )


def _publication(connection: Connection) -> str | None:
    """Each publication writes the list of the marts anew, so the transaction that wrote it names the publication."""
    table = f"{STATE_SCHEMA}.published_marts"
    if connection.fetch("select to_regclass(?)", (table,))[1][0][0] is None:
        return None
    rows = connection.fetch(f"select xmin::text from {table} limit 1")[1]  # noqa: S608
    return str(rows[0][0]) if rows else None

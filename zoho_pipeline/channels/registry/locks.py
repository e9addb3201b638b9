"""Locks over processes: one sync a channel, one mint a connection, one migration a registry.

On Postgres they are advisory locks of a session, so every host that shares the registry shares them;
on SQLite they are file locks beside the registry's file. Both go away with the process that holds
them, however it dies.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import local

from filelock import FileLock, Timeout
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from zoho_pipeline.channels.errors import ChannelBusy, RegistryError
from zoho_pipeline.channels.registry.database import Database
from zoho_pipeline.settings import Settings

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.1

_held = local()


class LockTimeout(Exception):
    """Somebody else held the lock for the whole wait."""


@contextmanager
def exclusive(database: Database, name: str, wait: float, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock `name` against every other thread and process.

    Args:
        wait: seconds to wait for another holder; 0 tries once.
        on_wait: called once, if there is somebody to wait for.

    Raises:
        LockTimeout: another holder kept it for `wait` seconds.
        RegistryError: the lock itself cannot be had (unwritable folder, unreachable server).
    """
    acquire = _postgres_lock(database, name) if database.is_postgres else _file_lock(database, name)
    with acquire(0.0) as first:
        if first:
            yield
            return
    if on_wait:
        on_wait()
    with acquire(wait) as got:
        if not got:
            raise LockTimeout(name)
        yield


@contextmanager
def channel_lock(
    settings: Settings, channel_id: str, *, wait: float = WAIT_SECONDS, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Be the only one who syncs or changes the rows of a channel.

    A thread that holds the lock may take it again (purge inside remove).

    Args:
        wait: seconds to wait for another holder before leaving; 0 leaves at once.
        on_wait: called once, if there is somebody to wait for.

    Raises:
        ChannelBusy: another process, or another thread, kept it for `wait` seconds.
    """
    database = Database(settings)
    key = (database.shown, channel_id)
    mine: set[tuple[str, str]] = _held.__dict__.setdefault("keys", set())
    if key in mine:
        yield
        return
    try:
        with exclusive(database, f"channel {channel_id}", wait, on_wait):
            mine.add(key)
            try:
                yield
            finally:
                mine.discard(key)
    except LockTimeout:
        raise ChannelBusy(
            f"channel {channel_id} is being worked on by another process, which did not finish within {wait:g} s. "
            "Nothing was done. Try again when it is through."
        ) from None


Acquire = Callable[[float], "_Attempt"]


class _Attempt:
    """`with acquire(seconds) as got:` holds the lock inside when `got` is true."""

    def __init__(self, take: Callable[[], bool], release: Callable[[], None]) -> None:
        self._take, self._release, self._got = take, release, False

    def __enter__(self) -> bool:
        self._got = self._take()
        return self._got

    def __exit__(self, *_: object) -> None:
        if self._got:
            self._release()


def lock_path(folder: Path, name: str) -> Path:
    """A lock's file: readable where the name allows, and never two names in one file."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return folder / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:12]}.lock"


def _file_lock(database: Database, name: str) -> Acquire:
    folder = database.locks_folder
    assert folder is not None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(f"the folder of lock files {folder} cannot be made ({error.strerror}).") from error
    # one object an attempt: file locks of two objects exclude each other, also between threads
    lock = FileLock(lock_path(folder, name), mode=0o600, thread_local=False)

    def attempt(seconds: float) -> _Attempt:
        def take() -> bool:
            try:
                lock.acquire(timeout=seconds, poll_interval=POLL_SECONDS)
            except Timeout:
                return False
            except OSError as error:
                raise RegistryError(f"the lock file {lock.lock_file} cannot be used ({error.strerror}).") from error
            return True

        return _Attempt(take, lock.release)

    return attempt


def _postgres_lock(database: Database, name: str) -> Acquire:
    key = int.from_bytes(hashlib.sha256(f"zoho-pipeline {name}".encode()).digest()[:8], "big", signed=True)

    def attempt(seconds: float) -> _Attempt:
        connection = None

        def take() -> bool:
            nonlocal connection
            deadline = time.monotonic() + seconds
            try:
                connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                while not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": key}):
                    if time.monotonic() >= deadline:
                        connection.close()
                        return False
                    time.sleep(POLL_SECONDS)
            except DBAPIError as error:
                raise RegistryError(
                    f"the channel registry at {database.shown} cannot be reached for a lock: "
                    f"{' '.join(str(error.orig).split())}"
                ) from None
            return True

        def release() -> None:
            assert connection is not None
            connection.close()  # the session ends, and with it the lock

        return _Attempt(take, release)

    return attempt

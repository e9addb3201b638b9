"""Locks over processes: one sync a channel, one mint a connection, one migration a registry.

On Postgres they are advisory locks of a session, so every host that shares the registry shares them;
on SQLite they are file locks beside the registry's file. Both go away with the process that holds
them, however it dies. Both can be lost while it lives, too: the session ends, somebody removes the file.
So a holder calls `ensure_held` before each step that nobody else may take.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Protocol

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.file_lock import FileHold
from zoho_pipeline.channels.database.session_lock import SessionHold
from zoho_pipeline.channels.errors import ChannelBusy, LockLost
from zoho_pipeline.settings import Settings

WAIT_SECONDS = 30.0

_held = local()


class LockTimeout(Exception):
    """Somebody else held the lock for the whole wait."""


class Hold(Protocol):
    """One way to hold a lock: a file of this machine, or a session of the server."""

    def take(self, seconds: float) -> bool: ...

    def why_lost(self) -> str | None: ...

    def release(self) -> None: ...


class HeldLock:
    """A lock that this process holds, as far as it knows."""

    def __init__(self, name: str, hold: Hold) -> None:
        self._name, self._hold = name, hold

    def ensure_held(self) -> None:
        """Do nothing while the lock is held.

        Raises:
            LockLost: it is not; somebody else may hold it by now.
        """
        if why := self._hold.why_lost():
            raise LockLost(
                f"{self._name}: the lock that keeps other runs out was lost ({why}). This run stops here, because "
                "another one may have begun. What it finished stands. Run the command again."
            )


@contextmanager
def exclusive(
    database: Database, name: str, wait: float, on_wait: Callable[[], None] | None = None
) -> Iterator[HeldLock]:
    """Hold the lock `name` against every other thread and process.

    Args:
        wait: seconds to wait for another holder; 0 tries once.
        on_wait: called once, if there is somebody to wait for.

    Raises:
        LockTimeout: another holder kept it for `wait` seconds.
        RegistryError: the lock itself cannot be had (unwritable folder, unreachable server).
    """
    hold: Hold = SessionHold(database, name) if database.is_postgres else FileHold(database, name)
    if not hold.take(0.0):
        if on_wait:
            on_wait()
        if not hold.take(wait):
            hold.release()
            raise LockTimeout(name)
    try:
        yield HeldLock(name, hold)
    finally:
        hold.release()


@contextmanager
def channel_lock(
    settings: Settings,
    channel_id: str,
    *,
    wait: float = WAIT_SECONDS,
    on_wait: Callable[[], None] | None = None,
    kind: str = "channel",
) -> Iterator[HeldLock]:
    """Be the only one who syncs or changes the rows of a channel.

    A thread that holds the lock may take it again (purge inside remove).

    Args:
        wait: seconds to wait for another holder before leaving; 0 leaves at once.
        on_wait: called once, if there is somebody to wait for.
        kind: `channel`, or `content` for its catalogue, which a long sync does not hold up.

    Raises:
        ChannelBusy: another process, or another thread, kept it for `wait` seconds.
    """
    database = Database(settings)
    name = f"{kind} {channel_id}"
    key = (database.shown, name)
    mine: dict[tuple[str, str], HeldLock] = _held.__dict__.setdefault("locks", {})
    if key in mine:
        yield mine[key]
        return
    try:
        with exclusive(database, name, wait, on_wait) as lock:
            mine[key] = lock
            try:
                yield lock
            finally:
                del mine[key]
    except LockTimeout:
        raise ChannelBusy(
            f"{name} is being worked on by another process, which did not finish within {wait:g} s. "
            "Nothing was done. Try again when it is through."
        ) from None

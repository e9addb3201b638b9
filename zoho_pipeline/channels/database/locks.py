"""Locks between processes: one sync per channel, one token request per connection, one migration per registry.

On Postgres they are advisory locks of a session, so all hosts that share the registry share them. On SQLite they are
file locks beside the registry's file. Both end with the process that holds them, even if it is killed. Both can also
be lost while it lives: the session ends, or somebody removes the file. So a holder calls `ensure_held` before each
step that only one process may take.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Protocol

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.file_lock import FileLockHolder
from zoho_pipeline.channels.database.session_lock import SessionLockHolder
from zoho_pipeline.channels.errors import ChannelBusy, LockLost
from zoho_pipeline.settings import Settings

WAIT_SECONDS = 30.0

_held = local()
_known: dict[tuple[str, str], Database] = {}
MOST_KNOWN = 8


class LockTimeout(Exception):
    """Another holder kept the lock for the whole wait."""


class LockHolder(Protocol):
    """A way to hold a lock: a file on this machine, or a session of the server."""

    def acquire(self, seconds: float) -> bool: ...

    def why_lost(self) -> str | None: ...

    def release(self) -> None: ...


class HeldLock:
    """A lock that this process holds, as far as it knows."""

    def __init__(self, name: str, holder: LockHolder) -> None:
        self._name, self._holder = name, holder

    def ensure_held(self) -> None:
        """Do nothing if the lock is still held.

        Raises:
            LockLost: it is not. Another process may hold it now.
        """
        if why := self._holder.why_lost():
            raise LockLost(
                f"{self._name}: the lock that keeps other runs out was lost ({why}). This run stops, because another "
                "one may have begun. Its finished steps are kept. Run the command again."
            )


@contextmanager
def exclusive(
    database: Database, name: str, wait: float, on_wait: Callable[[], None] | None = None
) -> Iterator[HeldLock]:
    """Hold the lock `name` against all other threads and processes.

    Args:
        wait: seconds to wait for another holder; 0 tries once.
        on_wait: called once, if another holder has the lock.

    Raises:
        LockTimeout: another holder kept it for `wait` seconds.
        RegistryError: the lock cannot be used (the folder is not writable, the server is not reachable).
    """
    holder: LockHolder = SessionLockHolder(database, name) if database.is_postgres else FileLockHolder(database, name)
    if not holder.acquire(0.0):
        if on_wait:
            on_wait()
        if not holder.acquire(wait):
            holder.release()
            raise LockTimeout(name)
    try:
        yield HeldLock(name, holder)
    finally:
        holder.release()


@contextmanager
def channel_lock(
    settings: Settings,
    channel_id: str,
    *,
    wait: float = WAIT_SECONDS,
    on_wait: Callable[[], None] | None = None,
    kind: str = "channel",
) -> Iterator[HeldLock]:
    """Be the only thread that syncs a channel or changes its rows.

    A thread that holds the lock may enter it again (a purge inside a removal).

    Args:
        wait: seconds to wait for another holder; 0 tries once.
        on_wait: called once, if another holder has the lock.
        kind: `channel`, or `content` for its content catalogue, which does not wait for a long sync.

    Raises:
        ChannelBusy: another process or thread kept the lock for `wait` seconds.
    """
    database = _database_of(settings)
    name = f"{kind} {channel_id}"
    key = (database.url.render_as_string(hide_password=True), name)  # `shown` lacks the schema
    own: dict[tuple[str, str], HeldLock] = _held.__dict__.setdefault("locks", {})
    if key in own:
        yield own[key]
        return
    try:
        with exclusive(database, name, wait, on_wait) as lock:
            own[key] = lock
            try:
                yield lock
            finally:
                del own[key]
    except LockTimeout:
        raise ChannelBusy(
            f"{name} is in use by another process, which did not finish within {wait:g} s. Nothing was done. "
            "Try again when it has finished."
        ) from None


def _database_of(settings: Settings) -> Database:
    """The database of these settings: one object per registry. A new one asks a Postgres server what it is, four
    questions for each lock."""
    key = (settings.registry_url, str(settings.home))
    found = _known.get(key)
    if found is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        found = _known[key] = Database(settings)
    return found

"""A lock for one machine: a file beside the registry's file."""

import hashlib
import os
import re
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError

POLL_SECONDS = 0.1


class FileLockHolder:
    """Acquires, checks and releases the file lock of a name. Each holder needs an object of its own."""

    def __init__(self, database: Database, name: str) -> None:
        folder = database.locks_folder
        assert folder is not None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryError(
                f"the folder {folder} for lock files cannot be created ({error.strerror}). Remove what is in its "
                "place, if anything, and check that this user may write there."
            ) from error
        self._path = lock_path(folder, name)
        # file locks of two objects exclude each other, also between threads
        self._lock = FileLock(self._path, mode=0o600, thread_local=False)

    def acquire(self, seconds: float) -> bool:
        """Try to acquire the lock for so many seconds; whether it was acquired."""
        try:
            self._lock.acquire(timeout=seconds, poll_interval=POLL_SECONDS)
        except Timeout:
            return False
        except OSError as error:
            raise RegistryError(
                f"the lock file {self._path} cannot be used ({error.strerror}). Remove it if it is a folder or a link, "
                "and check that this user may write there."
            ) from error
        self._descriptor()  # fails here, and not in the middle of a sync
        return True

    def why_lost(self) -> str | None:
        """Why the lock is no longer held; None while it is held.

        The lock belongs to the file, not to its name: if the file is removed, another process locks a new one.
        """
        descriptor = self._descriptor()
        if descriptor is None:
            return "it was released"
        held = os.fstat(descriptor)
        try:
            named = self._path.stat()
        except OSError:
            return f"the lock file {self._path} was removed"
        same = (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
        return None if same else f"the lock file {self._path} was replaced"

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _descriptor(self) -> int | None:
        """The open lock file; None if the lock is not held. filelock has no public way to it.

        Raises:
            RegistryError: this release of filelock keeps it in another place.
        """
        try:
            return self._lock._context.lock_file_fd
        except AttributeError:
            raise RegistryError(
                f"filelock {version('filelock')} does not work with this release of zoho-pipeline. Install the version "
                "that requirements.lock names."
            ) from None


def lock_path(folder: Path, name: str) -> Path:
    """The file of a lock: a readable name as far as possible, and a different file for each name."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return folder / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:12]}.lock"

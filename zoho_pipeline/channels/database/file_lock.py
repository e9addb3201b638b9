"""A lock of one machine: a file beside the registry's file."""

import hashlib
import os
import re
from pathlib import Path

from filelock import FileLock, Timeout

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError

POLL_SECONDS = 0.1


class FileHold:
    """Takes, looks at and gives back the file lock of a name; not to be shared by two holders."""

    def __init__(self, database: Database, name: str) -> None:
        folder = database.locks_folder
        assert folder is not None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryError(f"the folder of lock files {folder} cannot be made ({error.strerror}).") from error
        self._path = lock_path(folder, name)
        # one object a holder: file locks of two objects exclude each other, also between threads
        self._lock = FileLock(self._path, mode=0o600, thread_local=False)

    def take(self, seconds: float) -> bool:
        """Whether the lock could be had within so many seconds."""
        try:
            self._lock.acquire(timeout=seconds, poll_interval=POLL_SECONDS)
        except Timeout:
            return False
        except OSError as error:
            raise RegistryError(f"the lock file {self._path} cannot be used ({error.strerror}).") from error
        return True

    def why_lost(self) -> str | None:
        """Why the lock keeps nobody away any more; None while it does.

        The lock is on the file, not on its name: once the file is removed, another process locks a new one.
        """
        held = self._lock._context.lock_file_fd
        if held is None:
            return "it was given back"
        ours = os.fstat(held)
        try:
            there = self._path.stat()
        except OSError:
            return f"the lock file {self._path} was removed"
        same = (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
        return None if same else f"the lock file {self._path} was replaced"

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


def lock_path(folder: Path, name: str) -> Path:
    """A lock's file: readable where the name allows, and never two names in one file."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return folder / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:12]}.lock"

"""A folder on disk for one loader only.

Two processes may both assume that they have the lock of a channel, because one of them lost it. They must not write
into each other's packages. So each loader has its own folder, which it locks as long as it runs. The next loader
removes the folders of loaders that have ended.
"""

import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK = ".lock"


class WorkFolder:
    """A new folder under `parent`. Its lock ends with this object or with the process."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_dead(parent)
        self.path = parent / secrets.token_hex(4)
        # the lock is made before the folder: a folder without a lock belongs to a loader that has ended
        self._lock = FileLock(f"{self.path}{_LOCK}", mode=0o600, thread_local=False)
        self._lock.acquire(timeout=10)
        self.path.mkdir(mode=0o700)

    def clear(self) -> None:
        """Remove the folder and its content."""
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_dead(parent: Path) -> None:
    """Remove the folders of loaders that have ended, and the files that an earlier release left there."""
    alive = set()
    for file in parent.glob(f"*{_LOCK}"):
        lock = FileLock(file, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            alive |= {file.name, file.name.removesuffix(_LOCK)}
            continue
        shutil.rmtree(file.with_suffix(""), ignore_errors=True)
        file.unlink(missing_ok=True)
        lock.release()
    for path in parent.iterdir():
        if path.name not in alive and not path.with_name(path.name + _LOCK).exists() and path.suffix != _LOCK:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

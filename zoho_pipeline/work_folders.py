"""Folders for files that live only as long as their process: downloads, rows that an engine spills, dlt's packages.

They hold personal data, so they are below HOME and never in the temporary folder of the system. A killed process cannot
remove its own. So each folder has a lock file that ends with the process, and the next command removes the folders
without a holder.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

from filelock import FileLock, Timeout

TEMPORARY, DLT = "tmp", "dlt"
"""The folders in HOME that have such folders: downloads and spilled rows, and one per pipeline of dlt."""
_LOCK = ".lock"
_own: "WeakSet[WorkFolder]" = WeakSet()


class WorkFolder:
    """A new folder under `parent`, for one user only. Its lock ends with this object, or with the process.

    Two processes may both believe that they hold a channel, because one lost its lock. They must not write into each
    other's packages. So each loader works in a folder of its own, and locks it as long as it lives.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_dead(parent)
        while True:
            self.path = parent / secrets.token_hex(4)
            # the lock comes before the folder: a folder without a lock belongs to a dead process
            self._lock = FileLock(f"{self.path}{_LOCK}", mode=0o600, thread_local=False)
            self._lock.acquire(timeout=10)
            with suppress(FileNotFoundError):
                os.utime(f"{self.path}{_LOCK}")
                break
            self._lock.release()  # `remove_dead` of another process took the new lock file for a dead one
        self.path.mkdir(mode=0o700)
        _own.add(self)

    def clear(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder and its lock."""
        _own.discard(self)
        self.clear()
        Path(f"{self.path}{_LOCK}").unlink(missing_ok=True)
        self._lock.release()

    def close_in_use(self) -> None:
        """`close`, while a thread may still work in the folder. It sees all of the folder, or nothing of it.

        dlt takes a package whose waiting files vanish one after the other for one that is loaded, and notes it so: the
        cursor would be true without its rows.
        """
        with suppress(OSError):
            gone = self.path.rename(f"{self.path}.gone")  # without a lock of this name, it belongs to nobody
            shutil.rmtree(gone, ignore_errors=True)
        self.close()


@contextmanager
def spill_folder(parent: Path, *, reading: bool = False) -> Iterator[Path | None]:
    """A new folder under `parent` for the rows that an engine spills. It is removed at the end of the block.

    None: no folder can be made. Then the engine must not spill, and has only its memory: DuckDB's own place would be
    the working folder, or the folder of the file.

    Args:
        reading: the engine only reads, so it must not create HOME, in which `parent` is.
    """
    folder = None
    if not reading or parent.parent.is_dir():
        with suppress(OSError):
            folder = WorkFolder(parent)
    try:
        yield folder.path if folder else None
    finally:
        if folder:
            folder.close()


def remove_own() -> None:
    """Remove the folders of this process, which ends although its threads still run. It never fails.

    On a busy machine the thread of a sync did not end in its time after SIGTERM, and a file of leads stayed in HOME
    until the next command.
    """
    with suppress(RuntimeError):  # a thread makes a folder at this moment
        for folder in list(_own):
            with suppress(Exception):
                folder.close_in_use()


def remove_dead(parent: Path) -> None:
    """Remove the folders of processes that have ended, and what an earlier release left there."""
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


def remove_all_dead(home: Path) -> None:
    """Remove what killed processes left in HOME. It never fails: what cannot be removed stays for the next command."""
    with suppress(OSError):
        for parent in (home / TEMPORARY, *(home / DLT).glob("*")):
            if parent.is_dir():
                remove_dead(parent)


def spill_statement(folder: Path | None) -> str:
    """DuckDB's statement that lets a session spill into this folder. None: it may not spill."""
    path = str(folder or "").replace("'", "''")
    return f"set temp_directory = '{path}'"

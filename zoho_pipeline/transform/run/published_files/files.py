"""The published file, its draft and its standby: they take each other's places without a moment that can lose one.

A publication of a few channels must not cost a copy of the whole file. So the file that was published before is kept
beside the published one, as the standby. The next publication takes it as its draft, brings it up to date
(catch_up.py), changes it, and puts it in the place of the published file, which becomes the standby in turn.

The standby is always optional. Whoever cannot use it copies the published file. These rules keep it harmless:
- The draft is written under its own name. A killed run leaves a draft, which the next run removes, and no standby.
- Nobody writes into a file that anybody has open, in any process, or that has a second name (`_is_alone`).
- No standby outlives a publication from which a channel was removed.
"""

import fcntl
import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.run.engine import BUSY
from zoho_pipeline.warehouse.connection import LOCK_SECONDS, WarehouseBusy
from zoho_pipeline.warehouse.duckdb_file import remove_with_wal
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

STORAGE_VERSION = "v1.0.0"
"""The format of the published file. Every DuckDB from 1.0 on opens it, and so does every BI tool. Files in DuckDB 2.0's
own format open in nothing older. 1.0 is the first version whose files DuckDB promises to read for ever, and it holds
all types of the marts."""

DRAFT, STANDBY = ".draft", ".standby"
"""The ends of the names of the files beside the published one."""


class PublishedFiles:
    """The paths of one warehouse, and how the files move between them. Call the methods inside `alone`.

    Attributes:
        final: the published file.
        draft: the file that is being written, and then replaces the published one.
        standby: the publication before the published one. Its mode is 600, and nobody reads it.
    """

    def __init__(self, warehouse: DuckDBWarehouse) -> None:
        self.final, self._beside = warehouse.published_path, warehouse.default_published_path
        self.draft, self.standby = (self.final.with_name(self.final.name + end) for end in (DRAFT, STANDBY))
        # If the published file is elsewhere, a link in HOME says where its standby is, also after the setting changed.
        self._known_standby = self._beside.with_name(self._beside.name + STANDBY)
        self._warehouse = warehouse

    @property
    def is_elsewhere(self) -> bool:
        """Whether the settings put the published file at another place than beside the warehouse."""
        return self.final != self._beside

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other transforms out.

        Raises:
            WarehouseBusy: another one has run for LOCK_SECONDS.
            TransformError: the folder of the warehouse cannot be written.
        """
        beside = self._beside  # the published file may be elsewhere; the lock is not
        lock = FileLock(f"{beside}.lock", mode=0o600)
        try:
            beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise WarehouseBusy(BUSY) from error
        except OSError as error:
            self._warehouse.files[1].require_lock_file(Path(lock.lock_file))
            raise TransformError(f"the folder {beside.parent} cannot be written: {error.strerror}.") from error
        try:
            shutil.rmtree(beside.with_name(f"{beside.name}.spill"), ignore_errors=True)  # of earlier releases
            yield
        finally:
            lock.release()

    def prepare(self) -> None:
        """Remove the draft of a run that was killed, and move the published file to the place that the settings name.

        Raises:
            TransformError: a folder cannot be written.
        """
        folder = self.final.parent
        try:
            if not os.access(folder, os.W_OK | os.X_OK):
                reason = "it does not exist" if not folder.exists() else "this user may not"
                raise TransformError(f"the folder {folder} cannot be written: {reason}.")
            remove_with_wal(self.draft)
            self._move()
        except OSError as error:
            raise TransformError(f"the folder {folder} cannot be written: {error.strerror}.") from error
        if self._linked() != (self.standby if self.is_elsewhere else None):
            self.remove_standby()  # of an earlier setting

    def take_standby(self) -> bool:
        """Make the standby the draft. False: there is none that may be written, and there is no draft either."""
        remove_with_wal(self.draft)
        try:
            os.rename(self.standby, self.draft)
            if _is_alone(self.draft):
                return True
        except OSError:
            pass
        remove_with_wal(self.draft)  # a reader who has it open keeps it until he closes it
        return False

    def copy_published(self) -> None:
        """Make the draft a copy of the published file, if there is one. The standby goes first: the disk needs room."""
        self.remove_standby()
        remove_with_wal(self.draft)
        if self.final.exists():
            shutil.copyfile(self.final, self.draft)

    def replace(self, number: int | None = None, *, keep: bool = False) -> None:
        """Put the draft in the place of the published file.

        Args:
            number: the number of the publication. It becomes the time of the file's last change, in nanoseconds, so
                that a file that a person changed later is noticed.
            keep: keep the file that was published until now as the standby.
        """
        self.draft.chmod(0o640 if self.is_elsewhere else 0o600)
        if number is not None:
            os.utime(self.draft, ns=(number, number))
        self.remove_standby()
        is_kept = keep and self._keep()
        os.replace(self.draft, self.final)
        if is_kept:
            self.standby.chmod(0o600)

    def remove_standby(self) -> None:
        """Remove the standby, also one of another setting of ZOHO_PIPELINE_PUBLISHED.

        Raises:
            TransformError: it cannot be removed. It has rows of people, so a person must do it.
        """
        for path in dict.fromkeys((self.standby, self._linked() or self.standby, self._known_standby)):
            try:
                remove_with_wal(path)
            except OSError as error:
                raise TransformError(f"{path} cannot be removed: {error.strerror}. Remove it.") from error

    def _keep(self) -> bool:
        """Give the published file the name of the standby too. False: the file system has no second names."""
        with suppress(OSError):
            if self.is_elsewhere:
                self._known_standby.symlink_to(self.standby)
            if stat.S_ISREG(os.lstat(self.final).st_mode):
                os.link(self.final, self.standby)
                return True
        return False

    def _linked(self) -> Path | None:
        """The standby of a published file that is elsewhere, as the last run left it."""
        try:
            path = Path(os.readlink(self._known_standby))
        except OSError:
            return None
        return path if path.name.endswith(STANDBY) else None

    def _move(self) -> None:
        """Take the published file to the place that the settings name, once. The marts that keep history are only
        there."""
        if not self.is_elsewhere or self.final.exists() or not self._beside.exists():
            return
        shutil.copyfile(self._beside, self.draft)
        at = self._beside.stat().st_mtime_ns  # see `replace`
        os.utime(self.draft, ns=(at, at))
        self.draft.chmod(0o640)
        os.replace(self.draft, self.final)
        self._beside.unlink()


def _is_alone(path: Path) -> bool:
    """Whether no process has the file open and it has no second name. False also where the system cannot tell.

    DuckDB's own lock does not show it: it belongs to a process, and ends when the process closes one of two openings
    of the file. The system grants a lease for writing only if nobody else has the file open. A backup of hard links
    is a second name: writing into the file would change the backup.

    Raises:
        OSError: the file cannot be opened, or somebody has it open.
    """
    if sys.platform != "linux":
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return False
        # Whoever opens the file during the lease makes the system send us a signal. Without this line it would be
        # SIGIO, which ends a process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True
    finally:
        os.close(descriptor)

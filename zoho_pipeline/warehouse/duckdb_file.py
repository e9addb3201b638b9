"""The DuckDB file of a warehouse: one lock for all its users, and one way to open it.

While one process has a DuckDB file open for writing, no other process can open it, not even to read.
So every use of the file takes the lock file beside it (`hold`). If another program has the file open, we wait; then
the error names that program.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock, local

import duckdb
from filelock import FileLock, Timeout

from zoho_pipeline.warehouse.connection import DamagedFile, WarehouseBusy, WarehouseError
from zoho_pipeline.warehouse.duckdb_kept import KeptOpen

DRAFT = ".rewritten"
"""The end of the name of a file that is being written anew (duckdb_rewrite.py)."""

_held = local()
_first_use = Lock()
_DAMAGED = re.compile(
    r"not a valid DuckDB database|Could not read enough bytes|[Cc]orrupt|checksum|[Ff]ailed to deserialize"
    r"|Serialization Error|replaying WAL|WAL file|Is a directory|database has been invalidated"
)
"""DuckDB's words for a file that is cut or overwritten. A missing right has other words."""
NO_ROOM = re.compile(r"Could not write file|No space left on device|File too large|Disk quota exceeded")
"""Words for a full disk. A checkpoint without room also says that the database has been invalidated. People were told
that their published file was damaged, and to move it away, while only its draft could not be written."""
_FOREIGN = re.compile(r"not a valid DuckDB database|Is a directory")
"""Those of them that also fit something that never was a warehouse, as in a setting that names `/etc/passwd`."""
_MAKE_AGAIN = (
    "If there is none, move it away: `zoho-pipeline sync` then reads everything from Zoho again, and `zoho-pipeline "
    "content load` loads the content catalogue again."
)
_NO_DUCKDB = "it is not a valid DuckDB database"


def open_instance(database: str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A session that prints nothing. Its cursors print nothing either.

    DuckDB shows a progress bar of each statement of two seconds in a program that has no file, such as `python -c`. The
    bar goes to stdout, where it stood in the middle of our JSON.
    """
    raw = duckdb.connect(database, read_only=read_only)
    with suppress(duckdb.InvalidInputException):  # Jupyter without ipywidgets: it has no bar, and refuses the setting
        raw.execute("set enable_progress_bar = false")
    return raw


class DuckDBFile:
    """A DuckDB file at `path`. Nothing is opened or created before a method is called.

    Args:
        published: it is the published file, which a transform can make again, and not the warehouse.

    Attributes:
        kept: the opening that the threads of this process share, while there is one.
    """

    def __init__(self, path: Path, *, published: bool = False) -> None:
        self.path, self._is_published = path, published
        self.kept: KeptOpen | None = None
        self._what = "published" if published else "warehouse"

    def exists(self) -> bool:
        """Whether there is a file. WarehouseError: this user may not look, or the folder is no folder."""
        try:
            self.path.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error
        return True

    @contextmanager
    def hold(self, timeout: float, *, reading: bool = False) -> Iterator[None]:
        """Hold the lock file. WarehouseBusy: another process or thread has held it for `timeout` seconds.

        The lock belongs to a thread: this thread may take it again, and another thread waits.

        Args:
            reading: the file exists and will only be read. Where the folder cannot be written, DuckDB's own lock on
                the file has to suffice: `open` waits for it, and so does whoever writes.
        """
        depths, key = _depths(), self.path.resolve()
        if depths.get(key):
            depths[key] += 1
            try:
                yield
            finally:
                depths[key] -= 1
            return
        with ExitStack() as stack:
            if self.kept is not None:
                stack.enter_context(self.kept.turn(timeout))
            else:
                stack.callback(self.lock(timeout, reading=reading))
            depths[key] = 1
            stack.callback(depths.pop, key)
            yield

    def lock(self, timeout: float, *, reading: bool = False) -> Callable[[], None]:
        """Lock the file as `hold` does, for any thread, and return how to release it."""
        lock = FileLock(f"{self.path}.lock", mode=0o600, thread_local=False)
        self.require_lock_file(Path(lock.lock_file))
        release: Callable[[], None] = lock.release
        try:
            with _first_use:
                # Without a lock file, nobody uses the file. Else it is looked at under the lock: closing it drops the
                # lock that DuckDB has on it for another thread of this process, and another program could write.
                if is_checked := not os.path.exists(lock.lock_file):
                    self.require_duckdb()  # before the lock file is made: `/etc/passwd.lock` would stop other programs
                if not reading:
                    self.make_folder()
                # a folder that takes no files at all (as /proc) would let the lock wait for its whole time
                os.close(os.open(lock.lock_file, os.O_RDWR | os.O_CREAT, 0o600))
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise WarehouseBusy(
                f"another zoho-pipeline has held {self.path} for {timeout:.0f} s. Let it finish, then try again."
            ) from error
        except OSError as error:
            if not reading or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise self._unusable(error) from error
            is_checked, release = True, lambda: None
        if not is_checked:
            try:
                self.require_duckdb()
            except BaseException:
                release()
                raise
        return release

    def open(self, *, read_only: bool, timeout: float) -> duckdb.DuckDBPyConnection:
        """Open the file in time zone UTC. Wait while another process (or another thread of this one) has it open.

        Raises:
            WarehouseBusy: it is still open elsewhere after `timeout` seconds.
            WarehouseError: it is no DuckDB file, or the system refuses to open it.
        """
        if not _depths().get(self.path.resolve()):  # `hold` has looked at it, and this thread may have it open already
            self.require_duckdb()
        deadline = time.monotonic() + timeout
        while True:
            try:
                raw = self.kept.session() if self.kept is not None else None
                # DuckDB opens a file once per process, so a session beside others opens it as they did
                raw = raw or open_instance(str(self.path), read_only=read_only and self.kept is None)
                raw.execute("set TimeZone = 'UTC'")
                return raw
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                if "Could not set lock" not in str(error) and "different configuration" not in str(error):
                    raise self._unusable(error) from error
                if time.monotonic() >= deadline:
                    holder = re.search(r"held in (.+? \(PID \d+\))", str(error))
                    raise WarehouseBusy(
                        f"{self.path} is open in {holder.group(1) if holder else 'another program'}. Close it there. "
                        "To read beside a running pipeline, use `zoho-pipeline sql` or the published file."
                    ) from error
                time.sleep(0.1)
            except duckdb.Error as error:
                raise self._unusable(error) from error

    def require_duckdb(self) -> None:
        """Refuse what does not begin as a DuckDB database does: 8 bytes of a checksum, then DUCK.

        DuckDB itself would take a SQLite file, and download an extension to read it. An empty file passes: another
        process may be creating it.

        Raises:
            DamagedFile: something else is at the path.
        """
        try:
            if not self.path.exists():
                return
            if self.path.is_dir():
                raise self.damage("Is a directory") or AssertionError
            head = b"no file"  # a device or a pipe, which may never answer
            if self.path.is_file():
                with self.path.open("rb") as stream:
                    head = stream.read(12)
        except OSError:
            return  # whoever opens it gets the system's message
        if head and head[8:] != b"DUCK":
            raise self.damage(_NO_DUCKDB) or AssertionError

    def require_readable(self) -> None:
        """WarehouseError: this user may not read the file, or it is damaged so that DuckDB does not open it."""
        if self.path.is_dir():
            raise self.damage("Is a directory") or AssertionError
        try:
            self.path.open("rb").close()
        except OSError as error:
            raise self._unusable(error) from error

    def make_folder(self) -> None:
        """Make the file's folder, mode 700. WarehouseError: it cannot be made."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def damage(self, reason: str) -> DamagedFile | None:
        """The error that says how to replace the file, if DuckDB's message shows that it is damaged; else None."""
        if not _DAMAGED.search(reason) or NO_ROOM.search(reason):
            return None
        first = re.sub(r"^\w[\w ]* Error: ", "", reason.strip().splitlines()[0]).rstrip(". !")
        named = f"the {self._what} file {self.path} is damaged ({first})"
        if self._is_published:
            return DamagedFile(
                f"{named}. Put it back from a backup, which also has the history of the marts. If there is none, move "
                "it away: the next `zoho-pipeline transform` makes it again."
            )
        wal = self.path.with_name(f"{self.path.name}.wal")
        if self.path.is_file() and wal.exists() and re.search(r"WAL", reason):
            return DamagedFile(
                f"{named}. Move {wal} away, which has only the last changes: the next `zoho-pipeline sync` reads them "
                "again."
            )
        if _FOREIGN.search(reason):
            named += (
                ", or it never was the warehouse. If it belongs to something else, leave it there, and name another "
                "file in ZOHO_PIPELINE_WAREHOUSE (duckdb:///PATH). If it was the warehouse"
            )
            return DamagedFile(f"{named}, put it back from a backup. {_MAKE_AGAIN}")
        return DamagedFile(f"{named}. Put it back from a backup. {_MAKE_AGAIN}")

    def require_lock_file(self, lock: Path) -> None:
        """WarehouseError: a folder stands where a lock file goes."""
        if lock.is_dir():
            raise WarehouseError(f"the lock file {lock} cannot be used, because it is a folder. Remove that folder.")

    def _unusable(self, error: Exception) -> WarehouseError:
        message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if not isinstance(error, OSError) and (damaged := self.damage(message)):
            return damaged
        reason = message.strip().splitlines()[0]
        return WarehouseError(
            f"the {self._what} file {self.path} cannot be used: {reason}. Check ZOHO_PIPELINE_HOME, "
            "ZOHO_PIPELINE_WAREHOUSE and ZOHO_PIPELINE_PUBLISHED, and the rights of this user."
        )


def _depths() -> dict[Path, int]:
    """File → how often this thread holds it."""
    depths: dict[Path, int] = _held.__dict__.setdefault("depths", {})
    return depths


def remove_leftovers(path: Path) -> None:
    """Remove what a process left beside the file when it was killed: a draft, and spilled rows."""
    remove_with_wal(path.with_name(path.name + DRAFT))
    shutil.rmtree(path.with_name(f"{path.name}.tmp"), ignore_errors=True)  # DuckDB's own place; earlier releases


def remove_with_wal(path: Path) -> None:
    """Remove a DuckDB file and its write-ahead log, if they exist, or whatever stands in their place."""
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        leftover.unlink(missing_ok=True)

"""Route `bulk`: whole modules by Bulk Read, fifty credits for up to 200,000 rows.

A job that is created once the window is settled has everything below `hi`. A job that is created earlier has everything
below its `final` instant (see `window`). Later changes are read by other routes. After a crash the same job is resumed:
Zoho keeps a result for a day.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.routes.window import Window, parse
from zoho_pipeline.work_folders import WorkFolder
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import DamagedFile, JobFailed, NotFound
from zoho_pipeline.zoho.read import bulk

BLOCK_BYTES = 4 << 20
"""The part of a CSV that is read at once. Arrow reads some of them ahead, and each takes more memory in columns."""
_ID = r"^[0-9]{1,25}$"
"""As everywhere else (`parsing.is_digits`): a query could not name another id."""


@dataclass(frozen=True)
class BulkCheckpoint:
    """How far a bulk read is: the job, the loaded rows of its file, and the end of its window.

    Attributes:
        below: the rows of all its files modified before `end`. None if the release that stored it did not count them.
        proved: the watermark of the module once all files are loaded (see `extract/watermarks`). Before that it is not
            true: the first file may have the newest record, while older changes are in the others.
        final: the instant below which its files are final, if the job did not wait for its window.
    """

    job: str
    rows: int
    hi: datetime
    read_at: datetime
    fields: tuple[str, ...] = ()
    below: int | None = None
    proved: datetime | None = None
    final: datetime | None = None

    @property
    def end(self) -> datetime:
        """The files of the job have everything that was changed before it."""
        return self.final or self.hi

    def to_json(self) -> dict[str, Any]:
        """The checkpoint in the form in which the state stores it."""
        stored = {
            "job": self.job,
            "rows": self.rows,
            "hi": self.hi.isoformat(),
            "read_at": self.read_at.isoformat(),
            "fields": list(self.fields),
        }
        optional = {"proved": self.proved, "final": self.final}
        instants = {name: at.isoformat() for name, at in optional.items() if at is not None}
        return stored | instants | ({} if self.below is None else {"below": self.below})

    @classmethod
    def from_json(cls, stored: Any) -> Self | None:
        """Read a checkpoint that any release stored; None if there is none."""
        if not isinstance(stored, dict):
            return None
        hi, read_at = (datetime.fromisoformat(stored[name]) for name in ("hi", "read_at"))
        fields, below = tuple(stored["fields"]), stored.get("below")
        proved, final = parse(stored.get("proved")), parse(stored.get("final"))
        return cls(stored["job"], stored["rows"], hi, read_at, fields, below, proved, final)


class BulkReader:
    """Reads all rows of a module; `checkpoint` is true once the last batch is loaded.

    Its files are downloaded into a new folder below `work`. With `final`, a new job does not wait for the window: its
    files have everything below this instant. None: it waits, and they have everything below the end of the window.
    """

    def __init__(
        self,
        client: ZohoClient,
        module: str,
        plan: FieldPlan,
        window: Window,
        limits: SyncLimits,
        work: Path,
        resume: BulkCheckpoint | None,
        since: datetime | None = None,
        final: datetime | None = None,
    ) -> None:
        self._client, self._module, self._plan, self._window = client, module, plan, window
        self._since, self._final, self._limits, self._work = since, final, limits, work
        self.checkpoint = resume
        self.resumed = False
        """Whether the rows come from a job that an earlier sync created."""
        self.first = True
        """Whether the batch is from the first job of this sync: only its rows all have the state of one instant."""
        self._total = 0
        self._tokens: set[str] = set()

    def read(self) -> Iterator[tuple[pa.Table, BulkCheckpoint]]:
        """Yield batches of text columns, and with each the checkpoint that is true once it is loaded.

        Raises:
            JobFailed and other Permanent errors, also for a field without a column in bulk, and for a file that was
            damaged twice: another route must be used.
        """
        done = self._begin()
        while True:
            # Zoho prepares the next file while this one is loaded, which takes about 4 s per 200,000 rows
            ahead = self._next_job(done) if done.more else None
            yield from self._file(done)
            if ahead is None:
                return
            assert self.checkpoint is not None
            self.checkpoint, self.first = replace(self.checkpoint, job=ahead.id, rows=0), False
            done = bulk.poll(self._client, ahead.id)

    def _next_job(self, done: bulk.BulkJob) -> bulk.BulkJob:
        """Create the job of the next page. Each job costs fifty credits, so a token that comes back ends the route."""
        token = done.next_page_token
        if token is None or token in self._tokens:
            raise JobFailed(f"bulk job {done.id} says that more rows follow, but its page token was used before.")
        self._tokens.add(token)
        return bulk.create_job(self._client, self._module, page_token=token)

    def _file(self, job: bulk.BulkJob) -> Iterator[tuple[pa.Table, BulkCheckpoint]]:
        """The rows of one job's file that are not loaded yet.

        If the file is no CSV of records, or has another number of rows than its job says, it is downloaded once more
        and then refused: it may be well-formed and still lack half of the rows."""
        assert self.checkpoint is not None
        reason = ""
        for _ in range(2):
            held = 0
            try:
                with _folder(self._work) as folder:
                    zipped = self._download(job, folder)
                    for block in _blocks(zipped, self.checkpoint.fields):
                        held += block.num_rows
                        new = block.slice(max(block.num_rows - max(held - self.checkpoint.rows, 0), 0))
                        for start in range(0, new.num_rows, self._limits.rows_per_bulk_batch):
                            batch = new.slice(start, self._limits.rows_per_bulk_batch)
                            self.checkpoint = replace(self.checkpoint, rows=self.checkpoint.rows + batch.num_rows)
                            yield batch, self.checkpoint
            except DamagedFile as error:
                reason = str(error)
                continue
            # sources differ on whether `count` is of this file or of all pages
            whole = job.more and held == bulk.ROWS_PER_JOB
            if job.count is None or whole or job.count in (held, self._total + held):
                self._total += held
                return
            reason = f"it holds {held} rows, and the job says {job.count}."
        raise JobFailed(f"the file of bulk job {job.id} cannot be used: {reason}")

    def _download(self, job: bulk.BulkJob, folder: Path) -> Path:
        try:
            return bulk.download(self._client, job.id, folder / "result.zip")
        except DamagedFile as error:  # the client has tried twice
            raise JobFailed(f"the file of bulk job {job.id} cannot be used: {error}") from error

    def _begin(self) -> bulk.BulkJob:
        """The completed job to read from: the job that a crash left, else a new one."""
        names = ("id", *self._plan.names)
        if self.checkpoint is not None and self.checkpoint.fields != names:
            self.checkpoint = None  # its file lacks a field that was added later
        if self.checkpoint is not None:
            try:
                found = bulk.poll(self._client, self.checkpoint.job)
            except (NotFound, JobFailed):
                self.checkpoint = None
            else:
                self.resumed = True
                return found
        if self._final is None:
            self._window.settle()
        read_at = self._window.now()
        criteria = bulk.modified_between(self._since, None)
        job = bulk.create_job(self._client, self._module, names, criteria=criteria)
        job = bulk.poll(self._client, job.id, new=True)
        self.checkpoint = BulkCheckpoint(job.id, 0, self._window.hi, read_at, names, 0, self._final)
        return job


@contextmanager
def _folder(work: Path) -> Iterator[Path]:
    """A new folder below `work`. JobFailed: this machine has no room for one."""
    try:
        folder = WorkFolder(work)
    except OSError as error:
        raise JobFailed(f"the file of a bulk job cannot be stored: {error.strerror or error}.") from error
    try:
        yield folder.path
    finally:
        folder.close()


def _blocks(zipped: Path, fields: Sequence[str] = ()) -> Iterator[pa.Table]:
    """Read the CSV in the zip in blocks. Every column is text; an empty value is null.

    The CSV has the same form for null and ''. Lists give null for both. A column with bytes that are not UTF-8 stays
    binary: its other values are good (see `csv_to_arrow`).

    Raises:
        DamagedFile: the file is no CSV, or no CSV of records.
    """
    with bulk.open_csv(zipped) as stream:
        if not (header := stream.peek(1 << 16).split(b"\n", 1)[0].strip()):  # type: ignore[attr-defined]
            return
        names = header.decode("utf-8-sig").replace('"', "").split(",")
        if "Id" not in names or len(set(names)) < len(names):
            raise DamagedFile("the bulk result has no header of records.")
        # its values would be missing without a sign; and the file of another job has other columns
        if lacking := sorted(set(fields) - {"id", *names}):
            raise DamagedFile(f"the bulk result lacks {len(lacking)} of the requested columns.")
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        try:
            reader = pa_csv.open_csv(
                stream,
                read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=options,
            )
            for block in reader:
                yield _checked(pa.Table.from_batches([block]))
        except pa.ArrowException as error:
            # Arrow's words end with the line itself, and that is somebody's record
            cells = re.search(r"Expected \d+ columns, got \d+", str(error))
            raise DamagedFile(f"the bulk result is no CSV ({cells[0] if cells else type(error).__name__}).") from None


def _checked(block: pa.Table) -> pa.Table:
    """The block with columns of text. A row without a proper id shows that quotes or lines of the file are broken."""
    block = pa.table({name: _as_text(block[name]) for name in block.column_names})
    ids = block["Id"]
    if ids.null_count or ids.type != pa.string() or not pc.all(pc.match_substring_regex(ids, _ID)).as_py():
        raise DamagedFile("the bulk result has a row without an id of a record.")
    return block


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return column

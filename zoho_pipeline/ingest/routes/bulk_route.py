"""Route `bulk`: whole modules by Bulk Read, fifty credits for up to 200,000 rows.

The job is made once the window is settled, so that its snapshot holds everything below `hi`; what changed
after it is read by keyset. A crash resumes the same job: Zoho keeps a result for a day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import JobFailed, NotFound
from zoho_pipeline.zoho.read import bulk

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Progress:
    """Where a bulk read stands: the job, the rows of its file already loaded, the window it belongs to.

    `below`: rows of all its files modified before `hi`, None where a state of before did not count them.
    """

    job: str
    rows: int
    hi: datetime
    read_at: datetime
    fields: tuple[str, ...] = ()
    below: int | None = None

    def as_state(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "rows": self.rows,
            "hi": self.hi.isoformat(),
            "read_at": self.read_at.isoformat(),
            "fields": list(self.fields),
            "below": self.below,
        }

    @staticmethod
    def of_state(state: Any) -> "Progress | None":
        if not isinstance(state, dict):
            return None
        at = datetime.fromisoformat
        hi, read_at, fields = at(state["hi"]), at(state["read_at"]), tuple(state["fields"])
        return Progress(state["job"], state["rows"], hi, read_at, fields, state.get("below"))


class BulkReader:
    """Reads a module whole; `progress` is true after each batch it gave."""

    def __init__(
        self,
        client: ZohoClient,
        module: str,
        plan: FieldPlan,
        window: Window,
        limits: SyncLimits,
        resume: Progress | None,
        since: datetime | None = None,
    ) -> None:
        self._client, self._module, self._plan, self._window = client, module, plan, window
        self._since, self._limits = since, limits
        self.progress = resume
        self.resumed = False
        """Whether the rows were taken from a job that an earlier sync had made."""
        self.first = True
        """Whether the batch is of the first job that this run read: only its rows are all of one instant."""
        self._total = 0

    def read(self) -> Iterator[tuple[pa.Table, Progress]]:
        """Batches of text columns, and the progress that is true once each is loaded.

        Raises JobFailed and other Permanent errors, also for a field that bulk has no column for: another
        route must do.
        """
        done = self._begin()
        while True:
            # Zoho prepares the next file while this one is loaded: some 4 s of each 200,000 rows
            ahead = bulk.create_job(self._client, self._module, page_token=done.next_page_token) if done.more else None
            yield from self._file(done)
            if ahead is None:
                return
            assert self.progress is not None
            self.progress, self.first = replace(self.progress, job=ahead.id, rows=0), False
            done = bulk.poll(self._client, ahead.id)

    def _file(self, job: bulk.BulkJob) -> Iterator[tuple[pa.Table, Progress]]:
        """The rows of one job's file that are not loaded yet. A file that holds other rows than its job says is
        fetched once more, and then refused: it may be well-formed and still lack half of them."""
        assert self.progress is not None
        for _ in range(2):
            held = 0
            with TemporaryDirectory() as folder:
                zipped = bulk.download(self._client, job.id, Path(folder) / "result.zip")
                for block in _blocks(zipped):
                    held += block.num_rows
                    new = block.slice(max(block.num_rows - max(held - self.progress.rows, 0), 0))
                    for start in range(0, new.num_rows, self._limits.rows_per_bulk_batch):
                        batch = new.slice(start, self._limits.rows_per_bulk_batch)
                        self.progress = replace(self.progress, rows=self.progress.rows + batch.num_rows)
                        yield batch, self.progress
            # sources differ on whether `count` is of this file or of all pages
            whole = job.more and held == bulk.ROWS_PER_JOB
            if job.count is None or whole or job.count in (held, self._total + held):
                self._total += held
                return
        raise JobFailed(f"the file of bulk job {job.id} holds {held} rows, and the job says {job.count}.")

    def _begin(self) -> bulk.BulkJob:
        """The completed job to read from: the one a crash left behind, else a new one."""
        names = ("id", *self._plan.names)
        if self.progress is not None and self.progress.fields != names:
            self.progress = None  # its file lacks a field that has appeared since
        if self.progress is not None:
            try:
                found = bulk.poll(self._client, self.progress.job)
            except (NotFound, JobFailed):
                self.progress = None
            else:
                self.resumed = True
                return found
        self._window.settle()
        read_at = self._window.now()
        criteria = bulk.modified_between(self._since, None)
        job = bulk.create_job(self._client, self._module, names, criteria=criteria)
        job = bulk.poll(self._client, job.id, new=True)
        self.progress = Progress(job.id, 0, self._window.hi, read_at, names, 0)
        return job


def _blocks(zipped: Path) -> Iterator[pa.Table]:
    """The CSV inside in blocks; every column is text, an empty one null.

    The CSV cannot tell null and '' apart, and lists give null.
    """
    with bulk.open_csv(zipped) as stream:
        if not (header := stream.peek(1 << 16).split(b"\n", 1)[0].strip()):  # type: ignore[attr-defined]
            return
        names = header.decode("utf-8-sig").replace('"', "").split(",")
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
        for block in reader:
            yield pa.Table.from_batches([block])

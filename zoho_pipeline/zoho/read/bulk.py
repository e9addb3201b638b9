"""Bulk Read: a job that writes up to 200,000 rows into one zipped CSV, for fifty credits.

Rows are not as lists give them: the id column is `Id`, lookups are bare ids, booleans are text, and an empty
cell is null or ''. One unknown field fails the whole job. Notes, e-mails and subforms have no bulk route.
"""

import io
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import BadAnswer, ConcurrencyLimit, JobFailed, NotFound, Retryable
from zoho_pipeline.zoho.read.pages import module_path, record_id, rows_of

log = logging.getLogger(__name__)

PATH = f"/crm/bulk/{VERSION}/read"
ROWS_PER_JOB = 200_000
UNSUPPORTED_MODULES = frozenset({"Notes", "Attachments", "Emails"})

Criteria = Mapping[str, Any]


@dataclass(frozen=True)
class BulkJob:
    """A job as Zoho shows it. `state`: ADDED, QUEUED, IN PROGRESS, COMPLETED or FAILURE.

    `count` rows of this page; where `more`, `next_page_token` (good for 24 h) makes the next job.
    """

    id: str
    state: str
    count: int | None = None
    more: bool = False
    next_page_token: str | None = None
    error: str = ""

    @property
    def completed(self) -> bool:
        return self.state == "COMPLETED"


def create_job(
    client: ZohoClient,
    module: str,
    fields: Sequence[str] = (),
    *,
    criteria: Criteria | None = None,
    page_token: str | None = None,
) -> BulkJob:
    """Start a job. With `page_token` of the job before, Zoho takes its query again.

    A lost answer is asked for once more: a job that nobody reads costs credits and nothing else.

    Args:
        fields: API names; none means all columns, undocumented ones included.
        criteria: a condition or group in Zoho's form, see `modified_between`.
    """
    if page_token is not None:
        document: dict[str, Any] = {"query": {"page_token": page_token}}
    else:
        name = module_path(module).rpartition("/")[2]
        ask: dict[str, Any] = {"module": {"api_name": name}, "page": 1}
        if fields:
            ask["fields"] = list(fields)
        if criteria is not None:
            ask["criteria"] = dict(criteria)
        document = {"query": ask, "file_type": "csv"}
    try:
        answer = client.post(PATH, json=document)
    except ConcurrencyLimit:
        raise
    except Retryable as error:
        log.warning("bulk job for %s: %s One more try.", module, error)
        answer = client.post(PATH, json=document)
    rows = rows_of(answer.data or {}, "data", f"POST {PATH}")
    details = rows[0].get("details") if rows else None
    if not isinstance(details, dict) or not isinstance(details.get("id"), str):
        raise BadAnswer(f"POST {PATH}: the answer names no job.")
    return BulkJob(record_id(details["id"]), str(details.get("state", "ADDED")))


def status(client: ZohoClient, job_id: str) -> BulkJob:
    """The job's present state; NotFound where it is unknown or a day old."""
    path = f"{PATH}/{record_id(job_id)}"
    rows = rows_of(client.get(path).data or {}, "data", f"GET {path}")
    if len(rows) != 1 or not isinstance(rows[0].get("state"), str):
        raise BadAnswer(f"GET {path}: the answer holds no job.")
    row = rows[0]
    result = row.get("result")
    result = result if isinstance(result, dict) else {}
    token = result.get("next_page_token")
    more = result.get("more_records") is True
    if more and row["state"] == "COMPLETED" and not isinstance(token, str):
        raise BadAnswer(f"GET {path}: more records follow, but there is no token to reach them.")
    return BulkJob(
        id=job_id,
        state=row["state"],
        count=result.get("count") if isinstance(result.get("count"), int) else None,
        more=more,
        next_page_token=token if isinstance(token, str) else None,
        error=str(result.get("error_message") or ""),
    )


def poll(
    client: ZohoClient,
    job_id: str,
    *,
    new: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> BulkJob:
    """Ask until the job is completed, ever more seldom.

    Args:
        new: made just now: asking at once would be a credit for nothing.

    Raises:
        JobFailed: Zoho gave up, or the deadline passed.
    """
    pacing = client.pacing
    end = monotonic() + pacing.job_deadline
    wait = pacing.job_first_wait
    if new:
        client.sleep(wait)
    while True:
        job = status(client, job_id)
        if job.completed:
            return job
        if job.state.startswith("FAIL"):
            raise JobFailed(f"bulk job {job_id} failed at Zoho: {job.error or 'no reason given'}.")
        left = end - monotonic()
        if left <= 0:
            raise JobFailed(f"bulk job {job_id} is still {job.state} after {pacing.job_deadline:.0f} s.")
        client.sleep(min(wait, left))
        wait = min(wait * pacing.job_growth, pacing.job_longest_wait)


def download(client: ZohoClient, job_id: str, target: Path, *, monotonic: Callable[[], float] = time.monotonic) -> Path:
    """Stream the zipped result into `target`.

    Ten downloads a minute are allowed, to all modules and tools together, so a throttled one waits for minutes. A job
    may say COMPLETED a moment before its file is there, so a file that is not there is asked for again. The path is
    our own: the `download_url` of an answer could point a token elsewhere.

    Raises:
        NotFound: the file does not come. ConcurrencyLimit: throttled for five minutes.
    """
    path = f"{PATH}/{record_id(job_id)}/result"
    pacing = client.pacing
    missing = iter(pacing.result_waits)
    end = monotonic() + pacing.throttled_for
    while True:
        try:
            client.download(path, target, zipfile.is_zipfile)
            return target
        except NotFound:
            if (wait := next(missing, None)) is None:
                raise
        except ConcurrencyLimit:
            wait = pacing.throttled_wait
            if monotonic() >= end:
                raise
        client.sleep(wait)


@contextmanager
def open_csv(zipped: Path) -> Iterator[IO[bytes]]:
    """The CSV inside a result as a binary stream, unpacked while it is read; BadAnswer where it is damaged."""
    try:
        with zipfile.ZipFile(zipped) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise BadAnswer(f"{zipped.name}: {len(names)} CSV files in a bulk result instead of one.")
            with archive.open(names[0]) as raw, io.BufferedReader(raw, 1 << 18) as stream:  # type: ignore[type-var]
                yield stream
    except zipfile.BadZipFile as error:
        raise BadAnswer(f"{zipped.name}: the bulk result is damaged ({error}).") from None


def modified_between(since: datetime | None, until: datetime | None) -> Criteria | None:
    """Criteria for `since` ≤ Modified_Time < `until`; an absent bound is none."""
    bounds = [
        {"field": {"api_name": "Modified_Time"}, "comparator": comparator, "value": format_time(instant)}
        for comparator, instant in (("greater_equal", since), ("less_than", until))
        if instant is not None
    ]
    if len(bounds) < 2:
        return bounds[0] if bounds else None
    return {"group_operator": "and", "group": bounds}

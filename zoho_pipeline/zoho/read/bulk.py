"""Bulk Read: a job that writes up to 200,000 rows to a zipped CSV, for fifty credits.

The rows differ from those of lists: the id column is `Id`, a lookup is only an id, booleans are text, and an empty cell
is null or ''. One unknown field makes the whole job fail. Notes, e-mails and subforms have no bulk route.
"""

import io
import logging
import lzma
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import (
    AnswerTooLarge,
    BadAnswer,
    ConcurrencyLimit,
    DamagedFile,
    JobFailed,
    NotFound,
    Retryable,
)
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read.pages import module_path, record_id, rows_of

log = logging.getLogger(__name__)

PATH = f"/crm/bulk/{VERSION}/read"
ROWS_PER_JOB = 200_000
UNSUPPORTED_MODULES = frozenset({"Notes", "Attachments", "Emails"})

MOST_DIRECTORY_BYTES = 1 << 20
"""The list of files in a ZIP is read into memory as a whole. A result has one file."""

_UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, NotImplementedError, struct.error, ValueError, OverflowError),  # encrypted, or another compression
)

Criteria = Mapping[str, Any]


@dataclass(frozen=True)
class BulkJob:
    """A job as Zoho shows it. `state` is ADDED, QUEUED, IN PROGRESS, COMPLETED or FAILURE.

    `count` is the number of rows on this page. If there are `more`, `next_page_token` (valid for 24 h) makes the next
    job.
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
    """Start a job. With the `page_token` of an earlier job, Zoho continues that job's query.

    If the answer is lost, the request is sent once more: a job that nobody reads only costs credits.

    Args:
        fields: API names; none means all columns, also undocumented ones.
        criteria: a condition or a group in Zoho's form, see `modified_between`.
    """
    if page_token is not None:
        document: dict[str, Any] = {"query": {"page_token": page_token}}
    else:
        name = module_path(module).rpartition("/")[2]
        query: dict[str, Any] = {"module": {"api_name": name}, "page": 1}
        if fields:
            query["fields"] = list(fields)
        if criteria is not None:
            query["criteria"] = dict(criteria)
        document = {"query": query, "file_type": "csv"}
    try:
        answer = client.post(PATH, json=document)
    except ConcurrencyLimit:
        raise
    except Retryable as error:
        log.warning("bulk job for %s: %s Trying once more.", module, error)
        answer = client.post(PATH, json=document)
    rows = rows_of(answer.data or {}, "data", f"POST {PATH}")
    details = rows[0].get("details") if rows else None
    if not isinstance(details, dict) or not isinstance(details.get("id"), str):
        raise BadAnswer(f"POST {PATH}: the answer names no job.")
    return BulkJob(record_id(details["id"]), str(details.get("state", "ADDED")))


def status(client: ZohoClient, job_id: str) -> BulkJob:
    """The job's present state; NotFound if it is unknown or a day old."""
    path = f"{PATH}/{record_id(job_id)}"
    rows = rows_of(client.get(path).data or {}, "data", f"GET {path}")
    if len(rows) != 1 or not isinstance(rows[0].get("state"), str):
        raise BadAnswer(f"GET {path}: the answer holds no job.")
    row = rows[0]
    if str(row.get("id") or job_id) != job_id:  # a cache between us and Zoho mixed up two answers
        raise BadAnswer(f"GET {path}: the answer is about another job.")
    result = row.get("result")
    result = result if isinstance(result, dict) else {}
    token = result.get("next_page_token")
    more = result.get("more_records") is True
    if more and row["state"] == "COMPLETED" and not isinstance(token, str):
        raise BadAnswer(f"GET {path}: more records follow, but the answer has no token for them.")
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
    """Read the job's state until it is completed, with growing waits.

    Args:
        new: the job has just been made, so the first wait comes before the first call. Each call costs a credit.

    Raises:
        JobFailed: the job failed at Zoho, or the deadline passed.
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
    """Write the zipped result to `target`.

    Zoho allows ten downloads per minute to all modules and tools together, so a throttled download waits for minutes. A
    job may say COMPLETED a moment before its file exists, so a missing file is requested again. The path is our own:
    the `download_url` of an answer could send a token to another host.

    Raises:
        NotFound: the file does not appear.
        ConcurrencyLimit: the download was throttled for five minutes.
        DamagedFile: the file cannot be unpacked, and a second download could not either.
        AnswerTooLarge: the file has more than `file_bytes`, as it comes or unpacked.
        JobFailed: this machine cannot store it.
    """
    path = f"{PATH}/{record_id(job_id)}/result"
    pacing = client.pacing
    missing = iter(pacing.result_waits)
    end = monotonic() + pacing.throttled_for
    while True:
        try:
            client.download(path, target, partial(_check, job_id=job_id, most=pacing.file_bytes))
            return target
        except OSError as error:
            raise JobFailed(f"the file of bulk job {job_id} cannot be stored: {error.strerror}.") from error
        except NotFound:
            if (wait := next(missing, None)) is None:
                raise
        except ConcurrencyLimit:
            wait = pacing.throttled_wait
            if monotonic() >= end:
                raise
        client.sleep(wait)


def _check(zipped: Path, job_id: str, most: int) -> None:
    """Unpack a result once, to its last byte: only then its checksum shows whether it is damaged.

    Otherwise rows of a damaged file would be loaded before its end shows the damage. Zoho names the file in it after
    the job, so another job's number shows that a cache between us and Zoho mixed up two results.
    """
    size = 0
    with _archive(zipped) as (_, name):
        number = PurePosixPath(name.replace("\\", "/")).stem
        if is_digits(number) and number != job_id:
            raise DamagedFile(f"the bulk result is that of job {number}.")
    with open_csv(zipped) as stream:
        while part := stream.read(1 << 20):
            size += len(part)
            if size > most:
                raise AnswerTooLarge(f"the bulk result has more than {most / 2**30:g} GB unpacked.")


@contextmanager
def open_csv(zipped: Path) -> Iterator[IO[bytes]]:
    """The CSV in a result as a binary stream, unpacked while it is read; DamagedFile if that is impossible."""
    with (
        _archive(zipped) as (archive, name),
        archive.open(name) as raw,
        io.BufferedReader(raw, 1 << 18) as stream,  # type: ignore[type-var]
    ):
        yield stream


@contextmanager
def _archive(zipped: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """A result and the name of its one CSV; DamagedFile for every error of reading it in the block."""
    try:
        if _directory_bytes(zipped) > MOST_DIRECTORY_BYTES:
            raise DamagedFile("the bulk result has far more files than one.")
        with zipfile.ZipFile(zipped) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise DamagedFile(f"the bulk result has {len(names)} CSV files instead of one.")
            yield archive, names[0]
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedFile(f"the bulk result is damaged ({reason}).") from None


def _directory_bytes(zipped: Path) -> int:
    """The size of the list of files, as the end of the ZIP says; 0 if there is no end."""
    with zipped.open("rb") as file:
        file.seek(max(zipped.stat().st_size - (1 << 16) - 22, 0))
        tail = file.read()
    found, wide = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    if wide >= 0:
        return int.from_bytes(tail[wide + 40 : wide + 48], "little")
    return int.from_bytes(tail[found + 12 : found + 16], "little") if found >= 0 else 0


def modified_between(since: datetime | None, until: datetime | None) -> Criteria | None:
    """The criteria for `since` ≤ Modified_Time < `until`; None leaves a bound out."""
    bounds = [
        {"field": {"api_name": "Modified_Time"}, "comparator": comparator, "value": format_time(instant)}
        for comparator, instant in (("greater_equal", since), ("less_than", until))
        if instant is not None
    ]
    if len(bounds) < 2:
        return bounds[0] if bounds else None
    return {"group_operator": "and", "group": bounds}

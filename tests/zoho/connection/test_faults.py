"""The fault matrix: with every fault, every read either is complete or raises an error."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.zoho import related_lists
from tests.zoho.conftest import Zoho, connect
from tests.zoho.walks import count_records, walk_changes, walk_records
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import bulk, deleted, metadata, org, records, related, users

FIELDS = ("Last_Name", "Modified_Time")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def bulk_read(client: ZohoClient) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        job = bulk.poll(client, bulk.create_job(client, "Leads", FIELDS).id)
        zipped = bulk.download(client, job.id, Path(folder) / "x.zip")
        with bulk.open_csv(zipped) as stream:
            return sorted(csv.reader(io.TextIOWrapper(stream, "utf-8")))


def all_changes(client: ZohoClient) -> list[dict[str, Any]]:
    until = datetime.now(UTC) + timedelta(minutes=5)
    return [r for page in walk_changes(client, "Leads", FIELDS, since=SINCE, until=until) for r in page.rows]


def lead_20(client: ZohoClient) -> str:
    page = records.get_page(client, "Leads", FIELDS, sort_by="id", sort_order="asc", per_page=200)
    return next(row["id"] for row in page.rows if row["Last_Name"] == "Lead 20")


READS: dict[str, tuple[str, Callable[[ZohoClient, str], Any]]] = {
    "list": ("/Leads", lambda c, _: [r for p in walk_records(c, "Leads", FIELDS, converted="both") for r in p.rows]),
    "record": ("/Leads/", lambda c, lead: records.get_one(c, "Leads", lead)),
    "deleted": ("/Leads/deleted", lambda c, _: deleted.get_page(c, "Leads").rows),
    "notes": ("/Notes", lambda c, lead: list(related_lists.notes(c, "Leads", lead))),
    "emails": ("/Emails", lambda c, lead: list(related.emails(c, "Leads", lead))),
    "count": ("/count", lambda c, _: count_records(c, "Leads", criteria="(Company:equals:Acme)")),
    "coql": ("/coql", lambda c, _: all_changes(c)),
    "bulk": ("/crm/bulk/", lambda c, _: bulk_read(c)),
    "users": ("/users", lambda c, _: users.list_users(c)),
    "current user": ("/users", lambda c, _: users.current(c)),
    "org": ("/org", lambda c, _: org.get(c)),
    "modules": ("/settings/modules", lambda c, _: metadata.modules(c)),
    "fields": ("/settings/fields", lambda c, _: metadata.fields(c, "Leads")),
    "pipelines": ("/settings/", lambda c, _: metadata.pipelines(c)),
    "business hours": ("/settings/business_hours", lambda c, _: metadata.business_hours(c)),
    "holidays": ("/settings/holidays", lambda c, _: metadata.holidays(c, 2026)),
}
PASSING = (
    "concurrency", "server_error", "bad_gateway", "reset", "reset_after", "slow", "truncated", "bad_json",
    "wrong_content_type", "empty_body", "expired_token",
)  # fmt: skip
LASTING: dict[str, tuple[type[errors.ZohoError], ...]] = {
    "concurrency": (errors.ConcurrencyLimit,),
    "server_error": (errors.ServerFault,),
    "bad_gateway": (errors.ServerFault,),
    "reset": (errors.ConnectionFailed, errors.BadAnswer),
    "reset_after": (errors.ConnectionFailed, errors.BadAnswer),
    "slow": (errors.ConnectionFailed,),
    "truncated": (errors.BadAnswer, errors.ConnectionFailed),
    "bad_json": (errors.BadAnswer,),
    "wrong_content_type": (errors.BadAnswer,),
    "empty_body": (errors.BadAnswer,),
    "expired_token": (errors.TokenRefused, errors.TokenThrottled),
    "credits": (errors.CreditsExhausted,),
    "scope": (errors.ScopeMissing,),
    "no_permission": (errors.NoPermission,),
}


SLOW_SHOWN_ON = ("list", "coql", "bulk")
"""The reads that are tested with late answers. Each of them costs three time-outs."""


@pytest.fixture(scope="module")
def expected(filled: tuple[Any, Any]) -> dict[str, Any]:
    """The result of each read without faults (made at the first use), and the lead that they read."""
    return {}


@pytest.fixture
def faulty(filled: tuple[Any, Any]) -> Iterator[Zoho]:
    simulator, acme = filled
    simulator.switches.bulk_downloads_per_minute = 1_000
    # Short timeouts, so that a slow answer counts as a failure.
    found = connect(simulator, acme, timeout=httpx.Timeout(0.25), pacing=Pacing(attempts=3))
    with found.client:
        yield found
    simulator.faults.clear()


def good(zoho: Zoho, expected: dict[str, Any], read: str) -> tuple[str, Any]:
    """The lead to read, and the result of the read without faults."""
    if "lead" not in expected:
        expected["lead"] = lead_20(zoho.client)
    if read not in expected:
        expected[read] = READS[read][1](zoho.client, expected["lead"])
    return expected["lead"], expected[read]


@pytest.mark.parametrize(
    ("read", "kind", "after"),
    [(r, k, n) for r in READS for k in PASSING for n in ((0, 1, 2) if r in ("bulk", "list") else (0, 1))],
)
def test_a_passing_fault_changes_nothing(
    faulty: Zoho, expected: dict[str, Any], read: str, kind: str, after: int
) -> None:
    path, call = READS[read]
    lead, whole = good(faulty, expected, read)
    faulty.simulator.faults.next(1, kind, path, after=after, seconds=0.6)
    assert call(faulty.client, lead) == whole


@pytest.mark.parametrize(
    ("read", "kind"), [(r, k) for r in READS for k in LASTING if k != "slow" or r in SLOW_SHOWN_ON]
)
def test_a_lasting_fault_fails_loudly(faulty: Zoho, expected: dict[str, Any], read: str, kind: str) -> None:
    path, call = READS[read]
    lead, _ = good(faulty, expected, read)
    users.current(faulty.client)  # an answer without X-API-CREDITS-REMAINING: a 429 after it means a busy moment
    faulty.simulator.faults.next(99, kind, path, seconds=0.6)
    with pytest.raises(LASTING[kind]) as caught:
        call(faulty.client, lead)
    assert "\n" not in str(caught.value)
    if kind in ("credits", "scope", "no_permission", "expired_token"):
        assert faulty.naps == []
    elif read != "bulk":  # its first call creates a job, and only reads are retried for a minute
        assert len(faulty.naps) == 2

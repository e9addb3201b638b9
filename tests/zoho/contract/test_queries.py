"""The contract of COQL, Bulk Read and count. The simulator and a real Zoho must both keep it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.zoho.conftest import Zoho
from tests.zoho.walks import count_records, walk_changes, walk_records
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.server_clock import parse_time
from zoho_pipeline.zoho.read import bulk, coql, records

FIELDS = ("Last_Name", "Email", "Modified_Time", "Converted__s", "Owner")


def window(zoho: Zoho) -> tuple[datetime, datetime]:
    """The window from the beginning to one minute before the time of Zoho's clock."""
    records.get_page(zoho.client, "Leads", ("Last_Name",), per_page=1)
    return datetime(2000, 1, 1, tzinfo=UTC), zoho.client.server_time - timedelta(minutes=1)


def by_list(zoho: Zoho, until: datetime) -> dict[str, datetime]:
    pages = walk_records(zoho.client, "Leads", FIELDS, converted="both")
    rows = (row for page in pages for row in page.rows)
    times = {row["id"]: parse_time(row["Modified_Time"]) for row in rows}
    return {id: time for id, time in times.items() if time < until.replace(microsecond=0)}


def test_a_window_by_keyset_equals_the_list(zoho: Zoho) -> None:
    since, until = window(zoho)
    pages = list(walk_changes(zoho.client, "Leads", FIELDS, since=since, until=until))
    rows = [row for page in pages for row in page.rows]
    keys = [(parse_time(row["Modified_Time"]), int(row["id"])) for row in rows]
    assert keys == sorted(keys)
    assert {row["id"]: parse_time(row["Modified_Time"]) for row in rows} == by_list(zoho, until)
    assert len(rows) == len({row["id"] for row in rows})
    if zoho.org is not None:
        assert [len(page.rows) for page in pages] == [200, 246]
        assert set(rows[0]["Owner"]) == {"id"}, "a query gives lookups as bare ids"


def test_a_keyset_leads_through_ties(zoho: Zoho) -> None:
    """Ten rows per second, three per page: every page starts inside a second."""
    since, until = window(zoho)
    after, seen = None, []
    for _ in range(12):
        page = coql.changes(zoho.client, "Leads", ("Last_Name",), since=since, until=until, after=after, limit=3)
        seen += [row["id"] for row in page.rows]
        after = coql.last_of(page)
        if not page.more:
            break
    whole = coql.changes(zoho.client, "Leads", ("Last_Name",), since=since, until=until, limit=200)
    assert seen == [row["id"] for row in whole.rows][: len(seen)]
    assert zoho.org is None or len(seen) == 36


def test_an_empty_window(zoho: Zoho) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    page = coql.changes(zoho.client, "Leads", FIELDS, since=tomorrow, until=tomorrow + timedelta(hours=1))
    assert (page.rows, page.more) == ([], False)


def test_ids_in_order_and_their_count(zoho: Zoho) -> None:
    page = coql.ids(zoho.client, "Leads")
    ids = [int(row["id"]) for row in page.rows]
    assert ids == sorted(ids)
    if not page.more:
        assert coql.count(zoho.client, "Leads") == len(ids)
    if ids:
        second = coql.ids(zoho.client, "Leads", after=str(ids[0]), limit=1)
        assert [int(row["id"]) for row in second.rows] == ids[1:2]


@pytest.mark.parametrize(
    "query", ["select id from Leads", "select id frm Leads where id > 0", "update Leads set id = 1"]
)
def test_a_bad_query_is_refused(zoho: Zoho, query: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        coql.query(zoho.client, query)


def test_a_query_on_no_module(zoho: Zoho) -> None:
    with pytest.raises((errors.ModuleMissing, errors.InvalidRequest)):
        coql.query(zoho.client, "select id from No_Such_Module where id > 0")


def read_job(zoho: Zoho, job: bulk.BulkJob, folder: Path) -> list[dict[str, str]]:
    done = bulk.poll(zoho.client, job.id)
    zipped = bulk.download(zoho.client, done.id, folder / f"{done.id}.zip")
    with bulk.open_csv(zipped) as stream:
        rows = list(csv.DictReader(io.TextIOWrapper(stream, "utf-8", newline="")))
    assert len(rows) == done.count
    return rows


def test_a_bulk_job_holds_what_the_list_holds(zoho: Zoho, tmp_path: Path) -> None:
    since, until = window(zoho)
    job = bulk.create_job(zoho.client, "Leads", FIELDS, criteria=bulk.modified_between(since, until))
    rows = read_job(zoho, job, tmp_path)
    expected = by_list(zoho, until)
    assert {row["Id"]: parse_time(row["Modified_Time"]) for row in rows} == expected
    if zoho.org is not None:
        assert next(iter(rows[0])) == "Id"
        assert {row["Converted__s"] for row in rows} == {"true", "false"}
        assert all(row["Owner"].isdigit() for row in rows)


def test_an_unknown_field_fails_the_job(zoho: Zoho) -> None:
    with pytest.raises((errors.InvalidRequest, errors.JobFailed)):
        bulk.poll(zoho.client, bulk.create_job(zoho.client, "Leads", ("No_Such_Field",)).id)


def test_notes_have_no_bulk_route(zoho: Zoho) -> None:
    with pytest.raises((errors.InvalidRequest, errors.NotSupported, errors.ModuleMissing)):
        bulk.create_job(zoho.client, "Notes", ("Note_Title",))


def test_an_unknown_job(zoho: Zoho, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        bulk.status(zoho.client, "999999999999999999")
    with pytest.raises(errors.NotFound):
        bulk.download(zoho.client, "999999999999999999", tmp_path / "x.zip")


def test_count(zoho: Zoho) -> None:
    if zoho.org is None:
        pytest.skip("needs ZohoSearch.securesearch.READ, which the default scopes leave out")
    found = count_records(zoho.client, "Leads", criteria="(Company:equals:Acme)")
    assert 0 < found <= len(zoho.org.rows("Leads"))

"""The contract of the record routes. The simulator and a real Zoho must both keep it. The tests only read."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.zoho import related_lists
from tests.zoho.conftest import Zoho
from tests.zoho.walks import walk_records
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.server_clock import parse_time
from zoho_pipeline.zoho.read import deleted, records, related

FIELDS = ("Last_Name", "Email", "Created_Time", "Modified_Time", "Converted__s", "Owner")


def first_lead(zoho: Zoho) -> dict[str, object]:
    page = records.get_page(zoho.client, "Leads", FIELDS, converted="both", per_page=1)
    if not page.rows:
        pytest.skip("this org has no lead")
    return page.rows[0]


def test_a_page_holds_the_fields_asked_for_and_text_ids(zoho: Zoho) -> None:
    page = records.get_page(zoho.client, "Leads", (*FIELDS, "No_Such_Field"), converted="both", per_page=5)
    assert len(page.rows) <= 5
    for row in page.rows:
        assert isinstance(row["id"], str)
        assert row["id"].isdigit()
        assert "No_Such_Field" not in row
        assert {"Last_Name", "Modified_Time"} <= row.keys()
        assert parse_time(row["Modified_Time"]).tzinfo is UTC
    assert abs(page.server_time - datetime.now(UTC)) < timedelta(minutes=10)


def test_tokens_walk_the_whole_module_in_the_order_asked_for(zoho: Zoho) -> None:
    pages = list(
        walk_records(zoho.client, "Leads", FIELDS, sort_by="Modified_Time", sort_order="asc", converted="both")
    )
    rows = [row for page in pages for row in page.rows]
    times = [parse_time(row["Modified_Time"]) for row in rows]
    assert times == sorted(times)
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(len(page.rows) == 200 for page in pages[:-1])
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    if zoho.org is not None:
        assert len(pages) == 3
        assert {row["id"] for row in rows} == {row["id"] for row in zoho.org.rows("Leads")}


def test_page_numbers_reach_the_same_rows(zoho: Zoho) -> None:
    first = records.get_page(zoho.client, "Leads", FIELDS, sort_by="id", sort_order="asc", page=1, per_page=10)
    second = records.get_page(zoho.client, "Leads", FIELDS, sort_by="id", sort_order="asc", page=2, per_page=10)
    both = records.get_page(zoho.client, "Leads", FIELDS, sort_by="id", sort_order="asc", page=1, per_page=20)
    assert [row["id"] for row in (*first.rows, *second.rows)] == [row["id"] for row in both.rows]


def test_converted_leads_are_hidden_unless_asked_for(zoho: Zoho) -> None:
    def ids(**converted: str) -> set[str]:
        return {row["id"] for page in walk_records(zoho.client, "Leads", FIELDS, **converted) for row in page.rows}  # type: ignore[arg-type]

    shown, hidden, both = ids(), ids(converted="true"), ids(converted="both")
    assert shown | hidden == both
    assert not shown & hidden
    assert zoho.org is None or len(hidden) == 5


def test_nothing_since_tomorrow(zoho: Zoho) -> None:
    page = records.get_page(zoho.client, "Leads", FIELDS, modified_since=datetime.now(UTC) + timedelta(days=1))
    assert (page.rows, page.more, page.next_page_token) == ([], False, None)


def test_modified_since_is_a_lower_bound(zoho: Zoho) -> None:
    lead = first_lead(zoho)
    bound = parse_time(str(lead["Modified_Time"]))
    pages = walk_records(zoho.client, "Leads", FIELDS, modified_since=bound, converted="both")
    times = [parse_time(row["Modified_Time"]) for page in pages for row in page.rows]
    assert min(times) >= bound
    if zoho.org is not None:
        assert min(times) == bound, "the list includes the bound itself"


def test_a_page_token_is_bound_to_its_parameters(zoho: Zoho) -> None:
    page = records.get_page(zoho.client, "Leads", FIELDS, converted="both", per_page=1)
    if page.next_page_token is None:
        pytest.skip("this org has no second lead")
    with pytest.raises(errors.PageTokenExpired):
        records.get_page(
            zoho.client, "Leads", FIELDS[:2], converted="both", per_page=1, page_token=page.next_page_token
        )


@pytest.mark.parametrize(
    ("fields", "page", "code"),
    [
        ((), None, "REQUIRED_PARAM_MISSING"),
        (tuple(f"Field_{n}" for n in range(51)), None, "LIMIT_EXCEEDED"),
        (FIELDS, 11, "DISCRETE_PAGINATION_LIMIT_EXCEEDED"),
    ],
)
def test_limits_are_named(zoho: Zoho, fields: tuple[str, ...], page: int | None, code: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=code) as caught:
        records.get_page(zoho.client, "Leads", fields, page=page)
    assert caught.value.code == code


@pytest.mark.parametrize("module", ["No_Such_Module", "../org", "Leads/deleted", ""])
def test_an_unknown_module_is_missing(zoho: Zoho, module: str) -> None:
    for call in (
        lambda: records.get_page(zoho.client, module, FIELDS),
        lambda: deleted.get_page(zoho.client, module),
        lambda: records.get_one(zoho.client, module, "1"),
    ):
        with pytest.raises(errors.ModuleMissing):
            call()


def test_one_record_is_whole(zoho: Zoho) -> None:
    lead = first_lead(zoho)
    whole = records.get_one(zoho.client, "Leads", str(lead["id"]))
    assert whole is not None
    assert whole["id"] == lead["id"]
    assert whole["Last_Name"] == lead["Last_Name"]
    assert len(whole) > len(lead)


def test_a_converted_record_is_readable_by_id(zoho: Zoho) -> None:
    page = records.get_page(zoho.client, "Leads", FIELDS, converted="true", per_page=1)
    if not page.rows:
        pytest.skip("this org has no converted lead")
    whole = records.get_one(zoho.client, "Leads", page.rows[0]["id"])
    assert whole is not None
    assert whole["Converted__s"] is True


def test_a_record_that_is_not_there_is_none(zoho: Zoho) -> None:
    assert records.get_one(zoho.client, "Leads", "999999999999999999") is None


def test_invalid_ids_never_reach_a_path(zoho: Zoho) -> None:
    assert records.get_one(zoho.client, "Leads", "1/../../org") is None


def test_deletions(zoho: Zoho) -> None:
    page = deleted.get_page(zoho.client, "Leads")
    for row in page.rows:
        assert isinstance(row["id"], str)
        assert row["type"] in ("recycle", "permanent")
        assert parse_time(row["deleted_time"])
    if zoho.org is not None:
        assert sorted(row["type"] for row in page.rows) == ["permanent", "recycle", "recycle", "recycle"]
        assert [row["type"] for row in deleted.get_page(zoho.client, "Leads", type="permanent").rows] == ["permanent"]


def test_no_deletion_since_tomorrow(zoho: Zoho) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert deleted.get_page(zoho.client, "Leads", modified_since=tomorrow).rows == []


def test_deletions_by_pages(zoho: Zoho) -> None:
    whole = deleted.get_page(zoho.client, "Leads", per_page=200).rows
    pages = [deleted.get_page(zoho.client, "Leads", page=n, per_page=2) for n in (1, 2)]
    assert [row["id"] for page in pages for row in page.rows] == [row["id"] for row in whole][:4]


def test_notes_of_a_lead(zoho: Zoho) -> None:
    lead = (
        next((row for row in zoho.org.rows("Leads") if row["Last_Name"] == "Lead 20"), None)
        if zoho.org
        else first_lead(zoho)
    )
    notes = list(related_lists.notes(zoho.client, "Leads", lead["id"]))
    for note in notes:
        assert note["Parent_Id"]["id"] == lead["id"]
    assert zoho.org is None or sorted(note["Note_Title"] for note in notes) == ["n0", "n1", "n2"]


def test_emails_of_a_lead(zoho: Zoho) -> None:
    if zoho.org is None:
        pytest.skip("needs ZohoCRM.modules.emails.READ, which the default scopes leave out")
    lead = next(row for row in zoho.org.rows("Leads") if row["Last_Name"] == "Lead 20")
    mails = list(related.emails(zoho.client, "Leads", lead["id"]))
    assert sorted(mail["subject"] for mail in mails) == sorted(f"mail {n}" for n in range(13))
    assert len({mail["message_id"] for mail in mails}) == 13


def test_an_activity_list_of_a_lead(zoho: Zoho) -> None:
    lead = first_lead(zoho)
    for row in related_lists.list(zoho.client, "Leads", str(lead["id"]), "Tasks", ("Subject", "Status")):
        assert isinstance(row["id"], str)

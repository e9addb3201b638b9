"""Lists, users, org and settings at the wire: what they request, and answers that break the promise of their form."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.zoho import related_lists
from tests.zoho.read.pages import ROW, SINCE, UNTIL, page
from tests.zoho.walks import walk_changes, walk_records
from tests.zoho.wire import Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.read import coql, deleted, metadata, org, records, related, users
from zoho_pipeline.zoho.read.pages import SENT_ID, Page


def test_fields_that_zoho_refuses_by_name_are_left_out_from_then_on() -> None:
    refusal = error("INVALID_DATA", details={"param_name": "fields", "unknown": ["B", "C"]})
    wire = Wire(refusal, answer(page(ROW)), answer(page(ROW)))
    client = client_on(wire)
    for _ in range(2):
        assert records.get_page(client, "Leads", ("A", "B", "C")).rows == [ROW]
    assert [request.url.params["fields"] for request in wire.seen] == ["A,B,C", "A", "A"]


def test_a_refusal_that_names_no_field_is_passed_on() -> None:
    wire = Wire(error("LIMIT_EXCEEDED", details={"param_name": "fields", "limit": 50}))
    with pytest.raises(errors.InvalidRequest):
        records.get_page(client_on(wire), "Leads", ("A", "B"))
    assert len(wire.seen) == 1


def test_what_a_list_call_asks_for() -> None:
    wire = Wire(answer(page(ROW, more=True, token="t")))
    got = records.get_page(
        client_on(wire), "Leads", ("A", "$b"), modified_since=SINCE, sort_by="Modified_Time", sort_order="asc",
        converted="both", page_token="x y",
    )  # fmt: skip
    (request,) = wire.seen
    assert dict(request.url.params) == {
        "fields": "A,$b", "per_page": "200", "sort_by": "Modified_Time", "sort_order": "asc", "converted": "both",
        "page_token": "x y",
    }  # fmt: skip
    assert request.headers["If-Modified-Since"] == "2026-05-01T04:30:09+00:00"
    assert (got.more, got.next_page_token) == (True, "t")


def test_a_page_number_and_a_token_never_go_together() -> None:
    wire = Wire(answer(page(ROW)))
    records.get_page(client_on(wire), "Leads", ("A",), page=2, page_token="t")
    assert "page" not in wire.seen[0].url.params


BROKEN_PAGES = [
    {},
    {"data": None, "info": {"more_records": False}},
    {"data": {"id": "1"}, "info": {"more_records": False}},
    {"data": [ROW, "x"], "info": {"more_records": False}},
    {"data": [ROW, None], "info": {"more_records": False}},
    {"data": [{**ROW, "id": str(n)} for n in range(2_000)]},
    {"data": [{**ROW, "id": str(n)} for n in range(2_000)], "info": {}},
    {"data": [ROW], "info": {"more_records": "true"}},
]


@pytest.mark.parametrize("body", BROKEN_PAGES)
@pytest.mark.parametrize(
    "read",
    [
        lambda c: records.get_page(c, "Leads", ("A",)),
        lambda c: list(walk_records(c, "Leads", ("A",))),
        lambda c: deleted.get_page(c, "Leads"),
        lambda c: coql.changes(c, "Leads", ("A",), since=SINCE, until=UNTIL),
        lambda c: list(related_lists.notes(c, "Leads", "1")),
    ],
)
def test_half_a_promise_is_no_page(read: Callable[[ZohoClient], Any], body: dict[str, Any]) -> None:
    with pytest.raises(errors.BadAnswer):
        read(client_on(Wire(answer(body))))


def test_each_row_of_a_page_has_an_id_of_text() -> None:
    """A whole number keeps its digits, also beyond 64 bits. What is no id gets a name that no record has."""
    sent = b"4876876000000300001", b"98765432109876543210", b"null", b"null", b"1.0", b'"7"', b'""'
    rows = b",".join(b'{"id":%s,"Modified_Time":"2026-05-01T00:00:00+00:00"}' % id_ for id_ in sent)
    body = b'{"data":[%s,{"Last_Name":"x"}],"info":{"more_records":false}}' % rows
    reads: tuple[Callable[[ZohoClient], Page], ...] = (
        lambda c: records.get_page(c, "Leads", ("A",)),
        lambda c: deleted.get_page(c, "Leads"),
        lambda c: coql.changes(c, "Leads", ("A",), since=SINCE, until=UNTIL),
    )
    for read in reads:
        found = read(client_on(Wire(answer(body)))).rows
        ids = [row["id"] for row in found]
        assert (ids[:2], ids[5]) == (["4876876000000300001", "98765432109876543210"], "7")
        assert len(set(ids)) == 8
        assert [row[SENT_ID] for row in found if SENT_ID in row] == [None, None, 1.0, "", None]
        assert all(row["id"].startswith("no id ") for row in found if SENT_ID in row)


@pytest.mark.parametrize("body", [{"data": [ROW]}, {"data": [ROW], "info": {}}, {"data": []}])
def test_a_page_that_is_not_full_may_leave_unsaid_that_it_is_the_last(body: dict[str, Any]) -> None:
    client = client_on(Wire(answer(body)))
    for got in (
        records.get_page(client, "Leads", ("A",)),
        deleted.get_page(client, "Leads"),
        coql.changes(client, "Leads", ("A",), since=SINCE, until=UNTIL),
    ):
        assert (got.rows, got.more) == (body["data"], False)


@pytest.mark.parametrize("token", [None, "same"])
def test_a_walk_never_runs_in_a_circle_or_stops_short(token: str | None) -> None:
    for walk in (
        lambda c: list(walk_records(c, "Leads", ("A",))),
        lambda c: list(related_lists.list(c, "Leads", "1", "Tasks", ("A",))),
        lambda c: list(walk_changes(c, "Leads", ("A",), since=SINCE, until=UNTIL)),
    ):
        with pytest.raises(errors.BadAnswer, match="more records follow"):
            walk(client_on(Wire(answer(page(ROW, more=True, token=token)))))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (answer(status=204), None),
        (error("INVALID_DATA", 400, details={"resource_path_index": 1}), None),
        (error("RESOURCE_NOT_FOUND", 404), None),
        (answer({"data": []}), None),
        (answer({"data": [ROW]}), ROW),
    ],
)
def test_one_record(reply: Any, found: Any) -> None:
    wire = Wire(reply)
    assert records.get_one(client_on(wire), "Leads", "1") == found
    assert dict(wire.seen[0].url.params) == {"converted": "both"}
    records.get_one(client_on(wire), "Deals", "1")
    assert "converted" not in wire.seen[1].url.params


def test_one_record_with_a_wrong_parameter_is_no_absence() -> None:
    wire = Wire(error("INVALID_DATA", 400, details={"param_name": "converted"}))
    with pytest.raises(errors.InvalidRequest):
        records.get_one(client_on(wire), "Leads", "1")


def test_emails_follow_their_index() -> None:
    first = {"Emails": [{"message_id": "a"}], "info": {"more_records": True, "next_index": "i2"}}
    last = {"Emails": [{"message_id": "b"}], "info": {"more_records": False, "next_index": None}}
    wire = Wire(answer(first), answer(last))
    assert [mail["message_id"] for mail in related.emails(client_on(wire), "Leads", "1")] == ["a", "b"]
    assert [dict(r.url.params) for r in wire.seen] == [{}, {"index": "i2"}]
    with pytest.raises(errors.BadAnswer, match="no new index for them"):
        list(related.emails(client_on(Wire(answer(first))), "Leads", "1"))


@pytest.mark.parametrize("body", [{"users": []}, {"users": [{"id": "1"}, {"id": "2"}]}, {}, {"users": [{"id": 1.5}]}])
def test_a_current_user_is_one(body: dict[str, Any]) -> None:
    with pytest.raises(errors.BadAnswer):
        users.current(client_on(Wire(answer(body))))


@pytest.mark.parametrize(
    ("profile", "admin"), [({"name": "Administrator"}, True), ({"name": "Standard"}, False), (None, False), ({}, False)]
)
def test_who_is_an_administrator(profile: Any, admin: bool) -> None:
    assert users.is_admin({"profile": profile}) is admin


def test_an_org_says_what_it_can() -> None:
    row = {
        "id": "1", "company_name": "Acme", "time_zone": "Asia/Kolkata", "iso_code": "INR", "type": "sandbox",
        "license_details": {"paid_type": "enterprise", "users_license_purchased": "12"},
    }  # fmt: skip
    found = org.get(client_on(Wire(answer({"org": [row]}))))
    assert (found.currency, found.type) == ("INR", "sandbox")
    assert (found.paid_type, found.users_licensed) == ("enterprise", 12)
    trial = {**row, "license_details": {"paid": False, "paid_type": None, "trial_type": "ultimate"}}
    assert org.get(client_on(Wire(answer({"org": [trial]})))).paid_type == "ultimate"
    bare = org.get(client_on(Wire(answer({"org": [{"id": "1"}]}))))
    assert (bare.currency, bare.paid_type, bare.users_licensed) == (None, None, 0)
    with pytest.raises(errors.BadAnswer):
        org.get(client_on(Wire(answer({"org": []}))))


def test_fields_as_zoho_describes_them() -> None:
    row = {
        "id": "5", "api_name": "Deal_Stage", "field_label": "Stage", "data_type": "picklist", "custom_field": True,
        "visible": False,
        "pick_list_values": [
            {"display_value": "Won", "actual_value": "Closed Won", "sequence_number": 9, "type": "used",
             "probability": 100, "forecast_type": "Closed Won"},
            {"display_value": "Old", "actual_value": "Old", "type": "unused"},
        ],
    }  # fmt: skip
    wire = Wire(answer({"fields": [row, {"id": "6"}]}))
    (field,) = metadata.fields(client_on(wire), "Deals")
    assert dict(wire.seen[0].url.params) == {"module": "Deals", "type": "all"}
    assert (field.api_name, field.label, field.data_type) == ("Deal_Stage", "Stage", "picklist")
    assert (field.custom, field.visible) == (True, False)
    assert [(v.actual_value, v.used, v.probability) for v in field.pick_list_values] == [
        ("Closed Won", True, 100),
        ("Old", False, None),
    ]


@pytest.mark.parametrize("picks", [5, True, "Won", {"a": 1}, [5, None, ["x"]]])
def test_a_picklist_without_values_costs_no_field(picks: Any) -> None:
    wire = Wire(answer({"fields": [{"id": "5", "api_name": "Stage", "pick_list_values": picks}]}))
    (field,) = metadata.fields(client_on(wire), "Deals")
    assert (field.api_name, field.pick_list_values) == ("Stage", ())


def test_settings_that_are_not_there() -> None:
    nothing = client_on(Wire(answer(status=204)))
    assert metadata.fields(nothing, "Leads", type="unused") == []
    with pytest.raises(errors.BadAnswer, match="no field of Leads"):
        metadata.fields(nothing, "Leads")
    assert metadata.holidays(nothing, 2026) == []
    assert metadata.business_hours(nothing) is None
    assert metadata.pipelines(nothing, "1") == []
    with pytest.raises(errors.BadAnswer):
        metadata.business_hours(client_on(Wire(answer({"business_hours": "9 to 5"}))))


def test_settings_over_two_pages() -> None:
    first = {"holidays": [{"id": "1"}], "info": {"more_records": True}}
    second = {"holidays": [{"id": "2"}], "info": {"more_records": False}}
    wire = Wire(answer(first), answer(second))
    assert [row["id"] for row in metadata.holidays(client_on(wire), 2026)] == ["1", "2"]
    assert dict(wire.seen[1].url.params) == {"year": "2026", "page": "2"}


def test_lists_that_lead_round_in_a_circle_end() -> None:
    """An index, a page of users and a page of settings that were seen before: each further page costs credits."""
    pages = [
        answer({"Emails": [{"message_id": str(n)}], "info": {"more_records": True, "next_index": f"i{n % 3}"}})
        for n in range(9)
    ]
    wire = Wire(*pages)
    with pytest.raises(errors.BadAnswer, match="no new index"):
        list(related.emails(client_on(wire), "Leads", "1"))
    assert len(wire.seen) == 4
    wire = Wire(answer({"users": [{"id": "1"}], "info": {"more_records": True}}))
    with pytest.raises(errors.BadAnswer, match="none that are new"):
        users.list_users(client_on(wire))
    assert len(wire.seen) == 2
    circle = [answer({"fields": [{"api_name": name}], "info": {"more_records": True}}) for name in ("A", "B", "A")]
    wire = Wire(*circle)
    with pytest.raises(errors.BadAnswer, match="none that are new"):
        metadata.fields(client_on(wire), "Leads")
    assert len(wire.seen) == 3

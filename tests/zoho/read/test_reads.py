"""The reads at the wire: what they request, and answers that have the right form but a wrong content."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zoho import related_lists
from tests.zoho.walks import count_records, walk_changes, walk_records
from tests.zoho.wire import Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import bulk, coql, deleted, metadata, org, records, related, users

SINCE, UNTIL = datetime(2026, 5, 1, 4, 30, 9, 999_999, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
ROW = {"id": "1", "Modified_Time": "2026-05-01T10:00:00+05:30"}


def page(*rows: dict[str, Any], more: bool = False, token: str | None = None) -> dict[str, Any]:
    return {"data": list(rows), "info": {"more_records": more, "next_page_token": token}}


# Records


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
    {"data": [{"id": 4876876000000300001}], "info": {"more_records": False}},
    {"data": [ROW, {"Last_Name": "x"}], "info": {"more_records": False}},
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
def test_an_incomplete_answer_is_not_a_page(read: Callable[[ZohoClient], Any], body: dict[str, Any]) -> None:
    with pytest.raises(errors.BadAnswer):
        read(client_on(Wire(answer(body))))


@pytest.mark.parametrize("body", [{"data": [ROW]}, {"data": [ROW], "info": {}}, {"data": []}])
def test_a_page_that_is_not_full_may_leave_unsaid_that_it_is_the_last(body: dict[str, Any]) -> None:
    client = client_on(Wire(answer(body)))
    for page in (
        records.get_page(client, "Leads", ("A",)),
        deleted.get_page(client, "Leads"),
        coql.changes(client, "Leads", ("A",), since=SINCE, until=UNTIL),
    ):
        assert (page.rows, page.more) == (body["data"], False)


@pytest.mark.parametrize("token", [None, "same"])
def test_a_walk_never_repeats_a_page_and_never_stops_early(token: str | None) -> None:
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


# COQL


def asked(wire: Wire) -> str:
    return str(orjson.loads(wire.seen[-1].content)["select_query"])


def test_conditions_are_bracketed_in_pairs() -> None:
    assert coql.changes_query("Leads", ("A",), since=None, until=UNTIL, limit=200) == (
        "select id, Modified_Time, A from Leads where Modified_Time < '2026-05-02T00:00:00+00:00' "
        "order by Modified_Time asc, id asc limit 200"
    )
    assert coql.changes_query("Leads", ("A", "id"), since=SINCE, until=UNTIL) == (
        "select id, Modified_Time, A from Leads where (Modified_Time >= '2026-05-01T04:30:09+00:00' and "
        "Modified_Time < '2026-05-02T00:00:00+00:00') order by Modified_Time asc, id asc limit 2000"
    )
    after = coql.Keyset(datetime(2026, 5, 1, 12, tzinfo=UTC), "42")
    assert coql.changes_query("Leads", ("A",), since=SINCE, until=UNTIL, after=after) == (
        "select id, Modified_Time, A from Leads where ((Modified_Time >= '2026-05-01T12:00:00+00:00' and "
        "Modified_Time < '2026-05-02T00:00:00+00:00') and (Modified_Time > '2026-05-01T12:00:00+00:00' or id > 42)) "
        "order by Modified_Time asc, id asc limit 2000"
    )


def test_the_first_page_is_the_cheap_one() -> None:
    second = {"id": "2", "Modified_Time": "2026-05-01T10:00:00+05:30"}
    wire = Wire(answer(page(ROW, more=True)), answer(page(second, more=True)), answer(status=204))
    client = client_on(wire)
    assert [p.rows for p in walk_changes(client, "Leads", ("A",), since=SINCE, until=UNTIL)] == [
        [ROW],
        [second],
        [],
    ]
    limits = [orjson.loads(r.content)["select_query"].rpartition(" ")[2] for r in wire.seen]
    assert limits == ["200", "1000", "2000"]
    assert client.meter.credits == 1 + 2 + 3


@pytest.mark.parametrize("name", ["id; drop", "a b", "1a", "", "Owner.", "x'", "a,b"])
def test_only_names_are_put_into_a_query(name: str) -> None:
    wire = Wire(answer(page()))
    with pytest.raises(errors.InvalidRequest):
        coql.changes(client_on(wire), "Leads", (name,), since=SINCE, until=UNTIL)
    with pytest.raises((errors.InvalidRequest, errors.ModuleMissing)):
        coql.ids(client_on(wire), "Leads x" if name == "" else f"{name} x")
    with pytest.raises(errors.InvalidRequest):
        coql.ids(client_on(wire), "Leads", after=f"{name}'")
    assert wire.seen == []


@given(st.text(max_size=20))
def test_no_module_name_breaks_out_of_a_query(text: str) -> None:
    try:
        query = coql.changes_query(text, ("A",), since=None, until=UNTIL)
    except errors.ModuleMissing:
        return
    assert query.split()[5] == text


@pytest.mark.parametrize("limit", [0, 2001])
def test_limits_of_a_query(limit: int) -> None:
    with pytest.raises(ValueError, match="2000"):
        coql.changes_query("Leads", ("A",), since=None, until=UNTIL, limit=limit)


@pytest.mark.parametrize(
    ("rows", "number"), [([{"COUNT(id)": 7}], 7), ([{"count": "7"}], 7), ([], 0), ([{"COUNT(id)": 0}], 0)]
)
def test_a_count_by_query(rows: list[dict[str, Any]], number: int) -> None:
    wire = Wire(answer(page(*rows)))
    assert coql.count(client_on(wire), "Leads") == number
    assert asked(wire) == "select COUNT(id) from Leads where id is not null"


def test_a_count_without_a_number() -> None:
    with pytest.raises(errors.BadAnswer):
        coql.count(client_on(Wire(answer(page({"id": "x"})))), "Leads")
    for body in ({}, {"count": "7"}, {"count": True}):
        with pytest.raises(errors.BadAnswer):
            count_records(client_on(Wire(answer(body))), "Leads")
    with pytest.raises(errors.BadAnswer):
        count_records(client_on(Wire(answer(status=204))), "Leads")


def test_queries_that_may_bring_200_rows_alone_are_asked_for_as_many() -> None:
    wire = Wire(answer(page(ROW)), error("LIMIT_EXCEEDED", details={"limit": 200}), answer(page(ROW, more=True)))
    client = client_on(wire)
    coql.query(client, "select id from Leads where id > 0 limit 200")
    for _ in range(2):
        assert coql.query(client.metered(), "select id from Leads where id > 0 limit 10, 2000").more
    asked = [orjson.loads(request.content)["select_query"].rpartition("limit ")[2] for request in wire.seen]
    assert asked == ["200", "10, 2000", "10, 200", "10, 200"]


def test_another_limit_of_queries_is_no_reason_to_ask_again() -> None:
    wire = Wire(error("LIMIT_EXCEEDED", details={"clause": "select"}))
    with pytest.raises(errors.InvalidRequest):
        coql.query(client_on(wire), "select id from Leads where id > 0 limit 200")
    assert len(wire.seen) == 1


# Bulk Read

ADDED = {"data": [{"status": "success", "code": "ADDED_SUCCESSFULLY", "details": {"id": "7", "state": "ADDED"}}]}


def state(name: str, **result: Any) -> Any:
    return answer({"data": [{"id": "7", "state": name, **({"result": result} if result else {})}]})


def test_a_job_asks_for_a_window() -> None:
    wire = Wire(answer(ADDED, 201))
    job = bulk.create_job(client_on(wire), "Leads", ("A",), criteria=bulk.modified_between(SINCE, UNTIL))
    assert (job.id, job.state) == ("7", "ADDED")
    assert wire.seen[0].headers["Content-Type"] == "application/json"
    assert orjson.loads(wire.seen[0].content) == {
        "query": {
            "module": {"api_name": "Leads"},
            "page": 1,
            "fields": ["A"],
            "criteria": {
                "group_operator": "and",
                "group": [
                    {
                        "field": {"api_name": "Modified_Time"},
                        "comparator": "greater_equal",
                        "value": "2026-05-01T04:30:09+00:00",
                    },
                    {
                        "field": {"api_name": "Modified_Time"},
                        "comparator": "less_than",
                        "value": "2026-05-02T00:00:00+00:00",
                    },
                ],
            },
        },
        "file_type": "csv",
    }
    assert bulk.modified_between(None, None) is None
    assert bulk.modified_between(None, UNTIL) == {
        "field": {"api_name": "Modified_Time"}, "comparator": "less_than", "value": "2026-05-02T00:00:00+00:00"
    }  # fmt: skip


def test_a_next_job_sends_the_token_alone() -> None:
    wire = Wire(answer(ADDED, 201))
    bulk.create_job(client_on(wire), "Leads", ("A",), page_token="tok")
    assert orjson.loads(wire.seen[0].content) == {"query": {"page_token": "tok"}}


def test_a_lost_job_is_created_once_more_and_not_again() -> None:
    wire = Wire(error("INTERNAL_ERROR", 500), answer(ADDED, 201))
    assert bulk.create_job(client_on(wire), "Leads").id == "7"
    wire = Wire(error("INTERNAL_ERROR", 500))
    with pytest.raises(errors.ServerFault):
        bulk.create_job(client_on(wire), "Leads")
    assert len(wire.seen) == 2


def test_polls_grow_rarer_until_the_job_is_done() -> None:
    wire = Wire(
        state("ADDED"), state("QUEUED"), state("IN PROGRESS"),
        state("COMPLETED", page=1, count=5, more_records=True, next_page_token="n"),
    )  # fmt: skip
    client = client_on(wire)
    job = bulk.poll(client, "7")
    assert (job.completed, job.count, job.more, job.next_page_token) == (True, 5, True, "n")
    naps = client.naps  # type: ignore[attr-defined]
    assert naps == [1.0, 2.5, 6.25]


def test_a_new_job_is_not_asked_for_at_once() -> None:
    wire = Wire(state("COMPLETED", page=1, count=5))
    client = client_on(wire)
    assert bulk.poll(client, "7", new=True).completed
    assert client.naps == [1.0]  # type: ignore[attr-defined]
    assert len(wire.seen) == 1


def test_a_failed_or_endless_job_says_so() -> None:
    with pytest.raises(errors.JobFailed, match="no such field"):
        bulk.poll(client_on(Wire(state("FAILURE", error_message="no such field"))), "7")
    now = iter(range(0, 10_000, 40))
    with pytest.raises(errors.JobFailed, match="still QUEUED after 100 s"):
        bulk.poll(client_on(Wire(state("QUEUED")), pacing=Pacing(job_deadline=100)), "7", monotonic=lambda: next(now))


@pytest.mark.parametrize(
    "reply", [answer({"data": []}), answer({}), state("COMPLETED", more_records=True), answer({"data": [{"id": "7"}]})]
)
def test_answers_that_are_not_a_job(reply: Any) -> None:
    with pytest.raises(errors.BadAnswer):
        bulk.status(client_on(Wire(reply)), "7")


def test_an_answer_without_a_job() -> None:
    for body in ({}, {"data": []}, {"data": [{"details": {}}]}):
        with pytest.raises(errors.BadAnswer):
            bulk.create_job(client_on(Wire(answer(body, 201))), "Leads")


def test_a_file_that_is_not_there_yet_is_asked_for_again(tmp_path: Path) -> None:
    missing = error("RESOURCE_NOT_FOUND", 404)
    wire = Wire(missing, missing, answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip"))
    client = client_on(wire)
    assert bulk.download(client, "7", tmp_path / "x.zip").exists()
    assert client.naps == [1.0, 2.0]  # type: ignore[attr-defined]
    with pytest.raises(errors.NotFound):
        bulk.download(client_on(Wire(missing)), "7", tmp_path / "y.zip")


def test_a_throttled_download_waits_until_its_minute_is_over(tmp_path: Path) -> None:
    """Eleven results are requested in a minute. The retries of the client are used up, and it continues to wait."""
    busy = error("TOO_MANY_REQUESTS", 429)
    file = answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip")
    client = client_on(Wire(busy, busy, busy, busy, file), pacing=Pacing(attempts=2))
    assert bulk.download(client, "7", tmp_path / "x.zip").exists()
    assert [nap for nap in client.naps if nap >= 10] == [10.0, 10.0]  # type: ignore[attr-defined]
    now = iter(range(0, 10_000, 100))
    hasty = client_on(Wire(busy), pacing=Pacing(attempts=1))
    with pytest.raises(errors.ConcurrencyLimit):
        bulk.download(hasty, "7", tmp_path / "y.zip", monotonic=lambda: next(now))


def test_any_word_for_failure_ends_a_job() -> None:
    with pytest.raises(errors.JobFailed):
        bulk.poll(client_on(Wire(state("FAILED"))), "7")


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_download_never_leaves_the_api_domain(tmp_path: Path) -> None:
    """We build the path: a `download_url` of another host is never called with a token."""
    wire = Wire(answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip"))
    path = bulk.download(client_on(wire), "7", tmp_path / "7.zip")
    assert str(wire.seen[0].url) == "https://www.zohoapis.com/crm/bulk/v7/read/7/result"
    with bulk.open_csv(path) as stream:
        assert stream.read() == b"Id\n1\n"


def test_a_result_that_is_damaged(tmp_path: Path) -> None:
    good = zipped(**{"7.csv": b"Id\n" + bytes(range(48, 58)) * 5_000})
    with pytest.raises(errors.BadAnswer):
        bulk.download(client_on(Wire(answer(good[:-60]))), "7", tmp_path / "cut.zip")
    assert list(tmp_path.iterdir()) == []
    middle = len(good) // 2
    spoilt = bulk.download(
        client_on(Wire(answer(good[:middle] + b"\0\0\0" + good[middle + 3 :]))), "7", tmp_path / "x.zip"
    )
    with pytest.raises(errors.BadAnswer, match="damaged"):
        read_all(spoilt)
    two = bulk.download(client_on(Wire(answer(zipped(**{"a.csv": b"", "b.csv": b""})))), "7", tmp_path / "two.zip")
    with pytest.raises(errors.BadAnswer, match="2 CSV files"):
        read_all(two)


def read_all(path: Path) -> bytes:
    with bulk.open_csv(path) as stream:
        return stream.read()


@pytest.mark.parametrize("job", ["7/../../x", "", "a b"])
def test_a_job_id_never_leaves_its_place(job: str) -> None:
    wire = Wire(state("QUEUED"))
    with pytest.raises(errors.NotFound):
        bulk.status(client_on(wire), job)
    assert wire.seen == []


# Related lists, users, org, settings


def test_emails_follow_their_index() -> None:
    first = {"Emails": [{"message_id": "a"}], "info": {"more_records": True, "next_index": "i2"}}
    last = {"Emails": [{"message_id": "b"}], "info": {"more_records": False, "next_index": None}}
    wire = Wire(answer(first), answer(last))
    assert [mail["message_id"] for mail in related.emails(client_on(wire), "Leads", "1")] == ["a", "b"]
    assert [dict(r.url.params) for r in wire.seen] == [{}, {"index": "i2"}]
    with pytest.raises(errors.BadAnswer, match="no index for them"):
        list(related.emails(client_on(Wire(answer(first))), "Leads", "1"))


@pytest.mark.parametrize("body", [{"users": []}, {"users": [{"id": "1"}, {"id": "2"}]}, {}, {"users": [{"id": 1}]}])
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


def test_settings_that_are_not_there() -> None:
    nothing = client_on(Wire(answer(status=204)))
    assert metadata.fields(nothing, "Leads") == []
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

"""COQL at the wire: the text of queries, and answers that break the promise of their form."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zoho.read.pages import ROW, SINCE, UNTIL, page
from tests.zoho.walks import count_records, walk_changes
from tests.zoho.wire import Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.read import coql


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
def test_no_text_but_a_name_stands_in_a_query(name: str) -> None:
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

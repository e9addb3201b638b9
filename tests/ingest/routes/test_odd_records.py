"""One odd value costs its own cell: the record stays, `rejected_records` names the value, and the sync is complete."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import choice

QUERIES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
HALF = b'"half \\ud83d pair"'
BYTES = b'"bytes \xff\xfe"'
DEEP = b"[" * 300 + b"]" * 300
DEEPER = b'{"a":' * 3_000 + b"1" + b"}" * 3_000

TEXT = {
    ("Last_Name", HALF): "last_name",
    ("Company", BYTES): "company",
    ("City", b'"\\udc00\\ud800"'): "city",
    ("Tier", HALF): "",
}
TIMES = {
    ("Created_Time", b'"10000-01-01T00:00:00+00:00"'): "created_time",
    ("Modified_Time", b'"0000-01-01T00:00:00+00:00"'): "modified_time",
    ("Modified_Time", b'"9999-12-31T23:59:59-11:00"'): "modified_time",
    ("Modified_Time", b'"0001-01-01T00:00:00+05:30"'): "modified_time",
    ("Modified_Time", b'"soon"'): "modified_time",
    ("Created_Time", b'"9999-12-31T23:59:59-11:00"'): "created_time",
    ("Last_Activity_Time", b'"0000-12-31T00:00:00Z"'): "last_activity_time",
}
NUMBERS = {
    ("No_of_Employees", '"²"'.encode()): "no_of_employees",
    ("No_of_Employees", b"9" * 5_000): "no_of_employees",
    ("No_of_Employees", b"7.5"): "no_of_employees",
    ("Annual_Revenue", b"1e400"): "annual_revenue",
    ("Annual_Revenue", b"NaN"): "annual_revenue",
    ("Annual_Revenue", b"1e999999999999"): "annual_revenue",
    ("Annual_Revenue", b"1e99999999999999999999"): "annual_revenue",
    ("No_of_Employees", b"-1E+99999999999999999999"): "no_of_employees",
}
JSON_ONLY = {
    ("City", DEEP): "city",
    ("Tier", DEEP): "",
    ("Tier", DEEPER): "",
    ("Company", DEEPER): "company",
    ("Tag", b'[{"name":"\\ud83d","id":"1"}]'): "tag",
    ("Owner", b'{"id":"77","name":"\\ud83d"}'): "owner_name",
}
CSV_NUMBERS = {key: column for key, column in NUMBERS.items() if key[1].startswith((b'"', b"7"))}


def garbled(bench: SyncBench, odd: dict[tuple[str, bytes], str], scopes: str) -> dict[str, tuple[str, str]]:
    """Two leads per odd value, one of them good: id → (field, column) of the odd ones."""
    bench.connect(scopes)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    made: dict[str, tuple[str, str]] = {}
    for number, ((field, raw), column) in enumerate(odd.items()):
        bench.org.insert("Leads", {"Last_Name": f"good {number}", "Company": "C", "Tier": "gold"})
        id_ = bench.org.insert("Leads", {"Last_Name": f"odd {number}", "Company": "C", "Tier": "gold"})
        bench.org.garble("Leads", id_, field, raw)
        made[id_] = field, column
    return made


def check(bench: SyncBench, made: dict[str, tuple[str, str]]) -> None:
    rows = bench.live("leads", "Leads")
    assert len(rows) == 2 * len(made)
    rejected = {(row["id"], row["field"]) for row in bench.rows("select * from zoho_raw.rejected_records")}
    assert rejected == {(id_, field) for id_, (field, _) in made.items()}
    for id_, row in rows.items():
        field, column = made.get(id_, ("", ""))
        custom = orjson.loads(row["custom_fields"])
        assert custom.get("Tier") == (None if field == "Tier" else "gold")
        if column:
            assert row[column] is None
        lost = {name for name in ("last_name", "company", "created_time", "modified_time") if row[name] is None}
        assert lost <= {column}


@pytest.mark.parametrize(
    ("route", "scopes", "odd", "limits"),
    [
        ("records", PLAIN_SCOPES, TEXT | TIMES | NUMBERS | JSON_ONLY, {}),
        ("coql", QUERIES, TEXT | TIMES | NUMBERS | JSON_ONLY, {"queries_from": 1, "list_credits": 99}),
        (
            "bulk",
            ALL_SCOPES,
            TEXT | TIMES | CSV_NUMBERS,
            {"job_credits": 0},
        ),
    ],
)
@pytest.mark.long
def test_an_odd_value_costs_its_cell_alone(
    bench: SyncBench, route: str, scopes: str, odd: dict[tuple[str, bytes], str], limits: dict[str, Any]
) -> None:
    bench.limit(**limits)
    made = garbled(bench, odd, scopes)
    report = bench.sync("Leads")
    assert report.complete, report
    assert route in report.modules[0].route.split("+")
    check(bench, made)
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", next(iter(made)), {"State": "new"})
    report = bench.sync("Leads")
    assert report.complete, report
    check(bench, made)
    assert bench.live("leads", "Leads")[next(iter(made))]["state"] == "new"


def test_a_rejected_value_is_shown_with_its_reason(bench: SyncBench) -> None:
    garbled(bench, {("Company", BYTES): "company", ("City", HALF): "city", ("State", DEEPER): "state"}, PLAIN_SCOPES)
    bench.sync("Leads")
    found = {row["field"]: row for row in bench.rows("select * from zoho_raw.rejected_records")}
    assert found["Company"]["value"] == r'"bytes \xff\xfe"'
    assert found["City"]["value"] == r'"half \ud83d pair"'
    assert "half a surrogate pair" in found["City"]["reason"]
    assert found["State"]["reason"] == "nested too deeply"


@pytest.mark.long
def test_reconcile_agrees_with_records_that_have_no_time(bench: SyncBench) -> None:
    made = garbled(bench, TIMES, QUERIES)
    bench.sync("Leads")
    found = bench.reconcile("Leads")
    assert found.sync.complete, found
    (compared,) = found.comparisons
    assert (compared.added, compared.updated, compared.removed) == (0, 0, 0)
    check(bench, made)


@pytest.mark.long
def test_a_deletion_at_an_odd_time_is_a_deletion(bench: SyncBench) -> None:
    lead = bench.org.insert("Leads", {"Last_Name": "L", "Company": "C"})
    bench.sync("Leads")
    body = (
        f'{{"data":[{{"id":"{lead}","deleted_time":"10000-01-01T00:00:00+00:00","type":5,"display_name":"\\ud83d",'
        '"deleted_by":{"id":7,"name":{"x":1}}}],"info":{"more_records":false}}'
    )
    bench.sim.clock.advance(60)
    bench.org.delete("Leads", lead)
    bench.sim.faults.next(9, "body", "/Leads/deleted", text=body)
    assert bench.sync("Leads").complete
    assert not bench.live("leads", "Leads")
    (row,) = bench.rows("select * from zoho_raw.deleted_records")
    assert (row["deleted_time"], row["deletion_type"], row["deleted_by_id"]) == (None, "5", "7")
    rejected = {row["field"] for row in bench.rows("select field from zoho_raw.rejected_records")}
    assert rejected == {"deleted_time", "display_name", "deleted_by"}


@pytest.mark.parametrize("raw", choice([HALF, b'"\xff"', b'"' + b"x" * 200 + b'"'], [HALF]))
def test_reference_tables_lose_one_cell_too(bench: SyncBench, raw: bytes) -> None:
    name = raw.decode("utf-8", "surrogateescape")
    body = (
        f'{{"users":[{{"id":"1","full_name":{name}}},{{"id":"2","full_name":"Asha"}}],"info":{{"more_records":false}}}}'
    )
    bench.sim.faults.next(2, "body", "/users", after=1, text=body)
    assert bench.sync().complete
    names = {row["id"]: row["full_name"] for row in bench.rows("select id, full_name from zoho_raw.users")}
    assert names["2"] == "Asha"
    assert names["1"] in (None, "x" * 200)


ODD_HEADERS = [
    *("x-api-credits-remaining: ²", "x-api-credits-remaining: -1", "x-api-credits-remaining: 1e3"),
    *("x-api-credits-remaining: " + "9" * 5_000, "x-api-credits-remaining: ٣", "x-api-credits-remaining: "),
    *(
        "date: Fri, 31 Dec 9999 23:59:59 GMT",
        "date: Sat, 01 Jan 10000 00:00:00 GMT",
        "date: Sat, 01 Jan 0000 00:00:00 GMT",
    ),
    *("date: Fri, 31 Dec 9999 23:59:59 -1100", "date: ²", "date: Mon, 99 Foo 99999999999999999999 00:00:00 GMT"),
]


@pytest.mark.parametrize("text", choice(ODD_HEADERS, ODD_HEADERS[::3]))
def test_an_odd_header_is_a_header_that_is_not_there(bench: SyncBench, text: str) -> None:
    bench.org.insert("Leads", {"Last_Name": "L", "Company": "C"})
    text = text.encode("utf-8").decode("latin-1")  # the bytes of a server that sends UTF-8 in a header
    bench.sim.faults.next(99, "header", "/crm/v7/Leads", text=text)
    assert bench.sync("Leads").complete
    assert len(bench.live("leads", "Leads")) == 1
    assert bench.registry.get("acme").modules["Leads"].upper_bound < datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("odd", ["12\0", "-5", "12 ", "1 or 1=1", "١٢٣", "9" * 30, "12/../3", "a" * 300])
@pytest.mark.long
def test_a_record_with_an_impossible_id_is_rejected_as_a_whole(bench: SyncBench, odd: str) -> None:
    """No part of it becomes another record. Its neighbours are loaded. By jobs: see `test_damaged_files`."""
    rows = [{"id": id_, "Last_Name": f"L{id_}", "Modified_Time": "2026-05-01T00:00:00+00:00"} for id_ in ("12", odd)]
    body = orjson.dumps({"data": rows, "info": {"more_records": False}}).decode()
    bench.sim.faults.next(99, "body", "/crm/v7/Leads", text=body)
    bench.sync("Leads")
    assert [row["last_name"] for row in bench.rows("select last_name from zoho_raw.leads")] == ["L12"]
    (rejected,) = bench.rows("select * from zoho_raw.rejected_records where module = 'Leads' and field = 'id'")
    assert (rejected["field"], rejected["reason"]) == ("id", "the id has other characters than digits")
    assert rejected["id"] == odd.replace("\0", "\\0")[:100]


@pytest.mark.long
@pytest.mark.parametrize(
    ("odd", "first"),
    [
        pytest.param("12\\u0000", True, marks=pytest.mark.long),
        pytest.param("x9", False, marks=pytest.mark.long),
        pytest.param("9" * 30, False, marks=pytest.mark.long),
        ("1 or 1=1", True),
    ],
)
def test_zoho_counts_a_record_with_an_impossible_id_and_later_syncs_know_it(
    bench: SyncBench, odd: str, first: bool
) -> None:
    """It is compared once. Then a sync with no news costs three credits, and no query names such an id."""
    bench.limit(pacing=replace(bench.limits.pacing, query_rows=10))  # an odd id is also the last of a page
    bench.connect(QUERIES)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(29)])
    if not first:
        assert bench.sync("Leads").complete
        bench.sim.clock.advance(3_600)
    strange = bench.org.insert("Leads", {"Last_Name": "odd", "Company": "C"})
    bench.org.garble("Leads", strange, "id", f'"{odd}"')
    for _ in range(2):
        bench.sim.clock.advance(3_600)
        assert bench.sync("Leads").complete
    check_quiet(bench)
    for number in range(2):
        bench.org.update("Leads", ids[number], {"Company": "new"})
        bench.sim.clock.advance(3_600)
        report = bench.sync("Leads")
        assert (report.complete, report.modules[0].route) == (True, "coql")
    check_quiet(bench)
    found = bench.reconcile("Leads")
    assert found.sync.complete
    assert "1 of 30 records have an id that no record can have" in found.sync.modules[0].detail
    bench.org.delete("Leads", strange)
    for route in ("coql+compare-coql", "unchanged"):
        bench.sim.clock.advance(3_600)
        report = bench.sync("Leads")
        assert (report.complete, report.modules[0].route) == (True, route)
    assert bench.live("leads", "Leads").keys() == set(ids)
    assert len(bench.rows("select id from zoho_raw.rejected_records")) == 1


def check_quiet(bench: SyncBench) -> None:
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route, part.credits) == ("complete", "unchanged", 3)


@pytest.mark.long
def test_an_id_with_a_nul_is_no_other_id(bench: SyncBench) -> None:
    """Of a lookup, and of an entry in the list of deletions."""
    lead = bench.org.insert("Leads", {"Last_Name": "L", "Company": "C"})
    bench.org.garble("Leads", lead, "Owner", b'{"id":"7\\u00007","name":"N"}')
    assert bench.sync("Leads").complete
    row = bench.live("leads", "Leads")[lead]
    assert (row["owner_id"], row["owner_name"]) == (None, "N")
    (rejected,) = bench.rows("select id, field, value, reason from zoho_raw.rejected_records")
    assert rejected == {"id": lead, "field": "Owner", "value": '"7\\\\07"', "reason": "an id with a NUL"}
    bench.sim.clock.advance(60)
    entry = f'{{"id":"{lead}\\u0000","deleted_time":"2026-05-01T00:00:00+00:00","type":"recycle"}}'
    bench.sim.faults.next(9, "body", "/Leads/deleted", text=f'{{"data":[{entry}],"info":{{"more_records":false}}}}')
    bench.sync("Leads")
    assert set(bench.live("leads", "Leads")) == {lead}

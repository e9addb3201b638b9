"""COQL: grammar, brackets, limits, order, aggregates, joins, and keyset walks."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.simulator.query.coql_parser import CoqlSyntaxError, parse
from zoho_pipeline.simulator.query.criteria import Comparison, Group, bounds_of

ANY = "id != '1'"


def rows(api: Api, query: str) -> list[dict[str, Any]]:
    answer = api.coql(query)
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()["data"]) if answer.status_code == 200 else []


def names(api: Api, where: str, tail: str = "order by id asc") -> list[str]:
    return [row["Last_Name"] for row in rows(api, f"select Last_Name from Leads where {where} {tail}")]


@pytest.fixture
def people(org: Org) -> list[str]:
    given_rows = [
        {"Last_Name": "Rao", "City": "Pune", "Annual_Revenue": 10.5, "No_of_Employees": 3, "Lead_Source": "Chat"},
        {"Last_Name": "O'Neil", "City": "Delhi", "Annual_Revenue": 20, "Lead_Source": "Partner", "Tag": ["hot", "new"]},
        {"Last_Name": "Zed", "Annual_Revenue": 30, "Email_Opt_Out": True, "Lead_Source": "Chat"},
    ]
    return org.insert_many("Leads", [a | b for a, b in zip(leads(3), given_rows, strict=True)])


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("City = 'Pune'", ["Rao"]),
        ("City != 'Pune'", ["O'Neil"]),
        ("City is null", ["Zed"]),
        ("City is not null", ["Rao", "O'Neil"]),
        ("Last_Name = 'O''Neil'", ["O'Neil"]),
        (r"Last_Name = 'O\'Neil'", ["O'Neil"]),
        ("Last_Name like '%e%'", ["O'Neil", "Zed"]),
        ("Last_Name not like 'z%'", ["Rao", "O'Neil"]),
        ("Lead_Source in ('Partner', 'Facebook')", ["O'Neil"]),
        ("Lead_Source not in ('Partner')", ["Rao", "Zed"]),
        ("Annual_Revenue > 10.5", ["O'Neil", "Zed"]),
        ("Annual_Revenue between 10 and 20", ["Rao", "O'Neil"]),
        ("Annual_Revenue not between 10 and 20", ["Zed"]),
        ("Email_Opt_Out = true", ["Zed"]),
        ("Converted__s = false", ["Rao", "O'Neil", "Zed"]),
        ("Tag = 'hot'", ["O'Neil"]),
        ("(City = 'Pune' or Annual_Revenue = 30)", ["Rao", "Zed"]),
        ("((City = 'Pune' or City = 'Delhi') and Annual_Revenue >= 20)", ["O'Neil"]),
        ("Modified_Time >= '2026-01-05T05:30:01+05:30'", ["O'Neil", "Zed"]),
        ("Modified_Time < '2026-01-05T00:00:01Z'", ["Rao"]),
        ("Created_Time = '2026-01-05T00:00:02Z'", ["Zed"]),
    ],
)
def test_conditions(api: Api, people: list[str], where: str, found: list[str]) -> None:
    assert names(api, where) == found


def test_ids_compare_as_numbers(api: Api, people: list[str]) -> None:
    assert names(api, f"id > '{people[0]}'") == ["O'Neil", "Zed"]
    assert names(api, f"id <= {people[1]}") == ["Rao", "O'Neil"]
    assert names(api, f"id in ('{people[2]}', '5')") == ["Zed"]


def test_shapes_of_an_answer(api: Api, org: Org, people: list[str]) -> None:
    query = "select Last_Name, Owner, Owner.last_name, Created_Time, Email_Opt_Out, City as town from Leads"
    answer = api.coql(f"{query} where City = 'Pune'").json()
    assert answer["info"] == {"count": 1, "more_records": False}
    assert answer["data"] == [
        {
            "Last_Name": "Rao", "Owner": {"id": org.admin.id}, "Owner.last_name": "Admin", "id": people[0],
            "Created_Time": "2026-01-05T05:30:00+05:30", "Email_Opt_Out": False, "town": "Pune",
        }
    ]  # fmt: skip
    empty = api.coql("select id from Leads where City = 'Nowhere'")
    assert (empty.status_code, empty.content) == (204, b"")


def test_joins_follow_lookups(api: Api, org: Org) -> None:
    account = org.insert("Accounts", {"Account_Name": "Tata", "Industry": "Steel"})
    contact = org.insert("Contacts", {"Last_Name": "C", "Account_Name": account})
    deal = org.insert("Deals", {"Deal_Name": "D", "Account_Name": account, "Contact_Name": contact})
    query = "select Account_Name.Industry, Contact_Name.Account_Name.Account_Name from Deals"
    assert rows(api, f"{query} where Account_Name.Industry = 'Steel'") == [
        {"Account_Name.Industry": "Steel", "Contact_Name.Account_Name.Account_Name": "Tata", "id": deal}
    ]
    lead = org.insert("Leads", {"Last_Name": "L"})
    org.insert("Calls", {"Subject": "c", "What_Id": lead, "$se_module": "Leads"})
    called = rows(api, f"select What_Id->Leads.Last_Name from Calls where What_Id = '{lead}'")
    assert called[0]["What_Id->Leads.Last_Name"] == "L"


def test_order_limit_and_offset(api: Api, org: Org, people: list[str]) -> None:
    assert names(api, ANY, "order by Annual_Revenue desc limit 2") == ["Zed", "O'Neil"]
    assert names(api, ANY, "order by Lead_Source asc, Last_Name desc") == ["Zed", "Rao", "O'Neil"]
    assert names(api, ANY, "order by City asc") == ["O'Neil", "Rao", "Zed"]  # nulls come last
    assert names(api, ANY, "order by id desc limit 1 offset 1") == ["O'Neil"]
    assert names(api, ANY, "order by id asc limit 1, 2") == ["O'Neil", "Zed"]
    first = api.coql(f"select id from Leads where {ANY} limit 2").json()
    assert first["info"] == {"count": 2, "more_records": True}


def test_aggregates(api: Api, org: Org, people: list[str]) -> None:
    org.convert(people[0])
    query = "select COUNT(id), max(Annual_Revenue) as top, min(Created_Time) as first, sum(Annual_Revenue), avg(id)"
    (totals,) = rows(api, f"select COUNT(id), max(Annual_Revenue) as top from Leads where {ANY}")
    assert totals == {"COUNT(id)": 3, "top": 30}
    (early,) = rows(api, f"select min(Created_Time) as first, sum(Annual_Revenue) as s from Leads where {ANY}")
    assert early == {"first": "2026-01-05T05:30:00+05:30", "s": 60.5}
    assert code_of(api.coql(f"{query} from Leads where {ANY}")) == (400, "INVALID_QUERY")
    groups = rows(api, f"select Lead_Source, count(id) from Leads where {ANY} group by Lead_Source")
    assert sorted((g["Lead_Source"], g["count(id)"]) for g in groups) == [("Chat", 2), ("Partner", 1)]
    (none,) = rows(api, "select count(id), max(Created_Time) from Leads where City = 'Nowhere'")
    assert none == {"count(id)": 0, "max(Created_Time)": None}
    assert rows(api, "select count(id) from Leads where Created_Time < '2026-01-05T00:00:02Z'") == [{"count(id)": 2}]
    assert rows(api, "select count(id) from Leads where Converted__s = true") == [{"count(id)": 1}]


@pytest.mark.parametrize(
    "query",
    [
        "select id from Leads",
        "select id Leads where id != '1'",
        "select id from Leads where City = 'a' and City = 'b' and City = 'c'",
        "select id from Leads where (City = 'a'",
        "select id from Leads where City = ",
        "select id from Leads where City == 'a'",
        "select id from Leads where City = 'a' limit x",
        "select id from Leads where City = 'a' order id",
        "select id, from Leads where City = 'a'",
        "select id from Leads where City = 'a' ; drop",
        "select id from Leads where City in ()",
        "",
    ],
)
def test_syntax_errors(api: Api, query: str) -> None:
    answer = api.coql(query)
    assert code_of(answer) == (400, "SYNTAX_ERROR")
    assert "near" in answer.json()["details"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select Nothing from Leads where id != '1'", "INVALID_QUERY"),
        ("select id from Nothing where id != '1'", "INVALID_QUERY"),
        ("select id from Leads where Nothing = 'a'", "INVALID_QUERY"),
        ("select id from Leads where Modified_Time > 'yesterday'", "INVALID_QUERY"),
        ("select id from Leads where Modified_Time > '2026-01-01T00:00:00'", "INVALID_QUERY"),
        ("select id from Leads where Annual_Revenue > 'much'", "INVALID_QUERY"),
        ("select id from Leads where Converted__s = 'perhaps'", "INVALID_QUERY"),
        ("select City.name from Leads where id != '1'", "INVALID_QUERY"),
        ("select What_Id.Last_Name from Calls where id != '1'", "INVALID_QUERY"),
        ("select City, count(id) from Leads where id != '1'", "INVALID_QUERY"),
        ("select id from Leads where id != '1' limit 2001", "LIMIT_EXCEEDED"),
        ("select id from Leads where id != '1' limit 10 offset 100001", "LIMIT_EXCEEDED"),
        ("select City, City from Leads where id != '1'", "DUPLICATE_DATA"),
        ("select id from Leads where id in (" + ",".join(f"'{n}'" for n in range(101)) + ")", "LIMIT_EXCEEDED"),
    ],
)
def test_wrong_queries(api: Api, query: str, code: str) -> None:
    assert code_of(api.coql(query)) == (400, code)


def test_a_body_without_a_query_is_refused(api: Api) -> None:
    for body in ({}, {"select_query": 3}, []):
        answer = api.http.post("/crm/v7/coql", json=body, headers=api.headers)
        assert code_of(answer) == (400, "MANDATORY_NOT_FOUND")
    assert code_of(api.http.post("/crm/v7/coql", content=b"{", headers=api.headers)) == (400, "INVALID_DATA")
    assert code_of(api.get("/coql")) == (400, "INVALID_REQUEST_METHOD")


def test_trackers_and_notes_by_switch(api: Api, org: Org, simulator: Simulator) -> None:
    org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    query = "select Stage, Potential_Name from DealHistory where id != '1'"
    assert rows(api, query)[0]["Stage"] == "Qualification"
    simulator.switches.update(coql_trackers=False, coql_notes=False)
    assert code_of(api.coql(query)) == (400, "INVALID_QUERY")
    assert code_of(api.coql("select id from Notes where id != '1'")) == (400, "INVALID_QUERY")


@pytest.mark.parametrize(("limit", "price"), [("", 1), ("limit 200", 1), ("limit 201", 2), ("limit 1001", 3)])
def test_the_price_follows_the_limit(api: Api, org: Org, limit: str, price: int) -> None:
    before = org.credits_used
    api.coql(f"select id from Leads where {ANY} {limit}")
    assert org.credits_used - before == price


def test_a_keyset_walk_gives_every_row_once_whatever_moves(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", [row | {"Modified_Time": 1_767_571_200 + n // 4} for n, row in enumerate(leads(30))])
    simulator.on_call(3, lambda: org.update("Leads", ids[0], {"City": "x"}), "/coql")
    simulator.on_call(4, lambda: org.delete("Leads", ids[1]), "/coql")
    low, last, seen = "2026-01-01T00:00:00Z", "0", []
    while True:
        where = (
            f"((Modified_Time >= '{low}' and Modified_Time < '2026-01-06T00:00:00Z') "
            f"and (Modified_Time > '{low}' or id > '{last}'))"
        )
        page = rows(api, f"select Modified_Time from Leads where {where} order by Modified_Time asc, id asc limit 4")
        if not page:
            break
        seen += [row["id"] for row in page]
        low, last = page[-1]["Modified_Time"], page[-1]["id"]
    assert seen == ids


PARTS = st.sampled_from(["Modified_Time", "Created_Time", "id", "City"])
TESTS = st.builds(
    lambda path, comparator, number: Comparison(
        path, comparator, (number if path == "id" else datetime.fromtimestamp(number, UTC).isoformat(),)
    ),
    PARTS,
    st.sampled_from(["equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"]),
    st.integers(1, 30),
)
TREES = st.recursive(
    TESTS, lambda inner: st.builds(lambda op, a, b: Group(op, (a, b)), st.sampled_from(["and", "or"]), inner, inner)
)


def holds(tree: Comparison | Group, row: dict[str, int]) -> bool:
    """A second implementation of the meaning of a condition tree."""
    if isinstance(tree, Group):
        return (all if tree.operator == "and" else any)(holds(part, row) for part in tree.parts)
    if tree.path == "City":
        return True
    wanted = tree.values[0] if tree.path == "id" else int(datetime.fromisoformat(tree.values[0]).timestamp())
    value = row[tree.path]
    return {
        "equal": value == wanted, "not_equal": value != wanted, "less_than": value < wanted,
        "less_equal": value <= wanted, "greater_than": value > wanted, "greater_equal": value >= wanted,
    }[tree.comparator]  # fmt: skip


@given(TREES, st.fixed_dictionaries({name: st.integers(1, 30) for name in ("Modified_Time", "Created_Time", "id")}))
def test_index_bounds_never_shut_out_a_matching_row(tree: Comparison | Group, row: dict[str, int]) -> None:
    if holds(tree, row):
        for name, (low, high) in bounds_of(tree).items():
            assert low is None or low <= row[name]
            assert high is None or row[name] < high


@given(st.text(alphabet="selctfromwhn id,()'=<>1.-%ABandor", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    query = None
    with suppress(CoqlSyntaxError):
        query = parse(f"select id from Leads where {text}")
    assert query is None or query.module == "Leads"

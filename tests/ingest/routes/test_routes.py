"""Every route gives the same rows. The planner takes the cheapest possible route and reports its choice."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, QUICK, SyncBench
from tests.params import choice
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load.purge import purge_channel
from zoho_pipeline.ingest.routes import route_choice

both_engines = pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)


def furnish(bench: SyncBench) -> None:
    """Fill a small org in which every type of field has a value and a null."""
    org = bench.org
    org.add_custom_field("Leads", "UTM_Source1", "UTM Source")
    org.add_custom_field("Leads", "Score", "Score", "integer")
    org.add_custom_field("Leads", "Share", "Share", "percent")
    org.add_custom_field("Leads", "Is_Hot", "Hot", "boolean")
    org.insert_many(
        "Leads",
        [
            {
                "Last_Name": f'Ré, "{n}"\nx',
                "Company": "C" if n % 2 else None,
                "Annual_Revenue": 1234.5 + n if n % 3 else None,
                "No_of_Employees": n,
                "UTM_Source1": "go" if n % 2 else None,
                "Score": n,
                "Share": n / 4,
                "Is_Hot": bool(n % 2),
                "Tag": [{"name": "vip"}, {"name": "new"}] if n % 4 == 0 else None,
            }
            for n in range(40)
        ],
    )
    for lead in list(org.modules["Leads"].rows)[:5]:
        org.convert(lead, deal={"Stage": "Closed Won", "Amount": 99.99, "Closing_Date": "2026-05-01"})
    lead = list(org.modules["Leads"].rows)[7]
    org.insert("Calls", {"Subject": "Hi", "What_Id": {"id": lead}, "$se_module": "Leads", "Call_Type": "Outbound"})


def table_of(bench: SyncBench, name: str) -> dict[str, dict[str, Any]]:
    rows = bench.rows(f"select * from zoho_raw.{name}")
    return {row["id"]: {k: v for k, v in row.items() if k != "synced_at"} for row in rows}


ROUTES = {
    "coql": {"queries_from": 1, "list_credits": 1_000},
    "bulk": {"job_credits": 0},
}


@both_engines
def test_every_route_gives_the_rows_that_lists_give(bench: SyncBench) -> None:
    """Types, nulls and names are the same on every route."""
    furnish(bench)
    compare_routes(bench, "leads", "contacts", "accounts", "deals", "calls")


def compare_routes(bench: SyncBench, *names: str, modules: tuple[str, ...] = ()) -> None:
    """Load by lists first, then by each other route. Every cell of these tables is equal."""
    bench.connect(PLAIN_SCOPES)
    bench.sync(*modules)
    by_lists = {name: table_of(bench, name) for name in names}
    assert len(by_lists["leads"]) == len(bench.org.rows("Leads"))
    bench.sim.switches.update(coql_row_limit=200, bulk_downloads_per_minute=1_000)
    bench.connect(ALL_SCOPES)
    for route, prices in ROUTES.items():
        purge_channel(bench.warehouse, "acme")
        bench.limits = replace(QUICK, rows_per_bulk_batch=7, smaller_query=9, **prices)
        taken = {part.module: part.route for part in bench.sync(*modules).modules}
        bench.limits = QUICK
        assert taken["Leads"] == route
        for name, rows in by_lists.items():
            other = table_of(bench, name)
            differing = {
                (i, n): (v, other[i][n]) for i, row in rows.items() if i in other for n, v in row.items()
                if other[i][n] != v
            }  # fmt: skip
            assert (other.keys(), differing) == (rows.keys(), {}), (route, name)
    purge_channel(bench.warehouse, "acme")


WORDS = st.text(
    st.characters(exclude_categories=["C"], include_characters="\n"), min_size=1, max_size=30
).filter(lambda word: word == word.strip() != "")  # fmt: skip
MOMENTS = st.integers(10**9, 2 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
LEADS = st.lists(
    st.fixed_dictionaries(
        {"Last_Name": WORDS},
        optional={
            "Company": WORDS,
            "Description": WORDS,
            "Email": st.just("a+b@example.com"),
            "Annual_Revenue": st.decimals(-(10**9), 10**9, places=2).map(float),
            "No_of_Employees": st.integers(0, 10**9),
            "Email_Opt_Out": st.booleans(),
            "Memo": WORDS,
            "Score": st.integers(-(10**9), 10**9),
            "Share": st.integers(-400, 400).map(lambda quarters: quarters / 4),
            "Is_Hot": st.booleans(),
            "Day": st.dates(date(1990, 1, 1), date(2100, 1, 1)).map(str),
            "Moment": MOMENTS.map(lambda at: at.isoformat(timespec="seconds")),
            "Kinds": st.lists(st.sampled_from(["a", "b c", "d,e"]), unique=True, min_size=1),
        },
    ),
    min_size=1,
    max_size=25,
)
MEMO_FIELDS = {
    "Memo": "textarea",
    "Score": "integer",
    "Share": "percent",
    "Is_Hot": "boolean",
    "Day": "date",
    "Moment": "datetime",
}


@pytest.mark.long
@settings(
    max_examples=int(os.environ.get("ROUTE_EXAMPLES", "3")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(rows=LEADS)
def test_random_rows_are_the_same_by_every_route(bench: SyncBench, rows: list[dict[str, Any]]) -> None:
    if not bench.org.rows("Leads"):
        for name, data_type in MEMO_FIELDS.items():
            bench.org.add_custom_field("Leads", name, name, data_type)
        bench.org.add_custom_field("Leads", "Kinds", "Kinds", "multiselectpicklist", picks=["a", "b c", "d,e"])
    bench.org.insert_many("Leads", rows)
    compare_routes(bench, "leads", modules=("Leads",))


@pytest.mark.parametrize("rows", [0, 1, 900, 1_500, 9_000, 30_000, 100_000, 900_000])
def test_the_planner_takes_the_cheapest_route(rows: int) -> None:
    everything = route_choice.choose(route_choice.RouteOptions(rows, coql=True, bulk=True), SyncLimits())
    assert everything.route == ("records" if rows < 1_000 else "coql" if rows <= 36_000 else "bulk")
    assert str(rows) in everything.reason
    assert route_choice.choose(route_choice.RouteOptions(rows), SyncLimits()).route == "records"
    assert route_choice.choose(route_choice.RouteOptions(None, coql=True, bulk=True), SyncLimits()).route == "records"


@pytest.mark.long
def test_first_loads_and_runs_without_changes_stay_within_their_credits(bench: SyncBench) -> None:
    """By the simulator's own counter, at the higher price of a sorted call."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(sorted_read_credits=3, bulk_mode="polls", bulk_polls=3)
    start = int(bench.sim.clock.seconds()) - 10_000_000
    insert_spread(bench, "Leads", 5_000, start)
    insert_spread(bench, "Contacts", 3_000, start)
    bench.limit(job_rows=1)
    first = {part.module: part for part in bench.sync("Leads", "Contacts").modules}
    assert {(name, part.rows, part.route) for name, part in first.items()} == {
        ("Leads", 5_000, "coql"), ("Contacts", 3_000, "coql"),
    }  # fmt: skip
    # 14, and 3 more if the reading began before the window was settled, which depends on the speed of the machine
    assert {name: part.credits for name, part in first.items() if part.credits > 17} == {}
    purge_channel(bench.warehouse, "acme")
    bench.limits = replace(QUICK, list_credits=9, queries_from=10**9)
    del bench.sim.requests[:]
    (by_job,) = bench.sync("Leads").modules
    assert (by_job.rows, by_job.route) == (5_000, "bulk")
    assert spent_on_rows(bench) <= 60
    (second,) = bench.sync("Leads").modules
    assert (second.rows, second.route) == (0, "unchanged")
    assert second.credits <= 3
    runs = bench.rows("select route, route_reason from zoho_raw.sync_runs where module = 'Leads' order by started_at")
    assert [row["route"] for row in runs] == ["bulk", "unchanged"]
    assert all(row["route_reason"] for row in runs)


def test_a_change_after_a_first_load_of_several_files_is_read_alone(bench: SyncBench) -> None:
    """A first load of a million leads has five files. The next change once cost four of them again."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(bulk_rows=100, bulk_downloads_per_minute=10**6)
    bench.limit(job_credits=0, queries_from=10**9)
    insert_spread(bench, "Leads", 500, int(bench.sim.clock.seconds()) - 10_000_000)
    (first,) = bench.sync("Leads").modules
    assert (first.rows, first.route) == (500, "bulk")
    (lead, *_) = bench.live("leads", "Leads")
    bench.org.update("Leads", lead, {"Company": "Edited"})
    (second,) = bench.sync("Leads").modules
    assert (second.rows, second.route) == (1, "coql")
    ledger.assert_equal(bench, "Leads")


def spent_on_rows(bench: SyncBench) -> int:
    """Return the credits by the simulator's own counter, without those for metadata."""
    parts = ("/Leads", "/coql", "/bulk/")
    return sum(call.credits for call in bench.sim.requests if any(part in call.path for part in parts))


def insert_spread(bench: SyncBench, module: str, rows: int, start: int) -> None:
    bench.org.insert_many(
        module, [{"Last_Name": f"L{n}", "Created_Time": start + n, "Modified_Time": start + n} for n in range(rows)]
    )


@pytest.mark.parametrize("rows", choice([30, 450], [450]))
def test_a_run_at_once_after_another_costs_three_credits(bench: SyncBench, rows: int) -> None:
    """All records are a few seconds old, and nothing has changed."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(sorted_read_credits=3)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(rows)])
    bench.sync("Leads")
    del bench.sim.requests[:]
    (again,) = bench.sync("Leads").modules
    assert (again.rows, again.route) == (0, "unchanged")
    assert again.credits <= 3
    assert spent_on_rows(bench) <= 3
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
@pytest.mark.parametrize(("scopes", "rows"), list(product([ALL_SCOPES, PLAIN_SCOPES], [3, 250])))
def test_a_second_edit_within_one_stamped_second_is_found(bench: SyncBench, scopes: str, rows: int) -> None:
    """If the clock is frozen, an edit may have the same Modified_Time as the stored row."""
    bench.connect(scopes)
    bench.sim.clock.freeze()
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(rows)])
    bench.sync("Leads")
    for company in ("first", "second"):
        bench.org.update("Leads", ids[1], {"Company": company})
        bench.sync("Leads")
        ledger.assert_equal(bench, "Leads")
    bench.org.update("Leads", ids[2], {"Company": "in the old second"})
    bench.sim.clock.advance(7_200)
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")
    (quiet,) = bench.sync("Leads").modules
    assert quiet.rows == 0


def test_after_a_refused_query_lists_are_used(bench: SyncBench) -> None:
    """INVALID_QUERY in the middle of a read: the rows read so far are kept, lists read the rest, and it is reported."""
    bench.connect(ALL_SCOPES)
    start = int(bench.sim.clock.seconds()) - 10_000
    insert_spread(bench, "Leads", 500, start)
    bench.limit(queries_from=1, pacing=replace(QUICK.pacing, query_rows=200))
    bench.sim.on_call(3, lambda: bench.sim.switches.update(coql_row_limit=100), path="/coql")
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "records")
    assert "queries refused" in part.detail
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_more_than_fifty_fields_are_read_in_slices(bench: SyncBench) -> None:
    for number in range(70):
        bench.org.add_custom_field("Leads", f"Extra_{number}", f"Extra {number}")
    ids = bench.org.insert_many(
        "Leads", [{"Last_Name": "L", **{f"Extra_{n}": f"{row}.{n}" for n in range(70)}} for row in range(230)]
    )
    bench.sim.on_call(3, lambda: bench.org.update("Leads", ids[0], {"Extra_69": "amid"}), path="/crm/v7/Leads")
    bench.sync("Leads")
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")


@pytest.mark.parametrize("scopes", ["ZohoCRM.modules.ALL,ZohoCRM.users.READ"])
def test_without_metadata_custom_fields_are_found_on_a_record(bench: SyncBench, scopes: str) -> None:
    bench.org.add_custom_field("Leads", "utm_source2", "Where from")
    bench.org.insert_many("Leads", [{"Last_Name": "L", "utm_source2": f"s{n}"} for n in range(3)])
    bench.connect(scopes)
    bench.sync()
    ledger.assert_equal(bench, "Leads")
    found = bench.rows("select field_key, api_name, basis from zoho_raw.channel_field_map")
    assert found == [{"field_key": "utm_source", "api_name": "utm_source2", "basis": "found"}]


def test_conversions_that_move_no_time_are_found(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(conversion_bumps_modified=False)
    start = int(bench.sim.clock.seconds()) - 10_000
    ids = bench.org.insert_many("Leads", [{"Last_Name": "L", "Created_Time": start + n} for n in range(5)])
    bench.sync()
    bench.sim.clock.advance(3_600)
    bench.org.convert(ids[2], deal={"Stage": "Qualification"})
    bench.sync()
    ledger.assert_equal(bench, "Leads")


Change = Callable[[SyncBench, list[str]], None]
TRACELESS: dict[str, Change] = {
    "merge": lambda bench, ids: bench.org.merge("Leads", ids[0], ids[1]),
    "restore": lambda bench, ids: bench.org.restore("Leads", ids[2]),
    "hidden": lambda bench, ids: bench.org.modules["Leads"].take(ids[3]) and None,
}


@pytest.mark.long
@pytest.mark.parametrize("change", TRACELESS)
def test_a_change_that_moves_no_time_is_found_by_the_count(bench: SyncBench, change: str) -> None:
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(merge_bumps_modified=False, restore_bumps_modified=False)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(6)])
    bench.sync("Leads")
    bench.org.delete("Leads", ids[2])
    bench.sync("Leads")
    bench.sim.clock.advance(3_600)
    TRACELESS[change](bench, ids)
    report = bench.sync("Leads")
    assert report.complete
    ledger.assert_equal(bench, "Leads")

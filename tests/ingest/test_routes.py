"""Routes: the same rows whichever is taken, the cheapest that can be, and the choice is told."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import PLAIN_SCOPES, Bench
from zoho_pipeline.ingest import bulk_route
from zoho_pipeline.ingest.purge import purge_channel

ALL_SCOPES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ,ZohoCRM.bulk.READ"
both_engines = pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)


def furnish(bench: Bench) -> None:
    """A small org in which every type of field has a value and a null."""
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


def table_of(bench: Bench, name: str) -> dict[str, dict[str, Any]]:
    rows = bench.rows(f"select * from zoho_raw.{name}")
    return {row["id"]: {k: v for k, v in row.items() if k != "synced_at"} for row in rows}


@both_engines
def test_bulk_gives_the_rows_that_lists_give(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(bench)
    bench.sync()
    by_lists = {name: table_of(bench, name) for name in ("leads", "contacts", "accounts", "deals", "calls")}
    assert len(by_lists["leads"]) == 40
    purge_channel(bench.warehouse, "acme")
    monkeypatch.setattr("zoho_pipeline.ingest.extract.CHEAPER_FROM", 1)
    monkeypatch.setattr(bulk_route, "ROWS_PER_BATCH", 7)
    bench.connect(ALL_SCOPES)
    routes = {part.module: part.route for part in bench.sync().modules}
    assert routes["Leads"] == "bulk"
    for name, rows in by_lists.items():
        by_bulk = table_of(bench, name)
        other = {(i, n): (v, by_bulk[i][n]) for i, row in rows.items() for n, v in row.items() if by_bulk[i][n] != v}
        assert (by_bulk.keys(), other) == (rows.keys(), {}), name


def test_a_large_first_load_and_a_run_without_changes_stay_within_their_credits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(sorted_read_credits=3, bulk_mode="polls", bulk_polls=3)
    monkeypatch.setattr("zoho_pipeline.zoho.bulk._FIRST_WAIT", 0.01)
    start = int(bench.sim.clock.seconds()) - 10_000_000
    bench.org.insert_many(
        "Leads", [{"Last_Name": f"L{n}", "Created_Time": start + n, "Modified_Time": start + n} for n in range(13_000)]
    )
    first = bench.sync("Leads").modules[0]
    assert (first.rows, first.route) == (13_000, "bulk")
    assert first.credits <= 60
    second = bench.sync("Leads").modules[0]
    assert (second.rows, second.route) == (0, "unchanged")
    assert second.credits <= 3
    told = bench.rows("select module, route, route_reason, credits from zoho_raw.sync_runs order by started_at")
    assert [row["route"] for row in told] == ["bulk", "unchanged"]
    assert all(row["route_reason"] for row in told)


def test_more_than_fifty_fields_are_read_in_slices(bench: Bench) -> None:
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
def test_without_metadata_custom_fields_are_found_on_a_record(bench: Bench, scopes: str) -> None:
    bench.org.add_custom_field("Leads", "utm_source2", "Where from")
    bench.org.insert_many("Leads", [{"Last_Name": "L", "utm_source2": f"s{n}"} for n in range(3)])
    bench.connect(scopes)
    bench.sync()
    ledger.assert_equal(bench, "Leads")
    found = bench.rows("select field_key, api_name, basis from zoho_raw.channel_field_map")
    assert found == [{"field_key": "utm_source", "api_name": "utm_source2", "basis": "found"}]


def test_conversions_that_move_no_time_are_found(bench: Bench) -> None:
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(conversion_bumps_modified=False)
    start = int(bench.sim.clock.seconds()) - 10_000
    ids = bench.org.insert_many("Leads", [{"Last_Name": "L", "Created_Time": start + n} for n in range(5)])
    bench.sync()
    bench.sim.clock.advance(3_600)
    bench.org.convert(ids[2], deal={"Stage": "Qualification"})
    bench.sync()
    ledger.assert_equal(bench, "Leads")


Change = Callable[[Bench, list[str]], None]
TRACELESS: dict[str, Change] = {
    "merge": lambda bench, ids: bench.org.merge("Leads", ids[0], ids[1]),
    "restore": lambda bench, ids: bench.org.restore("Leads", ids[2]),
    "hidden": lambda bench, ids: bench.org.modules["Leads"].take(ids[3]) and None,
}


@pytest.mark.parametrize("change", TRACELESS)
def test_a_change_without_trace_shows_in_the_count(bench: Bench, change: str) -> None:
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

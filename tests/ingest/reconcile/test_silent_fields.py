"""Formula and roll-up fields: they change without a new Modified_Time, and are read again each week within a bound."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, QUICK, SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.registry.model import FLAT
from zoho_pipeline.ingest.reconcile.silent_fields import is_same
from zoho_pipeline.transform.run.transform import transform

DAY = 86_400


def grow(bench: SyncBench, count: int = 5, scopes: str = ALL_SCOPES) -> tuple[list[str], list[str]]:
    """Leads with a formula, and a custom module with a roll-up, loaded once."""
    bench.connect(scopes)
    bench.org.add_custom_field("Leads", "Score", "Score", "formula")
    bench.org.add_module("Webinars", "Name:text! Attended:rollup_summary~")
    bench.choose(Webinars=FLAT)
    at = int(bench.sim.clock.seconds()) - 10_000  # no second has many of them
    times = [{"Created_Time": at + n, "Modified_Time": at + n} for n in range(count)]
    leads = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Score": n, **times[n]} for n in range(count)])
    webinars = bench.org.insert_many("Webinars", [{"Name": f"W{n}", "Attended": n} for n in range(count)])
    bench.sim.clock.advance(3_600)  # the next sync reads the newest minutes again
    assert bench.sync().complete
    return list(leads), list(webinars)


def held(bench: SyncBench, id_: str) -> Any:
    found = bench.rows(
        "select custom_fields as fields from zoho_raw.leads where id = ? union all"
        " select record from zoho_raw.module_records where id = ?", id_, id_,
    )  # fmt: skip
    fields = json.loads(found[0]["fields"])
    return fields.get("Score", fields.get("Attended"))


@both_engines()
@pytest.mark.parametrize("scopes", [ALL_SCOPES, PLAIN_SCOPES])
def test_a_silent_change_is_repaired_by_the_weekly_reading_and_not_before(bench: SyncBench, scopes: str) -> None:
    leads, webinars = grow(bench, scopes=scopes)
    bench.org.update("Leads", leads[1], {"Score": 77.25}, touch=False)
    bench.org.update("Webinars", webinars[2], {"Attended": None}, touch=False)
    for _ in range(6):
        bench.sim.clock.advance(DAY)
        bench.sync()
    assert (held(bench, leads[1]), held(bench, webinars[2])) == (1, 2)
    bench.sim.clock.advance(DAY + 60)
    before = bench.rows("select max(synced_at) as at from zoho_raw.leads")[0]["at"]
    report = bench.sync()
    assert report.complete
    assert (held(bench, leads[1]), held(bench, webinars[2])) == (77.25, None)
    assert held(bench, leads[0]) == 0
    parts = {m.module: m for m in report.modules}
    assert "1 records had another Score without a new Modified_Time" in parts["Leads"].detail
    assert parts["Leads"].rows == 1
    assert bench.rows("select count(*) as n from zoho_raw.leads where synced_at > ?", before)[0]["n"] == 1
    bench.sim.clock.advance(DAY)
    spent = {m.module: m.credits for m in bench.sync().modules}
    if scopes == ALL_SCOPES:
        assert spent["Leads"] <= 4, "until the next week it is quiet again"


@pytest.mark.long
def test_a_pass_keeps_to_its_bound_and_goes_on(bench: SyncBench) -> None:
    leads, _ = grow(bench, 450)
    for id_ in leads:
        bench.org.update("Leads", id_, {"Score": 1_000_000}, touch=False)
    bench.settings = replace(bench.settings, reread_credits=8)
    bench.registry.settings = bench.settings
    bench.sim.clock.advance(8 * DAY)
    shown = []
    for _ in range(6):
        report = bench.sync()
        assert report.complete
        parts = {m.module: m for m in report.modules}
        spent = sum(parts[name].credits for name in ("Leads", "Webinars"))
        assert spent <= 8 + 2 * 4, "the bound, and what a sync of two modules costs"
        shown.append(sum(held(bench, id_) == 1_000_000 for id_ in leads[::50]))
        bench.sim.clock.advance(3_600)
    assert shown == sorted(shown)
    assert 0 < shown[0] < 9
    assert shown[-1] == 9
    details = [row["detail"] for row in bench.rows("select detail from zoho_raw.sync_runs where module = 'Leads'")]
    assert any("the next sync goes on" in str(detail) for detail in details)


@pytest.mark.long
def test_a_bound_of_zero_switches_it_off_and_a_full_sync_reads_all(bench: SyncBench) -> None:
    leads, _ = grow(bench)
    bench.settings = bench.registry.settings = replace(bench.settings, reread_credits=0)
    bench.org.update("Leads", leads[0], {"Score": 5}, touch=False)
    bench.sim.clock.advance(8 * DAY)
    bench.sync()
    assert held(bench, leads[0]) == 0
    bench.sync(full=True)
    assert held(bench, leads[0]) == 5


@pytest.mark.long
def test_rows_of_a_bulk_file_differ_only_where_their_value_does(bench: SyncBench) -> None:
    bench.limits = replace(QUICK, job_credits=0, queries_from=10**6, list_rows=1)
    leads, _ = grow(bench, 30)
    first = held(bench, leads[3])
    assert first in ("3", 3), "a file has text; a row that was read again for the name of its owner has the number"
    bench.org.update("Leads", leads[4], {"Score": 44}, touch=False)
    bench.sim.clock.advance(8 * DAY)
    parts = {m.module: m for m in bench.sync().modules}
    assert parts["Leads"].rows == 1
    assert (held(bench, leads[3]), held(bench, leads[4])) == (first, 44)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("12.50", 12.5, True), ("", None, True), ("true", True, True), ("a", "b", False), (0, None, False),
     ("1e400", 5, False), ([1], 1, False), (True, 1, True), ("x", 1, False), (10**30, "1" + "0" * 30, True)],
)  # fmt: skip
def test_values_that_mean_the_same(left: Any, right: Any, same: bool) -> None:
    assert is_same(left, right) is same


@pytest.mark.long
def test_a_value_that_fits_no_column_is_not_repaired_each_week(bench: SyncBench) -> None:
    """It is null in the warehouse, and `rejected_records` has it."""
    bench.connect(ALL_SCOPES)
    bench.org.module("Deals").fields["Expected_Revenue"].type = "formula"
    deals = bench.org.insert_many("Deals", [{"Deal_Name": f"D{n}", "Amount": 10} for n in range(3)])
    bench.org.garble("Deals", deals[0], "Expected_Revenue", "3.30330000000000013")
    bench.org.garble("Deals", deals[1], "Expected_Revenue", "1e30")
    bench.sync()
    bench.sim.clock.advance(8 * DAY)
    part = next(m for m in bench.sync().modules if m.module == "Deals")
    assert (part.route, part.rows, part.detail) == ("unchanged+reread-coql", 0, "")

    bench.org.garble("Deals", deals[0], "Expected_Revenue", "3.5")
    bench.sim.clock.advance(8 * DAY)
    part = next(m for m in bench.sync().modules if m.module == "Deals")
    assert part.rows == 1
    assert bench.live("deals", "Deals")[deals[0]]["expected_revenue"] == Decimal("3.5")


@pytest.mark.long
def test_the_marts_follow_a_repaired_formula(bench: SyncBench) -> None:
    """A channel may map a formula to a field of the marts. Only the channel with the repair is built again."""
    leads, _ = grow(bench)
    bench.registry.store_settings("acme", field_map={"utm_campaign": "Score"})
    bench.sync()
    transform(bench.warehouse)

    def campaigns() -> dict[str, Any]:
        with bench.warehouse.published() as connection:
            assert connection is not None
            rows = connection.rows("select zoho_lead_id, utm_campaign from lead_source_attribution")
        return {row["zoho_lead_id"]: row["utm_campaign"] for row in rows}

    assert campaigns()[leads[1]] == "1"
    bench.org.update("Leads", leads[1], {"Score": 77}, touch=False)
    bench.sim.clock.advance(8 * DAY)
    assert bench.sync().complete
    transform(bench.warehouse)
    assert campaigns() == {id_: "77" if id_ == leads[1] else str(n) for n, id_ in enumerate(leads)}


@pytest.mark.long
def test_lists_keep_to_the_bound_and_go_on(bench: SyncBench) -> None:
    """A connection without queries compares the pages of a list, for three credits per 200 records."""
    leads, _ = grow(bench, 450, scopes=PLAIN_SCOPES)
    quiet = sum(m.credits for m in bench.sync().modules)
    for id_ in leads[::45]:
        bench.org.update("Leads", id_, {"Score": 1_000_000}, touch=False)
    bench.settings = bench.registry.settings = replace(bench.settings, reread_credits=6)
    bench.sim.clock.advance(8 * DAY)
    shown = []
    for _ in range(6):
        report = bench.sync()
        assert report.complete
        assert sum(m.credits for m in report.modules) <= quiet + 6
        shown.append(sum(held(bench, id_) == 1_000_000 for id_ in leads[::45]))
        bench.sim.clock.advance(3_600)
    assert shown == sorted(shown)
    assert 0 < shown[0] < shown[-1] == 10


@pytest.mark.long
def test_a_bound_that_allows_no_page_is_told_with_its_cure(bench: SyncBench) -> None:
    """Otherwise each sync would say that the next one goes on, and none would."""
    grow(bench)
    bench.settings = bench.registry.settings = replace(bench.settings, reread_credits=1)
    bench.sim.clock.advance(8 * DAY)
    details = {m.module: str(m.detail) for m in bench.sync().modules}
    assert "ZOHO_PIPELINE_REREAD_CREDITS is 1, and the next step of Leads costs more. Raise it" in details["Leads"]

"""Modules that a person chose: their records come by the routes of the catalogue, with its guarantees and prices."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.registry.model import FLAT
from zoho_pipeline.ingest.load.purge import purge_channel
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.settings import UsageError

ROOT = Path(__file__).parents[3]
WEBINARS = "Name:text! Seats:integer Price:currency Speaker:lookup=Contacts Topics:multiselectpicklist Live:boolean"
DAY = 86_400


def open_org(bench: SyncBench, scopes: str = ALL_SCOPES) -> None:
    """An org with a custom module, and the standard module Products, which the catalogue lacks."""
    bench.org.add_module("Webinars", WEBINARS)
    bench.org.add_module("Products", "Product_Name:text! Unit_Price:currency", generated_type="default")
    bench.connect(scopes)
    bench.choose(Webinars=FLAT, Products=FLAT)


def hold(bench: SyncBench, count: int) -> list[str]:
    speaker = bench.org.insert("Contacts", {"Last_Name": "Speaker"})
    rows = [{"Name": f"W{n}", "Seats": n, "Price": n / 4, "Speaker": {"id": speaker}} for n in range(count)]
    bench.org.insert_many("Products", [{"Product_Name": f"P{n}", "Unit_Price": 0.1} for n in range(3)])
    return list(bench.org.insert_many("Webinars", rows))


def assert_equal(bench: SyncBench) -> None:
    for module in ("Webinars", "Products", "Contacts"):
        ledger.assert_equal(bench, module)


@both_engines("duckdb")
def test_records_come_change_go_and_come_back(bench: SyncBench) -> None:
    open_org(bench)
    ids = hold(bench, 12)
    assert bench.sync().complete
    assert_equal(bench)
    [row] = bench.rows("select * from zoho_raw.module_records where id = ?", ids[5])
    assert (row["channel_id"], row["module"]) == ("acme", "Webinars")
    assert row["owner_name"] == bench.org.admin.full_name
    record = json.loads(row["record"])
    assert (record["Name"], record["Seats"], record["Price"], record["Live"]) == ("W5", 5, 1.25, False)

    bench.sim.clock.advance(DAY)
    bench.org.update("Webinars", ids[0], {"Seats": 99, "Topics": ["a", "b"]})
    bench.org.delete("Webinars", ids[1])
    bench.org.delete("Webinars", ids[2], permanent=True)
    bench.org.insert("Webinars", {"Name": "new"})
    report = bench.sync()
    assert report.complete
    assert_equal(bench)
    part = next(m for m in report.modules if m.module == "Webinars")
    assert (part.rows, part.deleted_rows, part.table) == (2, 2, "module_records")

    bench.sim.clock.advance(DAY)
    bench.org.restore("Webinars", ids[1])
    assert bench.sync().complete
    assert_equal(bench)


@both_engines("duckdb")
def test_a_quiet_sync_costs_three_credits_per_module(bench: SyncBench) -> None:
    open_org(bench)
    hold(bench, 250)
    for _ in range(2):
        bench.sync()
        bench.sim.clock.advance(DAY)
    report = bench.sync()
    for name in ("Webinars", "Products"):
        part = next(m for m in report.modules if m.module == name)
        assert part.route == "unchanged"
        assert part.credits - 1 <= 3, "one more credit is for the list of its fields"


def webinars(bench: SyncBench) -> ModuleReport:
    return bench.sync("Webinars").modules[0]


@both_engines("duckdb")
def test_a_module_without_created_time_is_told_once_and_costs_no_more(bench: SyncBench) -> None:
    open_org(bench)
    ids = hold(bench, 8)
    bench.org.admin.hidden_fields["Webinars"] = {"Created_Time"}
    assert "no Created_Time" in webinars(bench).detail
    bench.sim.clock.advance(DAY)
    for _ in range(2):
        quiet = webinars(bench)
        assert (quiet.route, quiet.detail) == ("unchanged", "")
        assert quiet.credits - 1 <= 3, "one more credit is for the list of its fields"
        bench.sim.clock.advance(DAY)
    bench.org.update("Webinars", ids[0], {"Seats": 99})
    bench.org.delete("Webinars", ids[1])
    bench.org.insert("Webinars", {"Name": "new"})
    changed = webinars(bench)
    assert (changed.outcome, changed.rows, changed.deleted_rows) == ("complete", 2, 1)
    ledger.assert_equal(bench, "Webinars")
    bench.org.merge("Webinars", ids[2], ids[3])  # the loser is in no list
    bench.sim.clock.advance(DAY)
    assert webinars(bench).outcome == "complete"
    assert ids[3] not in bench.live("module_records", "Webinars"), "only the count shows it"
    assert "no Created_Time" in bench.sync("Webinars", full=True).modules[0].detail, "who asks for all is told"
    bench.org.admin.hidden_fields.clear()
    bench.sim.clock.advance(DAY)
    for _ in range(2):  # the second one reads every row again
        assert bench.sync("Webinars").complete
        bench.sim.clock.advance(DAY)
    at = len(bench.sim.requests)
    assert webinars(bench).route == "unchanged"
    assert any("Created_Time <" in str(call.query) for call in bench.sim.requests[at:]), "counted with it again"
    ledger.assert_equal(bench, "Webinars")


def test_a_refusal_of_queries_is_told_once(bench: SyncBench) -> None:
    open_org(bench)
    hold(bench, 3)
    bench.org.admin.hidden_fields["Webinars"] = {"Modified_Time"}
    told = 0
    for _ in range(4):
        told += "queries refused" in webinars(bench).detail
        bench.sim.clock.advance(DAY)
    assert told == 1


ROUTES: dict[str, dict[str, Any]] = {
    "lists": {"job_credits": 10**6, "queries_from": 10**6},
    "queries": {"job_credits": 10**6, "queries_from": 1, "list_rows": 1},
    "bulk": {"job_credits": 0, "queries_from": 10**6, "list_rows": 1},
}


@pytest.mark.parametrize("route", list(ROUTES))
@pytest.mark.long
def test_every_route_gives_the_same(bench: SyncBench, route: str) -> None:
    open_org(bench)
    hold(bench, 260)
    bench.limit(**ROUTES[route])
    bench.sync()
    took = {m.module: m.route for m in bench.sync(full=True).modules}
    assert {"lists": "records", "queries": "coql", "bulk": "bulk"}[route] in took["Webinars"]
    assert_equal(bench)
    assert not bench.rows("select id from zoho_raw.module_records where owner_name is null")


@pytest.mark.long
def test_without_queries_it_is_read_by_lists(bench: SyncBench) -> None:
    open_org(bench, PLAIN_SCOPES)
    ids = hold(bench, 5)
    bench.sync()
    bench.sim.clock.advance(DAY)
    bench.org.update("Webinars", ids[0], {"Seats": 7})
    bench.org.delete("Webinars", ids[1])
    assert bench.sync().complete
    assert_equal(bench)


def test_a_custom_module_has_the_scope_of_all_custom_modules(bench: SyncBench) -> None:
    open_org(bench, "ZohoCRM.modules.leads.READ,ZohoCRM.modules.custom.READ,ZohoCRM.users.READ,ZohoCRM.coql.READ")
    hold(bench, 3)
    assert bench.sync().complete
    ledger.assert_equal(bench, "Webinars")
    assert not bench.live("module_records", "Products"), "its scope was not granted"


@pytest.mark.long
def test_a_reconciliation_finds_what_left_no_trace(bench: SyncBench) -> None:
    open_org(bench)
    ids = hold(bench, 6)
    bench.sync()
    bench.sim.clock.advance(DAY)
    bench.org.admin.hide_rows("Webinars", {ids[0]})
    report = bench.reconcile()
    assert report.complete
    found = {c.module: c.removed for c in report.comparisons}
    assert (found["Webinars"], found["Products"]) == (1, 0)
    assert_equal(bench)


def test_one_chosen_module_alone(bench: SyncBench) -> None:
    open_org(bench)
    hold(bench, 4)
    assert bench.sync("Webinars").complete
    assert not bench.live("module_records", "Products")
    bench.org.insert_many("Products", [{"Product_Name": "late"}])
    assert bench.sync("Products", "Webinars").complete, "one of the two fills an empty part of the table"
    ledger.assert_equal(bench, "Webinars")
    ledger.assert_equal(bench, "Products")
    with pytest.raises(UsageError, match="channels set acme --module Invoices"):
        bench.sync("Invoices")


@pytest.mark.long
def test_two_channels_of_one_table_stay_apart(bench: SyncBench) -> None:
    open_org(bench)
    bench.org.insert("Webinars", {"id": "42", "Name": "Mine"})
    bench.sync("Webinars")
    mine, bench.org, bench.channel_id = bench.org, bench.sim.add_org(name="Other"), "other"
    bench.org.add_module("Webinars", WEBINARS)
    bench.org.insert("Webinars", {"id": "42", "Name": "Theirs"})
    bench.connect(ALL_SCOPES, channel_id="other")
    bench.choose(Webinars=FLAT)
    bench.sync("Webinars")
    mine.delete("Webinars", "42")
    bench.channel_id = "acme"
    bench.sync("Webinars")
    assert not bench.live("module_records", "Webinars")
    bench.channel_id = "other"
    assert list(bench.live("module_records", "Webinars")) == ["42"]
    assert purge_channel(bench.warehouse, "other")
    assert {row["channel_id"] for row in bench.rows("select channel_id from zoho_raw.module_records")} == {"acme"}


@both_engines("duckdb")
def test_a_module_that_the_org_lacks_is_told_once_and_read_when_it_appears(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.choose(Webinars=FLAT)
    bench.org.insert("Leads", {"Last_Name": "L"})

    def told() -> list[str]:
        rows = bench.rows("select outcome from zoho_raw.sync_runs where module = 'Webinars' order by started_at")
        return [row["outcome"] for row in rows]

    for _ in range(3):
        report = bench.sync()
        assert report.complete
        assert told() == ["skipped"], "once, and not each night"
        bench.sim.clock.advance(DAY)
    assert [m.module for m in report.modules if m.module == "Webinars"] == []
    assert bench.registry.get("acme").last_complete_sync_at is not None
    ledger.assert_equal(bench, "Leads")
    asked = [call for call in bench.sim.requests if "Webinars" in str(call.query) or "Webinars" in call.path]
    at = len(bench.sim.requests)
    assert len(asked) <= 3 + 2, "each night one call shows that it is still missing"
    assert bench.sync("Webinars").modules[0].outcome == "skipped", "who asks for it is told"

    bench.org.add_module("Webinars", WEBINARS)
    ids = bench.org.insert_many("Webinars", [{"Name": f"W{n}"} for n in range(3)])
    assert bench.sync().complete
    ledger.assert_equal(bench, "Webinars")
    assert len(bench.sim.requests) > at

    bench.org.admin.denied_modules.add("Webinars")  # its profile loses it, and gets it back
    bench.sim.clock.advance(DAY)
    assert bench.sync().complete
    bench.org.update("Webinars", ids[0], {"Seats": 4})
    bench.org.delete("Webinars", ids[1])
    bench.org.admin.denied_modules.clear()
    bench.sim.clock.advance(DAY)
    assert bench.sync().complete
    ledger.assert_equal(bench, "Webinars")
    assert told().count("skipped") == 3, told()


@both_engines("duckdb")
def test_the_rows_of_a_module_that_is_not_chosen_any_more_go(bench: SyncBench) -> None:
    open_org(bench)
    ids = hold(bench, 5)
    bench.sync()
    bench.org.delete("Webinars", ids[0])
    bench.sync()
    bench.choose(Products=FLAT)
    assert "Webinars" not in bench.registry.get("acme").modules
    assert bench.sync().complete
    assert {row["module"] for row in bench.rows("select module from zoho_raw.module_records")} == {"Products"}
    assert not bench.rows("select id from zoho_raw.deleted_records where module = 'Webinars'")
    bench.choose(Products=FLAT, Webinars=FLAT)
    assert bench.sync().complete
    assert_equal(bench)


KILLED = """
import os, signal, sys
from tests.ingest.syncing import environment
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.settings import load_settings
from zoho_pipeline.warehouse.warehouse import open_warehouse
home, url, warehouse, last = *sys.argv[1:4], int(sys.argv[4])
lines = 0
def in_file(frame, event, argument):
    global lines
    lines += event == "line"
    if lines == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return in_file
def traced(frame, event, argument):
    return in_file if frame.f_code.co_filename.endswith("load/unchosen.py") else None
settings = load_settings(environment(home, url, warehouse))
opened = (settings, Registry(settings), open_warehouse(settings))
sys.settrace(traced)
sync_channel(*opened, "acme")
"""
"""A sync that is killed at a line of the module that takes a module off."""


@both_engines()
@pytest.mark.parametrize("again", [False, True], ids=["gone", "chosen again"])
@pytest.mark.parametrize("line", [12, 16, 20, 24, 28, 32, 36, 40])
def test_a_kill_while_a_module_is_taken_off_loses_nothing(bench: SyncBench, line: int, again: bool) -> None:
    open_org(bench)
    hold(bench, 5)
    bench.sync()
    bench.choose(Products=FLAT)
    warehouse = "-" if bench.warehouse.dialect == "duckdb" else bench.settings.warehouse_url
    command = [sys.executable, "-c", KILLED, str(bench.settings.home), bench.sim.url, warehouse, str(line)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    if again:
        bench.choose(Products=FLAT, Webinars=FLAT)
    assert bench.sync().complete
    if again:
        assert_equal(bench)
    else:
        assert {row["module"] for row in bench.rows("select module from zoho_raw.module_records")} == {"Products"}
        assert "Webinars" not in bench.registry.get("acme").modules

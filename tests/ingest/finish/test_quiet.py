"""A sync with nothing new loads nothing, for weeks, and finds what comes after them."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.finish.quiet import MOVED_AFTER, SPREAD
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.report import SyncReport
from zoho_pipeline.zoho.errors import ZohoError

DAY = 86_400
METADATA = 1
"""The call for the fields of a module, which each night makes."""


def loads(bench: SyncBench) -> int:
    return int(bench.rows("select count(*) as n from zoho_raw._dlt_loads")[0]["n"])


def state(bench: SyncBench) -> dict[str, Any]:
    return dict(Loader(bench.settings, bench.warehouse, "acme").state["modules"])


def grow(bench: SyncBench, scopes: str = ALL_SCOPES) -> list[str]:
    """A channel with leads, some of them deleted, that was synced until nothing is new."""
    bench.connect(scopes)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(12)])
    bench.sync()
    bench.sim.clock.advance(DAY)
    for id_ in ids[:3]:
        bench.org.delete("Leads", id_)
    for _ in range(2):
        bench.sim.clock.advance(DAY)
        bench.sync()
    return list(ids[3:])


@both_engines()
def test_the_state_read_by_one_query_is_that_of_a_restored_pipeline(bench: SyncBench) -> None:
    assert Loader(bench.settings, bench.warehouse, "acme").state == {}
    bench.org.insert_many("Leads", [{"Last_Name": "L", "Company": "Co"}])
    for _ in range(2):
        bench.sync("Leads", "Deals")
        bench.sim.clock.advance(600)
        bench.org.insert("Leads", {"Last_Name": "Later", "Company": "Co"})
    read, restored = (Loader(bench.settings, bench.warehouse, "acme") for _ in range(2))
    restored.restore()
    assert read.state["modules"].keys() == {"Leads", "Deals"}
    assert read.state == restored.state
    other = Loader(bench.settings, bench.warehouse, "other")
    assert other.state == {}
    other.restore()
    assert other.state == {}


@both_engines()
def test_a_quiet_sync_loads_nothing_and_is_complete(bench: SyncBench) -> None:
    grow(bench)
    before, kept, as_of = loads(bench), state(bench), bench.registry.get("acme").last_complete_sync_at
    bench.sim.clock.advance(DAY)
    report = bench.sync()
    assert report.complete
    assert {m.route for m in report.modules if m.module in ("Leads", "Contacts", "Deals")} == {"unchanged"}
    assert loads(bench) == before, "no package of dlt"
    assert state(bench) == kept, "no cursor moved"
    channel = bench.registry.get("acme")
    assert as_of is not None
    assert channel.last_complete_sync_at is not None
    assert channel.last_complete_sync_at - as_of >= timedelta(days=1), "as-of moves all the same"
    [row] = bench.rows("select last_complete_sync_at as at from zoho_raw.channels where channel_id = 'acme'")
    assert row["at"] == channel.last_complete_sync_at
    logged = bench.rows("select module, outcome from zoho_raw.sync_runs where run_id = ?", report.run_id)
    assert {r["module"] for r in logged} == {m.module for m in report.modules}
    assert {r["outcome"] for r in logged} == {"complete"}


def dearest(report: SyncReport) -> int:
    """The credits of the dearest module, without those for the list of its fields."""
    return max(m.credits - METADATA for m in report.modules if m.route == "unchanged")


@pytest.mark.long
@pytest.mark.parametrize(("nights", "scopes"), list(product((4, 75), (ALL_SCOPES, PLAIN_SCOPES))))
def test_weeks_of_quiet_nights(bench: SyncBench, nights: int, scopes: str) -> None:
    """Cheap each night, with an old cursor too; and a change, a deletion and a restore afterwards are found."""
    ids = grow(bench, scopes)
    before = loads(bench)
    deleted = list(bench.org.modules["Leads"].bin)
    for _ in range(nights):
        bench.sim.clock.advance(DAY)
        report = bench.sync()
        assert report.complete, report
        if scopes == ALL_SCOPES:
            assert dearest(report) <= 3
    assert loads(bench) - before <= 2 + nights * timedelta(days=1) // MOVED_AFTER
    assert state(bench)["Leads"]["cursor"], "the state is there"
    bench.org.update("Leads", ids[0], {"Company": "after weeks"})
    bench.org.delete("Leads", ids[1])
    if nights < 50:  # later it left the recycle bin
        bench.org.restore("Leads", deleted[0])
    bench.sim.clock.advance(60)
    assert bench.sync().complete
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_a_cursor_moves_after_some_weeks(bench: SyncBench) -> None:
    grow(bench)
    first = state(bench)["Leads"]["cursor"]
    for _ in range((MOVED_AFTER + SPREAD).days + 1):
        bench.sim.clock.advance(DAY)
        bench.sync("Leads")
    assert state(bench)["Leads"]["cursor"] > first


@pytest.mark.long
def test_a_frequent_sync_remembers_when_it_read_the_fields(bench: SyncBench) -> None:
    """Without that, each of them would read the list of fields again."""
    grow(bench)
    calls = []
    for _ in range(4):
        bench.sim.clock.advance(3_600)
        at = len(bench.sim.requests)
        bench.sync("Leads")
        calls.append(sum(call.path.endswith("/settings/fields") for call in bench.sim.requests[at:]))
    assert sum(calls) <= 2, calls


@pytest.mark.long
def test_deletions_are_loaded_after_a_load_of_rows_that_were_only_read_again(bench: SyncBench) -> None:
    """Rows of a second that was not over come twice. They are no news, but a load in the middle moves the cursor."""
    bench.connect(PLAIN_SCOPES)
    bench.sim.clock.freeze()
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(60)])
    for _ in range(2):
        bench.sync("Leads")
        bench.sim.clock.advance(DAY)
        for id_ in ids[:50]:
            bench.org.update("Leads", id_, {"Company": "changed"})
    bench.sync("Leads")
    bench.sim.clock.advance(DAY)
    bench.org.delete("Leads", ids[3])
    bench.limit(rows_per_load=20)
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")


@both_engines()
def test_every_credit_of_a_sync_counts_however_it_ends(bench: SyncBench) -> None:
    """Those for the user and for metadata are no module's. A call that Zoho refuses may count here alone."""

    def uncounted() -> float:
        return bench.org.state.credits.used(bench.sim.clock.epoch()) - bench.registry.credits_used("acme")

    bench.connect(ALL_SCOPES)
    before = uncounted()
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(12)])
    for _ in range(3):
        assert bench.sync().complete
        assert uncounted() <= before
        bench.sim.clock.advance(600)
    assert bench.sync("Leads", "Deals").complete
    assert uncounted() <= before
    bench.org.admin.api_access = False
    with pytest.raises(ZohoError):
        bench.sync()
    assert uncounted() <= before

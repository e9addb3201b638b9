"""`lead.changed`: which loads raise it, what it says, and that our own change raises none."""

from typing import Any

import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.channels.platform import lead_changes
from zoho_pipeline.channels.platform.lead_changes import LeadVersion, LoadedLead, tell_loaded
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.status_map import StatusMap
from zoho_pipeline.writeback.switch import switch_on

WORDS = StatusMap({"contacted": "Contacted", "lost": "Lost Lead"}, {"Lost Lead": "lost"})


def told(bench: SyncBench) -> list[dict[str, Any]]:
    """The events of changed leads, in their order, and forget them."""
    with bench.registry.database.write() as transaction:
        rows = transaction.execute(channel_events.select().order_by(channel_events.c.seq)).all()
        transaction.execute(channel_events.delete())
    return [row.data for row in rows if row.type.startswith("lead.")]


def said(bench: SyncBench) -> dict[str, list[str]]:
    return {data["lead_id"]: data["changed"] for data in told(bench)}


def write(bench: SyncBench, lead: str, status: str, shown: str) -> str:
    """Send a wish for a lead, and return its id."""
    wish = wishes.ask(bench.registry, "acme", wishes.Wish(KnownLead(lead, shown, False, None), status), "key:test")
    limits = WritebackLimits()
    for claimed in claims.claim(bench.registry, "w", 1, limits):
        Sending(bench.registry, "w", limits).send(claimed)
    assert wishes.get(bench.registry, wish.id).state == "done"
    return wish.id


def seen(bench: SyncBench, writeback_id: str) -> bool:
    return wishes.get(bench.registry, writeback_id).echo_seen_at is not None


def second(bench: SyncBench, *modules: str, **options: Any) -> None:
    bench.sim.clock.advance(5)
    bench.sync(*modules, **options)


@pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)
def test_changes_are_told_and_our_own_are_not(bench: SyncBench) -> None:
    org = bench.org
    values = {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Not Contacted"}
    leads = org.insert_many("Leads", [values] * 6)
    a, b, c, d, e, f = leads
    other = org.add_user(first_name="Asha", last_name="Sen", email="asha@example.com")
    second(bench)
    assert told(bench) == []  # the first load
    second(bench, "Leads", full=True)
    assert told(bench) == []  # nothing changed

    switch_on(bench.registry, bench.registry.get("acme"), WORDS)
    org.update("Leads", a, {"Lead_Status": "Lost Lead"})
    org.update("Leads", b, {"Owner": other})
    org.convert(c)
    org.update("Leads", d, {"Company": "Bazaar"})
    new = org.insert("Leads", values)
    second(bench, "Leads")
    events = {data["lead_id"]: data for data in told(bench)}
    assert {lead: data["changed"] for lead, data in events.items()} == {
        a: ["status"],
        b: ["owner"],
        c: ["conversion"],
        new: ["new"],
    }
    assert (events[a]["zoho_status"], events[a]["status"]) == ("Lost Lead", "lost")
    assert set(events[a]) == {
        *("tenant", "channel_id", "seq", "lead_id", "changed", "zoho_status", "status", "owner_id", "is_converted")
    }

    # our own changes: one alone, one with an owner that a person changed, one before an edit of a person
    alone = write(bench, d, "contacted", "Not Contacted")
    mixed = write(bench, e, "contacted", "Not Contacted")
    edited = write(bench, f, "contacted", "Not Contacted")
    bench.sim.clock.advance(5)
    org.update("Leads", e, {"Owner": other, "Modified_By": org.admin})
    org.update("Leads", f, {"Lead_Status": "Lost Lead"})
    second(bench, "Leads")
    assert said(bench) == {e: ["owner"], f: ["status"]}
    assert [seen(bench, wish) for wish in (alone, mixed, edited)] == [True, True, False]

    # the connected user changes the same leads later by hand: that is no echo any more
    org.update("Leads", d, {"Lead_Status": "Lost Lead", "Modified_By": org.admin})
    second(bench, "Leads")
    assert said(bench) == {d: ["status"]}
    for lead in (d, f):
        org.update("Leads", lead, {"Lead_Status": "Contacted", "Modified_By": org.admin})
    second(bench, "Leads")
    assert said(bench) == {d: ["status"], f: ["status"]}


def loaded(n: int) -> LoadedLead:
    before = LeadVersion(f"lead{n}", "New", "o", False, None, None)
    return LoadedLead(LeadVersion(f"lead{n}", "Old", "o", False, None, None), before)


def test_many_changes_are_told_by_their_number(bench: SyncBench) -> None:
    channel = bench.registry.get("acme")
    assert tell_loaded(bench.registry, channel, [loaded(n) for n in range(lead_changes.MOST_SINGLY + 7)]) == 1_007
    assert tell_loaded(bench.registry, channel, [loaded(1), loaded(2)]) == 2
    events = told(bench)
    assert len(events) == lead_changes.MOST_SINGLY + 2
    assert [event["count"] for event in events if "count" in event] == [7, 2]


def test_a_load_without_changes_writes_nothing(bench: SyncBench) -> None:
    same = LeadVersion("1", "New", "o", False, None, None)
    assert tell_loaded(bench.registry, bench.registry.get("acme"), [LoadedLead(same, same)]) == 0
    assert told(bench) == []

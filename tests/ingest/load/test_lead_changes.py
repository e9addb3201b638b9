"""`lead.changed`: which loads raise it, what it says, and that our own change raises none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.platform import lead_changes
from zoho_pipeline.channels.platform.lead_changes import LeadVersion, LoadedLead
from zoho_pipeline.channels.registry.platform_tables import channel_events, lead_changes_untold, writebacks
from zoho_pipeline.channels.registry.platform_tables import lead_changes as lead_changes_table
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.status_map import StatusMap
from zoho_pipeline.writeback.switch import switch_on

WORDS = StatusMap({"contacted": "Contacted", "lost": "Lost Lead"}, {"Lost Lead": "lost"})
LIMITS = WritebackLimits(settle_seconds=0.0)


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
    for claimed in claims.claim(bench.registry, "w", 1, LIMITS):
        Sending(bench.registry, "w", LIMITS).send(claimed)
    assert wishes.get(bench.registry, wish.id).state == "done"
    return wish.id


def seen(bench: SyncBench, writeback_id: str) -> bool:
    return wishes.get(bench.registry, writeback_id).echo_seen_at is not None


def second(bench: SyncBench, *modules: str, **options: Any) -> None:
    bench.sim.clock.advance(5)
    bench.sync(*modules, **options)


@both_engines()
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


@pytest.mark.long
def test_our_own_change_is_none_while_the_next_one_is_under_way(bench: SyncBench) -> None:
    """Only the newest change of ours was looked for. So the platform heard of its own status as news."""
    lead = bench.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Not Contacted"})
    second(bench)
    switch_on(bench.registry, bench.registry.get("acme"), WORDS)
    first = write(bench, lead, "contacted", "Not Contacted")
    bench.sim.faults.next(1, "server_error", "/crm/v7/Leads/", after=1)
    known = KnownLead(lead, "Contacted", False, None)
    next_one = wishes.ask(bench.registry, "acme", wishes.Wish(known, "lost"), "key:test")
    for claimed in claims.claim(bench.registry, "w", 1, LIMITS):
        Sending(bench.registry, "w", LIMITS).send(claimed)
    assert wishes.get(bench.registry, next_one.id).state == "sending"
    second(bench, "Leads")
    assert said(bench) == {}
    assert (seen(bench, first), seen(bench, next_one.id)) == (True, False)

    # the connected user sets the same status by hand once more: that is news
    bench.org.update("Leads", lead, {"Lead_Status": "Not Contacted", "Modified_By": bench.org.admin})
    second(bench, "Leads")
    bench.org.update("Leads", lead, {"Lead_Status": "Contacted", "Modified_By": bench.org.admin})
    second(bench, "Leads")
    assert said(bench) == {lead: ["status"]}


def loaded(n: int) -> LoadedLead:
    before = LeadVersion(f"lead{n}", "New", "o", False, None, None)
    return LoadedLead(LeadVersion(f"lead{n}", "Old", "o", False, None, None), before)


def announced(bench: SyncBench) -> int:
    with bench.registry.database.read() as transaction:
        return len(transaction.execute(lead_changes_table.select()).all())


def told_after(bench: SyncBench, leads: list[LoadedLead]) -> None:
    """Announce, and tell as if the load had taken place, and end the sync."""
    channel = bench.registry.get("acme")
    number = lead_changes.announce(bench.registry, channel, leads)
    if number is not None:
        lead_changes.tell(bench.registry, channel, number)
    lead_changes.tell_number(bench.registry, channel)


@pytest.mark.long
def test_many_changes_are_told_by_their_number_once_per_hour(bench: SyncBench) -> None:
    told_after(bench, [loaded(n) for n in range(lead_changes.MOST_SINGLY + 7)])
    assert announced(bench) == 0
    told_after(bench, [loaded(1), loaded(2)])
    told_after(bench, [loaded(3)])
    with bench.registry.database.read() as transaction:
        events = [row.data for row in transaction.execute(channel_events.select().order_by(channel_events.c.seq))]
    assert sum("lead_id" in event for event in events) == lead_changes.MOST_SINGLY
    assert [event["count"] for event in events if "count" in event] == [7], "the other three wait for the next hour"
    lead_changes.tell_waiting_numbers(bench.registry)
    with bench.registry.database.write() as transaction:
        hour_ago = bench.registry.database.now_in(transaction) - timedelta(hours=1, seconds=1)
        transaction.execute(channel_events.update().values(at=hour_ago))
        transaction.execute(lead_changes_untold.update().values(at=hour_ago))
    told(bench)
    lead_changes.tell_waiting_numbers(bench.registry)
    lead_changes.tell_waiting_numbers(bench.registry)
    assert [event["count"] for event in told(bench)] == [3]


@pytest.mark.long
@pytest.mark.parametrize("at", ["before the load", "after the load", "amid the events"])
def test_a_process_that_is_killed_beside_its_load_loses_and_repeats_no_event(bench: SyncBench, at: str) -> None:
    """The announcement is made, and what follows it never runs."""
    org = bench.org
    leads = org.insert_many("Leads", [{"Last_Name": str(n), "Lead_Status": "Not Contacted"} for n in range(60)])
    second(bench, "Leads")
    second(bench)
    told(bench)
    switch_on(bench.registry, bench.registry.get("acme"), WORDS)
    ours = write(bench, leads[0], "contacted", "Not Contacted")
    for lead in leads[1:]:
        org.update("Leads", lead, {"Lead_Status": "Lost Lead"})
    channel = bench.registry.get("acme")
    before = [LeadVersion(lead, "Not Contacted", None, False, None, None) for lead in leads]
    if at == "before the load":
        after = [replace(one, status="Lost Lead", modified_at=datetime(2030, 1, 1, tzinfo=UTC)) for one in before[1:]]
        lead_changes.announce(
            bench.registry, channel, [LoadedLead(a, b) for a, b in zip(after, before[1:], strict=True)]
        )
    else:
        second(bench, "Leads")  # it loads and tells; then the record of telling is taken back
        names = ("id", "lead_status", "owner_id", "converted", "modified_time", "modified_by_id")
        rows = {row["id"]: row for row in bench.rows(f"select {', '.join(names)} from zoho_raw.leads")}
        after = [LeadVersion(*rows[lead].values()) for lead in leads]
        told(bench)
        with bench.registry.database.write() as transaction:
            transaction.execute(writebacks.update().values(echo_seen_at=None))
        pairs = [LoadedLead(a, replace(b, owner_id=a.owner_id)) for a, b in zip(after, before, strict=True)]
        number = lead_changes.announce(bench.registry, channel, pairs)
        assert number is not None
        if at == "amid the events":
            with bench.registry.database.write() as transaction:
                (found,) = transaction.execute(lead_changes_table.select()).all()
                values = {"leads": found.leads[50:], "echoes": []}
                transaction.execute(lead_changes_table.update().values(**values))
    second(bench, "Leads")
    events = said(bench)
    assert set(events) == set(leads[51:] if at == "amid the events" else leads[1:])
    assert set(map(tuple, events.values())) == {("status",)}
    assert announced(bench) == 0
    assert seen(bench, ours)
    second(bench, "Leads")
    assert told(bench) == []


def test_a_load_without_changes_writes_nothing(bench: SyncBench) -> None:
    same = LeadVersion("1", "New", "o", False, None, None)
    assert lead_changes.announce(bench.registry, bench.registry.get("acme"), [LoadedLead(same, same)]) is None
    assert announced(bench) == 0

"""`lead.changed` where the registry refuses in the middle, and where the channel moves to another tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tests.ingest.conftest import SyncBench
from tests.ingest.load.test_lead_changes import announced, said, second, told
from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform import lead_changes
from zoho_pipeline.channels.registry.platform_tables import lead_changes as lead_changes_table
from zoho_pipeline.channels.settings.set_settings import set_settings

REFUSALS = {
    "the announcement": "before insert on registry_lead_changes",
    "the first event": "before insert on registry_channel_events when new.type = 'lead.changed'",
    "an event in the middle": "before insert on registry_channel_events when new.type = 'lead.changed' and "
    "(select count(*) from registry_channel_events where type = 'lead.changed') >= 55",
    "the end of the announcement": "before delete on registry_lead_changes",
}


@contextmanager
def refusing(bench: SyncBench, when: str) -> Iterator[None]:
    """The database refuses some statements, as a full disk would."""
    with bench.registry.database.write() as transaction:
        transaction.execute(text(f"create trigger refuse {when} begin select raise(abort, 'disk I/O error'); end"))
    try:
        yield
    finally:
        with bench.registry.database.write() as transaction:
            transaction.execute(text("drop trigger refuse"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("refused", "edits"),
    [
        pytest.param("the announcement", False, marks=pytest.mark.long),
        pytest.param("the first event", True, marks=pytest.mark.long),
        pytest.param("an event in the middle", False, marks=pytest.mark.long),
        ("the end of the announcement", True),
    ],
)
def test_a_registry_that_refuses_loses_and_repeats_no_event(bench: SyncBench, refused: str, edits: bool) -> None:
    org = bench.org
    leads = org.insert_many("Leads", [{"Last_Name": str(n), "Lead_Status": "Not Contacted"} for n in range(60)])
    second(bench)
    told(bench)
    for lead in leads:
        org.update("Leads", lead, {"Lead_Status": "Lost Lead"})
    bench.sim.clock.advance(5)
    with refusing(bench, REFUSALS[refused]):
        if refused == "the announcement":
            with pytest.raises(RegistryError):
                bench.sync("Leads")
        else:
            assert bench.sync("Leads").complete
            assert announced(bench) == 1
    if edits:
        for lead in leads:
            org.update("Leads", lead, {"Company": "Bazaar"})
    second(bench, "Leads")
    events = told(bench)
    assert sorted(event["lead_id"] for event in events) == sorted(leads)
    assert {tuple(event["changed"]) for event in events} == {("status",)}
    assert announced(bench) == 0


@pytest.mark.long
def test_a_row_that_is_newer_than_its_announcement_was_loaded(bench: SyncBench) -> None:
    """The registry refused to tell, and a later load of the same sync brought the lead once more."""
    lead = bench.org.insert("Leads", {"Last_Name": "Rao", "Lead_Status": "Not Contacted"})
    second(bench)
    told(bench)
    bench.org.update("Leads", lead, {"Lead_Status": "Lost Lead"})
    bench.sim.clock.advance(5)
    with refusing(bench, REFUSALS["the first event"]):
        bench.sync("Leads")
    with bench.warehouse.connect(read_only=False) as connection:
        connection.execute("update zoho_raw.leads set modified_time = modified_time + interval '2 seconds'")
    second(bench, "Leads")
    assert said(bench) == {lead: ["status"]}


@pytest.mark.long
def test_events_go_to_the_tenant_of_now(bench: SyncBench) -> None:
    lead = bench.org.insert("Leads", {"Last_Name": "Rao", "Lead_Status": "Not Contacted"})
    second(bench)
    told(bench)
    channel = bench.registry.get("acme")
    bench.org.update("Leads", lead, {"Lead_Status": "Lost Lead"})
    bench.sim.clock.advance(5)
    with refusing(bench, REFUSALS["the first event"]):
        bench.sync("Leads")
    set_settings(bench.registry, "acme", tenant="bolt-inc")
    with bench.registry.database.read() as transaction:
        (row,) = transaction.execute(lead_changes_table.select()).all()
    lead_changes.tell(bench.registry, channel, row.id)  # a sync that began before the move
    assert [event["tenant"] for event in told(bench)] == ["bolt-inc"]

"""Metadata that Zoho refuses once: rows that are read meanwhile keep their custom fields, because nothing reads them
again.

Random lives found one such row: a comparison repaired it while the list of fields was refused.
"""

import json
from collections.abc import Callable

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from tests.params import combined
from zoho_pipeline.ingest.catalog.field_selection import plan_from_memory
from zoho_pipeline.ingest.catalog.tables import BY_MODULE

FIELDS = "/settings/fields"
NO_METADATA = "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.coql.READ"
ONLY_LISTS = NO_METADATA.replace(",ZohoCRM.coql.READ", "")
HOUR = 3_600


def leads(bench: SyncBench, count: int = 3) -> list[str]:
    """Leads with a custom field. A lead that is made an hour later moves the cursor past them."""
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(count)])
    bench.sim.clock.advance(HOUR)
    bench.org.insert("Leads", {"Last_Name": "newest", "Tier": "new"})
    bench.sim.clock.advance(HOUR)
    return ids


@pytest.mark.parametrize(
    ("scopes", "kind"),
    combined([ALL_SCOPES, NO_METADATA], ["no_permission", "scope"], quick=[(ALL_SCOPES, "no_permission")]),
)
def test_a_comparison_repairs_a_record_with_all_its_fields(bench: SyncBench, scopes: str, kind: str) -> None:
    bench.connect(scopes)
    ids = leads(bench)
    bench.org.admin.hide_rows("Leads", {ids[1]})
    assert bench.sync("Leads").complete
    bench.org.admin.show_rows("Leads", set(ids))
    bench.sim.faults.next(1, kind, FIELDS)
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "coql+compare-coql")
    bench.sim.faults.clear()
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")
    assert json.loads(bench.live("leads", "Leads")[ids[1]]["custom_fields"])["Tier"] == "gold"


@pytest.mark.long
@pytest.mark.parametrize("scopes", [ALL_SCOPES, NO_METADATA])
def test_a_changed_record_is_read_with_fields_that_no_sync_knew(bench: SyncBench, scopes: str) -> None:
    """A field that was made since: the record that is read whole shows it."""
    bench.connect(scopes)
    ids = leads(bench)
    assert bench.sync("Leads").complete
    bench.org.add_custom_field("Leads", "Fresh", "Fresh")
    bench.org.update("Leads", ids[0], {"Fresh": "new"})
    bench.sim.clock.advance(HOUR)
    bench.sim.faults.next(1, "no_permission", FIELDS)
    assert bench.sync("Leads").complete
    bench.sim.faults.clear()
    ledger.assert_equal(bench, "Leads")
    assert json.loads(bench.live("leads", "Leads")[ids[0]]["custom_fields"])["Fresh"] == "new"


def first_ids(bench: SyncBench) -> None:
    """Two old leads that were hidden: a comparison reads them by their ids."""
    ids = leads(bench)
    bench.org.admin.hide_rows("Leads", set(ids[:2]))
    assert bench.sync("Leads").complete
    bench.org.admin.show_rows("Leads", set(ids))


def changed_records(bench: SyncBench) -> None:
    ids = leads(bench)
    assert bench.sync("Leads").complete
    for id_ in ids:
        bench.org.update("Leads", id_, {"Company": "C"})
        bench.sim.clock.advance(1)
    bench.sim.clock.advance(HOUR)


def first_load(bench: SyncBench) -> None:
    leads(bench)


@pytest.mark.parametrize(
    ("scopes", "story"),
    [
        (NO_METADATA, first_ids),
        pytest.param(NO_METADATA, changed_records, marks=pytest.mark.long),
        pytest.param(NO_METADATA, first_load, marks=pytest.mark.long),
        pytest.param(ONLY_LISTS, changed_records, marks=pytest.mark.long),
        (ONLY_LISTS, first_load),
    ],
)
def test_another_record_shows_the_fields_if_the_first_one_is_gone(
    bench: SyncBench, scopes: str, story: Callable[[SyncBench], None]
) -> None:
    """The first record is deleted between the call that lists it and the call that reads it whole.

    The fields of a fresh org are unknown then, and the other rows of the page lost their custom fields.
    """
    bench.connect(scopes)
    story(bench)
    bench.org.add_custom_field("Leads", "Late", "Late")
    for row in bench.org.rows("Leads"):
        bench.org.modules["Leads"].rows[row["id"]]["Late"] = "x"  # as a formula that is made now
    deleted: list[str] = []

    def delete(id_: str) -> None:
        if not deleted:
            deleted.append(id_)
            bench.org.delete("Leads", id_)

    for row in bench.org.rows("Leads"):
        bench.sim.on_call(1, lambda id_=row["id"]: delete(id_), path=f"/Leads/{row['id']}")
    assert bench.sync("Leads").complete
    bench.sim.hub.hooks.clear()
    assert len(deleted) == 1
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == {row["id"] for row in bench.org.rows("Leads")}
    for _ in range(2):  # a new field fills old rows in the next sync
        assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")


def test_empty_fields_that_no_list_gives_cost_no_reading_of_every_row(bench: SyncBench) -> None:
    """An empty lookup of several records looks like any empty field of a record that is read whole.

    Queries and jobs with its name are refused. One night without the list of fields led to a reading of every row.
    """
    bench.connect(ALL_SCOPES)
    bench.org.add_custom_field("Leads", "Partners", "Partners", "multiselectlookup", lookup="Contacts")
    bench.org.add_custom_field("Leads", "Upload", "Upload", "fileupload")
    ids = leads(bench)
    assert bench.sync("Leads").complete
    bench.org.update("Leads", ids[0], {"Company": "C"})
    bench.sim.clock.advance(HOUR)
    bench.sim.faults.next(1, "no_permission", FIELDS)
    assert bench.sync("Leads").modules[0].detail == ""
    bench.sim.faults.clear()
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "unchanged")
    ledger.assert_equal(bench, "Leads")


@pytest.mark.parametrize(
    "scopes", [ALL_SCOPES, pytest.param(ALL_SCOPES.replace(",ZohoCRM.coql.READ", ""), marks=pytest.mark.long)]
)
def test_fields_that_are_hidden_while_the_metadata_is_refused_fill_their_rows_later(
    bench: SyncBench, scopes: str
) -> None:
    """A profile that loses a right and a field, and gets both back. The changes of that time had no value for ever."""
    bench.connect(scopes)
    ids = leads(bench)
    assert bench.sync("Leads").complete
    bench.org.admin.hide_field("Leads", "Tier")
    bench.sim.faults.next(2, "no_permission", FIELDS)
    details = []
    for id_ in ids[:2]:
        bench.org.update("Leads", id_, {"Company": "C"})
        bench.sim.clock.advance(HOUR)
        details.append(bench.sync("Leads").modules[0].detail)
    assert ["field Tier is gone or hidden" in detail for detail in details] == [True, False]
    bench.sim.faults.clear()
    bench.org.admin.show_field("Leads", "Tier")
    bench.sim.clock.advance(25 * HOUR)  # nothing changes, so the fields are read once per day
    for _ in range(2):
        assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")
    assert bench.sync("Leads").modules[0].window_start is not None, "every row is read once"


@pytest.mark.long
@pytest.mark.parametrize("scopes", [NO_METADATA, ONLY_LISTS])
def test_a_first_list_of_fields_fills_rows_of_the_time_when_a_field_was_hidden(bench: SyncBench, scopes: str) -> None:
    bench.connect(scopes)
    ids = leads(bench)
    assert bench.sync("Leads").complete
    bench.org.admin.hide_field("Leads", "Tier")
    bench.org.update("Leads", ids[0], {"Company": "C"})
    bench.sim.clock.advance(HOUR)
    assert bench.sync("Leads").modules[0].detail.endswith("field Tier is gone or hidden")
    bench.org.admin.show_field("Leads", "Tier")
    bench.connect(ALL_SCOPES)
    bench.sim.clock.advance(25 * HOUR)
    for _ in range(2):
        assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")


def test_remembered_fields_come_from_records_and_from_metadata() -> None:
    table = BY_MODULE["Leads"]
    assert plan_from_memory(table, None, None).names == table.api_fields
    assert plan_from_memory(table, None, {"id": "bigint", "Tier": "text"}).names == (*table.api_fields, "Tier")
    assert plan_from_memory(table, ["Tier"], {"Cup": "text", "Tier": "text"}).names == ("Tier", "Cup")
    assert plan_from_memory(table, ["Tier", "Docs"], {"Cup": "text"}, ["Docs"]).names == ("Tier", "Cup")

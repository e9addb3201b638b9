"""Schema drift: rows are still loaded, and sync_runs reports each change once. Nothing is dropped without a report."""

import json
from itertools import product

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from zoho_pipeline.ingest.extract.schema_drift import renamed
from zoho_pipeline.simulator.state.fields import Pick


def detail(bench: SyncBench, module: str = "Leads") -> str:
    rows = bench.rows("select detail from zoho_raw.sync_runs where module = ? order by started_at", module)
    return rows[-1]["detail"] or ""


@pytest.mark.long
def test_schema_changes_are_reported_and_rows_are_still_loaded(bench: SyncBench) -> None:
    org = bench.org
    bench.connect(ALL_SCOPES)
    for name in ("Old", "Kind", "Secret"):
        org.add_custom_field("Leads", name, name)
    values = {"Old": "x", "Kind": "7", "Secret": "s", "Lead_Status": "Contacted"}
    lead, other = org.insert_many("Leads", [{"Last_Name": f"L{n}", **values} for n in range(2)])
    bench.sync("Leads")
    bench.sim.clock.advance(3_600)
    org.add_custom_field("Leads", "Fresh", "Fresh")
    org.remove_field("Leads", "Old")
    org.remove_field("Leads", "Kind")
    org.add_custom_field("Leads", "Kind", "Kind", "integer")
    org.admin.hide_field("Leads", "Secret")
    org.set_picks("Leads", "Lead_Status", [Pick("Contacted", "Reached"), "Lost Lead"])
    org.update("Leads", lead, {"Fresh": "new", "Kind": 8})
    assert bench.sync("Leads").complete
    details = detail(bench)
    for part in (
        "field Fresh appeared",
        "field Old is gone or hidden",
        "field Secret is gone or hidden",
        "field Kind changed from text to integer",
        "Lead_Status: 'Contacted' is shown as 'Reached' now",
        "Lead_Status: value 'Junk Lead' is gone",
    ):
        assert part in details
    stored = {i: json.loads(row["custom_fields"]) for i, row in bench.live("leads", "Leads").items()}
    assert (stored[lead]["Fresh"], stored[lead]["Kind"]) == ("new", 8)
    assert not {"Old", "Secret"} & stored[lead].keys()
    assert stored[other]["Old"] == "x"  # not read again, because history keeps its values
    org.update("Leads", lead, {"Company": "C"})
    bench.sync("Leads")
    assert "appeared" not in detail(bench)


def test_a_module_without_changes_reads_its_fields_once_per_day(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.sync("Leads")
    bench.org.add_custom_field("Leads", "Fresh", "Fresh")
    bench.sync("Leads")
    assert detail(bench) == ""
    bench.sim.clock.advance(90_000)
    (part,) = bench.sync("Leads").modules
    assert (part.route, part.detail) == ("unchanged", "field Fresh appeared")


@pytest.mark.long
def test_a_module_that_is_switched_off_is_reported_and_later_read_again(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    bench.sync("Deals")
    bench.org.admin.hide_module("Deals")
    assert bench.sync("Deals").modules[0].outcome == "skipped"
    assert "module Deals" in detail(bench, "Deals")
    bench.org.admin.show_module("Deals")
    bench.org.insert("Deals", {"Deal_Name": "E", "Stage": "Qualification"})
    assert bench.sync("Deals").complete
    ledger.assert_equal(bench, "Deals")


def test_renamed_values_are_reported_by_their_actual_value() -> None:
    assert renamed({}, {"Stage": {"a": "A"}}) == []
    assert renamed({"Stage": {"a": "A", "b": "B"}}, {"Stage": {"a": "Z", "c": "C"}}) == [
        "Stage: 'a' is shown as 'Z' now",
        "Stage: value 'b' is gone",
        "Stage: value 'c' is new",
    ]


NO_FIELDS = ('{"fields":[]}', '{"fields":[{}]}', '{"fields":[{"api_name":""}],"info":{"more_records":false}}')


@pytest.mark.long
@pytest.mark.parametrize(
    ("scopes", "body"),
    list(product([PLAIN_SCOPES, ALL_SCOPES], NO_FIELDS)),
)
def test_a_list_of_no_fields_is_a_bad_answer(bench: SyncBench, scopes: str, body: str) -> None:
    """Read without custom fields, the rows would never be read again."""
    bench.connect(scopes)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    lead = bench.org.insert("Leads", {"Last_Name": "L", "Tier": "gold"})
    deal = bench.org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    for _ in range(2):  # a first sync, and one of a change
        bench.sim.clock.advance(3_600)
        bench.sim.faults.next(1, "body", "/settings/fields", text=body)
        report = bench.sync("Leads")
        assert not report.complete
        assert "no field of Leads" in detail(bench)
        bench.sim.faults.clear()
        assert bench.sync("Leads", "Deals").complete
        assert json.loads(bench.live("leads", "Leads")[lead]["custom_fields"])["Tier"] == "gold"
        bench.org.update("Leads", lead, {"Company": "changed"})
    assert deal in bench.live("deals", "Deals")


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PLAIN_SCOPES, ALL_SCOPES])
def test_rows_that_were_read_without_a_field_are_read_again_when_it_is_back(bench: SyncBench, scopes: str) -> None:
    """A list of fields may be wrong, or a profile may hide a field for a day. Zoho gives no row a new time for it."""
    bench.connect(scopes)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
    bench.sync("Leads")
    bench.sim.clock.advance(3_600)
    bench.org.admin.hide_field("Leads", "Tier")
    bench.org.update("Leads", ids[0], {"Company": "changed"})
    bench.sync("Leads")
    assert "Tier" not in json.loads(bench.live("leads", "Leads")[ids[0]]["custom_fields"])
    bench.sim.clock.advance(90_000)
    bench.org.admin.show_field("Leads", "Tier")
    bench.sync("Leads")
    assert "field Tier is back: the next sync reads every row again" in detail(bench)

    bench.sim.faults.next(9, "server_error", "/crm/v7/Leads")  # the next one is broken off
    bench.sim.faults.next(9, "server_error", "/coql")
    assert not bench.sync("Leads").complete
    bench.sim.faults.clear()
    (part,) = bench.sync("Leads").modules
    assert part.route_reason.startswith("a field is new or back")
    ledger.assert_equal(bench, "Leads")
    assert json.loads(bench.live("leads", "Leads")[ids[0]]["custom_fields"])["Tier"] == "gold"
    assert "back" not in bench.sync("Leads").modules[0].route_reason


def seen_late(bench: SyncBench, scopes: str) -> list[str]:
    """Show a field that was hidden from the start, and sync after a change of one lead. Returns the ids."""
    bench.connect(scopes)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    bench.org.admin.hide_field("Leads", "Tier")
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
    bench.sync("Leads")
    bench.org.admin.show_field("Leads", "Tier")
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", ids[0], {"Company": "changed"})
    assert bench.sync("Leads").complete
    assert "older rows may have field Tier: the next sync reads every row again" in detail(bench)
    return ids


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PLAIN_SCOPES, ALL_SCOPES])
def test_a_field_that_was_hidden_from_the_start_fills_old_rows_when_it_is_shown(bench: SyncBench, scopes: str) -> None:
    seen_late(bench, scopes)
    (part,) = bench.sync("Leads").modules
    assert part.route_reason.startswith("a field is new or back")
    ledger.assert_equal(bench, "Leads")
    assert {json.loads(row["custom_fields"])["Tier"] for row in bench.live("leads", "Leads").values()} == {"gold"}
    assert "field" not in bench.sync("Leads").modules[0].route_reason


NO_METADATA = "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ"


@pytest.mark.long
@pytest.mark.parametrize("scopes", [NO_METADATA, f"{NO_METADATA},ZohoCRM.coql.READ"])
def test_without_metadata_a_field_that_is_shown_later_fills_old_rows_too(bench: SyncBench, scopes: str) -> None:
    """Then a record shows which fields exist."""
    ids = seen_late(bench, scopes)
    assert bench.sync("Leads").complete
    assert {json.loads(row["custom_fields"]).get("Tier") for row in bench.live("leads", "Leads").values()} == {"gold"}
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", ids[0], {"Company": "changed again"})
    assert "older rows" not in (bench.sync("Leads").modules[0].detail or "")


def test_without_metadata_queries_read_the_other_fields_from_the_first_load_on(bench: SyncBench) -> None:
    """They name their columns. Before, they named those of the catalogue alone, and no custom field was loaded."""
    bench.limit(queries_from=1, list_credits=99)
    bench.connect(f"{NO_METADATA},ZohoCRM.coql.READ")
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "coql")
    assert {json.loads(row["custom_fields"]).get("Tier") for row in bench.live("leads", "Leads").values()} == {"gold"}


def test_without_metadata_no_query_or_job_names_what_only_single_records_have(bench: SyncBench) -> None:
    """Zoho refuses a query that names a subform: each first load was by lists then."""
    bench.limit(queries_from=1, list_credits=99)
    bench.connect(f"{NO_METADATA},ZohoCRM.coql.READ")
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    bench.org.add_custom_field("Leads", "Lines", "Lines", "subform")
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "coql"), part.detail
    assert {json.loads(row["custom_fields"]).get("Tier") for row in bench.live("leads", "Leads").values()} == {"gold"}


@pytest.mark.long
def test_without_metadata_a_record_that_lacks_a_field_takes_it_from_no_other(bench: SyncBench) -> None:
    """The second record shows another field than the first one, as one of another layout may. Both fields are read."""
    bench.connect(NO_METADATA)
    for name in ("Tier", "Cup"):
        bench.org.add_custom_field("Leads", name, name)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold", "Cup": "silver"} for n in range(2)])
    for id_, shown in zip(ids, ("Tier", "Cup"), strict=True):
        bench.org.update("Leads", id_, {"Company": "C"})
        for known in ids:  # the one that has changed, or the first one of a page
            answer = json.dumps({"data": [{"id": known, shown: "any"}]})
            bench.sim.faults.next(1, "body", f"/Leads/{known}", text=answer)
        assert bench.sync("Leads").complete
        bench.sim.faults.clear()
        bench.sim.clock.advance(3_600)
    stored = json.loads(bench.live("leads", "Leads")[ids[1]]["custom_fields"])
    assert (stored.get("Tier"), stored.get("Cup")) == ("gold", "silver")


@pytest.mark.long
@pytest.mark.parametrize("first", [NO_METADATA, f"{NO_METADATA},ZohoCRM.coql.READ"])
def test_metadata_that_a_later_consent_shows_fills_old_rows_once(bench: SyncBench, first: str) -> None:
    bench.connect(first)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    bench.org.admin.hide_field("Leads", "Tier")
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
    bench.sync("Leads")
    bench.org.admin.show_field("Leads", "Tier")
    bench.connect(ALL_SCOPES)
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", ids[0], {"Company": "changed"})
    for _ in range(2):
        assert bench.sync("Leads").complete
    assert {json.loads(row["custom_fields"]).get("Tier") for row in bench.live("leads", "Leads").values()} == {"gold"}
    bench.sim.clock.advance(90_000)
    (part,) = bench.sync("Leads").modules
    assert (part.route, part.credits) == ("unchanged", 4)


@pytest.mark.long
def test_a_field_that_somebody_has_just_made_costs_one_credit(bench: SyncBench) -> None:
    """Also if it was filled at once: the rows that have it have a new time, and are read anyway."""
    bench.connect(ALL_SCOPES)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(3)])
    bench.sync("Leads")
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", ids[0], {"Company": "changed"})
    without = bench.sync("Leads").modules[0].credits
    bench.sim.clock.advance(3_600)
    bench.org.add_custom_field("Leads", "Fresh", "Fresh")
    bench.org.update("Leads", ids[0], {"Fresh": "new"})
    (part,) = bench.sync("Leads").modules
    assert (part.detail, part.credits) == ("field Fresh appeared", without + 1)
    assert bench.sync("Leads").modules[0].route == "unchanged"


@pytest.mark.long
def test_an_org_without_users_is_a_bad_answer(bench: SyncBench) -> None:
    """Emptied, the table would take the names of their owners from the records."""
    bench.sync()
    before = bench.rows("select id from zoho_raw.users")
    bench.sim.faults.next(9, "body", "/users", after=1, text='{"users":[],"info":{"more_records":false}}')
    assert not bench.sync().complete
    assert bench.rows("select id from zoho_raw.users") == before != []

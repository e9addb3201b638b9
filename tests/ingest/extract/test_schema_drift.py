"""Changes of shape: rows keep flowing, what changed is told once in sync_runs, nothing is dropped in silence."""

import json

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from zoho_pipeline.ingest.extract.schema_drift import renamed
from zoho_pipeline.simulator.state.fields import Pick


def detail(bench: SyncBench, module: str = "Leads") -> str:
    rows = bench.rows("select detail from zoho_raw.sync_runs where module = ? order by started_at", module)
    return rows[-1]["detail"] or ""


def test_changes_of_shape_are_told_and_rows_keep_flowing(bench: SyncBench) -> None:
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
    told = detail(bench)
    for part in (
        "field Fresh appeared",
        "field Old is gone or hidden",
        "field Secret is gone or hidden",
        "field Kind changed from text to integer",
        "Lead_Status: 'Contacted' is shown as 'Reached' now",
        "Lead_Status: value 'Junk Lead' is gone",
    ):
        assert part in told
    stored = {i: json.loads(row["custom_fields"]) for i, row in bench.live("leads", "Leads").items()}
    assert (stored[lead]["Fresh"], stored[lead]["Kind"]) == ("new", 8)
    assert not {"Old", "Secret"} & stored[lead].keys()
    assert stored[other]["Old"] == "x"  # not read again: history keeps its values
    org.update("Leads", lead, {"Company": "C"})
    bench.sync("Leads")
    assert "appeared" not in detail(bench)


def test_a_quiet_module_tells_its_shape_once_a_day(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.sync("Leads")
    bench.org.add_custom_field("Leads", "Fresh", "Fresh")
    bench.sync("Leads")
    assert detail(bench) == ""
    bench.sim.clock.advance(90_000)
    (part,) = bench.sync("Leads").modules
    assert (part.route, part.detail) == ("unchanged", "field Fresh appeared")


def test_a_module_switched_off_is_told_and_taken_up_again(bench: SyncBench) -> None:
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


def test_renamed_values_are_told_by_their_actual_value() -> None:
    assert renamed({}, {"Stage": {"a": "A"}}) == []
    assert renamed({"Stage": {"a": "A", "b": "B"}}, {"Stage": {"a": "Z", "c": "C"}}) == [
        "Stage: 'a' is shown as 'Z' now",
        "Stage: value 'b' is gone",
        "Stage: value 'c' is new",
    ]

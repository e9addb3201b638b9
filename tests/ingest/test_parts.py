"""The small parts: hours, field names, field plans, windows, the registry's tables, purge."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.ingest.catalog.field_map import discover, merged
from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.convert.business_hours import intervals
from zoho_pipeline.ingest.extract.modules import module_spec
from zoho_pipeline.ingest.load.batch import newest_by_key
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.load.purge import purge_channel
from zoho_pipeline.ingest.raw.read_baseline import overlap_start
from zoho_pipeline.ingest.routes.window import OVERLAP, OVERLAP_ROWS, Window

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NINE_TO_SIX = {
    "type": "custom",
    "same_as_everyday": True,
    "business_days": ["Monday"],
    "daily_timing": ["09:00", "18:00"],
}
OVERNIGHT = NINE_TO_SIX | {"business_days": ["Sunday"], "daily_timing": ["22:00", "02:00"]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (NINE_TO_SIX, [(1, 32_400, 64_800)]),
        ({"type": "24_by_7"}, [(day, 0, 86_400) for day in range(1, 8)]),
        ({"type": "24_by_5", "business_days": ["Sunday", "Monday"]}, [(1, 0, 86_400), (7, 0, 86_400)]),
        (OVERNIGHT, [(1, 0, 7_200), (7, 79_200, 86_400)]),
        (NINE_TO_SIX | {"daily_timing": ["18:00", "00:00"]}, [(1, 64_800, 86_400)]),
        (
            {"type": "custom", "custom_timing": [{"days": "Friday", "business_timing": ["10:30", "11:00"]}]},
            [(5, 37_800, 39_600)],
        ),
    ],
)
def test_business_hours_are_unrolled(document: dict[str, Any], expected: list[tuple[int, int, int]]) -> None:
    assert intervals(document) == expected


@pytest.mark.parametrize("timing", [["09:00"], ["nine", "ten"], ["09:00", "25:00"]])
def test_hours_that_are_none_are_refused(timing: list[str]) -> None:
    with pytest.raises(ValueError):
        intervals(NINE_TO_SIX | {"daily_timing": timing})


def test_fields_are_found_by_name_or_label() -> None:
    fields = [
        ("Lead_Source", "Lead Source"),
        ("utm_source1", "Source"),
        ("UTM_Source", "x"),
        ("Custom_3", "Landing Page URL"),
        ("UTM_Campaign__c", "c"),
        ("Http_Referrer", "Referrer"),
    ]
    assert discover(fields) == {
        "utm_source": "UTM_Source",
        "utm_campaign": "UTM_Campaign__c",
        "landing_url": "Custom_3",
        "referrer": "Http_Referrer",
    }
    assert merged({"gclid": "G", "utm_id": "U"}, {"gclid": "Mine", "utm_id": ""}) == {"gclid": ("Mine", "set")}


def test_slices_hold_fifty_fields_and_all_carry_the_time() -> None:
    names = tuple(f"F{n}" for n in range(120))
    slices = FieldPlan(("Modified_Time", *names)).slices
    assert [len(part) for part in slices] == [50, 50, 23]
    assert all(part[0] == "Modified_Time" for part in slices)
    assert {name for part in slices for name in part} == {"Modified_Time", *names}


def test_changes_of_shape_are_told() -> None:
    plan = FieldPlan((), {"A": "text", "B": "integer", "C": "text"}, "metadata")
    assert plan.changes_since({"A": "text", "B": "text", "D": "text"}) == [
        "field C appeared",
        "field D is gone or hidden",
        "field B changed from text to integer",
    ]
    assert plan.changes_since({}) == []


def test_a_window_ends_at_the_next_second_and_is_settled_once() -> None:
    clock, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    window = Window(NOON + timedelta(milliseconds=300), 5, monotonic=lambda: clock[0], sleep=sleep)
    assert window.hi == NOON + timedelta(seconds=1)
    assert not window.settled
    window.settle()
    window.settle()
    assert slept == [pytest.approx(5.7)]
    assert window.settled
    assert window.trusted(window.now(), settled=False) == NOON + timedelta(seconds=1)


def test_the_overlap_shrinks_where_many_rows_lie_in_it() -> None:
    few = [("1", NOON - timedelta(seconds=3))]
    assert overlap_start(NOON, few) == NOON - OVERLAP
    many = [(str(n), NOON - timedelta(seconds=n)) for n in range(1, OVERLAP_ROWS + 2)]
    assert overlap_start(NOON, many) == NOON - timedelta(seconds=OVERLAP_ROWS - 1)
    tied = [(str(n), NOON - timedelta(seconds=1)) for n in range(OVERLAP_ROWS + 1)]
    assert overlap_start(NOON, tied) == NOON


def test_of_a_key_read_twice_the_later_reading_is_loaded() -> None:
    target = module_spec("Leads")
    read = (("1", "a"), ("2", "b"), ("1", "c"))
    parts = [target.convert([{"id": id_, "City": city}], "acme", NOON).table for id_, city in read]
    assert newest_by_key(target.table, parts).select(["id", "city"]).to_pylist() == [
        {"id": "2", "city": "b"},
        {"id": "1", "city": "c"},
    ]


def test_the_registry_is_published_and_purged(bench: SyncBench) -> None:
    set_by_hand = {"lead_source_map": {"fb": "Facebook"}, "parameters": {"topic_min_leads": "1"}}
    bench.registry.store("acme", business_hours=NINE_TO_SIX, **set_by_hand)
    publish(bench.settings, bench.registry, bench.warehouse)
    publish(bench.settings, bench.registry, bench.warehouse)
    assert [row["timezone"] for row in bench.rows("select timezone from zoho_raw.channels")] == ["Asia/Kolkata"]
    assert bench.rows("select raw_value, lead_source from zoho_raw.channel_lead_source_map") == [
        {"raw_value": "fb", "lead_source": "Facebook"}
    ]
    assert bench.rows("select iso_weekday, start_second from zoho_raw.business_intervals") == [
        {"iso_weekday": 1, "start_second": 32_400}
    ]
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.sync()
    assert bench.rows("select basis from zoho_raw.business_hours") == [{"basis": "set"}]
    purge_channel(bench.warehouse, "acme")
    assert bench.rows("select count(*) as n from zoho_raw.leads") == [{"n": 0}]
    bench.sync("Leads")
    assert len(bench.live("leads", "Leads")) == 1


@pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)
def test_status_changes_between_syncs_are_observed(bench: SyncBench) -> None:
    lead = bench.org.insert("Leads", {"Last_Name": "L", "Lead_Status": "Not Contacted"})
    deal = bench.org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    bench.sync()
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", lead, {"Lead_Status": "Contacted"})
    bench.org.update("Deals", deal, {"Stage": "Closed Won"})
    bench.sync()
    stays = bench.rows("select lead_status, moved_to, basis from zoho_raw.lead_status_history order by modified_time")
    assert stays == [
        {"lead_status": "Not Contacted", "moved_to": "Contacted", "basis": "observed"},
        {"lead_status": "Contacted", "moved_to": None, "basis": "observed"},
    ]
    tracked = bench.rows("select stage, moved_to, basis from zoho_raw.deal_stage_history order by modified_time")
    assert tracked == [
        {"stage": "Qualification", "moved_to": "Closed Won", "basis": "tracker"},
        {"stage": "Closed Won", "moved_to": None, "basis": "tracker"},
    ]

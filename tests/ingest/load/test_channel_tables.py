"""The settings of a channel become raw tables, and its rows can be removed."""

import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.load.purge import purge_channel

NINE_TO_SIX = {
    "type": "custom",
    "same_as_everyday": True,
    "business_days": ["Monday"],
    "daily_timing": ["09:00", "18:00"],
}


@pytest.mark.long
def test_the_registry_is_published_and_purged(bench: SyncBench) -> None:
    set_by_user = {"lead_source_map": {"fb": "Facebook"}, "parameters": {"topic_min_leads": "1"}}
    bench.registry.store_settings("acme", business_hours=NINE_TO_SIX, **set_by_user)
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

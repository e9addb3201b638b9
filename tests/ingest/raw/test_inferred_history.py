"""History that is inferred if Zoho keeps none."""

from tests.ingest.conftest import SyncBench
from tests.params import both_engines


@both_engines()
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

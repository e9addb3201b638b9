"""From a change at Zoho to a published list, over real HTTP."""

from tests.push.conftest import PushBench


def test_a_new_lead_is_in_the_list_without_a_sync(bench: PushBench) -> None:
    org = bench.connect()
    assert bench.place.worker().run(once=True)
    bench.subscriber.turn_on("acme")
    assert bench.row().state == "on"
    lead = org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan"})
    bench.told()
    assert bench.dirty()[lead]["state"] == "new"
    bench.work()
    assert bench.dirty()[lead]["state"] == "published"
    rows = bench.place.published("select zoho_lead_id, full_name from recent_lead")
    assert lead in {row["zoho_lead_id"] for row in rows}

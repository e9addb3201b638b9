"""From a notification to rows, lists and numbers: the record lane, the insight lane, and the proof."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.ingest.conftest import QUICK
from tests.push.conftest import PUSH_LIMITS, PUSH_SCOPES, PushBench, lane
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.ingest.extract.state import ChannelState
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.push.insight_lane import InsightLane
from zoho_pipeline.push.record_lane import RecordLane, Turn
from zoho_pipeline.push.status import read_status
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret

EVERYWHERE = pytest.mark.parametrize("registry_env", ["sqlite", "all on postgres"], indirect=True)
WITHOUT_COQL = PUSH_SCOPES.replace(",ZohoCRM.coql.READ", "")


def serve(bench: PushBench, channel_id: str = "acme") -> Turn:
    bench.told()
    return lane(bench).serve(channel_id)


def sync(bench: PushBench, **options: Any) -> Any:
    place = bench.place
    return sync_channel(place.settings, place.registry, place.warehouse, "acme", limits=QUICK, **options)


def cursors(bench: PushBench) -> dict[str, tuple[Any, ...]]:
    state = ChannelState.from_json(Loader(bench.place.settings, bench.place.warehouse, "acme").state)
    return {
        name: (m.cursor, m.final_to, m.deleted_cursor, m.deleted_from, m.doubt, m.compared, m.bulk, m.fields)
        for name, m in state.modules.items()
    }


def bounds(bench: PushBench) -> dict[str, Any]:
    return {name: module.upper_bound for name, module in bench.place.registry.get("acme").modules.items()}


def loads(bench: PushBench) -> list[dict[str, Any]]:
    with bench.place.registry.database.read() as transaction:
        query = select(tables.push_loads).order_by(tables.push_loads.c.id)
        return [dict(row) for row in transaction.execute(query).mappings()]


def lead(bench: PushBench, id_: str) -> dict[str, Any]:
    (row,) = bench.raw(f"select * from zoho_raw.leads where id = '{id_}'")
    return row


@pytest.mark.long
@EVERYWHERE
def test_a_new_lead_is_listed_at_once_and_counted_by_the_next_sync(synced: PushBench) -> None:
    before, upper = cursors(synced), bounds(synced)
    id_ = synced.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan"})
    synced.told()
    synced.work()
    assert (cursors(synced), bounds(synced)) == (before, upper)
    listed = synced.place.published(f"select * from recent_lead where zoho_lead_id = '{id_}'")
    assert [(row["company"], row["is_newer_than_as_of"]) for row in listed] == [("Dukan", True)]
    assert synced.place.published(f"select * from lead where zoho_lead_id = '{id_}'") == []
    row = synced.dirty()[id_]
    assert (row["state"], row["counted_at"]) == ("published", None)
    assert row["raw_seconds"] >= 0
    assert queue.unfinished(synced.place.registry) == [], "the last whole sync was a moment ago"
    synced.service = replace(synced.service, push_sync_interval=0.0)
    synced.work()
    (found,) = synced.place.published(f"select company from lead where zoho_lead_id = '{id_}'")
    assert found["company"] == "Dukan"
    row = synced.dirty()[id_]
    assert row["insight_seconds"] >= row["raw_seconds"]
    assert 'zoho_push_to_insight_seconds{quantile="0.95"} ' in synced.http.get("/metrics").text
    newest = queue.history(synced.place.registry, "acme", 1)[0]
    assert (newest.reason, newest.state) == ("push", "done")


def test_an_edit_a_conversion_and_a_deletion(synced: PushBench) -> None:
    org = synced.org
    one, two, three = sorted(row["id"] for row in org.rows("Leads"))
    org.update("Leads", one, {"Company": "New Co"})
    org.convert(two, deal={"Deal_Name": "Big", "Closing_Date": "2026-12-01"})
    org.delete("Leads", three)
    assert serve(synced).lists_changed
    assert lead(synced, one)["company"] == "New Co"
    assert lead(synced, two)["converted"] is True
    assert synced.raw("select deal_name from zoho_raw.deals") == [{"deal_name": "Big"}]
    gone = synced.raw("select id, deletion_type from zoho_raw.deleted_records")
    assert gone == [{"id": three, "deletion_type": "recycle"}]
    assert {row["state"] for row in synced.dirty().values()} == {"loaded"}


def test_a_forged_deletion_deletes_nothing(synced: PushBench) -> None:
    id_ = synced.org.rows("Leads")[0]["id"]
    synced.deliver([id_], operation="delete")
    serve(synced)
    assert synced.raw("select * from zoho_raw.deleted_records") == []
    synced.place.sim.switches.update(push_paused=True)  # before the deletion: Zoho's own notification has the token
    synced.org.delete("Leads", id_)
    synced.deliver([id_], operation="delete", token=None)
    lane(synced).serve("acme")
    assert synced.raw("select * from zoho_raw.deleted_records") == [], "it came without the token"
    assert {row["kind"] for row in loads(synced)} == {"records"}


@pytest.mark.long
def test_deletions_are_listed_once_a_minute(synced: PushBench) -> None:
    one, two, three = (row["id"] for row in synced.org.rows("Leads"))
    synced.org.delete("Leads", one)
    serve(synced)
    synced.org.delete("Leads", two)
    synced.org.update("Leads", three, {"Company": "Fresh"})
    serve(synced)
    assert [row["kind"] for row in loads(synced)] == ["deletions", "records"]
    assert lead(synced, three)["company"] == "Fresh", "the edit does not wait"
    waiting = synced.dirty()[two]
    assert (waiting["state"], waiting["due_at"] is not None) == ("new", True)
    sync(synced)
    assert {row["id"] for row in synced.raw("select id from zoho_raw.deleted_records")} == {one, two}
    assert synced.dirty()[two]["state"] == "loaded", "the whole sync did it"


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PUSH_SCOPES, WITHOUT_COQL], ids=["by queries", "by ids"])
def test_a_burst_costs_a_credit_per_hundred(bench: PushBench, scopes: str) -> None:
    bench.connect(scopes=scopes, leads=0)
    ids = bench.org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(450)])
    bench.work()
    bench.subscriber.turn_on("acme", ["Leads"])
    bench.place.sim.switches.update(push_paused=True)
    for id_ in ids:
        bench.org.update("Leads", id_, {"Company": "Burst"})
    assert bench.deliver(ids).status_code == 200
    limits = replace(PUSH_LIMITS, records_per_turn=200)
    place = bench.place
    served = RecordLane(place.settings, place.registry, place.warehouse, 0.0, limits, QUICK)
    turns = []
    while served.due():
        turns.append(served.serve("acme").rows)
    assert turns == [200, 200, 50]
    assert sum(row["credits"] for row in loads(bench)) == 5 + 1
    assert bench.raw("select count(*) as n from zoho_raw.leads where company = 'Burst'") == [{"n": 450}]


@pytest.mark.long
def test_a_busy_channel_delays_no_other(bench: PushBench) -> None:
    bench.connect("acme")
    bench.connect("bolt")
    bench.service = replace(bench.service, push_sync_interval=3_600.0)
    bench.work()
    for channel_id in ("acme", "bolt"):
        bench.subscriber.turn_on(channel_id, ["Leads"])
    for org in bench.place.orgs.values():
        org.insert("Leads", {"Last_Name": "Late"})
    bench.told()
    with channel_lock(bench.place.settings, "acme"):
        bench.work()
        states = {row["channel_id"]: row["state"] for row in bench.dirty().values()}
    assert states == {"acme": "new", "bolt": "published"}


@pytest.mark.long
def test_what_comes_while_a_record_is_read_is_read_again(synced: PushBench) -> None:
    id_ = synced.org.rows("Leads")[0]["id"]
    synced.org.update("Leads", id_, {"Company": "One"})
    synced.told()

    def change() -> None:
        synced.org.update("Leads", id_, {"Company": "Two"})
        synced.told()

    synced.place.sim.on_call(1, change, path="/coql", after=True)
    lane(synced).serve("acme")
    assert synced.dirty()[id_]["state"] == "new"
    lane(synced).serve("acme")
    assert lead(synced, id_)["company"] == "Two"
    assert synced.dirty()[id_]["state"] == "loaded"


def test_a_module_that_no_sync_has_read_waits_for_one(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    id_ = bench.org.insert("Leads", {"Last_Name": "Early"})
    assert serve(bench).rows == 0
    assert bench.dirty()[id_]["state"] == "new"
    assert sync(bench).complete
    assert bench.dirty()[id_]["state"] == "loaded"
    assert lane(bench).due() == []


def test_a_failure_at_zoho_loses_no_hint(synced: PushBench) -> None:
    id_ = synced.org.insert("Leads", {"Last_Name": "Rao"})
    synced.told()
    synced.place.sim.faults.next(20, "server_error", path="/coql")
    with pytest.raises(Exception, match="500"):
        lane(synced).serve("acme")
    assert synced.dirty()[id_]["state"] == "new"
    synced.place.sim.faults.clear()
    lane(synced).serve("acme")
    assert synced.dirty()[id_]["state"] == "loaded"


@pytest.mark.long
def test_a_paused_channel_is_left_alone(synced: PushBench) -> None:
    synced.org.insert("Leads", {"Last_Name": "Rao"})
    synced.told()
    synced.place.registry.pause("acme")
    assert lane(synced).due() == []
    synced.place.registry.resume("acme")
    assert lane(synced).due() == ["acme"]


@pytest.mark.long
def test_quiet_is_waited_for_but_not_for_ever(synced: PushBench) -> None:
    place = synced.place
    quiet = RecordLane(place.settings, place.registry, place.warehouse, 60.0, PUSH_LIMITS, QUICK)
    synced.deliver([1])
    assert quiet.due() == []
    assert quiet.due(at_once=True) == ["acme"]

    def seen(first: timedelta, last: timedelta) -> list[str]:
        now = place.registry.database.now()
        with place.registry.database.write() as transaction:
            values = {"first_seen_at": now - first, "last_seen_at": now - last}
            transaction.execute(tables.push_dirty.update().values(**values))
        return quiet.due()

    assert seen(timedelta(seconds=61), timedelta(seconds=61)) == ["acme"]
    assert seen(timedelta(seconds=290), timedelta(0)) == []
    assert seen(timedelta(seconds=301), timedelta(0)) == ["acme"]


SWITCHES: list[dict[str, Any]] = [
    {},
    {"push_repeats": 3, "push_reversed": True, "push_affected": "flat"},
    {"push_ids": 50, "push_affected": "empty", "push_on_restore": True, "push_on_merge": True},
    {"push_echo": "null"},
    {"push_echo": "absent", "push_reversed": True},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.long
def test_push_changes_no_row(bench: PushBench, switches: dict[str, Any]) -> None:
    """Two channels of one org: one with notifications, one without. After the next whole sync they are equal."""
    org = bench.connect()
    org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(20)])
    bench.place.sim.switches.update(**switches)
    token = org.grant("1000.TESTCLIENT", "test-client-secret-0123456789", PUSH_SCOPES, None)
    register_from_refresh_token(bench.place.registry, "plain", Secret(token), data_center="sim", again=True)
    place = bench.place

    def both(step: Callable[[str], Any]) -> None:
        for channel_id in ("acme", "plain"):
            step(channel_id)

    def whole(channel_id: str) -> None:
        sync_channel(place.settings, place.registry, place.warehouse, channel_id, limits=QUICK)

    both(whole)
    bench.subscriber.turn_on("acme")
    ids = [row["id"] for row in org.rows("Leads")]
    contact = org.insert("Contacts", {"Last_Name": "Mehta"})
    org.insert("Deals", {"Deal_Name": "Big", "Stage": "Qualification", "Contact_Name": contact})
    for n, id_ in enumerate(ids[:6]):
        org.update("Leads", id_, {"Company": f"Edited {n}", "Lead_Status": "Contacted"})
    fresh = org.insert("Leads", {"Last_Name": "Fresh"})
    org.convert(ids[7], deal={"Deal_Name": "Won", "Closing_Date": "2026-12-01"})
    org.delete("Leads", ids[8])
    serve(bench)
    org.update("Leads", fresh, {"Company": "Second edit"})
    org.update("Leads", ids[0], {"Company": "Second edit"})
    org.restore("Leads", ids[8])
    org.merge("Leads", ids[9], ids[10])
    bench.told()
    if lane(bench).due():
        lane(bench).serve("acme")
    both(whole)
    for table in ("leads", "contacts", "accounts", "deals", "lead_status_history"):
        # the history of a lead that was edited twice is finer with notifications: its change was seen at the first edit
        twice = f"lead_id <> '{ids[0]}'" if table == "lead_status_history" else "true"
        found = {c: _cells(bench, table, c, twice) for c in ("acme", "plain")}
        assert found["acme"], table
        assert found["acme"] == found["plain"], table
    assert _deleted(bench, "acme") == _deleted(bench, "plain")
    assert len(_cells(bench, "leads", "acme")) >= 20


def _deleted(bench: PushBench, channel_id: str) -> set[tuple[str, str]]:
    """What counts as deleted. A deletion that was undone between two syncs may leave its row, which has an end."""
    where = f"channel_id = '{channel_id}' and restored_at is null"
    return {(r["id"], r["deletion_type"]) for r in bench.raw(f"select * from zoho_raw.deleted_records where {where}")}


def _cells(bench: PushBench, table: str, channel_id: str, where: str = "true") -> list[tuple[Any, ...]]:
    """Every cell of a table, without the columns that say who read it and when."""
    left_out = ("channel_id", "synced_at", "restored_at")
    rows = bench.raw(f"select * from zoho_raw.{table} where channel_id = '{channel_id}' and {where} order by id")
    shown = [{k: v for k, v in row.items() if k not in left_out and not k.startswith("_dlt")} for row in rows]
    return [tuple(sorted((name, str(value)) for name, value in row.items())) for row in shown]


@pytest.mark.long
def test_a_burst_leaves_no_second_unread(synced: PushBench) -> None:
    """More rows than a sync keeps in mind were loaded by ids: the next sync reads them all again nevertheless."""
    org = synced.org
    ids = org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(30)])
    serve(synced)
    for id_ in ids:
        org.update("Leads", id_, {"Company": "Silent"}, touch=False)
    limits = replace(QUICK, most_unsettled=5)
    place = synced.place
    sync_channel(place.settings, place.registry, place.warehouse, "acme", limits=limits)
    found = synced.raw("select count(*) as n from zoho_raw.leads where company = 'Silent'")
    assert found == [{"n": 30}]


@pytest.mark.long
def test_the_proof_counts_what_was_missed_and_what_was_idle(synced: PushBench) -> None:
    org, sim = synced.org, synced.place.sim
    sync(synced)
    ids = [row["id"] for row in org.rows("Leads")]
    sim.clock.advance(2)
    org.update("Leads", ids[0], {"Company": "Told"})
    synced.told()
    sync(synced)
    assert (synced.row().missed, synced.row().idle) == (0, 0)
    org_events = list(org.subscriptions)
    del org.subscriptions[org_events[0]]  # Zoho forgets it and tells nobody
    sim.clock.advance(2)
    org.update("Leads", ids[1], {"Company": "Untold"})
    synced.deliver([ids[2]])
    sync(synced)
    assert (synced.row().missed, synced.row().idle, synced.row().missed_total) == (1, 1, 1)
    sync(synced)
    assert (synced.row().missed, synced.row().missed_total) == (0, 1)
    assert synced.row().silent_since is None or synced.row().state == "on"


@pytest.mark.long
def test_the_status_api_page_and_metrics_show_it(synced: PushBench) -> None:
    synced.org.insert("Leads", {"Last_Name": "Rao"})
    serve(synced)
    sync(synced)
    registry = synced.place.registry
    _, secret = ApiKeys(registry.database).add("test", tenants=("acme-inc",), scopes=("read", "metrics"))
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    push = synced.http.get("/v1/channels/acme", headers=headers).json()["push"]
    assert push["state"] == "on"
    assert push["expires_at"]
    assert push["last_event_at"]
    assert push["p95_seconds"] == round(push["p95_seconds"], 1) >= 0
    assert (push["missed"], push["is_catching_up"], push["is_hourly"]) == (0, False, False)
    text = synced.http.get("/metrics").text
    for line in (
        'zoho_push_deliveries_total{result="trusted"} 1.0',
        'zoho_push_subscriptions{state="on"} 1.0',
        "zoho_push_missed_total 0.0",
        'zoho_push_credits{lane="record"} ',
        'zoho_push_to_raw_seconds{quantile="0.95"} ',
        "zoho_push_expiry_seconds ",
    ):
        assert line in text, line
    checks = synced.http.get("/readyz").json()["checks"]
    assert checks["push_renewal"] == {"ok": True, "detail": "1 channels have push."}
    past = registry.database.now() - timedelta(hours=2)
    synced.store(renew_at=past)
    assert synced.http.get("/readyz").status_code == 503
    synced.store(next_try_at=registry.database.now() + timedelta(minutes=5))
    assert synced.http.get("/readyz").json()["checks"]["push_renewal"]["ok"], "somebody tries"


@pytest.mark.long
def test_a_sync_that_notifications_cause_keeps_young_side_tables(synced: PushBench) -> None:
    """A third of a quiet sync's calls are for side tables. The sync of a user, or after an hour, reads them."""
    sim = synced.place.sim
    side = ("settings/", "org/currencies", "/users")

    def calls(reason: str) -> list[str]:
        queue.request_sync(synced.place.registry, "acme", reason=reason, requested_by="test")
        before = len(sim.requests)
        synced.work()
        while queue.unfinished(synced.place.registry):  # the lane for records may have kept the channel for a second
            synced.work()
        made = [call.path for call in list(sim.requests)[before:] if call.method == "GET"]
        return [path for path in made if any(part in path for part in side)]

    assert len(calls("user")) >= 9
    deals = synced.org.insert("Deals", {"Deal_Name": "New", "Stage": "Qualification"})
    leads = synced.org.insert("Leads", {"Last_Name": "New"})
    synced.told()
    kept = calls("push")
    assert [path for path in kept if "settings/fields" not in path] == ["/crm/v7/users"], "it asks who is connected"
    rows = synced.raw("select module, route, outcome from zoho_raw.sync_runs where route = 'kept'")
    assert {(row["module"], row["outcome"]) for row in rows} >= {("users", "complete"), ("holidays", "complete")}
    assert {r["id"] for r in synced.raw("select id from zoho_raw.deals")} >= {deals}
    assert {r["id"] for r in synced.raw("select id from zoho_raw.leads")} >= {leads}
    (channel,) = synced.place.published("select as_of_utc from channel_insight where channel_id = 'acme'")
    with synced.place.warehouse.connect(read_only=False) as connection:
        connection.execute("update zoho_raw.sync_runs set finished_at = finished_at - interval '61 minutes'")
    assert len(calls("push")) >= 9
    (later,) = synced.place.published("select as_of_utc from channel_insight where channel_id = 'acme'")
    assert later["as_of_utc"] >= channel["as_of_utc"]


@pytest.mark.long
def test_whole_syncs_keep_their_distance_and_their_share_of_the_credits(synced: PushBench) -> None:
    registry = synced.place.registry
    synced.deliver([1])

    def asked(service: ServiceSettings, ended: timedelta) -> list[str]:
        at = registry.database.now() - ended
        with registry.database.write() as transaction:
            requests = tables.sync_requests
            transaction.execute(requests.delete().where(requests.c.state == "queued"))
            transaction.execute(requests.update().values(finished_at=at))
        return InsightLane(registry, service, PUSH_LIMITS).request_syncs(at_once=True)

    normal = replace(synced.service, push_sync_interval=300.0)
    poor = replace(normal, push_credit_share=0.0)
    assert asked(normal, timedelta(seconds=299)) == []
    assert asked(normal, timedelta(seconds=301)) == ["acme"]
    assert asked(poor, timedelta(seconds=301)) == []
    assert asked(poor, timedelta(seconds=3_601)) == ["acme"]
    channel = registry.get("acme")
    assert read_status(registry, poor, channel).is_hourly
    assert not read_status(registry, normal, channel).is_hourly
    with registry.database.write() as transaction:
        transaction.execute(tables.push_dirty.update().values(counted_at=registry.database.now()))
    assert asked(normal, timedelta(seconds=301)) == [], "no notification came since the last whole sync"


@pytest.mark.long
def test_a_whole_sync_lets_the_record_lane_go_first(synced: PushBench) -> None:
    """It would hold the channel for its whole time, and the lead would be listed only after it."""
    registry = synced.place.registry
    insight = InsightLane(registry, replace(synced.service, push_sync_interval=0.0), PUSH_LIMITS)
    lead_id = synced.org.insert("Leads", {"Last_Name": "Rao"})
    synced.told()
    assert insight.request_syncs() == []
    serve(synced)
    assert synced.dirty()[lead_id]["state"] == "loaded"
    synced.deliver([1])
    assert insight.request_syncs() == ["acme"], "a stream of notifications does not hold it up"


@pytest.mark.long
def test_a_whole_sync_does_not_wait_for_a_record_lane_that_fails(synced: PushBench) -> None:
    registry = synced.place.registry
    insight = InsightLane(registry, replace(synced.service, push_sync_interval=0.0), PUSH_LIMITS)
    synced.deliver([1])
    assert insight.request_syncs() == []
    with registry.database.write() as transaction:
        past = registry.database.now_in(transaction) - PUSH_LIMITS.records_first
        transaction.execute(tables.push_dirty.update().values(first_seen_at=past))
    assert insight.request_syncs() == ["acme"]


def test_the_worker_renews_and_a_gap_ends_with_a_whole_sync(synced: PushBench) -> None:
    sim = synced.place.sim
    synced.org.subscriptions.clear()
    synced.store(renew_at=synced.row().created_at - timedelta(hours=1))
    synced.work()
    assert len(synced.org.subscriptions) == 1
    assert synced.row().gap_since is None, "the sync for the gap has ended"
    newest = queue.history(synced.place.registry, "acme", 1)[0]
    assert (newest.reason, newest.state) == ("gap", "done")
    assert sim.courier.wait_until_idle()


@pytest.mark.parametrize("was_known", [True, pytest.param(False, marks=pytest.mark.long)])
def test_an_old_record_keeps_its_custom_fields_if_the_metadata_is_refused(bench: PushBench, was_known: bool) -> None:
    """No sync reads it again: it is older than the cursor."""
    org = bench.connect(leads=2)
    org.add_custom_field("Leads", "Tier", "Tier")
    old = org.rows("Leads")[0]["id"]
    org.update("Leads", old, {"Tier": "gold"})
    if not was_known:
        bench.place.sim.faults.next(99, "no_permission", "/settings/fields")
        org.admin.hide_rows("Leads", {row["id"] for row in org.rows("Leads")})
    else:
        org.admin.hide_rows("Leads", {old})
    bench.place.sim.clock.advance(3_600)
    assert sync(bench).complete
    bench.subscriber.turn_on("acme", ["Leads"])
    org.admin.show_rows("Leads", {row["id"] for row in org.rows("Leads")} | {old})
    bench.place.sim.faults.clear()
    bench.place.sim.faults.next(1, "no_permission", "/settings/fields")
    assert bench.deliver([old]).status_code == 200
    assert lane(bench).serve("acme").rows == 1
    bench.place.sim.faults.clear()
    assert json.loads(lead(bench, old)["custom_fields"])["Tier"] == "gold"

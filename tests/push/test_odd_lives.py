"""Hooks and named records while channels, workers, clocks and credits do what nobody expects."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, QUICK
from tests.push.conftest import PUSH_SCOPES, PushBench, lane
from zoho_pipeline.channels.access.client_factory import org_limits_of
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.consent.remove import remove
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.settings.set_settings import set_settings
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.errors import CreditsExhausted


def sync(bench: PushBench) -> None:
    sync_channel(bench.place.settings, bench.place.registry, bench.place.warehouse, "acme", limits=QUICK)


def test_a_channel_that_was_removed_and_added_again_has_other_secrets(bench: PushBench) -> None:
    registry = bench.place.registry
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    old, number = bench.secrets(), bench.row().zoho_channel_id
    assert bench.deliver([1]).status_code == 200
    remove(registry, "acme")
    token = bench.org.grant(CLIENT, CLIENT_SECRET, PUSH_SCOPES, None)
    register_from_refresh_token(registry, "acme", Secret(token), data_center="sim", tenant="acme-inc")

    def refused() -> set[int]:
        body = {"module": "Leads", "ids": [2], "channel_id": number, "token": old["token"]}
        workflow = {"module": "Leads", "id": "2", "secret": old["secret"]}
        return {
            bench.deliver([2], hook=old["hook"], token=old["token"]).status_code,
            bench.http.post("/tenant/v1/zoho-crm/webhook", json=body).status_code,
            bench.http.post(f"/tenant/v1/zoho-crm/workflow/{old['workflow']}", json=workflow).status_code,
        }

    assert refused() == {401}, "without a subscription"
    bench.subscriber.turn_on("acme", ["Leads"])
    assert refused() == {401}, "with a new one"
    assert bench.dirty() == {}
    assert bench.deliver([3]).status_code == 200
    assert set(bench.dirty()) == {"3"}


def test_a_channel_that_moved_keeps_its_hook_and_tells_the_new_tenant(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    assert bench.deliver([1]).status_code == 200
    set_settings(bench.place.registry, "acme", tenant="bolt-inc")
    bench.store(state="stopped")
    assert bench.deliver([2]).status_code == 200
    events = tables.channel_events.c
    with bench.place.registry.database.read() as transaction:
        told = transaction.scalars(select(events.tenant).where(events.type == "push.restored")).all()
    assert (told, bench.row().state) == (["bolt-inc"], "on")


@pytest.mark.long
def test_what_came_while_no_worker_ran_for_a_day_is_read(synced: PushBench) -> None:
    new = synced.org.insert("Leads", {"Last_Name": "Rao"})
    gone = synced.org.rows("Leads")[0]["id"]
    synced.org.delete("Leads", gone)
    synced.told()
    with synced.place.registry.database.write() as transaction:
        now = synced.place.registry.database.now_in(transaction)
        old = now - push_queue.KEPT - timedelta(days=1)
        transaction.execute(tables.push_dirty.update().values(first_seen_at=old, last_seen_at=old, zoho_at=old))
        push_queue.prune(transaction, now)
    assert set(synced.dirty()) == {new, gone}, "what was not read is never dropped"
    synced.work()
    assert {row["state"] for row in synced.dirty().values()} <= {"loaded", "published"}
    live = {row["id"] for row in synced.raw("select id from zoho_raw.leads")}
    assert new in live
    listed = {row["zoho_lead_id"] for row in synced.place.published("select zoho_lead_id from recent_lead")}
    assert new in listed
    assert gone not in listed


@pytest.mark.long
@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_a_clock_that_is_ten_minutes_off_counts_and_measures_right(synced: PushBench, ahead: float) -> None:
    """`ahead`: Zoho's clock less ours."""
    org, sim = synced.org, synced.place.sim
    sim.clock.advance(ahead) if ahead > 0 else sim.clock.set(sim.clock.now() + timedelta(seconds=ahead))
    sim.expire_access_tokens()
    org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(3)])
    synced.told()
    lane(synced).serve("acme")
    sync(synced)
    sync(synced)
    assert abs(synced.row().skew_seconds - ahead) < 5
    ids = [row["id"] for row in org.rows("Leads")]
    sim.clock.advance(2)
    org.update("Leads", ids[0], {"Company": "Told"})
    synced.told()
    lane(synced).serve("acme")
    sync(synced)
    assert (synced.row().missed, synced.row().idle) == (0, 0)
    seconds = synced.dirty()[ids[0]]["raw_seconds"]
    assert seconds is not None
    assert seconds < 60
    org.subscriptions.clear()
    sim.clock.advance(2)
    org.update("Leads", ids[1], {"Company": "Untold"})
    sync(synced)
    assert (synced.row().missed, synced.row().idle) == (1, 0)
    assert synced.row().state in ("on", "short")


@pytest.mark.long
def test_credits_that_are_used_up_lose_no_hint(synced: PushBench) -> None:
    place = synced.place
    new = synced.org.insert("Leads", {"Last_Name": "Rao"})
    synced.told()
    limits = org_limits_of(place.settings, place.registry, place.registry.get("acme"))
    assert limits.daily_credits is not None
    limits.answered(int(limits.daily_credits * limits.budget), None)
    with pytest.raises(CreditsExhausted):
        lane(synced).serve("acme")
    assert synced.dirty()[new]["state"] == "new"
    limits.answered(-int(limits.daily_credits * limits.budget), None)
    lane(synced).serve("acme")
    assert synced.dirty()[new]["state"] == "loaded"

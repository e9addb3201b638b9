"""What is left when push is switched off, and what happens when Zoho ends a subscription, or a part of it, silently."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.ingest.conftest import QUICK
from tests.params import choice
from tests.push.conftest import PUSH_LIMITS, PUSH_SCOPES, PushBench, lane
from zoho_pipeline.channels.platform import push_subscriptions as rows
from zoho_pipeline.channels.sync_requests import claims, queue
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.push.insight_lane import InsightLane


def asked(bench: PushBench) -> list[str]:
    """The channels for which notifications ask for a whole sync now. The request ends without a sync."""
    insight = InsightLane(bench.place.registry, replace(bench.service, push_sync_interval=0.0), PUSH_LIMITS)
    found = insight.request_syncs(at_once=True)
    for request in queue.unfinished(bench.place.registry):
        assert claims.claim(bench.place.registry, "w") is not None
        claims.finish(bench.place.registry, "w", request.id, "it broke")
    return found


def sync(bench: PushBench) -> None:
    place = bench.place
    assert sync_channel(place.settings, place.registry, place.warehouse, "acme", limits=QUICK).complete


@pytest.mark.long
def test_what_came_before_push_was_switched_off_asks_for_one_sync_alone(synced: PushBench) -> None:
    """Nobody compared syncs with notifications any more, so it asked for a sync every five minutes, for a week."""
    lead = synced.org.insert("Leads", {"Last_Name": "Rao"})
    synced.told()
    synced.subscriber.turn_off("acme")
    assert asked(synced) == ["acme"], "the answer 200 promised that it is read"
    sync(synced)
    assert synced.dirty()[lead]["counted_at"] is not None
    assert (asked(synced), lane(synced).due()) == ([], [])


@pytest.mark.long
def test_records_of_a_module_that_may_not_be_read_do_not_wait_for_ever(bench: PushBench) -> None:
    """A workflow may name any module. Such a record was looked at each minute, and never deleted."""
    bench.connect(scopes=PUSH_SCOPES.replace("ZohoCRM.modules.ALL", "ZohoCRM.modules.leads.ALL"))
    bench.subscriber.turn_on("acme", ["Leads"])
    assert bench.deliver([77], module="Campaigns").json() == {"accepted": 1}
    lane(bench).serve("acme")
    assert bench.dirty()["77"]["state"] == "new"
    sync(bench)
    assert bench.dirty()["77"]["state"] == "loaded"
    assert asked(bench) == []


@pytest.mark.parametrize("ended", choice(["one module", "its time"], ["one module"]))
def test_an_end_that_only_zoho_knows_is_a_gap(bench: PushBench, ended: str) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads", "Deals", "Events"])
    (subscription,) = bench.org.subscriptions.values()
    before = bench.secrets()
    if ended == "one module":
        subscription.events.remove("Leads.all")
    else:
        subscription.expires = bench.place.sim.clock.epoch() - 1
    bench.subscriber.renew("acme")
    assert bench.row().gap_since is not None
    assert [request.reason for request in queue.unfinished(bench.place.registry)] == ["gap"]
    (alive,) = bench.org.subscriptions.values()
    assert sorted(alive.events) == ["Deals.all", "Events.all", "Leads.all"]
    assert (bench.secrets() == before) == (ended == "one module"), "a dead one gets new secrets"


def test_a_renewal_of_a_subscription_that_lives_is_no_gap(bench: PushBench) -> None:
    bench.place.sim.switches.update(meetings_event="Meetings")
    bench.connect()
    bench.subscriber.turn_on("acme")
    bench.subscriber.renew("acme")
    assert (bench.row().gap_since, bench.row().state) == (None, "on")


@pytest.mark.parametrize("is_dead", [True, False])
def test_a_silent_subscription_is_renewed_at_once_and_a_dead_one_speaks_again(bench: PushBench, is_dead: bool) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    if is_dead:
        bench.org.subscriptions.clear()
    database = bench.place.registry.database
    with database.write() as transaction:
        now = database.now()
        long_silent = replace(bench.row(), silent_since=now - timedelta(hours=25))
        rows.judge_silence(transaction, long_silent, now, now)
    assert (bench.row().state, bench.subscriber.due()) == ("stopped", ["acme"])
    bench.subscriber.renew("acme", only_if_due=True)
    assert (bench.row().state, bench.subscriber.due()) == ("on" if is_dead else "stopped", [])
    assert bench.events() == ["push.stopped", *(["push.restored"] if is_dead else [])]

"""Claims on SQLite and on Postgres: one worker per request, leases, progress, and what a late worker may not do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims, queue, workers
from zoho_pipeline.channels.sync_requests.claims import SignOfLife
from zoho_pipeline.channels.sync_requests.model import SyncRequest
from zoho_pipeline.settings import Settings

Add = Callable[..., Channel]
EXPIRED = timedelta(seconds=-1)


def ask(registry: Registry, channel_id: str = "acme") -> SyncRequest:
    return queue.request_sync(registry, channel_id, reason="user", requested_by="x")[0]


def state(registry: Registry, request: SyncRequest) -> SyncRequest:
    found = queue.get(registry, request.id)
    assert found is not None
    return found


def test_workers_share_the_queue_and_never_take_one_job(registry: Registry, settings: Settings, add: Add) -> None:
    asked = []
    for number in range(12):
        add(f"c{number}")
        asked.append(ask(registry, f"c{number}").id)

    def drain(worker: str) -> list[str]:
        own, taken = Registry(settings), []
        while found := claims.claim(own, worker):
            assert found.worker == worker
            taken.append(found.id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [request for part in pool.map(drain, ["w1", "w2", "w3", "w4"]) for request in part]
    assert sorted(taken) == sorted(asked)
    assert claims.claimable(registry) == 0


def test_the_oldest_request_comes_first(registry: Registry, add: Add) -> None:
    for name in ("b", "a"):
        add(name)
        ask(registry, name)
    assert claims.claimable(registry) == 2
    taken = [claims.claim(registry, "w"), claims.claim(registry, "w"), claims.claim(registry, "w")]
    assert [found and found.channel_id for found in taken] == ["b", "a", None]


def test_a_lease_that_ended_makes_the_request_claimable_again(registry: Registry, add: Add) -> None:
    add()
    request = ask(registry)
    assert claims.claim(registry, "dead", lease=EXPIRED)
    taken = claims.claim(registry, "alive")
    assert taken is not None
    assert (taken.id, taken.worker, taken.state) == (request.id, "alive", "running")
    assert claims.claim(registry, "third") is None, "a claim that stands is nobody else's"
    late = [SignOfLife(request.id, {"Leads": 5}, renew=True)]
    assert claims.signs_of_life(registry, "dead", late) == {request.id}
    assert not claims.finish(registry, "dead", request.id, "late")
    assert not claims.release(registry, "dead", request.id)
    now = state(registry, request)
    assert (now.state, now.worker, now.progress, now.error) == ("running", "alive", {}, None)
    assert claims.finish(registry, "alive", request.id)
    assert state(registry, request).state == "done"


def test_a_worker_that_is_not_heard_loses_its_claims_before_their_leases_end(registry: Registry, add: Add) -> None:
    add()
    request = ask(registry)
    workers.heartbeat(registry, "killed")
    assert claims.claim(registry, "killed")
    for lease, free in ((60, 0), (-59, 0), (-61, 1)):
        workers.heartbeat(registry, "killed", lease=timedelta(seconds=lease))
        assert claims.claimable(registry) == free
    taken = claims.claim(registry, "other")
    assert taken is not None
    assert (taken.id, taken.worker) == (request.id, "other")
    assert claims.signs_of_life(registry, "killed", [SignOfLife(request.id, {"Leads": 1})]) == {request.id}
    assert not claims.finish(registry, "killed", request.id)
    assert claims.claimable(registry) == 0


def test_a_worker_without_a_heartbeat_keeps_its_claims_for_their_leases(registry: Registry, add: Add) -> None:
    """Runs of Dagster claim requests too, and have no row among the workers."""
    add()
    ask(registry)
    assert claims.claim(registry, "run of Dagster")
    assert claims.claim(registry, "other") is None


def test_a_sign_of_life_makes_the_lease_longer(registry: Registry, add: Add) -> None:
    add()
    request = ask(registry)
    claims.claim(registry, "w", lease=EXPIRED)
    assert claims.signs_of_life(registry, "w", [SignOfLife(request.id, renew=True)]) == set()
    assert claims.claim(registry, "other") is None
    assert [found.id for found in claims.claimed_by(registry, "w")] == [request.id]
    assert claims.claimed_by(registry, "other") == []


def test_progress_is_stored_and_only_its_newest_event_is_kept(registry: Registry, add: Add) -> None:
    for name in ("acme", "bolt"):
        add(name)
    requests = [ask(registry, "bolt"), ask(registry, "acme")]
    for _ in requests:
        claims.claim(registry, "w")
    for rows in (100, 250):
        signs = [SignOfLife(request.id, {"Leads": rows}) for request in requests]
        assert claims.signs_of_life(registry, "w", signs) == set()
    assert [state(registry, request).progress for request in requests] == [{"Leads": 250}] * 2
    with registry.database.read() as transaction:
        query = select(channel_events).where(channel_events.c.type == "sync.progress")
        events = transaction.execute(query.order_by(channel_events.c.channel_id)).mappings().all()
    assert [event["channel_id"] for event in events] == ["acme", "bolt"]
    assert events[1]["data"]["progress"] == {"Leads": 250}
    assert events[1]["data"]["request_id"] == requests[0].id
    assert claims.finish(registry, "w", requests[0].id, progress={"Leads": 251})
    assert state(registry, requests[0]).progress == {"Leads": 251}


def test_a_failure_keeps_its_reason_without_secrets(registry: Registry, add: Add) -> None:
    add()
    request = ask(registry)
    claims.claim(registry, "w")
    token = "1000.0123456789abcdef.0123456789"
    assert claims.finish(registry, "w", request.id, f"Zoho refused {token}")
    found = state(registry, request)
    assert (found.state, found.error, found.lease_until) == ("failed", "Zoho refused ***", None)
    assert found.finished_at is not None


def test_a_request_can_be_given_back_at_once_or_for_later(registry: Registry, add: Add) -> None:
    add()
    request = ask(registry)
    claims.claim(registry, "w")
    assert claims.release(registry, "w", request.id)
    assert claims.claim(registry, "w2") is not None
    assert claims.release(registry, "w2", request.id, not_before=timedelta(minutes=1))
    assert claims.claim(registry, "w3") is None
    assert claims.claimable(registry) == 0
    back = state(registry, request)
    assert (back.state, back.worker, back.started_at) == ("queued", None, None)
    _, joined = queue.request_sync(registry, "acme", reason="user", requested_by="y")
    assert joined, "it is still the channel's request"


@pytest.mark.parametrize("change", ["removed", "paused"])
def test_a_channel_may_change_under_a_claim(registry: Registry, add: Add, change: str) -> None:
    add()
    request = ask(registry)
    claims.claim(registry, "w")
    registry.remove("acme") if change == "removed" else registry.pause("acme")
    assert claims.finish(registry, "w", request.id, "it is gone") == (change == "paused")
    lost = claims.signs_of_life(registry, "w", [SignOfLife(request.id, {"Leads": 1}, renew=True)])
    assert lost == {request.id}


def test_workers_live_as_long_as_their_lease(registry: Registry) -> None:
    assert not workers.worker_alive(registry)
    workers.heartbeat(registry, "dead", lease=EXPIRED)
    assert not workers.worker_alive(registry)
    workers.heartbeat(registry, "w")
    workers.heartbeat(registry, "w")
    assert workers.worker_alive(registry)
    workers.retire(registry, "w")
    assert not workers.worker_alive(registry)
    workers.heartbeat(registry, "dead")
    assert workers.worker_alive(registry), "a worker that came back counts"

"""The worker on real registries, against the simulator: requests become published rows, whatever happens meanwhile."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.params import combined
from tests.sync_records import record_sync
from tests.worker.conftest import QUICK_WORK, Place, wait_for
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.sync_requests import claims, queue, workers
from zoho_pipeline.channels.sync_requests.first_syncs import request_first_syncs
from zoho_pipeline.channels.sync_requests.model import SyncRequest
from zoho_pipeline.worker.worker import Worker


def ask(place: Place, channel_id: str = "acme", **options: Any) -> SyncRequest:
    return queue.request_sync(place.registry, channel_id, reason="user", requested_by="key:k", **options)[0]


def now(place: Place, request: SyncRequest) -> SyncRequest:
    found = queue.get(place.registry, request.id)
    assert found is not None
    return found


def leads(place: Place) -> dict[str, int]:
    rows = place.published("select channel_id, count(*) as n from lead group by channel_id")
    return {row["channel_id"]: row["n"] for row in rows}


def told(place: Place, channel_id: str) -> list[str]:
    query = select(tables.channel_events.c.type).where(tables.channel_events.c.channel_id == channel_id)
    with place.registry.database.read() as transaction:
        return list(transaction.scalars(query.order_by(tables.channel_events.c.seq)))


def built_at(place: Place, channel_id: str) -> str:
    """When the newest publication of a channel was built."""
    events = tables.channel_events
    mine = select(events.c.data).where(events.c.channel_id == channel_id, events.c.type == "insight.published")
    with place.registry.database.read() as transaction:
        return str(list(transaction.scalars(mine.order_by(events.c.seq)))[-1]["built_at"])


class Running:
    """A worker in a thread of this process."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._thread = threading.Thread(target=worker.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.worker.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.mark.long
@pytest.mark.parametrize("registry_env", ["sqlite", "postgres", "all on postgres"], indirect=True)
def test_requests_are_done_when_their_rows_are_published(place: Place) -> None:
    place.connect("acme", leads=4)
    place.connect("bolt", leads=2)
    asked = [ask(place), ask(place, "bolt")]
    worker = place.worker()
    assert worker.run(once=True)
    assert leads(place) == {"acme": 4, "bolt": 2}
    for request in asked:
        found = now(place, request)
        assert (found.state, found.error, found.worker) == ("done", None, worker.id)
        assert found.run_id
        assert found.credits
        assert {part["module"]: part["outcome"] for part in found.modules}["Leads"] == "complete"
    assert now(place, asked[0]).progress["Leads"] == 4  # type: ignore[index]
    assert worker.done == {request.id for request in asked}
    types = [kind for kind in told(place, "acme") if kind not in ("channel.status", "sync.progress")]
    assert types == ["connection.created", "sync.finished", "insight.published"]
    assert len({built_at(place, channel_id) for channel_id in place.orgs}) == 1, "they were built together"
    assert not workers.worker_alive(place.registry), "its lease ends with it"


@pytest.mark.long
def test_a_full_request_reads_every_row_again(place: Place) -> None:
    place.connect("acme")
    assert place.worker().run(once=True)
    with place.warehouse.connect(read_only=False) as connection:
        connection.execute("update zoho_raw.leads set company = 'wrong'")

    def wrong() -> int:
        with place.warehouse.connect() as connection:
            rows = connection.rows("select count(*) as n from zoho_raw.leads where company = 'wrong'")
            return int(rows[0]["n"])

    ask(place)
    assert place.worker().run(once=True)
    assert wrong() == 3, "nothing changed at Zoho"
    ask(place, full=True)
    assert place.worker().run(once=True)
    assert wrong() == 0


def test_a_new_channel_gets_its_first_sync_by_itself(place: Place) -> None:
    place.connect("acme")
    place.connect("paused")
    place.registry.pause("paused")
    assert place.worker().run(once=True)
    assert leads(place) == {"acme": 3}
    (request,) = queue.history(place.registry, "acme", 10)
    assert (request.reason, request.requested_by, request.state) == ("connect", "worker", "done")
    assert queue.history(place.registry, "paused", 10) == []
    assert request_first_syncs(place.registry, "worker") == [], "it is made once"


def test_a_first_sync_that_failed_is_not_tried_in_a_loop(place: Place) -> None:
    place.connect("acme")
    place.connect("broken")
    place.registry.set_reconnect_needed("broken", "revoked")
    assert request_first_syncs(place.registry, "worker") == ["acme"]
    assert request_first_syncs(place.registry, "worker") == [], "one is waiting"
    claimed = claims.claim(place.registry, "w")
    assert claimed is not None
    assert claims.finish(place.registry, "w", claimed.id, "no answer")
    assert request_first_syncs(place.registry, "worker") == [], "it waits an hour"
    earlier = place.registry.database.now() - timedelta(hours=1)
    with place.registry.database.write() as transaction:
        transaction.execute(tables.sync_requests.update().values(asked_at=earlier))
    assert request_first_syncs(place.registry, "worker") == ["acme"]
    again = claims.claim(place.registry, "w")
    assert again is not None
    assert claims.finish(place.registry, "w", again.id, "no answer")
    record_sync(place.registry, "acme", "Leads", None, "skipped")
    with place.registry.database.write() as transaction:
        transaction.execute(tables.sync_requests.update().values(asked_at=earlier))
    assert request_first_syncs(place.registry, "worker") == [], "its connection may not read leads"


@pytest.mark.long
def test_a_failing_channel_fails_alone_and_says_why(place: Place) -> None:
    place.connect("acme")
    place.connect("bolt")
    assert place.worker().run(once=True)
    requests = [ask(place), ask(place, "bolt")]
    place.registry.pause("bolt")
    worker = place.worker()
    assert not worker.run(once=True)
    assert [now(place, request).state for request in requests] == ["done", "failed"]
    assert "channels resume bolt" in str(now(place, requests[1]).error)
    assert list(worker.failed) == [requests[1].id]


@pytest.mark.long
def test_a_channel_that_another_process_syncs_waits_in_the_queue(place: Place) -> None:
    place.connect("acme")
    request = ask(place)
    worker = place.worker(replace(QUICK_WORK, busy_wait=timedelta(minutes=1)))
    with channel_lock(place.settings, "acme"):
        assert not worker.run(once=True), "the drain did not do it"
    assert list(worker.left) == [request.id]
    assert now(place, request).state == "queued"
    second = place.worker(replace(QUICK_WORK, busy_wait=timedelta(0)))
    with place.registry.database.write() as transaction:
        transaction.execute(tables.sync_requests.update().values(lease_until=None))
    assert second.run(once=True)
    assert now(place, request).state == "done"


@pytest.mark.long
def test_one_slow_org_does_not_hold_up_the_others(place: Place) -> None:
    place.connect("slow")
    place.connect("quick")
    slow, quick = ask(place, "slow"), ask(place, "quick")
    with channel_lock(place.settings, "slow"):  # its sync cannot go on
        running = Running(place.worker(replace(QUICK_WORK, threads=2, busy_wait=timedelta(0))))
        wait_for(lambda: now(place, quick).state == "done")
        assert now(place, slow).state in ("queued", "running")
    wait_for(lambda: now(place, slow).state == "done")
    running.stop()


@pytest.mark.parametrize(
    ("registry_env", "channels"),
    combined(["sqlite", "postgres"], [2, 6], quick=[("postgres", 2)]),
    indirect=["registry_env"],
)
@pytest.mark.long
def test_two_workers_never_take_one_job(place: Place, channels: int) -> None:
    for number in range(channels):
        place.connect(f"c{number}", leads=1)
    both = [Running(place.worker()), Running(place.worker())]
    wait_for(lambda: workers.worker_alive(place.registry))
    wait_for(lambda: len(both[0].worker.done) + len(both[1].worker.done) == channels, 180)
    for running in both:
        running.stop()
    assert not both[0].worker.done & both[1].worker.done
    assert not both[0].worker.failed
    assert not both[1].worker.failed
    for number in range(channels):
        assert told(place, f"c{number}").count("sync.finished") == 1
    assert leads(place) == {f"c{number}": 1 for number in range(channels)}


@pytest.mark.long
def test_a_stopped_worker_ends_its_sync_at_a_checkpoint(place: Place) -> None:
    place.connect("acme")
    request = ask(place)
    place.sim.faults.next(100, "slow", "/crm/v7/Leads", seconds=0.5)
    running = Running(place.worker())
    wait_for(lambda: place.sim.faults.fired)
    running.stop()
    assert now(place, request).state == "queued"
    assert not running.worker.hangs
    assert not running.worker.failed
    assert "sync.failed" not in told(place, "acme"), "it did not fail: it was stopped"
    place.sim.faults.clear()
    assert place.worker().run(once=True)
    assert leads(place) == {"acme": 3}


def test_a_sync_whose_claim_was_lost_stops_and_changes_nothing(place: Place) -> None:
    place.connect("acme")
    request = ask(place)
    place.sim.faults.next(100, "slow", "/crm/v7/Leads", seconds=0.5)
    running = Running(place.worker(replace(QUICK_WORK, lease=timedelta(seconds=3))))
    wait_for(lambda: place.sim.faults.fired)
    with place.registry.database.write() as transaction:  # as if this machine had slept for longer than its lease
        until = place.registry.database.now() + timedelta(minutes=5)
        transaction.execute(tables.sync_requests.update().values(worker="other", lease_until=until))
    wait_for(lambda: not running.worker._jobs)
    running.stop()
    found = now(place, request)
    assert (found.state, found.worker) == ("running", "other")


@pytest.mark.long
def test_a_stopped_worker_gives_back_what_it_has(place: Place) -> None:
    place.connect("acme")
    request = ask(place)
    with channel_lock(place.settings, "acme"):
        running = Running(place.worker(replace(QUICK_WORK, busy_wait=timedelta(0))))
        wait_for(lambda: now(place, request).state == "running")
        running.stop()
    assert now(place, request).state == "queued"
    assert not workers.worker_alive(place.registry)
    assert place.worker().run(once=True)
    assert now(place, request).state == "done"


@pytest.mark.long
def test_rows_that_are_held_back_fail_their_request_and_no_other(place: Place) -> None:
    place.connect("acme")
    place.connect("bolt")
    place.registry.store_settings("acme", parameters={"topic_min_leads": "many"})
    requests = [ask(place), ask(place, "bolt")]
    assert not place.worker().run(once=True)
    failed, done = (now(place, request) for request in requests)
    assert failed.state == "failed"
    assert "are not published" in str(failed.error)
    assert done.state == "done"
    assert leads(place) == {"bolt": 3}
    assert "insight.published" not in told(place, "acme")


@pytest.mark.long
def test_a_publication_on_duckdb_waits_for_the_one_before(place: Place) -> None:
    """The file says when somebody last published, also another process."""
    place.connect("acme")
    assert place.worker().run(once=True)
    request = ask(place)
    running = Running(place.worker(replace(QUICK_WORK, between_publications=3_600.0)))
    wait_for(lambda: "sync.finished" in told(place, "acme")[-3:])
    assert now(place, request).state == "running", "done means published"
    running.stop()
    assert now(place, request).state == "queued", "its rows are loaded, but not published"
    assert place.worker().run(once=True)
    assert now(place, request).state == "done"

"""The queue of sync requests on SQLite and on Postgres: joined, never doubled, refused with a reason, counted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from zoho_pipeline.channels.errors import ChannelPaused, ReconnectFirst, TooManySyncs, UnknownChannel
from zoho_pipeline.channels.registry.model import Channel, ModuleSync
from zoho_pipeline.channels.registry.platform_tables import channel_events, sync_requests
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.channels.sync_requests.claims import claim, finish
from zoho_pipeline.channels.sync_requests.queue import request_sync, seconds_until_next
from zoho_pipeline.settings import Settings

Add = Callable[..., Channel]
USER = {"reason": "user", "requested_by": "key:abc"}


def rows(registry: Registry) -> int:
    with registry.database.read() as transaction:
        return int(transaction.scalar(select(func.count()).select_from(sync_requests)) or 0)


def test_a_second_request_joins_the_first_until_it_has_ended(registry: Registry, add: Add) -> None:
    add()
    first, joined = request_sync(registry, "acme", **USER)
    assert (first.state, first.reason, first.requested_by, first.full, joined) == (
        "queued",
        "user",
        "key:abc",
        False,
        False,
    )
    again, joined = request_sync(registry, "acme", reason="push", requested_by="push")
    assert (again.id, joined, again.reason) == (first.id, True, "user")
    assert claim(registry, "w")
    running, joined = request_sync(registry, "acme", **USER, full=True)
    assert (running.id, running.state, running.full, joined) == (first.id, "running", False, True), "it runs already"
    assert finish(registry, "w", first.id)
    second, joined = request_sync(registry, "acme", **USER)
    assert not joined
    assert second.id != first.id
    assert rows(registry) == 2
    done = queue.get(registry, first.id)
    assert done is not None
    assert (done.state, done.is_finished) == ("done", True)
    assert [request.id for request in queue.unfinished(registry)] == [second.id]
    assert queue.unfinished(registry, "other") == []


def test_the_newest_of_many_channels_is_the_first_of_each_history(registry: Registry, add: Add) -> None:
    for name in ("a", "b", "none"):
        add(name)
    for _ in range(3):
        for name in ("a", "b"):
            request, _ = request_sync(registry, name, **USER)
            assert claim(registry, "w")
            assert finish(registry, "w", request.id)
    expected = {name: queue.history(registry, name, 5)[0] for name in ("a", "b")}
    with registry.database.read() as transaction:
        assert queue.newest(transaction, ["a", "b", "none", "unknown"]) == expected
        assert queue.newest(transaction, ["a"]) == {"a": expected["a"]}
        assert queue.newest(transaction, []) == {}


def test_a_queued_request_becomes_a_full_one(registry: Registry, add: Add) -> None:
    add()
    first, _ = request_sync(registry, "acme", **USER)
    full, joined = request_sync(registry, "acme", **USER, full=True)
    assert (full.id, full.full, joined) == (first.id, True, True)
    plain, _ = request_sync(registry, "acme", **USER)
    assert plain.full, "a later plain request takes nothing away"


def test_callers_at_the_same_time_end_in_one_row(registry: Registry, settings: Settings, add: Add) -> None:
    add()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: request_sync(Registry(settings), "acme", **USER), range(16)))
    assert len({request.id for request, _ in found}) == 1
    assert sorted(joined for _, joined in found) == [False] + [True] * 15
    assert rows(registry) == 1


def test_the_database_itself_refuses_a_second_unfinished_row(registry: Registry, add: Add) -> None:
    add()
    request_sync(registry, "acme", **USER)
    values = {"channel_id": "acme", "reason": "user", "requested_by": "x", "full": False, "progress": {}}
    with pytest.raises(IntegrityError), registry.database.engine.begin() as connection:
        connection.execute(
            insert(sync_requests).values(id="x", state="running", asked_at=registry.database.now(), **values)
        )


def test_channels_that_cannot_be_synced_are_refused(registry: Registry, add: Add) -> None:
    add("acme")
    with pytest.raises(UnknownChannel):
        request_sync(registry, "bolt", **USER)
    registry.pause("acme")
    with pytest.raises(ChannelPaused, match="channels resume acme"):
        request_sync(registry, "acme", **USER)
    registry.resume("acme")
    registry.set_reconnect_needed("acme", "revoked")
    with pytest.raises(ReconnectFirst, match="connect acme"):
        request_sync(registry, "acme", **USER)
    with pytest.raises(ValueError, match="unknown reason"):
        request_sync(registry, "acme", reason="whim", requested_by="x")
    assert rows(registry) == 0


def test_new_requests_of_users_are_counted_and_joined_or_refused_ones_are_not(registry: Registry, add: Add) -> None:
    add()
    add("bolt")

    def ask(channel_id: str = "acme", reason: str = "user") -> None:
        request, _ = request_sync(registry, channel_id, reason=reason, requested_by="x", most_per_hour=2)
        request_sync(registry, channel_id, reason=reason, requested_by="x", most_per_hour=2)  # joins
        assert claim(registry, "w", only=[request.id])
        assert finish(registry, "w", request.id)

    ask()
    ask(reason="push")
    assert seconds_until_next(registry, "acme", 2) is None
    ask()
    wait = seconds_until_next(registry, "acme", 2)
    assert wait is not None
    assert 3_500 < wait <= 3_600
    with pytest.raises(TooManySyncs, match="60 min") as refused:
        ask()
    assert 3_500 < refused.value.retry_after <= 3_600
    ask("bolt")
    assert rows(registry) == 4
    with registry.database.write() as transaction:
        earlier = registry.database.now() - timedelta(hours=1, seconds=1)
        transaction.execute(update(sync_requests).values(asked_at=earlier))
    ask()


def test_the_history_is_read_page_by_page_with_the_syncs_that_nobody_asked_for(registry: Registry, add: Add) -> None:
    add()
    asked, _ = request_sync(registry, "acme", **USER)
    assert claim(registry, "w")
    registry.record_syncs("acme", [ModuleSync("Leads", None, "complete", 3, 2.0)], run_id="r1", whole=True)
    assert finish(registry, "w", asked.id)
    registry.record_syncs(
        "acme", [ModuleSync("Leads", None, "failed", 0, 1.0, "no answer, token=abc")], run_id="r2", whole=True
    )
    registry.record_syncs("acme", [ModuleSync("Leads", None, "complete")], run_id="part")
    newest, oldest = queue.history(registry, "acme", 10)
    assert (oldest.id, oldest.run_id, oldest.credits, oldest.state) == (asked.id, "r1", 2.0, "done")
    assert oldest.modules == (
        {"module": "Leads", "outcome": "complete", "rows": 3, "credits": 2.0, "route": None, "detail": None},
    )
    assert (newest.reason, newest.state, newest.run_id) == ("run", "failed", "r2")
    assert newest.error == "Leads: no answer, token=***"
    (first,) = queue.history(registry, "acme", 1)
    (second,) = queue.history(registry, "acme", 1, (first.asked_at, first.id))
    assert [first.id, second.id] == [newest.id, oldest.id]
    assert queue.history(registry, "acme", 1, (second.asked_at, second.id)) == []


def test_requests_go_with_their_channel(registry: Registry, add: Add) -> None:
    add()
    request_sync(registry, "acme", **USER)
    registry.remove("acme")
    assert rows(registry) == 0


def test_open_pages_learn_each_state(registry: Registry, add: Add) -> None:
    add()
    request, _ = request_sync(registry, "acme", **USER)
    claim(registry, "w")
    finish(registry, "w", request.id, "Zoho did not answer")
    with registry.database.read() as transaction:
        query = select(channel_events.c.data).where(channel_events.c.type == "channel.status")
        told = [row["sync"] for row in transaction.scalars(query.order_by(channel_events.c.seq)) if "sync" in row]
    assert [sync["state"] for sync in told] == ["queued", "running", "failed"]
    assert {sync["request_id"] for sync in told} == {request.id}
    assert told[-1]["error"] == "Zoho did not answer"

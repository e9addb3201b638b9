"""A damaged row of one request costs that request alone: the queue, the histories and new requests go on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims, queue
from zoho_pipeline.channels.sync_requests.first_syncs import request_first_syncs
from zoho_pipeline.channels.sync_requests.model import SyncRequest

Add = Callable[..., Channel]

DAMAGES: tuple[tuple[str, object], ...] = (
    ("progress", "{"),
    ("progress", '["Leads"]'),
    ("progress", '{"Leads": "many"}'),
    ("modules", "["),
    ("modules", '[{"outcome": "of a later version"}]'),
    ("modules", '[{"outcome": "complete"}]'),
    ("modules", '[{"outcome": "complete", "module": "Leads", "rows": 1.5, "credits": 1, "route": null, "detail": 7}]'),
)
ONLY_SQLITE: tuple[tuple[str, object], ...] = (
    ("asked_at", "no time"),
    ("started_at", b"\xff"),
    ("lease_until", b"\xff"),
    ("requested_by", b"\xff"),
)
"""Postgres has no such values in a typed column."""


def ask(registry: Registry, channel_id: str) -> SyncRequest:
    return queue.request_sync(registry, channel_id, reason="user", requested_by="x", most_per_hour=6)[0]


def spoil(registry: Registry, request: SyncRequest, column: str, value: object) -> None:
    with registry.database.write() as transaction:
        statement = text(f"update registry_sync_requests set {column} = :value where id = :id")
        transaction.execute(statement, {"value": value, "id": request.id})


@pytest.mark.parametrize(("column", "value"), [*DAMAGES, *ONLY_SQLITE])
def test_it_stops_neither_the_queue_nor_its_channel(registry: Registry, add: Add, column: str, value: object) -> None:
    if (column, value) in ONLY_SQLITE and registry.database.is_postgres:
        return
    for name in ("acme", "beta"):
        add(name)
    damaged, whole = ask(registry, "acme"), ask(registry, "beta")
    spoil(registry, damaged, column, value)
    seen = queue.get(registry, damaged.id)
    assert seen is not None
    assert (seen.channel_id, seen.state, seen.error) == ("acme", "failed", queue.DAMAGED)
    with registry.database.read() as transaction:
        assert queue.newest(transaction, ["acme", "beta"]) == {"beta": whole}
    assert queue.history(registry, "acme", 5) == []
    assert queue.unfinished(registry) == [whole]

    taken = claims.claim(registry, "w")
    assert taken is not None
    assert taken.id == whole.id
    assert claims.claimed_by(registry, "w") == [taken]
    assert claims.claim(registry, "w") is None

    again = ask(registry, "acme")
    assert again.id != damaged.id
    (claimed, ended) = (claims.claim(registry, "w"), queue.get(registry, damaged.id))
    assert claimed is not None
    assert claimed.id == again.id
    assert ended is not None
    assert (ended.state, ended.error) == ("failed", queue.DAMAGED)


def test_a_damaged_request_of_the_past_is_left_out(registry: Registry, add: Add) -> None:
    add()
    for _ in range(2):
        asked = ask(registry, "acme")
        claims.claim(registry, "w")
        claims.finish(registry, "w", asked.id)
    spoil(registry, asked, "state", "later")
    newest = ask(registry, "acme")
    spoil(registry, queue.history(registry, "acme", 5)[1], "progress", "7")
    assert queue.history(registry, "acme", 5) == [newest]


def test_a_damaged_request_ends_no_page_of_the_history(registry: Registry, add: Add) -> None:
    add()
    asked = []
    for _ in range(7):
        asked.append(ask(registry, "acme"))
        claims.claim(registry, "w")
        claims.finish(registry, "w", asked[-1].id)
        with registry.database.write() as transaction:  # out of the hour that limits new requests
            transaction.execute(text("update registry_sync_requests set reason = 'connect'"))
    for damaged in asked[2:4]:
        spoil(registry, damaged, "progress", "{")
    whole = [request.id for request in reversed(asked) if request not in asked[2:4]]
    first = queue.history(registry, "acme", 4)
    assert [request.id for request in first] == whole[:4]
    rest = queue.history(registry, "acme", 4, (first[2].asked_at, first[2].id))
    assert [request.id for request in rest] == whole[3:]


def test_a_reason_of_a_later_version_is_worked_on_and_not_ended(registry: Registry, add: Add) -> None:
    """In a rolling upgrade, an older worker lives beside a newer web server."""
    add()
    asked = ask(registry, "acme")
    spoil(registry, asked, "reason", "later")
    assert ask(registry, "acme").id == asked.id
    taken = claims.claim(registry, "w")
    assert taken is not None
    assert (taken.id, taken.reason) == (asked.id, "user")
    with registry.database.read() as transaction:
        assert transaction.scalar(text("select reason from registry_sync_requests")) == "later"


def test_a_worker_that_has_a_damaged_request_ends_no_other(registry: Registry, add: Add) -> None:
    """Somebody asks again while a worker reads: its request ends, and it cannot end the new one."""
    add()
    asked = ask(registry, "acme")
    assert claims.claim(registry, "w") is not None
    spoil(registry, asked, "progress", "{")
    again = ask(registry, "acme")
    assert again.id != asked.id
    assert not claims.finish(registry, "w", asked.id)
    taken = claims.claim(registry, "v")
    assert taken is not None
    assert taken.id == again.id


def test_two_workers_beside_a_damaged_request_take_one_each(registry: Registry, add: Add) -> None:
    for name in ("acme", "beta", "gamma"):
        add(name)
    damaged, *whole = [ask(registry, name) for name in ("acme", "beta", "gamma")]
    spoil(registry, damaged, "progress", "{")
    with ThreadPoolExecutor(4) as pool:
        taken = [request for request in pool.map(lambda w: claims.claim(registry, w), "abcd") if request]
    assert sorted(request.id for request in taken) == sorted(request.id for request in whole)


def test_a_text_that_is_no_utf8_hides_no_other_row(registry: Registry, add: Add) -> None:
    if registry.database.is_postgres:  # it stores no such text
        return
    add("acme")
    add("beta")
    with registry.database.write() as transaction:
        transaction.execute(
            text("update registry_channels set org_name = cast(x'41ff' as text) where channel_id = 'acme'")
        )
        transaction.execute(text("update registry_channels set status = cast(x'ff' as text) where channel_id = 'beta'"))
    acme, beta = registry.list()
    assert (acme.org_name, acme.is_damaged, beta.is_damaged) == ("A\ufffd", False, True)


def test_a_damaged_channel_keeps_no_other_from_its_first_sync(registry: Registry, add: Add) -> None:
    for name in ("acme", "beta"):
        add(name)
    with registry.database.write() as transaction:
        transaction.execute(text("update registry_channels set scopes = '{' where channel_id = 'acme'"))
    assert request_first_syncs(registry, "worker") == ["beta"]

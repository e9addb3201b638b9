"""A damaged row of one request costs that request alone: the queue, the histories and new requests go on."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims, queue
from zoho_pipeline.channels.sync_requests.model import SyncRequest

Add = Callable[..., Channel]

DAMAGES: tuple[tuple[str, object], ...] = (
    ("progress", "{"),
    ("progress", '["Leads"]'),
    ("progress", '{"Leads": "many"}'),
    ("modules", "["),
    ("modules", '[{"outcome": "of a later version"}]'),
    ("reason", "later"),
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

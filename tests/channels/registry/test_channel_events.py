"""Events of a channel on SQLite and on Postgres: once per change, in order, delivered to who wants them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.channels.conftest import CONNECTION, REFRESH
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.model import Channel, ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import modules
from zoho_pipeline.settings import Settings

Add = Callable[..., Channel]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def events(registry: Registry, channel_id: str = "acme") -> list[dict[str, Any]]:
    query = select(tables.channel_events).where(tables.channel_events.c.channel_id == channel_id)
    with registry.database.read() as transaction:
        return [dict(row) for row in transaction.execute(query.order_by(tables.channel_events.c.seq)).mappings()]


def types(registry: Registry, *, but: tuple[str, ...] = ("channel.status",)) -> list[str]:
    return [event["type"] for event in events(registry) if event["type"] not in but]


def test_the_life_of_a_connection(registry: Registry, add: Add) -> None:
    add()
    registry.set_reconnect_needed("acme", "Zoho refused token=abc")
    registry.set_reconnect_needed("acme", "it is still revoked")
    add()
    registry.set_reconnect_needed("acme", "revoked again")
    registry.clear_reconnect_needed("acme")
    registry.clear_reconnect_needed("acme")
    registry.set_reconnect_needed("acme", "revoked")
    registry.refresh_connection("acme", CONNECTION)
    registry.remove("acme")
    broken = ["connection.broken", "connection.restored"]
    assert types(registry) == ["connection.created", *broken, *broken, *broken, "connection.removed"]
    found = events(registry)
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    (first,) = [event for event in found if event["type"] == "connection.broken"][:1]
    assert first["data"]["status_detail"] == "Zoho refused token=***"
    add()
    assert events(registry)[-2]["type"] == "connection.created", "the numbers of a removed channel go on"
    assert events(registry)[-2]["seq"] == len(found) + 1


def test_open_pages_learn_each_status_and_endpoints_only_breaks(registry: Registry, add: Add) -> None:
    add()
    registry.pause("acme")
    registry.pause("acme")
    registry.set_reconnect_needed("acme", "revoked while paused")
    registry.resume("acme")
    status = [e["data"]["status"] for e in events(registry) if e["type"] == "channel.status"]
    assert status == ["connected", "paused", "paused", "connected"]
    assert types(registry) == ["connection.created"]


def test_a_failing_channel_is_told_once_and_each_whole_sync_that_finished(registry: Registry, add: Add) -> None:
    add()

    def sync(outcome: Any, whole: bool = True, module: str = "Leads") -> None:
        part = ModuleSync(module, AT, outcome, rows=4, credits=2.0, detail="no answer" if outcome == "failed" else None)
        registry.record_syncs("acme", [part], run_id="r", whole=whole)

    for outcome in ("failed", "failed", "stopped", "complete", "complete", "skipped", "failed", "complete"):
        sync(outcome)
    told = types(registry)[1:]
    finished = "sync.finished"
    assert told == ["sync.failed", finished, finished, finished, "sync.failed", finished]
    failed = next(event["data"] for event in events(registry) if event["type"] == "sync.failed")
    assert failed["failed"] == {"Leads": "no answer"}
    sync("complete", whole=False)
    assert types(registry)[1:] == told, "a sync of some modules is not a finished sync"
    sync("failed", whole=False, module="Deals")
    sync("failed")
    assert types(registry)[1:] == [*told, "sync.failed"], "the channel failed already"


def test_a_module_that_is_no_longer_read_hides_no_failure(registry: Registry, add: Add) -> None:
    add()
    registry.record_syncs("acme", [ModuleSync("Emails", None, "failed")], whole=True)
    with registry.database.write() as transaction:
        transaction.execute(update(modules).values(synced_at=registry.database.now() - timedelta(days=3)))
    registry.record_syncs("acme", [ModuleSync("Leads", AT, "complete")], whole=True)
    registry.record_syncs("acme", [ModuleSync("Leads", AT, "failed")], whole=True)
    assert types(registry)[1:] == ["sync.failed", "sync.finished", "sync.failed"]


def test_publications_are_told_for_known_channels(registry: Registry, add: Add) -> None:
    add()
    add("bolt")
    registry.record_published(["bolt", "gone", "acme", "acme"], AT.replace(tzinfo=None))
    assert types(registry) == ["connection.created", "insight.published"]
    assert events(registry, "bolt")[-1]["data"]["built_at"] == "2026-05-01T12:00:00.000+00:00"
    assert events(registry, "gone") == []


def test_what_fails_leaves_no_event(registry: Registry, add: Add) -> None:
    add()
    before = events(registry)
    with pytest.raises(ValueError, match="unknown outcome"):
        registry.record_syncs("acme", [ModuleSync("Leads", AT, "happy")], whole=True)  # type: ignore[arg-type]
    assert events(registry) == before


def endpoint(registry: Registry, name: str, tenant: str | None, wanted: list[str] | None, **more: Any) -> None:
    with registry.database.write() as transaction:
        row = {"id": name, "url": "https://x", "tenant": tenant, "events": wanted, "secret_seal": "", "created_at": AT}
        transaction.execute(insert(tables.webhook_endpoints).values(**row, **more))


def test_each_endpoint_gets_what_it_wants_of_its_tenant(registry: Registry) -> None:
    endpoint(registry, "all", None, None)
    endpoint(registry, "mine", "t1", ["connection.created"])
    endpoint(registry, "other", "t2", None)
    endpoint(registry, "off", None, None, disabled_at=AT)
    registry.add("acme", REFRESH, CONNECTION, tenant="t1")
    registry.set_reconnect_needed("acme", "revoked")
    with registry.database.read() as transaction:
        rows = transaction.execute(select(tables.webhook_deliveries)).mappings().all()
    assert sorted((row["endpoint_id"], row["type"]) for row in rows) == [
        ("all", "connection.broken"),
        ("all", "connection.created"),
        ("mine", "connection.created"),
    ]
    body = json.loads(next(row["body"] for row in rows if row["endpoint_id"] == "mine"))
    assert (body["type"], body["data"]["tenant"], body["data"]["channel_id"], body["data"]["seq"]) == (
        "connection.created", "t1", "acme", 1,
    )  # fmt: skip
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None


def test_writers_at_the_same_time_leave_no_number_out(registry: Registry, settings: Settings, add: Add) -> None:
    add()

    def publish(_: int) -> None:
        Registry(settings).record_published(["acme"], AT)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(publish, range(24)))
    assert [event["seq"] for event in events(registry)] == list(range(1, 27))


def test_old_events_are_deleted_now_and_then(registry: Registry, add: Add) -> None:
    add()
    with registry.database.write() as transaction:
        old = registry.database.now() - channel_events.KEPT - timedelta(minutes=1)
        transaction.execute(update(tables.channel_events).values(at=old))
    for _ in range(channel_events.PRUNE_EVERY - 3):
        registry.record_published(["acme"], AT)
    assert events(registry)[0]["seq"] == 1
    registry.record_published(["acme"], AT)
    assert events(registry)[0]["seq"] == 3

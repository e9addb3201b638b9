"""Events for open pages, through a real server: as they happen, again after a cut, until the token ends."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import event, update

from tests.channels.conftest import CONNECTION, REFRESH
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.platform.tenants import Tenants
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.api.event_hub import QUEUE_LENGTH, EventHub, Listener
from zoho_pipeline.web.api.stream_seats import StreamSeats
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.browser_tokens import tokens_of
from zoho_pipeline.web.auth.operator import COOKIE, logout_nonce
from zoho_pipeline.web.auth.tokens import OPERATOR
from zoho_pipeline.web.services import WebServices

Key = Callable[..., dict[str, str]]
AT = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Server:
    url: str
    hub: EventHub


@pytest.fixture
def server(settings: Settings, registry: Registry) -> Iterator[Server]:
    registry.add("acme", REFRESH, CONNECTION, tenant="acme-inc")
    registry.add("other", REFRESH, CONNECTION, tenant="other-inc", again=True)
    app = create_app(settings, ServiceSettings(), stream_seats=StreamSeats(per_key=3, per_tenant=4, in_all=6))
    app.state.event_hub = hub = EventHub(registry, poll_seconds=0.05)
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield Server(f"http://127.0.0.1:{port}", hub)
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def following(server: Server, headers: dict[str, str], channel_id: str = "acme") -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a page, one after another. The page has begun when the block begins."""
    url = f"{server.url}/v1/channels/{channel_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        lines = answer.iter_lines()
        assert next(lines) == "retry: 3000"
        for _ in range(200):
            if channel_id in server.hub._topics:
                break
            threading.Event().wait(0.02)
        yield _events(lines)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            found[name] = json.loads(value) if name in ("id", "data") else value
        elif not line and found:
            yield found
            found = {}


def publish(registry: Registry, channel_id: str = "acme") -> None:
    registry.record_published([channel_id], AT)


def test_events_come_as_they_happen_and_only_the_ones_of_the_channel(
    server: Server, key: Key, registry: Registry
) -> None:
    with following(server, key("read")) as events:
        publish(registry, "other")
        publish(registry)
        first = next(events)
        assert (first["event"], first["data"]["channel_id"], first["id"]) == ("insight.published", "acme", 3)
        assert first["data"]["seq"] == 3
        registry.pause("acme")
        second = next(events)
        assert (second["event"], second["data"]["status"]) == ("channel.status", "paused")


def test_a_page_that_comes_again_gets_what_it_missed(server: Server, key: Key, registry: Registry) -> None:
    for _ in range(3):
        publish(registry)
    with following(server, {**key("read"), "Last-Event-ID": "3"}) as events:
        assert [next(events)["id"] for _ in range(2)] == [4, 5]
        publish(registry)
        assert next(events)["id"] == 6, "nothing comes twice"
    with registry.database.write() as transaction:
        old = registry.database.now() - timedelta(hours=1, seconds=1)
        transaction.execute(update(tables.channel_events).where(tables.channel_events.c.seq <= 4).values(at=old))
    with following(server, {**key("read"), "Last-Event-ID": "0"}) as events:
        assert [next(events)["id"] for _ in range(2)] == [5, 6], "older ones than an hour are gone"
    for odd in ("999999", "x", "-1", "1" * 30):
        with following(server, {**key("read"), "Last-Event-ID": odd}) as events:
            publish(registry)
            assert next(events)["event"] == "insight.published"


def test_the_stream_ends_with_the_token(server: Server, key: Key, registry: Registry) -> None:
    headers = key("read")
    with registry.database.write() as transaction:
        ends = registry.database.now() + timedelta(seconds=2)
        transaction.execute(update(tables.web_keys).values(expires_at=ends))
    with following(server, headers) as events:
        assert list(events) == []
    assert not server.hub._topics
    assert httpx.get(f"{server.url}/v1/channels/acme/events", headers=headers, trust_env=False).status_code == 401


def test_the_stream_ends_when_its_key_is_revoked(server: Server, key: Key, registry: Registry) -> None:
    keys, mine, other = ApiKeys(registry.database), key("read"), key("read")
    Tenants(registry.database).set_origins("acme-inc", ["https://app.example.com"])
    asked = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "u", "origin": "https://app.example.com"}
    made = httpx.post(f"{server.url}/v1/sessions", json=asked, headers=mine, trust_env=False).json()
    session = {"Authorization": f"Bearer {made['token']}"}
    with following(server, mine) as own, following(server, session) as made_by_it, following(server, other) as others:
        publish(registry)
        assert next(own)["id"] == next(made_by_it)["id"] == next(others)["id"] == 3
        keys.revoke(mine["Authorization"].split("_")[1])
        publish(registry)
        assert list(own) == []
        assert list(made_by_it) == []
        assert next(others)["id"] == 4, "the page of another key goes on"


def test_a_page_gets_nothing_of_a_later_tenant_of_the_same_id(server: Server, key: Key, registry: Registry) -> None:
    with following(server, key("read")) as events:
        registry.remove("acme")
        registry.add("acme", REFRESH, CONNECTION, tenant="other-inc", again=True)
        publish(registry)
        registry.store_settings("acme", tenant="acme-inc")
        publish(registry)
        assert next(events)["id"] == 7
    with following(server, {**key("read"), "Last-Event-ID": "2"}) as events:
        assert next(events)["id"] == 7, "what it missed is its own alone"


def test_who_may_listen(server: Server, key: Key) -> None:
    url = f"{server.url}/v1/channels/acme/events"

    def status(headers: dict[str, str]) -> int:
        return httpx.get(url, headers=headers, trust_env=False).status_code

    assert (status({}), status(key("sync")), status(key("read", tenants=("other-inc",)))) == (401, 403, 404)


def test_open_streams_are_bounded_by_caller_by_tenant_and_in_all(server: Server, key: Key, registry: Registry) -> None:
    url = f"{server.url}/v1/channels/acme/events"

    def refused(headers: dict[str, str], url: str = url) -> tuple[int, str]:
        answer = httpx.get(url, headers=headers, trust_env=False)
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["code"]

    mine, other = key("read"), key("read")
    foreign = [key("read", tenants=("other-inc",)) for _ in range(2)]
    with ExitStack() as streams:
        first = [streams.enter_context(following(server, mine)) for _ in range(3)]
        assert refused(mine) == (429, "rate_limited"), "the caller has three"
        streams.enter_context(following(server, other))
        assert refused(other) == (429, "rate_limited"), "the tenant has four"
        for headers in foreign:
            streams.enter_context(following(server, headers, "other"))
        assert refused(foreign[0], url.replace("acme", "other")) == (503, "unavailable"), "the process has six"
        publish(registry)
        assert {next(events)["event"] for events in first} == {"insight.published"}, "those that are open go on"
    for _ in range(200):
        if not server.hub._topics:
            break
        threading.Event().wait(0.05)
    with following(server, mine) as events:  # the places are free again
        publish(registry)
        assert next(events)["event"] == "insight.published"


def test_an_operator_who_logs_out_gets_no_further_event(server: Server, settings: Settings, registry: Registry) -> None:
    services = WebServices(settings, ServiceSettings())
    cookie, _ = tokens_of(services).make(OPERATOR, 60)
    with following(server, {"Cookie": f"{COOKIE}={cookie}"}) as events:
        publish(registry)
        assert next(events)["event"] == "insight.published"
        principal = tokens_of(services).read(OPERATOR, cookie)
        registry.claim_nonce(logout_nonce(f"operator:{principal['jti']}"))
        publish(registry)
        assert list(events) == []


def test_closing_the_hub_ends_the_streams(server: Server, key: Key) -> None:
    with following(server, key("read")) as events:
        server.hub.close()
        assert list(events) == []


@pytest.fixture
def many(registry: Registry) -> list[str]:
    names = [f"c{number}" for number in range(50)]
    for name in names:
        registry.add(name, REFRESH, CONNECTION, again=True)
    return names


@pytest.mark.long
def test_a_thousand_pages_share_one_reader(registry: Registry, many: list[str]) -> None:
    reads: list[str] = []
    event.listen(registry.database.engine, "begin", lambda _: reads.append("transaction"))
    threads: set[str] = set()

    async def run() -> list[Listener]:
        hub = EventHub(registry, poll_seconds=0.05)
        pages = await asyncio.gather(*(hub.listen(many[number % 50], None, None) for number in range(1_000)))
        assert hub._reader is not None
        for name in many:
            await asyncio.to_thread(publish, registry, name)
        for page in pages:
            async with asyncio.timeout(60):
                assert (await page.next()).type == "insight.published"  # type: ignore[union-attr]
        threads.update(thread.name for thread in threading.enumerate())
        before = len(reads)
        await asyncio.sleep(0.5)
        quiet = len(reads) - before
        assert 1 <= quiet <= 10, "one transaction per reading, however many pages there are"
        for page in pages:
            hub.leave(page)
        while hub._reader is not None:
            await asyncio.sleep(0.05)
        return list(pages)

    assert len(asyncio.run(run())) == 1_000
    assert len(threads) < 60, "no thread per page"


def test_a_page_that_lost_its_right_gets_nothing_of_what_waits_for_it(registry: Registry, many: list[str]) -> None:
    async def run() -> None:
        keys = ApiKeys(registry.database)
        made, _ = keys.add("slow", tenants=None, scopes=["read"])
        hub = EventHub(registry, poll_seconds=0.02)
        slow, quick = await hub.listen("c0", None, None, made.id), await hub.listen("c0", None, None)
        for _ in range(3):
            await asyncio.to_thread(publish, registry, "c0")
            async with asyncio.timeout(30):
                await quick.next()
        await asyncio.to_thread(keys.revoke, made.id)
        await asyncio.to_thread(publish, registry, "c0")
        async with asyncio.timeout(30):
            await quick.next()
            assert await slow.next() is None
        hub.leave(quick)

    asyncio.run(run())


@pytest.mark.long
def test_a_page_that_takes_nothing_is_dropped_and_the_others_go_on(registry: Registry, many: list[str]) -> None:
    async def run() -> None:
        hub = EventHub(registry, poll_seconds=0.02)
        slow, quick = await hub.listen("c0", None, None), await hub.listen("c0", None, None)
        for _ in range(QUEUE_LENGTH + 20):
            await asyncio.to_thread(publish, registry, "c0")
            async with asyncio.timeout(30):
                assert await quick.next() is not None
        got = [await slow.next() for _ in range(QUEUE_LENGTH + 1)]
        assert [found is None for found in got] == [False] * QUEUE_LENGTH + [True]
        assert slow.has_ended
        assert not quick.has_ended
        again = await hub.listen("c0", None, got[-2].seq)  # type: ignore[union-attr]
        async with asyncio.timeout(30):
            assert [(await again.next()).seq - got[-2].seq for _ in range(20)] == list(range(1, 21))  # type: ignore[union-attr]
        hub.leave(quick)
        hub.leave(again)

    asyncio.run(run())


def test_no_event_is_lost_or_doubled_while_pages_come_and_writers_write(registry: Registry) -> None:
    registry.add("acme", REFRESH, CONNECTION)
    total = 60

    async def page(hub: EventHub, wait: float) -> list[int]:
        await asyncio.sleep(wait)
        listener, seen = await hub.listen("acme", None, 2), []
        while not seen or seen[-1] < total + 2:
            async with asyncio.timeout(60):
                found = await listener.next()
            assert found is not None
            seen.append(found.seq)
        hub.leave(listener)
        return seen

    async def run() -> list[list[int]]:
        hub = EventHub(registry, poll_seconds=0.01)
        pages = [asyncio.create_task(page(hub, number * 0.03)) for number in range(20)]
        for _ in range(total):
            await asyncio.to_thread(publish, registry)
        return list(await asyncio.gather(*pages))

    for seen in asyncio.run(run()):
        assert seen == list(range(3, total + 3))

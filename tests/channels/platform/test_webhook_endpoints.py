"""Endpoints on SQLite and on Postgres: which URLs are taken, how the secret is kept, what a list shows."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text, update

from zoho_pipeline.channels.errors import ChannelError, InvalidSetting
from zoho_pipeline.channels.platform import webhook_deliveries as deliveries
from zoho_pipeline.channels.platform.webhook_endpoints import Endpoints, check_url
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, Settings

URL = "https://platform.example/zoho"
Add = Callable[..., Channel]


def test_the_secret_is_shown_once_and_stored_sealed(registry: Registry) -> None:
    endpoint, secret = Endpoints(registry).add(URL, tenant="t1", events=["sync.failed", "sync.failed"])
    assert (endpoint.url, endpoint.tenant, endpoint.events) == (URL, "t1", ("sync.failed",))
    assert secret.reveal().startswith("whsec_")
    assert len(base64.b64decode(secret.reveal().removeprefix("whsec_"))) == 32
    with registry.database.read() as transaction:
        row = transaction.execute(select(tables.webhook_endpoints)).one()
    assert secret.reveal() not in str(row)
    assert Endpoints(registry).secret(endpoint.id) == secret


def test_a_new_key_encrypts_the_secrets_again_and_a_lost_one_stops_no_sync(settings: Settings) -> None:
    old, new = Secret("old-" * 10), Secret("new-" * 10)
    endpoint, secret = Endpoints(Registry(replace(settings, given_keys=(old,)))).add(URL, tenant=None)
    Registry(replace(settings, given_keys=(new, old)))
    rotated = Registry(replace(settings, given_keys=(new,)))
    assert Endpoints(rotated).secret(endpoint.id) == secret
    lost = Registry(replace(settings, given_keys=(Secret("lost" * 10), Secret("gone" * 10))))
    with pytest.raises(ChannelError, match=f"web endpoints remove {endpoint.id}"):
        Endpoints(lost).secret(endpoint.id)


@pytest.mark.parametrize(
    "url",
    [
        "", "platform.example", "http://platform.example/", "ftp://platform.example/", "https://", "https:///x",
        "https://user:pw@platform.example/", "https://user@platform.example/", "https://platform.example/#x",
        "https://platform.example:99999/", "https://[::1", "https://10.0.0.1/", "https://169.254.169.254/latest",
        "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://platform.example/" + "x" * 2_000,
        "https://platform.example/a\nb", "http://localhost.evil.example/", "https://2130706433/", "https://0x7f.1/",
        "https://127.1/", "https://a b/", "https://a;b/", "https://a..b/", "https://-/", "https://[fe80::1%25eth0]/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("loopback", [True, False])
def test_urls_that_are_refused(url: str, loopback: bool) -> None:
    with pytest.raises(InvalidSetting):
        check_url(url, loopback=loopback)


@pytest.mark.parametrize("url", ["http://localhost:9/x", "http://127.0.0.1/x", "https://[::1]:9/x"])
def test_this_machine_is_for_a_platform_on_it(url: str) -> None:
    assert check_url(url, loopback=True) == url
    with pytest.raises(InvalidSetting, match="PUBLIC_URL"):
        check_url(url, loopback=False)


def test_wrong_events_and_tenants_are_refused(registry: Registry) -> None:
    with pytest.raises(InvalidSetting, match=r"no event 'sync\.progress'"):
        Endpoints(registry).add(URL, tenant=None, events=["sync.progress"])
    for wrong in ("", "x" * 201, "a\nb", " a"):
        with pytest.raises(InvalidSetting, match="name of a tenant"):
            Endpoints(registry).add(URL, tenant=wrong)
    assert Endpoints(registry).list() == []


def test_a_list_counts_what_waits_and_what_is_dead(registry: Registry, add: Add) -> None:
    endpoints = Endpoints(registry)
    first, _ = endpoints.add(URL, tenant=None)
    second, _ = endpoints.add(URL, tenant="other")
    add()
    registry.pause("acme")
    (delivery,) = deliveries.claim(registry, 9, timedelta(minutes=1))
    assert [found.waiting for found in endpoints.list()] == [1, 0]
    assert deliveries.refused(registry, delivery, "HTTP 500", ()) == "dead"
    found = endpoints.get(first.id)
    assert (found.waiting, found.dead, found.last_problem) == (0, 1, "HTTP 500")
    endpoints.remove(first.id)
    assert [found.id for found in endpoints.list()] == [second.id]
    with registry.database.read() as transaction:
        assert transaction.execute(select(tables.webhook_deliveries)).all() == []
    for call in (endpoints.get, endpoints.remove, endpoints.secret):
        with pytest.raises(ChannelError, match="web endpoints list"):
            call(first.id)


def test_one_endpoint_takes_few_at_a_time(registry: Registry, add: Add) -> None:
    endpoints = Endpoints(registry)
    many, _ = endpoints.add(URL, tenant=None)
    add()
    for _ in range(6):
        registry.record_published(["acme"], registry.database.now())
    few, _ = endpoints.add(URL, tenant=None)
    registry.record_published(["acme"], registry.database.now())
    claimed = deliveries.claim(registry, 9, timedelta(minutes=1))
    assert sorted(delivery.endpoint_id for delivery in claimed) == sorted([many.id] * 2 + [few.id])
    assert deliveries.delivered(registry, claimed[0], "HTTP 200")
    again = deliveries.claim(registry, 9, timedelta(minutes=1))
    assert {delivery.endpoint_id for delivery in again} <= {many.id}
    assert len({(d.event_id, d.endpoint_id) for d in [*claimed, *again]}) == len(claimed) + len(again)


def test_a_secret_that_nobody_can_read_is_shown_and_holds_up_no_other(registry: Registry, add: Add) -> None:
    endpoints = Endpoints(registry)
    bad, _ = endpoints.add(URL, tenant=None)
    good, _ = endpoints.add(URL, tenant=None)
    with registry.database.write() as transaction:
        own = update(tables.webhook_endpoints).where(tables.webhook_endpoints.c.id == bad.id)
        transaction.execute(own.values(secret_seal="0:broken"))
    add()
    assert [delivery.endpoint_id for delivery in deliveries.claim(registry, 9, timedelta(minutes=1))] == [good.id]
    assert "no key decrypts" in str(endpoints.get(bad.id).last_problem)


def test_what_ended_long_ago_is_deleted(registry: Registry) -> None:
    endpoint, _ = Endpoints(registry).add(URL, tenant=None)
    now = registry.database.now()
    for status, days in (("done", 6), ("done", 8), ("dead", 29), ("dead", 31), ("waiting", 40)):
        with registry.database.write() as transaction:
            values = {"event_id": f"{status}{days}", "endpoint_id": endpoint.id, "type": "sync.failed", "body": "{}"}
            values |= {"status": status, "tries": 0, "created_at": now - timedelta(days=days)}  # type: ignore[dict-item]
            transaction.execute(insert(tables.webhook_deliveries).values(values))
    deliveries.prune(registry)
    with registry.database.read() as transaction:
        left = set(transaction.scalars(select(tables.webhook_deliveries.c.event_id)))
    assert left == {"done6", "dead29", "waiting40"}


@pytest.mark.parametrize("stored", ["{", "-1", '"sync.failed"', "", "[null]", "[" * 100_000])
def test_a_damaged_row_of_an_endpoint_stops_no_channel(registry: Registry, add: Add, stored: str) -> None:
    """Its list of types is unknown, so it gets every event. The endpoint can be listed and removed."""
    endpoint, _ = Endpoints(registry).add(URL, tenant=None, events=["connection.removed"])
    with registry.database.write() as transaction:
        statement = text("update registry_webhook_endpoints set events = :stored")
        transaction.execute(statement, {"stored": stored})
    add("acme")
    registry.remove("acme")
    with registry.database.read() as transaction:
        kinds = set(transaction.scalars(select(tables.webhook_deliveries.c.type)))
    assert kinds == {"connection.created", "connection.removed"}
    assert Endpoints(registry).get(endpoint.id).events is None
    Endpoints(registry).remove(endpoint.id)
    assert Endpoints(registry).list() == []


def test_an_endpoint_whose_row_cannot_be_read_is_removed(sqlite_settings: Settings) -> None:
    registry = Registry(sqlite_settings)
    endpoint, _ = Endpoints(registry).add(URL, tenant=None)
    with registry.database.write() as transaction:
        transaction.execute(text("update registry_webhook_endpoints set created_at = 'yesterday'"))
    Endpoints(registry).remove(endpoint.id)
    assert Endpoints(registry).list() == []

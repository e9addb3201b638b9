"""API keys over HTTP: tenants, scopes, the end, the revocation, and what a request costs the registry."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import web_keys
from zoho_pipeline.channels.registry.registry import Registry

Key = Callable[..., dict[str, str]]
BODY = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "u1", "origin": "https://app.example.com"}


@pytest.fixture
def call(client: TestClient, add: Callable[..., Channel], origins: str) -> Callable[[dict[str, str]], tuple[int, str]]:
    add()

    def post(headers: dict[str, str]) -> tuple[int, str]:
        answer = client.post("/v1/sessions", json=BODY, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    return post


def test_a_key_of_one_tenant_implies_it(call: Callable[..., object], key: Key) -> None:
    assert call(key()) == (201, "")
    assert call(key() | {"Zoho-Pipeline-Tenant": "acme-inc"}) == (201, "")
    assert call(key() | {"Zoho-Pipeline-Tenant": "other"}) == (403, "forbidden")
    assert call(key(tenants=("other",))) == (404, "not_found")


@pytest.mark.parametrize("tenants", [("acme-inc", "other"), None])
def test_a_key_of_several_tenants_names_one(
    call: Callable[..., object], key: Key, tenants: tuple[str, ...] | None
) -> None:
    headers = key(tenants=tenants)
    assert call(headers) == (400, "tenant_required")
    assert call(headers | {"Zoho-Pipeline-Tenant": "acme-inc"}) == (201, "")
    assert call(headers | {"Zoho-Pipeline-Tenant": "other"}) == (404, "not_found")
    third = call(headers | {"Zoho-Pipeline-Tenant": "third"})
    assert third == ((404, "not_found") if tenants is None else (403, "forbidden"))


def test_a_missing_scope_is_named(client: TestClient, call: Callable[..., object], key: Key) -> None:
    answer = client.post("/v1/sessions", json=BODY | {"scopes": ["read", "pii"]}, headers=key("read"))
    assert answer.status_code == 403
    assert "`pii`" in answer.json()["detail"]


def test_a_revocation_holds_from_the_next_request_on(call: Callable[..., object], key: Key, registry: Registry) -> None:
    headers = key()
    assert call(headers) == (201, "")
    keys = ApiKeys(registry.database)
    keys.revoke(keys.list()[0].id)
    assert call(headers) == (401, "unauthenticated")


def test_a_key_that_ended_is_refused(call: Callable[..., object], key: Key, registry: Registry) -> None:
    headers = key()
    assert call(headers) == (201, "")
    with registry.database.write() as transaction:
        past = registry.database.now_in(transaction) - timedelta(seconds=1)
        transaction.execute(update(web_keys).values(expires_at=past))
    assert call(headers) == (401, "unauthenticated")


def test_a_tampered_key_is_refused(call: Callable[..., object], key: Key) -> None:
    headers = key()
    secret = headers["Authorization"]
    for wrong in (secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret + "A", secret[:-1], secret.upper()):
        assert call({"Authorization": wrong}) == (401, "unauthenticated")
    assert call({"Authorization": secret.replace("Bearer", "Basic")}) == (401, "unauthenticated")
    assert call({}) == (401, "unauthenticated")
    assert call(headers) == (201, "")


def test_a_known_key_costs_the_registry_nothing(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key()
    statements: list[str] = []
    found = client.app.state.services.registry.database.engine  # type: ignore[attr-defined]
    from sqlalchemy import event

    client.post("/v1/sessions", json={}, headers=headers)
    client.post("/v1/sessions", json={}, headers=headers)

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(found, "before_cursor_execute", note)
    assert [client.post("/v1/sessions", json={}, headers=headers).status_code for _ in range(20)] == [422] * 20
    assert statements == []
    assert ApiKeys(registry.database).list()[0].last_used_at is not None

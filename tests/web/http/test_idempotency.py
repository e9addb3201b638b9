"""A repeated request does nothing twice, and gets the first answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import idempotency
from zoho_pipeline.channels.registry.registry import Registry

Key = Callable[..., dict[str, str]]
BODY = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "u1", "origin": "https://app.example.com"}


def age(registry: Registry, **span: float) -> None:
    """Make every stored answer older."""
    with registry.database.write() as transaction:
        before = registry.database.now_in(transaction) - timedelta(**span)
        transaction.execute(update(idempotency).values(created_at=before))


def made(registry: Registry) -> int:
    return sum(row["action"] == "session.created" for row in Audit(registry.database).rows())


@pytest.fixture
def post(client: TestClient, key: Key, add: Callable[..., Channel], origins: str) -> Callable[..., Any]:
    add()
    headers = key()

    def send(name: str, body: dict[str, Any] = BODY, **more: str) -> Any:
        return client.post("/v1/sessions", json=body, headers={**headers, "Idempotency-Key": name, **more})

    return send


def test_the_same_request_gets_the_same_answer(post: Callable[..., Any], registry: Registry) -> None:
    first, second = post("one"), post("one")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["content-type"] == "application/json"
    assert made(registry) == 1
    assert post("two").json() != first.json()
    assert made(registry) == 2


def test_another_request_with_the_key_is_refused(post: Callable[..., Any], registry: Registry) -> None:
    post("one")
    other = post("one", BODY | {"end_user": "u2"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert made(registry) == 1


def test_a_refusal_is_repeated_too_and_a_wrong_proof_is_not(post: Callable[..., Any]) -> None:
    unknown = BODY | {"channel_ids": ["nobody"]}
    assert [post("one", unknown).status_code for _ in range(2)] == [404, 404]
    assert post("one", unknown).headers["Idempotency-Replayed"] == "true"
    assert post("two", Authorization="Bearer zpk_wrong").status_code == 401
    assert post("two").status_code == 201


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\tb", "\xe9"])
def test_a_key_of_a_wrong_form_is_refused(post: Callable[..., Any], name: str) -> None:
    answer = post(name.encode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_longest_key_works(post: Callable[..., Any]) -> None:
    assert [post("x" * 64).status_code for _ in range(2)] == [201, 201]


def test_an_answer_with_a_secret_is_sealed_and_kept_for_ten_minutes(
    post: Callable[..., Any], registry: Registry
) -> None:
    token = post("one").json()["token"]
    assert registry.database.path is not None
    stored = registry.database.path.read_bytes()
    assert token.encode() not in stored
    assert token.rpartition(".")[2].encode() not in stored
    age(registry, seconds=590)
    assert post("one").json()["token"] == token
    age(registry, seconds=610)
    late = post("one")
    assert (late.status_code, late.json()["code"]) == (409, "idempotency_expired")
    with registry.database.read() as transaction:
        assert transaction.execute(select(idempotency.c.body)).scalars().all() == [None]


def test_an_answer_is_forgotten_after_a_day(post: Callable[..., Any], registry: Registry) -> None:
    post("one")
    age(registry, hours=24, seconds=1)
    assert "Idempotency-Replayed" not in post("one").headers
    assert made(registry) == 2


def test_a_running_request_refuses_a_second_one_and_a_dead_one_does_not(
    post: Callable[..., Any], registry: Registry
) -> None:
    post("one")
    with registry.database.write() as transaction:  # as a process leaves it that is killed in the middle
        transaction.execute(update(idempotency).values(status=None, body=None))
    running = post("one")
    assert (running.status_code, running.json()["code"]) == (409, "conflict")
    assert running.headers["Retry-After"] == "1"
    age(registry, seconds=310)
    again = post("one")
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in again.headers
    assert post("one").json() == again.json()


def test_callers_do_not_meet(client: TestClient, key: Key, add: Callable[..., Channel], origins: str) -> None:
    """Two keys, and two tenants of one key, have their own answers."""
    add()
    one, other = key(), key(tenants=("acme-inc", "other"))
    first = client.post("/v1/sessions", json=BODY, headers=one | {"Idempotency-Key": "k"})
    for headers in (other | {"Zoho-Pipeline-Tenant": "acme-inc"}, other | {"Zoho-Pipeline-Tenant": "other"}):
        answer = client.post("/v1/sessions", json=BODY, headers=headers | {"Idempotency-Key": "k"})
        assert "Idempotency-Replayed" not in answer.headers
        assert answer.json() != first.json()


def test_a_revoked_key_gets_no_stored_answer(
    client: TestClient, key: Key, add: Callable[..., Channel], origins: str, registry: Registry
) -> None:
    add()
    headers = key() | {"Idempotency-Key": "k"}
    assert client.post("/v1/sessions", json=BODY, headers=headers).status_code == 201
    keys = ApiKeys(registry.database)
    keys.revoke(keys.list()[0].id)
    assert client.post("/v1/sessions", json=BODY, headers=headers).status_code == 401

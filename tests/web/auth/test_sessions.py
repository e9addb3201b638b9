"""`POST /v1/sessions`: never broader than the key, and nothing about channels of others."""

import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from tests.web.conftest import ORIGIN
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import web_keys
from zoho_pipeline.channels.registry.registry import Registry

Key = Callable[..., dict[str, str]]
BODY = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "asha@example.com", "origin": ORIGIN}


@pytest.fixture(autouse=True)
def _channels(add: Callable[..., Channel], origins: str) -> None:
    add("acme", "acme-inc")
    add("acme.two", "acme-inc")
    add("foreign", "other")
    add("ownerless", None)


def test_the_token_says_what_was_asked_for(client: TestClient, key: Key) -> None:
    body = BODY | {"channel_ids": ["acme", "acme.two", "acme"], "scopes": ["read", "connect"]}
    answer = client.post("/v1/sessions", json=body, headers=key())
    assert answer.status_code == 201
    found = answer.json()
    claims = jwt.decode(found["token"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["ten"]) == ("http://localhost:8480", "zoho-pipeline", "acme-inc")
    assert (claims["sub"], claims["chs"], claims["org"]) == ("asha@example.com", ["acme", "acme.two"], ORIGIN)
    assert sorted(claims["scp"]) == ["connect", "read"]
    assert claims["exp"] - claims["iat"] == 1800
    assert datetime.fromisoformat(found["expires_at"]).timestamp() == claims["exp"]
    embed = urlsplit(found["embed_url"])
    assert embed.path == "/embed/channels/acme"
    link = jwt.decode(parse_qs(embed.query)["t"][0], options={"verify_signature": False})
    assert (link["aud"], link["exp"] - link["iat"]) == ("embed", 600)
    assert found["connect_url"] == "http://localhost:8480/zohoCrm/connect?channel_id=acme"


def test_an_embed_token_is_no_session_token(client: TestClient, key: Key) -> None:
    found = client.post("/v1/sessions", json=BODY, headers=key()).json()
    embed = parse_qs(urlsplit(found["embed_url"]).query)["t"][0]
    for token, status in ((found["token"], 403), (embed, 401)):
        answer = client.post("/v1/sessions", json=BODY, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


@pytest.mark.parametrize("channel", ["foreign", "nobody", "ownerless", "ACME", "' or 1=1 --", "../acme", "x" * 64])
def test_a_channel_that_is_not_the_tenants_is_one_404(client: TestClient, key: Key, channel: str) -> None:
    headers = key()
    nobody = client.post("/v1/sessions", json=BODY | {"channel_ids": ["nobody"]}, headers=headers).json()
    answer = client.post("/v1/sessions", json=BODY | {"channel_ids": ["acme", channel]}, headers=headers)
    assert answer.status_code == 404
    assert {**answer.json(), "request_id": ""} == {**nobody, "request_id": ""}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://app.example.com.evil.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/path",
        "https://app.example.com@evil.com",
        "*",
        "null",
        "",
        "javascript:alert(1)",
    ],
)
def test_an_origin_outside_the_list_is_refused(client: TestClient, key: Key, origin: str) -> None:
    answer = client.post("/v1/sessions", json=BODY | {"origin": origin}, headers=key())
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "origin")


def test_an_origin_is_compared_as_browsers_write_it(client: TestClient, key: Key) -> None:
    body = BODY | {"origin": "HTTPS://App.Example.com:443"}
    token = client.post("/v1/sessions", json=body, headers=key()).json()["token"]
    assert jwt.decode(token, options={"verify_signature": False})["org"] == ORIGIN


def test_a_scope_that_does_not_exist_is_no_scope(client: TestClient, key: Key) -> None:
    answer = client.post("/v1/sessions", json=BODY | {"scopes": ["root"]}, headers=key())
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "scopes")


def test_a_token_ends_with_the_key_that_made_it(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key()
    token = client.post("/v1/sessions", json=BODY, headers=headers).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.post("/v1/sessions", json=BODY, headers=bearer).status_code == 403
    keys = ApiKeys(registry.database)
    keys.revoke(keys.list()[0].id)
    assert client.post("/v1/sessions", json=BODY, headers=bearer).status_code == 401


def test_a_token_does_not_outlive_the_key(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key()
    with registry.database.write() as transaction:
        soon = registry.database.now_in(transaction).replace(microsecond=0)
        transaction.execute(update(web_keys).values(expires_at=soon.fromtimestamp(soon.timestamp() + 60, soon.tzinfo)))
    found = client.post("/v1/sessions", json=BODY, headers=headers).json()
    assert datetime.fromisoformat(found["expires_at"]).timestamp() <= time.time() + 60


def test_neither_logs_nor_the_audit_name_the_end_user(
    client: TestClient, key: Key, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = client.post("/v1/sessions", json=BODY, headers=key()).json()["token"]
    client.post("/v1/sessions", json=BODY, headers={"Authorization": f"Bearer {token}"})
    assert "session:" in caplog.text
    assert "asha" not in caplog.text
    assert registry.database.path is not None
    assert b"asha" not in registry.database.path.read_bytes()
    assert token not in caplog.text

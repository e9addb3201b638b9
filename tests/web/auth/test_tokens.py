"""Hand-made tokens: each wrong one is refused, and a good one does what it says and nothing more."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient

from tests.params import each_nth
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.encryption import derive
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.web.app import create_app

ISSUER = "http://localhost:8480"
PROBE = "/v1/sessions"
"""A session token that is good is refused here as `forbidden`, and any other one as `unauthenticated`."""


def key_id(key: Secret) -> str:
    return derive(key, "key id").hex()[:8]


@pytest.fixture
def maker(registry: Registry) -> str:
    """The id of the API key that the tokens name."""
    found, _ = ApiKeys(registry.database).add("maker", tenants=("acme-inc",), scopes=("read",))
    return found.id


@pytest.fixture
def claims(maker: str) -> dict[str, Any]:
    now = int(time.time())
    who = {"sub": "u1", "ten": "acme-inc", "chs": ["acme"], "scp": ["read"], "org": "https://app.example.com"}
    return who | {"iss": ISSUER, "aud": "zoho-pipeline", "iat": now, "exp": now + 900, "jti": "j1", "key": maker}


@pytest.fixture
def sign(settings: Settings) -> Callable[..., str]:
    def make(claims: dict[str, Any], audience: str = "zoho-pipeline", **header: Any) -> str:
        newest = settings.secret_keys[0]
        headers = {"kid": key_id(newest)} | header
        return jwt.encode(claims, derive(newest, f"token {audience}"), "HS256", headers=headers)

    return make


def status(client: TestClient, token: str) -> int:
    answer = client.post(PROBE, headers={"Authorization": f"Bearer {token}"}, json={})
    return answer.status_code


def good(client: TestClient, token: str) -> bool:
    body = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "u", "origin": "https://app.example.com"}
    answer = client.post(PROBE, headers={"Authorization": f"Bearer {token}"}, json=body)
    assert answer.status_code in (401, 403), answer.text
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthenticated"
    return answer.status_code == 403


def test_a_token_made_by_hand_is_good(client: TestClient, claims: dict[str, Any], sign: Callable[..., str]) -> None:
    assert good(client, sign(claims))


@pytest.mark.parametrize(
    "change",
    each_nth(
        3,
        [
            {"exp": None},
            {"iat": None},
            {"aud": None},
            {"iss": None},
            {"jti": None},
            {"ten": None},
            {"sub": None},
            {"chs": None},
            {"scp": None},
            {"key": None},
            {"aud": "embed"},
            {"aud": "operator"},
            {"aud": ["zoho-pipeline", "embed"]},
            {"iss": "http://localhost:8481"},
            {"iss": "https://evil.example.com"},
            {"iat": int(time.time()) + 3_600, "exp": int(time.time()) + 4_000},
            {"exp": int(time.time()) - 1},
            {"exp": int(time.time()) + 86_400},
            {"iat": int(time.time()) - 7_200, "exp": int(time.time()) + 900},
            {"exp": "9999999999"},
            {"exp": 9e99},
            {"exp": True},
            {"iat": "1"},
            {"ten": ["acme-inc"]},
            {"ten": ""},
            {"chs": "acme"},
            {"chs": [1]},
            {"scp": ["read", "root"]},
            {"scp": "read admin"},
            {"key": "000000000000"},
            {"jti": 1},
        ],
    ),
)
def test_a_wrong_claim_is_refused(
    client: TestClient, claims: dict[str, Any], sign: Callable[..., str], change: dict[str, Any]
) -> None:
    changed = {name: value for name, value in (claims | change).items() if value is not None}
    assert not good(client, sign(changed))


def test_a_token_signed_for_another_purpose_is_refused(
    client: TestClient, claims: dict[str, Any], sign: Callable[..., str], settings: Settings
) -> None:
    for purpose in ("embed", "operator", "login"):
        assert not good(client, sign(claims, purpose))
    for key in (settings.secret_keys[0].reveal().encode(), b"", derive(settings.secret_keys[0], "seal")):
        headers = {"kid": key_id(settings.secret_keys[0])}
        assert not good(client, _hs256(headers | {"alg": "HS256"}, claims, key))


def test_another_algorithm_is_refused(client: TestClient, claims: dict[str, Any], settings: Settings) -> None:
    kid = key_id(settings.secret_keys[0])
    for name in ("none", "None", "NONE", ""):
        unsigned = f"{_part({'alg': name, 'typ': 'JWT', 'kid': kid})}.{_part(claims)}."
        assert not good(client, unsigned)
        assert not good(client, unsigned + _part("x"))
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not good(client, jwt.encode(claims, private, "RS256", headers={"kid": kid}))
    # the public key of an RS256 token, used as the secret of HS256
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert not good(client, _hs256({"alg": "HS256", "kid": kid}, claims, public))
    own = derive(settings.secret_keys[0], "token zoho-pipeline")
    assert not good(client, jwt.encode(claims, own + own, "HS512", headers={"kid": kid}))
    assert not good(client, _hs256({"alg": "HS512", "kid": kid}, claims, own))


def test_the_key_is_chosen_by_its_id_alone(
    client: TestClient, claims: dict[str, Any], sign: Callable[..., str]
) -> None:
    for kid in ("00000000", "", "../../dev/null", "' or 1=1 --", 7, None, {"a": 1}):
        header = {"kid": kid} if isinstance(kid, str) else {}
        token = sign(claims, **header)
        if not header:
            parts = token.split(".")
            parts[0] = _part({"alg": "HS256", "typ": "JWT"} | ({} if kid is None else {"kid": kid}))
            token = ".".join(parts)
        assert not good(client, token)
    inside = {"jwk": {"kty": "oct", "k": "AAAA"}, "jku": "http://127.0.0.1:1/keys"}
    assert good(client, sign(claims, **inside))  # neither is read


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "..", "." * 9_000, "e30.e30.", "zpk_", "zpk_abc_def", "\xff.\xff.\xff"]
)
def test_what_is_no_token_is_refused(client: TestClient, text: str) -> None:
    answer = client.post(PROBE, headers={"Authorization": f"Bearer {text}".encode("latin-1")}, json={})
    assert answer.status_code == 401


def test_no_character_of_a_token_can_be_changed(
    client: TestClient, claims: dict[str, Any], sign: Callable[..., str]
) -> None:
    token = sign(claims)
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        assert not good(client, token[:place] + other + token[place + 1 :])


def test_each_key_verifies_and_the_newest_signs(
    settings: Settings, claims: dict[str, Any], sign: Callable[..., str]
) -> None:
    old = settings.secret_keys[0]
    newer = replace(settings, given_keys=(Secret("n" * 40), old))
    gone = replace(settings, given_keys=(Secret("n" * 40),))
    token = sign(claims)
    with TestClient(create_app(newer, ServiceSettings()), base_url=ISSUER) as client:
        assert good(client, token)
    with TestClient(create_app(gone, ServiceSettings()), base_url=ISSUER) as client:
        assert not good(client, token)


def test_a_token_of_another_tenant_reaches_nothing_here(
    client: TestClient, claims: dict[str, Any], sign: Callable[..., str], add: Callable[..., Channel]
) -> None:
    add("acme", "acme-inc")
    token = sign(claims | {"ten": "other", "chs": ["acme"], "scp": ["connect"]})
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/zohoCrm/connect?channel_id=acme", headers=headers).status_code == 404
    mine = {"Authorization": f"Bearer {sign(claims)}", "Zoho-Pipeline-Tenant": "other"}
    assert client.post(PROBE, headers=mine, json={}).status_code in (403, 422)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _hs256(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    body = f"{_part(header)}.{_part(claims)}"
    digest = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_no_other_text_passes_for_a_token(client: TestClient, claims: dict[str, Any], sign: Callable[..., str]) -> None:
    """Base64 has unused bits and padding: a decoder reads some edited tokens as the signed one."""
    token = sign(claims)
    assert status(client, token) == 422, "the token is good, and the body is missing"
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + digit for digit in digits if digit != token[-1]]
    others += [token + "=", token + "==", token + "!", f"{token[:-5]}!{token[-5:]}", token.replace("_", "/")]
    assert {status(client, other) for other in others if other != token} == {401}

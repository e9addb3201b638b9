"""`POST /v1/forms/{form_key}`: each answer, from browsers and from servers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient
from standardwebhooks.webhooks import Webhook

from tests.params import each_nth
from tests.web.forms.conftest import PAGE, good, stored
from zoho_pipeline.channels.forms import person_keys, salts, submissions
from zoho_pipeline.channels.forms.form_keys import FormKey, FormKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.web.app import create_app

Post = Callable[..., httpx.Response]
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": PAGE}


def test_a_submission_is_stored_hashed(post: Post, registry: Registry, form: FormKey) -> None:
    answer = post(utm_campaign="spring", unknown="dropped", landing_url="https://www.acme.in/seo?utm_source=blog")
    assert (answer.status_code, answer.json()) == (202, {"stored": True})
    (row,) = stored(registry)
    salt = salts.salt_of(registry, "acme")
    assert salt is not None
    assert row["row"]["email_key"] == person_keys.email_key(salt, "asha@acme.in")
    assert row["row"]["phone_key"] == person_keys.phone_key(salt, "9876543210")
    assert row["row"]["utm_campaign"] == "spring"
    assert row["row"]["consent_text_version"] == "v1"
    assert "unknown" not in row["row"]
    assert (row["row"]["is_suspect"], row["row"]["suspect_reason"]) == (False, None)
    found = FormKeys(registry).get(form.form_key)
    assert (found.stored, found.suspect, found.no_consent) == (1, 0, 0)
    assert found.last_at is not None


def test_the_inner_hashes_of_a_client_make_the_same_keys(post: Post, registry: Registry) -> None:
    post()
    post(
        email=...,
        phone=...,
        email_sha256=str(person_keys.email_hash("asha@acme.in")).upper(),
        phone_sha256=person_keys.phone_hash("98765 43210"),
    )
    first, second = (row["row"] for row in stored(registry))
    assert (first["email_key"], first["phone_key"]) == (second["email_key"], second["phone_key"])


def test_a_replay_is_stored_once_and_another_content_is_a_conflict(post: Post, registry: Registry) -> None:
    same = str(uuid4())
    assert post(submission_id=same).status_code == 202
    again = post(submission_id=same.upper())
    assert (again.status_code, again.json()) == (200, {"stored": True})
    other = post(submission_id=same, utm_source="mail")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert post(submission_id=same, email="other@acme.in").status_code == 409
    assert len(stored(registry)) == 1


@pytest.mark.parametrize("consent", [{"analytics": False}, {"analytics": False, "text_version": "v1"}])
def test_without_consent_nothing_is_stored_but_a_number(
    post: Post, registry: Registry, form: FormKey, consent: dict[str, Any]
) -> None:
    answer = post(consent=consent, email="not an address")
    assert (answer.status_code, answer.json()) == (202, {"stored": False, "reason": "no_consent"})
    assert stored(registry) == []
    assert FormKeys(registry).get(form.form_key).no_consent == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    each_nth(
        3,
        [
            ({"submission_id": ...}, "submission_id"),
            ({"submission_id": "7"}, "submission_id"),
            ({"consent": ...}, "consent"),
            ({"consent": "yes"}, "consent"),
            ({"consent": {"analytics": "maybe"}}, "consent.analytics"),
            ({"consent": {"analytics": True}}, "consent.text_version"),
            ({"email": "nobody"}, "email"),
            ({"email": ["a@acme.in"]}, "email"),
            ({"email_sha256": "a" * 64}, "email_sha256"),
            ({"phone": ..., "phone_sha256": "12"}, "phone_sha256"),
            ({"utm_source": "x" * 2001}, "utm_source"),
            ({"utm_source": "a\0b"}, "utm_source"),
            ({"elapsed_ms": -1}, "elapsed_ms"),
            ({"elapsed_ms": -0.5}, "elapsed_ms"),
            ({"elapsed_ms": True}, "elapsed_ms"),
            ({"elapsed_ms": [9000]}, "elapsed_ms"),
            ({"elapsed_ms": "nan"}, "elapsed_ms"),
            ({"elapsed_ms": "Infinity"}, "elapsed_ms"),
            ({"elapsed_ms": "9" * 400}, "elapsed_ms"),  # beyond what a number can be
            ({"elapsed_ms": "1_000"}, "elapsed_ms"),
            ({"submitted_at": "yesterday"}, "submitted_at"),
            ({"submitted_at": "2026-05-01T12:00:00"}, "submitted_at"),
            ({"submitted_at": (datetime.now(UTC) - timedelta(days=7, minutes=1)).isoformat()}, "submitted_at"),
            # more than the hours that may lie between the collection of the tests and this one
            ({"submitted_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "submitted_at"),
        ],
    ),
)
def test_a_wrong_field_is_named_without_its_value(
    post: Post, registry: Registry, fields: dict[str, Any], wrong: str
) -> None:
    answer = post(**fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == [wrong]
    assert "nobody" not in answer.text
    assert stored(registry) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    each_nth(
        3,
        [
            *((8200.75, 8200), ("8200.75", 8200), (" 8200 ", 8200), ("8.2e3", 8200), (0, 0), (0.9, 0), ("", None)),
            *((None, None), (1e300, 2**53), ("1e+300", 2**53), (2**60, 2**53)),
        ],
    ),
)
def test_a_time_is_kept_in_whole_milliseconds(post: Post, registry: Registry, sent: Any, kept: int | None) -> None:
    """A browser measures with `performance.now()`, which gives fractions."""
    assert post(elapsed_ms=sent).status_code == 202
    assert stored(registry)[0]["row"]["elapsed_ms"] == kept


def test_a_late_submission_has_its_own_time(post: Post, registry: Registry) -> None:
    at = datetime.now(UTC) - timedelta(days=6, hours=23)
    assert post(submitted_at=at.isoformat()).status_code == 202
    assert datetime.fromisoformat(stored(registry)[0]["row"]["submitted_at"]) == at


def test_a_forgotten_submission_is_gone(post: Post, registry: Registry) -> None:
    same = str(uuid4())
    assert post(submission_id=same).status_code == 202
    with registry.database.write() as transaction:
        hashes = [row["id_hash"] for row in stored(registry)]
        submissions.forget(transaction, "acme", hashes, registry.database.now_in(transaction))
    answer = post(submission_id=same)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    (row,) = stored(registry)
    assert {name: row[name] for name in ("submission_id", "content_hash", "email_key", "phone_key", "row")} == (
        dict.fromkeys(("submission_id", "content_hash", "email_key", "phone_key", "row"))
    )


@pytest.mark.parametrize("origin", [None, "null", "https://acme.in", "http://www.acme.in", f"{PAGE}.evil.in"])
def test_a_foreign_page_is_refused(post: Post, registry: Registry, origin: str | None) -> None:
    answer = post(origin=origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in answer.headers
    assert stored(registry) == []


def test_an_unknown_key_and_a_removed_one_are_not_found(
    client: TestClient, post: Post, registry: Registry, form: FormKey
) -> None:
    unknown = client.post("/v1/forms/fk_0", json=good(), headers={"Origin": PAGE})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert post().status_code == 202
    FormKeys(registry).remove(form.form_key)
    assert post().status_code == 404  # although the key is remembered
    assert post().status_code == 404
    assert len(stored(registry)) == 1


def test_a_browser_may_read_the_answer_and_sends_no_credentials(post: Post) -> None:
    for answer in (post(), post(submission_id="7")):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Origin" in answer.headers["Vary"]
        assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_is_answered_for_the_pages_of_the_key(client: TestClient, form: FormKey) -> None:
    def ask(origin: str, key: str = form.form_key) -> httpx.Response:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return client.options(f"/v1/forms/{key}", headers=asked)

    answer = ask(PAGE)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert ask("https://evil.in").status_code == 403
    assert ask(PAGE, "fk_0").status_code == 404


def test_a_form_of_html_is_read(client: TestClient, form: FormKey, registry: Registry) -> None:
    fields = {"submission_id": str(uuid4()), "consent[analytics]": "on", "consent[text_version]": "v2"}
    fields |= {"email": "asha@acme.in", "elapsed_ms": "9000", "utm_source": ""}
    assert client.post(f"/v1/forms/{form.form_key}", data=fields, headers=FORM).status_code == 202
    dotted = {"submission_id": str(uuid4()), "consent.analytics": "true", "consent.text_version": "v2"}
    assert client.post(f"/v1/forms/{form.form_key}", data=dotted, headers=FORM).status_code == 202
    unticked = {"submission_id": str(uuid4()), "consent[text_version]": "v2", "email": "asha@acme.in"}
    assert client.post(f"/v1/forms/{form.form_key}", data=unticked, headers=FORM).json()["stored"] is False
    many = {**dotted, "submission_id": str(uuid4()), **{f"other[{n}]": "x" for n in range(300)}}
    assert client.post(f"/v1/forms/{form.form_key}", data=many, headers=FORM).status_code == 202  # dropped, as in JSON
    first, second, _ = (row["row"] for row in sorted(stored(registry), key=lambda row: row["received_at"]))
    assert (first["elapsed_ms"], first["consent_text_version"]) == (9000, "v2")
    assert "utm_source" not in first
    assert second["email_key"] is None


def test_other_bodies_are_refused(client: TestClient, form: FormKey) -> None:
    path, page = f"/v1/forms/{form.form_key}", {"Origin": PAGE}
    assert client.post(path, json=[1], headers=page).status_code == 400
    assert client.post(path, content=b"{", headers={**page, "Content-Type": "application/json"}).status_code == 400
    text = client.post(path, content=b"a", headers={**page, "Content-Type": "text/plain"})
    assert text.status_code == 415
    both = "Send the body as `Content-Type: application/json` or `application/x-www-form-urlencoded`."
    assert text.json()["detail"] == both
    large = client.post(path, json=good(more="x" * 70_000), headers=page)
    assert (large.status_code, large.headers["Access-Control-Allow-Origin"]) == (413, PAGE)
    assert client.get(path).status_code == 405


def test_a_server_posts_with_an_api_key(post: Post, key: Callable[..., dict[str, str]]) -> None:
    assert post(origin=None, headers=key("forms")).status_code == 202
    assert post(origin=None, headers=key("read")).status_code == 403
    assert post(origin=None, headers=key("forms", tenants=("other-inc",))).status_code == 404
    assert post(origin=None, headers={"Authorization": "Bearer zpk_000000000000_x"}).status_code == 401


def test_a_server_posts_with_a_signature(client: TestClient, made: tuple[FormKey, Secret]) -> None:
    form, secret = made

    def send(at: float, secret: Secret = secret, **more: str) -> int:
        body = httpx.Request("POST", "http://x", json=good()).content
        moment = datetime.fromtimestamp(int(at), UTC)
        signature = Webhook(secret.reveal()).sign("msg_1", moment, body.decode())
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}
        headers |= {"Content-Type": "application/json", **more}
        return client.post(f"/v1/forms/{form.form_key}", content=body, headers=headers).status_code

    assert send(time.time()) == 202
    assert send(time.time() - 600) == 401
    assert send(time.time(), Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")) == 401
    assert send(time.time(), **{"webhook-signature": "nonsense"}) == 401
    assert send(time.time(), **{"webhook-timestamp": "soon"}) == 401


def test_one_address_may_send_sixty_a_minute_and_a_server_more(post: Post, key: Callable[..., dict[str, str]]) -> None:
    assert {post(consent={"analytics": False}).status_code for _ in range(60)} == {202}
    refused = post()
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE
    server = key("forms")
    assert {post(origin=None, headers=server, email=f"a{n}@acme.in").status_code for n in range(70)} == {202}


def test_one_key_takes_six_hundred_a_minute_and_another_form_is_not_touched(
    settings: Settings, form: FormKey, add: Callable[..., Channel], registry: Registry
) -> None:
    """Bodies of a wrong type are quick to refuse, and count too: the gate judges before it reads."""
    add("other", "other-inc")
    other, _ = FormKeys(registry).add("other", [PAGE])
    service = ServiceSettings(trusted_proxies=(ip_network("127.0.0.0/8"),))
    with TestClient(create_app(settings, service), client=("127.0.0.1", 1)) as client:

        def send(form_key: str, address: int, **body: Any) -> int:
            headers = {"Origin": PAGE, "X-Forwarded-For": f"198.51.100.{address}"}
            return client.post(f"/v1/forms/{form_key}", headers=headers, **body).status_code

        text: dict[str, Any] = {"content": b"x"}
        assert {send(form.form_key, n // 50, **text) for n in range(600)} == {415}
        assert send(form.form_key, 99, json=good()) == 429
        assert send(other.form_key, 99, json=good()) == 202


PROOFS = ({"Authorization": "Bearer zpk_0"}, {"webhook-signature": "v1,eA=="})


@pytest.mark.long
@pytest.mark.parametrize("proof", PROOFS)
def test_who_proves_nothing_does_not_close_the_form_for_visitors(
    client: TestClient, post: Post, form: FormKey, proof: dict[str, str]
) -> None:
    path, body = f"/v1/forms/{form.form_key}", good()
    refused = [client.post(path, json=body, headers=proof).status_code for _ in range(610)]
    assert refused == [401] * 60 + [429] * 550
    assert post().status_code == 202


def test_the_keys_of_two_channels_differ(
    client: TestClient, post: Post, add: Callable[..., Channel], registry: Registry
) -> None:
    add("other", "other-inc")
    other, _ = FormKeys(registry).add("other", [PAGE])
    post()
    client.post(f"/v1/forms/{other.form_key}", json=good(), headers={"Origin": PAGE})
    first, second = (row["row"]["email_key"] for row in stored(registry))
    assert first != second


def counted(client: TestClient) -> dict[str, float]:
    """result → posts of forms, as `/metrics` says it to this machine."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("zoho_form_posts_total")]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_count_the_posts_by_their_result(
    settings: Settings, made: tuple[FormKey, Secret], key: Callable[..., dict[str, str]]
) -> None:
    path, page, same = f"/v1/forms/{made[0].form_key}", {"Origin": PAGE}, good()
    app = create_app(settings, ServiceSettings())
    with TestClient(app, client=("127.0.0.1", 1)) as client:
        assert counted(client) == {}
        for body in (same, same, good(hp="x"), good(hp="x"), good(consent={"analytics": False}), good(email="x")):
            client.post(path, json=body, headers=page)
        client.post(path, json={**same, "utm_source": "mail"}, headers=page)
        client.post(path, content=b"{", headers=page)
        client.post(path, content=b"{", headers={**page, "Content-Type": "application/json"})
        client.post(path, json=good(), headers={"Origin": "https://evil.in"})
        client.post("/v1/forms/fk_<marker>", json=good(), headers=page)
        client.post(path, json=good(), headers=key("read"))
        client.post(path, json=good(), headers={"Authorization": "Bearer zpk_0"})
        client.post(path, json=good(more="x" * 70_000), headers=page)
        client.options(path, headers={**page, "Access-Control-Request-Method": "POST"})
        client.get(path)
        expected = {"accepted": 1, "replay": 1, "suspect": 2, "no_consent": 1, "invalid": 1, "conflict": 1}
        expected |= {"unsupported_media": 1, "bad_request": 1, "forbidden": 2, "not_found": 1, "unauthenticated": 1}
        assert counted(client) == expected | {"too_large": 1}
        assert made[0].form_key not in client.get("/metrics").text


def test_nobody_learns_what_is_suspect(post: Post, registry: Registry, form: FormKey) -> None:
    assert post(hp="I am a robot").json() == {"stored": True}
    assert stored(registry)[0]["row"]["suspect_reason"] == "honeypot"
    assert FormKeys(registry).get(form.form_key).suspect == 1


def test_the_sixth_of_one_address_in_a_minute_is_suspect(
    post: Post, registry: Registry, key: Callable[..., dict[str, str]]
) -> None:
    for _ in range(6):
        assert post().status_code == 202
    reasons = [row["row"]["suspect_reason"] for row in sorted(stored(registry), key=lambda row: row["received_at"])]
    assert reasons == [None] * 5 + ["too_many"]
    server = key("forms")
    for _ in range(7):
        post(origin=None, headers=server)
    assert sum(row["row"]["is_suspect"] for row in stored(registry)) == 1

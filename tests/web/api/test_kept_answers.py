"""A kept answer is given again only to the same caller, and only as long as nothing changed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.channels.conftest import CONNECTION
from tests.web.world import put
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.http.rate_limits import RateLimits

pytestmark = pytest.mark.usefixtures("channels")
PATH = "/v1/channels/acme"


def test_the_same_bytes_come_again_with_headers_of_their_own(
    client: TestClient, key: Callable[..., dict[str, str]]
) -> None:
    headers = key("read")
    first, second = client.get(PATH, headers=headers), client.get(PATH, headers=headers)
    assert first.content == second.content
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    for name in ("Content-Security-Policy", "Cache-Control", "Content-Type", "Content-Length"):
        assert first.headers[name] == second.headers[name]
    assert client.head(PATH, headers=headers).headers["Content-Length"] == first.headers["Content-Length"]


def test_a_revoked_key_gets_nothing_at_once(client: TestClient, registry: Registry) -> None:
    made, secret = ApiKeys(registry.database).add("x", tenants=["acme-inc"], scopes=["read"])
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    assert [client.get(PATH, headers=headers).status_code for _ in range(2)] == [200, 200]
    ApiKeys(registry.database).revoke(made.id)
    assert client.get(PATH, headers=headers).status_code == 401


def test_a_change_of_the_registry_is_seen_at_once(
    client: TestClient, registry: Registry, key: Callable[..., dict[str, str]]
) -> None:
    headers = key("read")
    assert [client.get(PATH, headers=headers).json()["status"] for _ in range(2)] == ["connected", "connected"]
    registry.pause("acme")
    assert client.get(PATH, headers=headers).json()["status"] == "paused"


def test_a_publication_is_seen_at_once(
    client: TestClient, world: Path, settings: Settings, key: Callable[..., dict[str, str]]
) -> None:
    headers = key("read")
    before = [client.get(PATH, headers=headers).json()["leads"]["total"] for _ in range(2)]
    assert before[0] == before[1] > 10
    put(world, settings.home, "delete from marts.lead where channel_id = 'acme' and zoho_lead_id > '5000000100'")
    assert client.get(PATH, headers=headers).json()["leads"]["total"] != before[0]


def test_nobody_else_gets_it(client: TestClient, key: Callable[..., dict[str, str]]) -> None:
    mine, other = key("read"), key("read", tenants=("foreign-inc",))
    both = key("read", tenants=("acme-inc", "foreign-inc"))
    assert client.get(PATH, headers=mine).status_code == 200
    assert client.get(PATH, headers=other).status_code == 404
    assert client.get(PATH).status_code == 401
    assert client.get(PATH, headers=both).status_code == 400
    named = {name: both | {"Zoho-Pipeline-Tenant": name} for name in ("acme-inc", "foreign-inc")}
    for _ in range(2):
        assert client.get(PATH, headers=named["acme-inc"]).status_code == 200
        assert client.get(PATH, headers=named["foreign-inc"]).status_code == 404
    assert client.get(PATH, headers=key("sync")).status_code == 403


def test_kept_answers_count_for_the_limit(settings: Settings, key: Callable[..., dict[str, str]]) -> None:
    app = create_app(settings, ServiceSettings(), rate_limits=RateLimits(per_minute=3))
    client, headers = TestClient(app), key("read")
    answers = [client.get(PATH, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["Retry-After"]) >= 1
    assert answers[3].json()["code"] == "rate_limited"


def test_an_error_is_not_kept(
    client: TestClient, registry: Registry, world: Path, settings: Settings, key: Callable[..., dict[str, str]]
) -> None:
    headers = key("read")
    late = "/v1/channels/late/insight"
    assert [client.get(late, headers=headers).status_code for _ in range(2)] == [409, 409]
    missing = "/v1/channels/new"
    assert client.get(missing, headers=headers).status_code == 404


def test_the_metrics_know_the_route_of_a_kept_answer(settings: Settings, key: Callable[..., dict[str, str]]) -> None:
    client = TestClient(create_app(settings, ServiceSettings(metrics="key")))
    headers = key("read")
    for _ in range(3):
        client.get(PATH, headers=headers)
    text = client.get("/metrics", headers=key("metrics")).text
    assert 'zoho_http_requests_total{method="GET",route="/v1/channels/{id}",status="200"} 3.0' in text


def test_a_caller_may_refuse_a_kept_answer(
    world: Path, settings_env: Callable[..., dict[str, str]], postgres_url: str
) -> None:
    """On Postgres an answer may be a second old. A page that was told of a change needs the answer of now."""
    settings = load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=postgres_url))
    registry = Registry(settings)
    registry.add("acme", Secret("1000.acme"), CONNECTION, tenant="acme-inc")
    put(world, settings.home)
    _, secret = ApiKeys(registry.database).add("x", tenants=["acme-inc"], scopes=["read"])
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    with TestClient(create_app(settings, ServiceSettings()), base_url="http://localhost:8480") as client:
        for status, change in (("paused", registry.pause), ("never_synced", registry.resume)):
            client.get(PATH, headers=headers)
            change("acme")
            new = client.get(PATH, headers={**headers, "Cache-Control": "no-cache"})
            assert new.json()["status"] == status

"""Health, readiness, metrics, the page about the API, and what happens when something breaks."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app


def app_client(
    settings: Settings, address: str = "127.0.0.1", starts_worker: bool = False, **values: str
) -> TestClient:
    app = create_app(settings, ServiceSettings(**values), starts_worker=starts_worker)  # type: ignore[arg-type]
    return TestClient(app, base_url="http://localhost:8480", client=(address, 4000), raise_server_exceptions=False)


def worker_lease(registry: Registry, seconds: float) -> None:
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        until = now + timedelta(seconds=seconds)
        if not transaction.execute(update(tables.workers).values(lease_until=until)).rowcount:
            transaction.execute(insert(tables.workers).values(id="w", host="h", started_at=now, lease_until=until))


def test_the_process_answers_even_without_its_data(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "registry.sqlite").write_text("no database")
    client = app_client(settings)
    assert client.get("/healthz").json() == {"ok": True}
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["registry"]["ok"] is False
    assert str(settings.home) not in ready.text, "anybody may ask, and a path is nobody's business"


def test_a_new_installation_is_ready(settings: Settings) -> None:
    ready = app_client(settings).get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["checks"]) == {"registry", "published", "worker_lease", "push_renewal"}


def test_a_published_file_that_cannot_be_read_is_not_ready(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "warehouse.published.duckdb").write_bytes(b"x" * 5000)
    ready = app_client(settings).get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["published"]["ok"] is False
    assert str(settings.home) not in ready.text


def test_the_worker_of_this_server_must_live(settings: Settings, registry: Registry) -> None:
    client = app_client(settings, starts_worker=True)
    assert client.get("/readyz").status_code == 503
    worker_lease(registry, 30)
    assert client.get("/readyz").json()["checks"]["worker_lease"] == {"ok": True, "detail": "A worker is alive."}
    worker_lease(registry, -61)
    assert client.get("/readyz").status_code == 503


def test_metrics_count_routes_and_not_ids(settings: Settings) -> None:
    client = app_client(settings)
    for name in ("one", "two", "<three>"):
        client.get(f"/v1/channels/{name}/nothing/{name}")
    client.request("PURGE", "/healthz")
    client.get("/healthz")
    text = client.get("/metrics").text
    assert 'zoho_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in text
    assert 'method="other"' in text
    assert "two" not in text
    assert "three" not in text
    assert "zoho_workers 0.0" in text


@pytest.mark.parametrize(
    ("address", "headers"),
    [("192.0.2.7", {}), ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}), ("127.0.0.1", {"Forwarded": "for=1"})],
)
def test_metrics_are_for_this_machine_alone(settings: Settings, address: str, headers: dict[str, str]) -> None:
    """A proxy on this machine forwards requests of others."""
    assert app_client(settings, address).get("/metrics", headers=headers).status_code == 404


def test_metrics_can_be_for_keys_or_for_nobody(settings: Settings, key: Callable[..., dict[str, str]]) -> None:
    client = app_client(settings, "192.0.2.7", metrics="key")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=key("read")).status_code == 403
    assert client.get("/metrics", headers=key("metrics")).status_code == 200
    assert app_client(settings, metrics="off").get("/metrics").status_code == 404


def test_the_page_about_the_api_names_each_operation_and_no_other_host(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    page = client.get("/docs")
    assert page.status_code == 200
    for path, methods in described["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for operation in methods.values():
            assert operation.get("summary"), path
    visible = re.sub(r"<[^>]+>", "", page.text)
    assert "`" not in visible, "Markdown is shown as code, and not as it is written"
    assert "<code>Authorization: Bearer</code>" in page.text
    links = page.text.replace("http://localhost:8480", "")
    assert "http" not in links
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert client.get("/docs/style.css").headers["Content-Type"].startswith("text/css")


def test_a_defect_is_a_problem_without_its_text(settings: Settings) -> None:
    app = create_app(settings, ServiceSettings())

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("1000.secret.token of acme")

    answer = TestClient(app, raise_server_exceptions=False).get("/broken")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "internal"
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"]
    assert "secret" not in answer.text


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/healthz", "/nothing", "/docs", "/openapi.json"):
        headers = client.get(path, headers={"X-Request-Id": "caller-7.request"}).headers
        assert headers["X-Request-Id"] == "caller-7.request"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert client.get("/healthz", headers={"X-Request-Id": "<script>"}).headers["X-Request-Id"] != "<script>"

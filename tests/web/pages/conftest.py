"""The published world, links to the page in a frame, and an operator, for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.web.world import channels, world
from zoho_pipeline.settings import Settings, load_settings
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import Tokens
from zoho_pipeline.web.services import WebServices

__all__ = ["channels", "embed", "operator", "world"]

HTML = {"Accept": "text/html"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a client at Zoho, so that a consent can begin."""
    env = {"ZOHO_PIPELINE_HOME": str(tmp_path / "home"), "ZOHO_CLIENT_ID": "1000.C", "ZOHO_CLIENT_SECRET": "s"}
    return load_settings(env, dotenv=tmp_path / "no.env")


@pytest.fixture
def embed(client: TestClient, key: Callable[..., dict[str, str]], origins: str) -> Callable[..., str]:
    """`embed(channel, *scopes)` → the path of the page in a frame, with its token."""

    def make(channel_id: str = "acme", *scopes: str) -> str:
        wanted = list(scopes or ("read", "sync", "admin", "connect"))
        body = {"channel_ids": [channel_id], "scopes": wanted, "end_user": "u1", "origin": origins}
        answer = client.post("/v1/sessions", json=body, headers=key())
        assert answer.status_code == 201, answer.text
        parts = urlsplit(answer.json()["embed_url"])
        return f"{parts.path}?{parts.query}"

    return make


@pytest.fixture
def operator(client: TestClient, settings: Settings) -> TestClient:
    """The client with the operator's cookie."""
    services: WebServices = client.app.state.services  # type: ignore[attr-defined]
    link = login_link(Tokens(settings.secret_keys, services.service.public_url, services.clock))
    assert client.get(link, headers=HTML).status_code == 200
    return client

"""A web server on real settings. Tests call the ASGI app through Starlette's client, or a real server where needed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.channels.conftest import CONNECTION
from tests.registries import new_registry
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.platform.tenants import Tenants
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.principal import SCOPES


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path / "home")}, dotenv=tmp_path / "no.env")


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return new_registry(settings)


@pytest.fixture
def add(registry: Registry) -> Callable[..., Channel]:
    """`add(id, tenant)` registers a channel without a call to Zoho. Each has an org of its own."""

    def build(channel_id: str = "acme", tenant: str | None = "acme-inc") -> Channel:
        connection = replace(CONNECTION, org_id=f"org of {channel_id}", user_id=f"user of {channel_id}")
        return registry.add(channel_id, Secret(f"1000.{channel_id}"), connection, tenant=tenant)

    return build


ORIGIN = "https://app.example.com"


@pytest.fixture
def origins(registry: Registry) -> str:
    """An origin that the tenant `acme-inc` allows."""
    Tenants(registry.database).set_origins("acme-inc", [ORIGIN])
    return ORIGIN


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings, ServiceSettings())
    with TestClient(app, base_url="http://localhost:8480", raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def key(registry: Registry) -> Callable[..., dict[str, str]]:
    """Makes an API key and returns the headers of its calls."""

    def make(*scopes: str, tenants: tuple[str, ...] | None = ("acme-inc",)) -> dict[str, str]:
        _, secret = ApiKeys(registry.database).add("test", tenants=tenants, scopes=scopes or SCOPES)
        return {"Authorization": f"Bearer {secret.reveal()}"}

    return make

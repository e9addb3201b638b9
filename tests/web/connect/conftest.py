"""A web server with a simulated Zoho as the region `sim`, and a person with a browser."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.channels.wire import DC, Person, settings_for
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.web.app import create_app

OWN = "http://localhost:8480"
CALLBACK = f"{OWN}/zohoCrm/callback"


@pytest.fixture
def settings(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Settings:
    settings = settings_for(simulator, settings_env)
    simulator.add_client("1000.TESTCLIENT", "test-client-secret-0123456789", {CALLBACK})
    return settings


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org("Acme", time_zone="America/New_York", currency="USD", edition="Professional")


@pytest.fixture
def person(org: Org) -> Person:
    return Person(org, org.admin)


@dataclass
class Browser:
    """A browser with its own cookies."""

    app: Any
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(
            self.app, base_url=OWN, follow_redirects=False, raise_server_exceptions=False, client=("127.0.0.1", 5)
        )

    def start(self, start_url: str) -> str:
        """Open the link of a session; the address of Zoho's page."""
        answer = self.client.get(start_url.removeprefix(OWN))
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    def back(self, params: dict[str, str], **headers: str) -> Any:
        """Come back from Zoho."""
        return self.client.get(f"/zohoCrm/callback?{urlencode(params)}", headers=headers)


@dataclass
class Platform:
    """The backend of a platform: it prepares consents and asks how they ended."""

    client: TestClient
    headers: dict[str, str]

    def connect(self, channel_id: str = "acme", region: str = DC, **more: str) -> Any:
        query = urlencode({"channel_id": channel_id, "region": region, **more})
        return self.client.get(f"/zohoCrm/connect?{query}", headers=self.headers)

    def status(self, session_id: str, wait: int = 0) -> Any:
        return self.client.get(f"/v1/connect/{session_id}?wait={wait}", headers=self.headers)


@pytest.fixture
def client(settings: Settings) -> Any:
    app = create_app(settings, ServiceSettings())
    with TestClient(app, base_url=OWN, raise_server_exceptions=False, follow_redirects=False) as found:
        yield found


@pytest.fixture
def platform(client: TestClient, key: Callable[..., dict[str, str]]) -> Platform:
    return Platform(client, key())


@pytest.fixture
def browser(client: TestClient) -> Browser:
    return Browser(client.app)


@pytest.fixture
def audit(registry: Registry) -> Callable[[], list[tuple[object, object]]]:
    """(action, detail) of each row of the audit."""
    return lambda: [(row["action"], row["detail"]) for row in Audit(registry.database).rows()]


def state_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["state"]


def grants(simulator: Simulator) -> list[str]:
    """The orgs whose tokens are valid at Zoho."""
    return [grant.org_id for grant in simulator.hub.tokens.grants.values()]

"""The operator connects a channel from the list: a form, then a link that begins the consent."""

import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.channels.platform.connect_sessions import ConnectSessions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import Tokens
from zoho_pipeline.web.services import WebServices

pytestmark = pytest.mark.usefixtures("channels")
LINK = re.compile(r'href="(/zohoCrm/start\?session=([^"]+))"')


def test_the_list_leads_to_the_form(operator: TestClient) -> None:
    assert 'href="/ui/connect"' in operator.get("/ui").text
    page = operator.get("/ui/connect")
    assert page.status_code == 200
    assert "http://localhost:8480/zohoCrm/callback" in page.text
    assert 'value="in"' in page.text


def test_a_data_centre_of_the_settings_comes_first(settings: Settings, registry: Registry) -> None:
    local = replace(settings, data_centers={"sim": "http://127.0.0.1:9"})
    with TestClient(create_app(local, ServiceSettings()), base_url="http://localhost:8480") as client:
        found: WebServices = client.app.state.services  # type: ignore[attr-defined]
        client.get(login_link(Tokens(local.secret_keys, found.service.public_url, registry.database.now)))
        page = client.get("/ui/connect").text
    assert 'value="sim"' in page
    assert "sg, sim." in page


def test_the_address_of_the_server_leads_to_the_list(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html"})
    assert (answer.url.path, answer.status_code) == ("/ui", 401)
    assert "zoho-pipeline web login" in answer.text


def test_a_new_channel_of_a_tenant(operator: TestClient, registry: Registry) -> None:
    page = operator.get("/ui/connect", params={"channel_id": "new.crm", "tenant": " new-inc ", "region": "eu"})
    assert page.status_code == 200
    found = LINK.search(page.text)
    assert found is not None
    session = ConnectSessions(registry.database).get(found.group(2))
    assert session is not None
    assert (session.channel_id, session.tenant, session.request["data_center"]) == ("new.crm", "new-inc", "eu")
    start = operator.get(found.group(1), follow_redirects=False)
    assert start.status_code == 302
    assert start.headers["Location"].startswith("https://accounts.zoho.eu/")


def test_a_known_channel_keeps_its_tenant(operator: TestClient, registry: Registry) -> None:
    page = operator.get("/ui/connect", params={"channel_id": "acme", "tenant": "thief-inc"})
    found = LINK.search(page.text)
    assert found is not None
    session = ConnectSessions(registry.database).get(found.group(2))
    assert session is not None
    assert session.tenant == "acme-inc"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"channel_id": "no id", "tenant": "t"}, "cannot be a channel id"),
        ({"channel_id": "new", "tenant": ""}, "needs a tenant"),
        ({"channel_id": "new", "tenant": "t", "region": "mars"}, "no region"),
        ({"channel_id": "ACME", "tenant": "t"}, "in other case"),
        ({"channel_id": "<script>", "tenant": "<b>"}, "cannot be a channel id"),
    ],
)
def test_bad_input_is_said_on_the_form(operator: TestClient, params: dict[str, str], said: str) -> None:
    page = operator.get("/ui/connect", params=params)
    assert page.status_code == 422
    assert said in page.text
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert LINK.search(page.text) is None


def test_it_is_for_the_operator_alone(client: TestClient) -> None:
    assert client.get("/ui/connect", params={"channel_id": "new", "tenant": "t"}).status_code == 401


def test_what_prepares_a_consent_takes_no_head(operator: TestClient) -> None:
    for path in ("/ui/connect", "/ui/channels/acme/reconnect", "/embed/channels/acme/reconnect"):
        assert operator.head(path).status_code == 405

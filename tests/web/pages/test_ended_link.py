"""A link to the page in a frame that has ended: the person sees our words, and not the browser's own error."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.auth.tokens import EMBED, SESSION, Audience, Tokens

pytestmark = pytest.mark.usefixtures("channels")
HTML = {"Accept": "text/html"}
ORIGIN = "https://app.example.com"
Link = Callable[..., str]


@pytest.fixture
def ended(settings: Settings, registry: Registry) -> Link:
    def make(audience: Audience = EMBED, issuer: str = "http://localhost:8480") -> str:
        tokens = Tokens(settings.secret_keys, issuer, lambda: registry.database.now() - timedelta(minutes=20))
        claims = {"sub": "u", "ten": "acme-inc", "chs": ["acme"], "scp": ["read", "sync"], "org": ORIGIN, "key": "k"}
        return tokens.make(audience, 600, **claims)[0]

    return make


def ancestors(client: TestClient, link: str, path: str = "") -> str:
    if path:
        answer = client.post(f"/embed/channels/acme/{path}", data={"t": link}, headers=HTML)
    else:
        answer = client.get("/embed/channels/acme", params={"t": link}, headers=HTML)
    assert answer.status_code == 401
    assert "This page has ended" in answer.text
    assert ("x-frame-options" in answer.headers) == ("'none'" in answer.headers["Content-Security-Policy"][-40:])
    return answer.headers["Content-Security-Policy"].rpartition("frame-ancestors ")[2]


def test_a_form_of_another_address_is_told_which_one_works(operator: TestClient) -> None:
    for origin in ("http://127.0.0.1:8480", "null", ""):
        answer = operator.post("/ui/logout", headers=HTML | {"Origin": origin})
        assert answer.status_code == 403
    answer = operator.post("/ui/channels/acme/pause", headers=HTML | {"Origin": "http://127.0.0.1:8480"})
    assert answer.status_code == 403
    assert "does not begin with http://localhost:8480, log in with the link" in answer.text


def test_the_page_around_it_may_show_that_it_has_ended(client: TestClient, ended: Link) -> None:
    assert ancestors(client, ended()) == ORIGIN
    assert ancestors(client, ended(), "syncs") == ORIGIN
    assert client.get("/v1/channels/acme", headers={"Authorization": f"Bearer {ended()}"}).status_code == 401


def test_nobody_else_may(client: TestClient, ended: Link) -> None:
    link = ended()
    for other in ("", "x.y.z", link[:-4] + "AAAA", ended(SESSION), ended(issuer="https://other.example")):
        assert ancestors(client, other) == "'none'"
        assert ancestors(client, other, "pause") == "'none'"

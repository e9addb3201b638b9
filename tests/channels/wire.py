"""A simulator as a separate data center, and a person at its consent page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator, User
from zoho_pipeline.simulator.accounts.consent import issue_code

CLIENT_ID, CLIENT_SECRET = "1000.TESTCLIENT", "test-client-secret-0123456789"
SCOPES = "ZohoCRM.modules.READ ZohoCRM.users.READ ZohoCRM.org.READ"
DC = "sim"


def settings_for(simulator: Simulator, env: Callable[..., dict[str, str]], **extra: str) -> Settings:
    """Settings in which the simulator is the data center `sim`."""
    simulator.add_client(CLIENT_ID, CLIENT_SECRET)
    return load_settings(env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"{DC}": "{simulator.url}"}}', **extra))


def refresh_token(org: Org, scopes: str = SCOPES, user: User | None = None) -> Secret:
    """A refresh token that was made elsewhere, as `channels add` receives it."""
    return Secret(org.grant(CLIENT_ID, CLIENT_SECRET, scopes, *([user] if user else [])))


def self_client_code(simulator: Simulator, org: Org) -> Secret:
    """A grant code made in the API console: it has no redirect URI."""
    form = {"scope": SCOPES, "access_type": "offline"}
    with simulator.hub.lock:
        client = simulator.hub.tokens.clients[CLIENT_ID]
        return Secret(issue_code(simulator.hub, client, form, org, org.admin.id).value)


def token_requests(simulator: Simulator) -> list[Any]:
    """The calls that requested an access token, whatever their result."""
    return [call for call in simulator.requests if call.path.endswith("/oauth/v2/token")]


@dataclass
class Person:
    """Plays the browser: opens the authorisation URL, decides, and follows the redirect to the callback."""

    org: Org
    user: User
    decision: str = "accept"
    change: dict[str, str | None] = field(default_factory=dict)
    """The parameters of the callback that are changed, or dropped (None)."""
    target: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    pages: list[httpx.Response] = field(default_factory=list)

    def callback(self, url: str) -> dict[str, str]:
        """Consent at `url`, and return the parameters that Zoho sends back."""
        self.parameters = dict(parse_qsl(urlsplit(url).query))
        shown = httpx.get(url, trust_env=False)
        assert shown.status_code == 200, shown.text
        form = self.parameters | {"choice": f"{self.org.id}:{self.user.id}", "decision": self.decision}
        answer = httpx.post(url.split("?")[0], data=form, trust_env=False)
        assert answer.status_code == 302, answer.text
        self.target, _, query = answer.headers["location"].partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True)) | self.change
        return {name: value for name, value in params.items() if value is not None}

    def __call__(self, url: str) -> bool:
        """Open the browser and go on to the page that the callback shows."""
        params = self.callback(url)
        self.pages.append(httpx.get(f"{self.target}?{urlencode(params)}", trust_env=False))
        return True

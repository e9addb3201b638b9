"""Connecting and disconnecting, against a real simulator: consent, grant code, refresh token, verification."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.channels.consent.conftest import CALLBACK, consent, ignore
from tests.channels.wire import (
    CLIENT_ID,
    CLIENT_SECRET,
    DC,
    Person,
    refresh_token,
    token_requests,
)
from zoho_pipeline.channels.access.verify import verify
from zoho_pipeline.channels.consent.connect import authorize, connect, finish
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.consent.signed_state import ConsentRequest, write_state
from zoho_pipeline.channels.errors import (
    ConnectError,
    ConsentDenied,
    InvalidSetting,
    NoCallback,
    OtherOrg,
    StateExpired,
    StateForged,
    StateUsed,
)
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, SettingsError
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts import scopes
from zoho_pipeline.zoho.errors import (
    ClientRejected,
    CodeRejected,
    ForeignApiDomain,
    RefreshTokenMissing,
    UnknownDataCenter,
)

# Consent in the browser


def test_the_browser_flow_ends_in_a_verified_channel(registry: Registry, person: Person, simulator: Simulator) -> None:
    announced: list[str] = []
    channel = connect(
        registry, "acme", data_center=DC, tenant="t1", port=0, announce=announced.append, open_browser=person
    )
    assert announced[0].startswith(f"{simulator.url}/oauth/v2/auth?")
    assert person.parameters["access_type"] == "offline"
    assert person.parameters["prompt"] == "consent"
    assert person.parameters["scope"].split(",") == list(scopes.DEFAULT_SCOPES)
    assert (channel.org_name, channel.timezone, channel.currency) == ("Acme", "America/New_York", "USD")
    assert (channel.edition, channel.is_admin, channel.user_name) == ("professional", True, "Asha Admin")
    assert (channel.data_center, channel.api_domain, channel.tenant) == (DC, simulator.url, "t1")
    assert channel.scopes == scopes.DEFAULT_SCOPES
    assert channel.credits_used == 2
    assert registry.get("acme") == channel
    page = person.pages[0]
    assert page.status_code == 200
    assert "Channel acme is connected to Acme" in page.text
    assert page.headers["cache-control"] == "no-store"
    # the access token of the exchange is kept, so no second one is requested
    assert len(token_requests(simulator)) == 1
    verify(registry, "acme")
    assert len(token_requests(simulator)) == 1


def test_minimal_scopes_leave_the_org_unknown(registry: Registry, person: Person, org: Org) -> None:
    person.user = org.add_user(last_name="Low", time_zone="Europe/Berlin")
    channel = finish(registry, consent(registry, person, scopes=scopes.MINIMAL_SCOPES))
    assert channel.scopes == scopes.MINIMAL_SCOPES
    assert (channel.timezone, channel.currency, channel.org_id, channel.is_admin) == (
        "Europe/Berlin",
        None,
        None,
        False,
    )
    assert not channel.allows("org")


def test_scopes_that_the_answer_does_not_name_are_those_asked_for(
    registry: Registry, person: Person, simulator: Simulator
) -> None:
    simulator.switches.token_scope = False
    assert finish(registry, consent(registry, person)).scopes == scopes.DEFAULT_SCOPES


def test_the_home_data_centre_of_the_callback_wins(registry: Registry, person: Person, simulator: Simulator) -> None:
    """The consent begins at one data center, which redirects to another. The code is exchanged only at the latter."""
    with Simulator.start() as home:
        home.add_client(CLIENT_ID, CLIENT_SECRET)
        theirs = home.add_org("Home", location="home")
        both = Registry(replace(registry.settings, data_centers={DC: simulator.url, "home": home.url}))
        authorization = authorize(both, "acme", redirect_uri=CALLBACK, data_center=DC)
        moved = authorization.url.replace(simulator.url, home.url)
        params = Person(theirs, theirs.admin).callback(moved)
        assert (params["location"], params["accounts-server"]) == ("home", home.url)
        assert finish(both, params).data_center == "home"
        # a location is enough if the callback names no server
        again = Person(theirs, theirs.admin, change={"accounts-server": None}).callback(
            authorize(both, "acme", redirect_uri=CALLBACK, data_center=DC).url.replace(simulator.url, home.url)
        )
        assert finish(both, again).data_center == "home"
    assert token_requests(simulator) == []


@pytest.mark.parametrize(
    "forged",
    [
        "https://accounts.zoho.com.evil.example",
        "https://accounts.zoho.com@127.0.0.1",
        "http://127.0.0.1:1",
        "javascript:0",
    ],
)
def test_a_forged_accounts_server_sees_no_secret(
    registry: Registry, person: Person, simulator: Simulator, forged: str
) -> None:
    """A server listens on loopback and is not in the table of data centers. It must receive no request."""
    params = consent(registry, person)
    with Simulator.start() as thief, pytest.raises(UnknownDataCenter):
        finish(registry, params | {"accounts-server": thief.url if "127.0.0.1:1" in forged else forged})
    assert thief.requests == []
    assert token_requests(simulator) == []
    assert registry.list() == ()


def test_a_foreign_api_domain_sees_no_token(registry: Registry, person: Person, simulator: Simulator) -> None:
    with Simulator.start() as thief:
        simulator.switches.api_domain = thief.url
        with pytest.raises(ForeignApiDomain, match="Nothing was sent there"):
            finish(registry, consent(registry, person))
        with pytest.raises(ForeignApiDomain):
            register_from_refresh_token(registry, "acme", refresh_token(person.org), data_center=DC)
        assert thief.requests == []
    assert registry.list() == ()


# Each failure has its own message


def test_denial(registry: Registry, person: Person, simulator: Simulator) -> None:
    person.decision = "reject"
    with pytest.raises(ConsentDenied, match=r"did not connect channel acme: access_denied") as caught:
        connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=person)
    assert caught.value.exit_code == 1
    assert person.pages[0].status_code == 400
    assert "access_denied" in person.pages[0].text
    with pytest.raises(ConsentDenied):
        finish(registry, {"error": "access_denied"})
    assert token_requests(simulator) == []


def test_a_callback_that_was_not_started_here(registry: Registry, person: Person, simulator: Simulator) -> None:
    params = consent(registry, person)
    stranger = Encryptor([Secret("s" * 40)])
    theirs = write_state(stranger, ConsentRequest("acme", DC, CALLBACK, (), 2**33))
    for state in (theirs, "", params["state"][:-4] + "AAAA", params["state"].split(".")[0]):
        with pytest.raises(StateForged, match="not started here"):
            finish(registry, params | {"state": state})
    with pytest.raises(StateForged):
        finish(registry, {name: value for name, value in params.items() if name != "state"})
    assert token_requests(simulator) == []
    assert finish(registry, params).id == "acme"  # none of these used up the state


def test_a_consent_that_took_too_long(registry: Registry, person: Person, simulator: Simulator) -> None:
    with pytest.raises(StateExpired, match="longer than 10 minutes"):
        finish(registry, consent(registry, person, life_seconds=-1))
    assert token_requests(simulator) == []


def test_a_callback_that_comes_twice(registry: Registry, person: Person, simulator: Simulator) -> None:
    params = consent(registry, person)
    finish(registry, params)
    with pytest.raises(StateUsed, match="was used before"):
        finish(Registry(registry.settings), params)
    assert len(token_requests(simulator)) == 1


def test_a_code_that_was_used_elsewhere(registry: Registry, person: Person) -> None:
    used = consent(registry, person)
    finish(registry, used)
    with pytest.raises(CodeRejected, match="used"):
        finish(registry, consent(registry, person) | {"code": used["code"]})


def test_no_code_at_all(registry: Registry, person: Person) -> None:
    with pytest.raises(ConnectError, match="no code"):
        finish(registry, consent(registry, person) | {"code": ""})


def test_no_refresh_token(registry: Registry, person: Person, simulator: Simulator) -> None:
    simulator.switches.drop_refresh_token = True
    with pytest.raises(RefreshTokenMissing, match="prompt=consent"):
        finish(registry, consent(registry, person))
    assert registry.list() == ()


def test_another_org_than_last_time_is_refused_and_its_token_revoked(
    registry: Registry, person: Person, simulator: Simulator
) -> None:
    before = finish(registry, consent(registry, person))
    other = simulator.add_org("Other")
    with pytest.raises(OtherOrg, match=r"is connected to org Acme .* is for org Other .*Use another channel id"):
        finish(registry, consent(registry, Person(other, other.admin)))
    assert registry.get("acme") == before
    assert [grant.org_id for grant in simulator.hub.tokens.grants.values()] == [person.org.id]
    with pytest.raises(OtherOrg):
        register_from_refresh_token(registry, "acme", refresh_token(other), data_center=DC)
    assert register_from_refresh_token(registry, "other", refresh_token(other), data_center=DC).org_name == "Other"
    assert verify(registry, "acme").org_name == "Acme"


def test_a_client_that_zoho_does_not_know(registry: Registry, person: Person) -> None:
    params = consent(registry, person)
    wrong = Registry(replace(registry.settings, client_secret=Secret("wrong")))
    with pytest.raises(ClientRejected, match="ZOHO_CLIENT_SECRET"):
        finish(wrong, params)
    with pytest.raises(SettingsError, match="ZOHO_CLIENT_ID"):
        authorize(Registry(replace(registry.settings, client_id=None)), "acme", redirect_uri=CALLBACK)


def test_what_is_wrong_before_the_browser_opens(registry: Registry) -> None:
    with pytest.raises(UnknownDataCenter, match="Known: us, eu"):
        authorize(registry, "acme", redirect_uri=CALLBACK, data_center="mars")
    with pytest.raises(InvalidSetting, match="channel id"):
        authorize(registry, "a/b", redirect_uri=CALLBACK)
    with pytest.raises(InvalidSetting, match="time zone"):
        authorize(registry, "acme", redirect_uri=CALLBACK, timezone="Mars/Base")


def test_nobody_comes_back(registry: Registry) -> None:
    with pytest.raises(NoCallback, match="nobody finished the consent"):
        connect(registry, "acme", data_center=DC, port=0, timeout=0.1, announce=ignore, open_browser=lambda url: False)


def test_a_port_that_is_taken(registry: Registry, simulator: Simulator) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(NoCallback, match="--port"):
        connect(registry, "acme", data_center=DC, port=port, announce=ignore, open_browser=lambda url: False)


def test_only_the_callback_is_answered_and_text_is_escaped(registry: Registry, person: Person) -> None:
    pages: list[httpx.Response] = []

    def strays(url: str) -> None:
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        person.callback(url)
        place = person.target
        root = place.removesuffix("/callback")
        pages.append(httpx.get(f"{root}/favicon.ico", trust_env=False))
        pages.append(httpx.get(f"{place}?error=<script>&state={state}", trust_env=False))

    with pytest.raises(ConsentDenied):
        connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=strays)
    assert [page.status_code for page in pages] == [404, 400]
    assert "<script>" not in pages[1].text


def test_the_consent_starts_at_the_channels_own_centre(
    registry: Registry, person: Person, simulator: Simulator
) -> None:
    assert authorize(registry, "acme", redirect_uri=CALLBACK).url.startswith("https://accounts.zoho.com/")
    finish(registry, consent(registry, person))
    assert authorize(registry, "acme", redirect_uri=CALLBACK).url.startswith(simulator.url)

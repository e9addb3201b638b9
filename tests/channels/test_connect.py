"""Connecting and disconnecting, against a real simulator: consent, grant code, refresh token, verification."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.channels.wire import (
    CLIENT_ID,
    CLIENT_SECRET,
    DC,
    SCOPES,
    Person,
    refresh_token,
    self_client_code,
    settings_for,
    token_requests,
)
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.verify import verify
from zoho_pipeline.channels.consent.connect import (
    authorize,
    connect,
    finish,
    register_from_grant_code,
    register_from_refresh_token,
    remove,
)
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
    UnknownChannel,
)
from zoho_pipeline.channels.registry.encryption import Sealer
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError, Secret, SettingsError
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts import scopes
from zoho_pipeline.zoho.errors import (
    ClientRejected,
    CodeRejected,
    ForeignApiDomain,
    ReconnectNeeded,
    RefreshTokenMissing,
    RefreshTokenRevoked,
    ScopeMissing,
    ServerFault,
    UnknownDataCenter,
)
from zoho_pipeline.zoho.read import metadata
from zoho_pipeline.zoho.read import org as zoho_org

_announced: list[str] = []
unheard = _announced.append
CALLBACK = "http://localhost:8414/callback"


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org("Acme", time_zone="America/New_York", currency="USD", edition="Professional")


@pytest.fixture
def registry(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Registry:
    return Registry(settings_for(simulator, settings_env))


@pytest.fixture
def person(org: Org) -> Person:
    return Person(org, org.admin)


def consent(registry: Registry, person: Person, channel_id: str = "acme", **options: Any) -> dict[str, str]:
    """The parameters of a callback, as a web service's route would get them."""
    return person.callback(authorize(registry, channel_id, redirect_uri=CALLBACK, data_center=DC, **options).url)


# The browser's way


def test_the_browser_flow_ends_in_a_verified_channel(registry: Registry, person: Person, simulator: Simulator) -> None:
    announced: list[str] = []
    channel = connect(
        registry, "acme", data_center=DC, tenant="t1", port=0, announce=announced.append, open_browser=person
    )
    assert announced[0].startswith(f"{simulator.url}/oauth/v2/auth?")
    assert person.asked["access_type"] == "offline"
    assert person.asked["prompt"] == "consent"
    assert person.asked["scope"].split(",") == list(scopes.DEFAULT_SCOPES)
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
    # the access token of the exchange is kept: no second one is asked for
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
    """Asked at one centre, sent on to another: the code is exchanged there and only there."""
    with Simulator.start() as home:
        home.add_client(CLIENT_ID, CLIENT_SECRET)
        theirs = home.add_org("Home", location="home")
        both = Registry(replace(registry.settings, data_centers={DC: simulator.url, "home": home.url}))
        asked = authorize(both, "acme", redirect_uri=CALLBACK, data_center=DC)
        moved = asked.url.replace(simulator.url, home.url)
        params = Person(theirs, theirs.admin).callback(moved)
        assert (params["location"], params["accounts-server"]) == ("home", home.url)
        assert finish(both, params).data_center == "home"
        # a location alone will do where no server is named
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
    """At the wire: a server that listens on loopback, is not in the table, and must not be asked."""
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


# Each its own message


def test_denial(registry: Registry, person: Person, simulator: Simulator) -> None:
    person.decision = "reject"
    with pytest.raises(ConsentDenied, match=r"did not connect channel acme: access_denied") as caught:
        connect(registry, "acme", data_center=DC, port=0, announce=unheard, open_browser=person)
    assert caught.value.exit_code == 1
    assert person.pages[0].status_code == 400
    assert "access_denied" in person.pages[0].text
    with pytest.raises(ConsentDenied):
        finish(registry, {"error": "access_denied"})
    assert token_requests(simulator) == []


def test_a_callback_that_was_not_started_here(registry: Registry, person: Person, simulator: Simulator) -> None:
    params = consent(registry, person)
    stranger = Sealer([Secret("s" * 40)])
    theirs = write_state(stranger, ConsentRequest("acme", DC, CALLBACK, (), 2**33))
    for state in (theirs, "", params["state"][:-4] + "AAAA", params["state"].split(".")[0]):
        with pytest.raises(StateForged, match="not started here"):
            finish(registry, params | {"state": state})
    with pytest.raises(StateForged):
        finish(registry, {name: value for name, value in params.items() if name != "state"})
    assert token_requests(simulator) == []
    assert finish(registry, params).id == "acme"  # none of that used it up


def test_a_consent_that_took_too_long(registry: Registry, person: Person, simulator: Simulator) -> None:
    with pytest.raises(StateExpired, match="longer than 10 minutes"):
        finish(registry, consent(registry, person, life_seconds=-1))
    assert token_requests(simulator) == []


def test_a_callback_that_comes_twice(registry: Registry, person: Person, simulator: Simulator) -> None:
    params = consent(registry, person)
    finish(registry, params)
    with pytest.raises(StateUsed, match="has come back before"):
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
        connect(registry, "acme", data_center=DC, port=0, timeout=0.1, announce=unheard, open_browser=lambda url: False)


def test_a_port_that_is_taken(registry: Registry, simulator: Simulator) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(NoCallback, match="--port"):
        connect(registry, "acme", data_center=DC, port=port, announce=unheard, open_browser=lambda url: False)


def test_only_the_callback_is_answered_and_text_is_escaped(registry: Registry, person: Person) -> None:
    pages: list[httpx.Response] = []

    def strays(url: str) -> None:
        person.callback(url)
        place = person.target
        root = place.removesuffix("/callback")
        pages.append(httpx.get(f"{root}/favicon.ico", trust_env=False))
        pages.append(httpx.get(f"{place}?error=<script>", trust_env=False))

    with pytest.raises(ConsentDenied):
        connect(registry, "acme", data_center=DC, port=0, announce=unheard, open_browser=strays)
    assert [page.status_code for page in pages] == [404, 400]
    assert "<script>" not in pages[1].text


def test_the_consent_starts_at_the_channels_own_centre(
    registry: Registry, person: Person, simulator: Simulator
) -> None:
    assert authorize(registry, "acme", redirect_uri=CALLBACK).url.startswith("https://accounts.zoho.com/")
    finish(registry, consent(registry, person))
    assert authorize(registry, "acme", redirect_uri=CALLBACK).url.startswith(simulator.url)


# A token or a code at hand


def test_a_refresh_token_at_hand(registry: Registry, simulator: Simulator, org: Org) -> None:
    token = refresh_token(org)
    channel = register_from_refresh_token(registry, "acme", token, data_center=DC.upper(), tenant="t", timezone="UTC")
    assert (channel.org_name, channel.timezone, channel.tenant) == ("Acme", "UTC", "t")
    assert channel.scopes == tuple(SCOPES.split())
    assert registry.vault.refresh_token("acme") == token
    # repeated it reconnects, with the access token that is still live
    again = register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert (again.tenant, again.timezone) == ("t", "UTC")
    assert len(token_requests(simulator)) == 1
    # one that Zoho has ended meanwhile is replaced on the way
    simulator.expire_access_tokens()
    register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert len(token_requests(simulator)) == 2


def test_without_the_org_scope_the_zone_is_the_users_and_the_currency_waits(registry: Registry, org: Org) -> None:
    token = refresh_token(org, "ZohoCRM.modules.READ ZohoCRM.users.READ", org.add_user(time_zone="Asia/Tokyo"))
    channel = register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert (channel.timezone, channel.currency, channel.org_id) == ("Asia/Tokyo", None, None)
    assert any("--currency" in hint for hint in channel.hints)
    # another user, who sees the org, might be of any: that cannot be told
    with pytest.raises(OtherOrg, match="is connected to user"):
        register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)


def test_a_scope_that_zoho_did_not_name_is_found_missing_once(
    registry: Registry, simulator: Simulator, org: Org
) -> None:
    simulator.switches.token_scope = False
    token = refresh_token(org, "ZohoCRM.modules.READ ZohoCRM.users.READ")
    channel = register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert (channel.scopes, channel.missing_scopes) == (None, ("ZohoCRM.org.READ",))
    simulator.requests.clear()
    assert not verify(registry, "acme").allows("org")
    for _ in range(2):
        with open_client(registry.settings, registry, "acme") as client:
            with pytest.raises(ScopeMissing):
                zoho_org.get(client)
            with pytest.raises(ScopeMissing):
                metadata.fields(client, "Leads")
    asked = [call.path for call in simulator.requests if call.status == 401]
    assert asked == ["/crm/v7/org", "/crm/v7/settings/fields"]
    assert registry.get("acme").missing_scopes == ("ZohoCRM.org.READ", "ZohoCRM.settings.fields.READ")
    # a scope mismatch is no reason for a new token
    assert token_requests(simulator) == []


def test_nothing_is_registered_from_a_token_that_does_not_work(
    registry: Registry, simulator: Simulator, org: Org
) -> None:
    with pytest.raises(RefreshTokenRevoked):
        register_from_refresh_token(registry, "acme", Secret("1000.wrong.token"), data_center=DC)
    with pytest.raises(UnknownDataCenter):
        register_from_refresh_token(registry, "acme", refresh_token(org), data_center="mars")
    no_users = refresh_token(org, "ZohoCRM.modules.READ")
    with pytest.raises(PipelineError, match=r"ZohoCRM\.users\.READ"):
        register_from_refresh_token(registry, "acme", no_users, data_center=DC)
    assert registry.list() == ()


def test_a_grant_code_of_a_self_client(registry: Registry, person: Person, simulator: Simulator) -> None:
    code = self_client_code(simulator, person.org)
    channel = register_from_grant_code(registry, "acme", code, data_center=DC)
    assert channel.org_name == "Acme"
    with pytest.raises(CodeRejected):
        register_from_grant_code(registry, "acme", code, data_center=DC)


# Afterwards


def test_verify_takes_over_what_changed(registry: Registry, org: Org) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    org.name, org.time_zone = "Acme & Sons", "Europe/London"
    channel = verify(registry, "acme")
    assert (channel.org_name, channel.timezone) == ("Acme & Sons", "Europe/London")
    assert channel.credits_used == 4


def test_verify_of_a_revoked_token_says_so_and_remembers(registry: Registry, simulator: Simulator, org: Org) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    simulator.hub.tokens.drop_user(org.id, org.admin.id)
    with pytest.raises(ReconnectNeeded):
        verify(registry, "acme")
    assert registry.get("acme").status == "reconnect_needed"
    with pytest.raises(UnknownChannel):
        verify(registry, "nobody")


def test_remove_revokes(registry: Registry, simulator: Simulator, org: Org) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    removal = remove(registry, "acme")
    assert (removal.revoked, removal.detail) == (True, "its token was revoked")
    assert simulator.hub.tokens.grants == {}
    assert registry.list() == ()
    with pytest.raises(UnknownChannel):
        remove(registry, "acme")


def test_remove_leaves_a_token_that_another_channel_uses(registry: Registry, simulator: Simulator, org: Org) -> None:
    token = refresh_token(org)
    for channel_id in ("a", "b"):
        register_from_refresh_token(registry, channel_id, token, data_center=DC)
    assert "b uses it too" in remove(registry, "a").detail
    assert verify(registry, "b").org_name == "Acme"
    assert remove(registry, "b").revoked


def test_remove_of_a_token_that_zoho_no_longer_knows(registry: Registry, simulator: Simulator, org: Org) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    simulator.hub.tokens.drop_user(org.id, org.admin.id)
    assert remove(registry, "acme").detail == "its token had been revoked before"


def test_remove_without_the_key_forgets_and_says_what_is_left_to_do(registry: Registry, org: Org) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    other_key = Registry(replace(registry.settings, given_keys=(Secret("x" * 40),)))
    removal = remove(other_key, "acme")
    assert not removal.revoked
    assert "connected apps" in removal.detail
    assert registry.list() == ()


def test_remove_keeps_everything_when_zoho_cannot_be_asked(registry: Registry, simulator: Simulator, org: Org) -> None:
    before = register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    simulator.faults.next(1, "server_error", "/revoke")
    with pytest.raises(ServerFault):
        remove(registry, "acme")
    assert registry.get("acme") == before
    assert remove(registry, "acme").revoked


def test_nothing_secret_reaches_log_or_message(
    registry: Registry, person: Person, simulator: Simulator, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """Everything a connection writes under full debug logging, and every message it can end with."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    params = consent(registry, person)
    finish(registry, params)
    verify(registry, "acme")
    for change in ({"code": params["code"]}, {"accounts-server": "https://evil.example"}, {"error": params["code"]}):
        with pytest.raises(PipelineError) as caught:
            finish(registry, consent(registry, person) | change)
        said.append(f"{caught.value!r} {caught.value}")
    connect(registry, "acme", data_center=DC, port=0, announce=unheard, open_browser=person)
    tokens = [registry.vault.refresh_token("acme").reveal(), *simulator.hub.tokens.grants, *simulator.hub.tokens.live]
    out, err = capfd.readouterr()
    shown = [*said, out, err, *(page.text for page in person.pages)]
    for secret in [*tokens, CLIENT_SECRET]:
        assert secret not in "\n".join([*shown, *(record.getMessage() for record in caplog.records)])
    # the person's own browser is httpx too, and logs where it goes: codes are looked for in all but that
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    for code in simulator.hub.tokens.codes:
        assert code not in "\n".join([*shown, *ours])


def test_the_port_is_free_again_after_a_consent(registry: Registry, person: Person, tmp_path: Path) -> None:
    connect(registry, "acme", data_center=DC, port=0, announce=unheard, open_browser=person)
    with pytest.raises(httpx.ConnectError):
        httpx.get(person.target, trust_env=False)

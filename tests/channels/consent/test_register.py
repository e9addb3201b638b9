"""Registration from a refresh token or a grant code, verification and removal, against the simulator."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.channels.consent.conftest import consent, ignore
from tests.channels.wire import (
    CLIENT_SECRET,
    DC,
    SCOPES,
    Person,
    refresh_token,
    self_client_code,
    token_requests,
)
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.verify import verify
from zoho_pipeline.channels.consent.connect import connect, finish
from zoho_pipeline.channels.consent.register import register_from_grant_code, register_from_refresh_token
from zoho_pipeline.channels.consent.remove import remove
from zoho_pipeline.channels.errors import (
    OtherOrg,
    UnknownChannel,
)
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError, Secret
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.errors import (
    CodeRejected,
    ReconnectNeeded,
    RefreshTokenRevoked,
    ScopeMissing,
    ServerFault,
    UnknownDataCenter,
)
from zoho_pipeline.zoho.read import metadata
from zoho_pipeline.zoho.read import org as zoho_org


def test_a_refresh_token_at_hand(registry: Registry, simulator: Simulator, org: Org) -> None:
    token = refresh_token(org)
    channel = register_from_refresh_token(registry, "acme", token, data_center=DC.upper(), tenant="t", timezone="UTC")
    assert (channel.org_name, channel.timezone, channel.tenant) == ("Acme", "UTC", "t")
    assert channel.scopes == tuple(SCOPES.split())
    assert registry.token_store.refresh_token("acme") == token
    # a second registration reconnects, with the access token that is still valid
    again = register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert (again.tenant, again.timezone) == ("t", "UTC")
    assert len(token_requests(simulator)) == 1
    # an access token that Zoho has ended since then is replaced
    simulator.expire_access_tokens()
    register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert len(token_requests(simulator)) == 2


def test_without_the_org_scope_the_zone_is_the_users_and_the_currency_waits(registry: Registry, org: Org) -> None:
    token = refresh_token(org, "ZohoCRM.modules.READ ZohoCRM.users.READ", org.add_user(time_zone="Asia/Tokyo"))
    channel = register_from_refresh_token(registry, "acme", token, data_center=DC)
    assert (channel.timezone, channel.currency, channel.org_id) == ("Asia/Tokyo", None, None)
    assert any("--currency" in hint for hint in channel.hints)
    # another user, who can see the org, might belong to any org: the two cannot be told apart
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
    refused_paths = [call.path for call in simulator.requests if call.status == 401]
    assert refused_paths == ["/crm/v7/org", "/crm/v7/settings/fields"]
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


# After the registration


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
        register_from_refresh_token(registry, channel_id, token, data_center=DC, again=True)
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
    """It searches everything that a connection writes with debug logging, and every message that it can end with."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    params = consent(registry, person)
    finish(registry, params)
    verify(registry, "acme")
    for change in ({"code": params["code"]}, {"accounts-server": "https://evil.example"}, {"error": params["code"]}):
        with pytest.raises(PipelineError) as caught:
            finish(registry, consent(registry, person) | change)
        said.append(f"{caught.value!r} {caught.value}")
    connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=person)
    tokens = [
        registry.token_store.refresh_token("acme").reveal(),
        *simulator.hub.tokens.grants,
        *simulator.hub.tokens.live,
    ]
    out, err = capfd.readouterr()
    shown = [*said, out, err, *(page.text for page in person.pages)]
    for secret in [*tokens, CLIENT_SECRET]:
        assert secret not in "\n".join([*shown, *(record.getMessage() for record in caplog.records)])
    # the browser of the test is httpx too, and logs its URLs: codes are searched in everything except its lines
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    for code in simulator.hub.tokens.codes:
        assert code not in "\n".join([*shown, *ours])


def test_the_port_is_free_again_after_a_consent(registry: Registry, person: Person, tmp_path: Path) -> None:
    connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=person)
    with pytest.raises(httpx.ConnectError):
        httpx.get(person.target, trust_env=False)

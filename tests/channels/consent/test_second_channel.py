"""A second channel of one org, and an id that differs only in case, against a real simulator."""

import pytest

from tests.channels.consent.conftest import CALLBACK, consent
from tests.channels.wire import DC, Person, refresh_token, token_requests
from zoho_pipeline.channels.access.verify import verify
from zoho_pipeline.channels.consent.connect import authorize, finish
from zoho_pipeline.channels.consent.register import register_from_grant_code, register_from_refresh_token
from zoho_pipeline.channels.errors import IdConflict, OrgTaken
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org, Simulator


def test_a_second_channel_of_the_org_is_refused_and_its_token_is_revoked(
    registry: Registry, person: Person, simulator: Simulator
) -> None:
    finish(registry, consent(registry, person, "acme"))
    before = set(simulator.hub.tokens.grants)
    with pytest.raises(OrgTaken, match="as channel acme"):
        finish(registry, consent(registry, person, "second"))
    assert set(simulator.hub.tokens.grants) == before, "the token of the refused consent is revoked"
    assert verify(registry, "acme").status == "active"
    assert finish(registry, consent(registry, person, "second", again=True)).same_org == ("acme",)


def test_an_id_that_differs_only_in_case_is_refused_before_anything_is_sent(
    registry: Registry, person: Person, org: Org, simulator: Simulator
) -> None:
    finish(registry, consent(registry, person, "acme"))
    asked = len(token_requests(simulator))
    with pytest.raises(IdConflict):
        authorize(registry, "Acme", redirect_uri=CALLBACK, data_center=DC, again=True)
    with pytest.raises(IdConflict):
        register_from_refresh_token(registry, "Acme", refresh_token(org), data_center=DC, again=True)
    assert len(token_requests(simulator)) == asked


def test_two_consents_side_by_side_give_one_channel(registry: Registry, person: Person, simulator: Simulator) -> None:
    """Both consents began while the registry was empty. The second callback is refused, and its token revoked."""
    first, second, third = (consent(registry, person, name) for name in ("acme", "other", "ACME"))
    finish(registry, first)
    with pytest.raises(OrgTaken):
        finish(registry, second)
    with pytest.raises(IdConflict):
        finish(registry, third)
    assert [channel.id for channel in registry.list()] == ["acme"]
    assert len(simulator.hub.tokens.grants) == 1


def test_a_token_that_a_person_gave_is_refused_and_not_revoked(
    registry: Registry, org: Org, simulator: Simulator
) -> None:
    """It may be in use elsewhere. Only a consent's own token is ours to revoke."""
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    token = refresh_token(org)
    with pytest.raises(OrgTaken):
        register_from_refresh_token(registry, "second", token, data_center=DC)
    assert token.reveal() in simulator.hub.tokens.grants
    assert register_from_refresh_token(registry, "second", token, data_center=DC, again=True).same_org == ("acme",)


def test_a_grant_code_is_not_exchanged_for_an_id_that_differs_only_in_case(
    registry: Registry, org: Org, simulator: Simulator
) -> None:
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    asked = len(token_requests(simulator))
    with pytest.raises(IdConflict):
        register_from_grant_code(registry, "ACME", Secret("1000.code.code"), data_center=DC)
    assert len(token_requests(simulator)) == asked, "a code works only once, so it was kept"

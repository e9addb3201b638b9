"""A consent never moves a channel to another tenant, on the command line and over HTTP."""

from collections.abc import Callable

import pytest

from tests.channels.conftest import CONNECTION, REFRESH
from tests.channels.consent.conftest import consent
from tests.channels.wire import DC, Person, refresh_token, token_requests
from zoho_pipeline.channels.consent.connect import finish
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.errors import OtherTenant, StateForged
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.simulator import Simulator


@pytest.mark.parametrize(
    ("owner", "tenant", "exact", "is_allowed"),
    [
        (None, None, False, True),
        (None, "a", False, True),
        ("a", None, False, True),
        ("a", "a", False, True),
        ("a", "b", False, False),
        (None, None, True, True),
        (None, "a", True, False),
        ("a", None, True, False),
        ("a", "a", True, True),
        ("a", "b", True, False),
    ],
)
def test_who_may_connect_a_channel_again(
    registry: Registry, owner: str | None, tenant: str | None, exact: bool, is_allowed: bool
) -> None:
    registry.add("acme", REFRESH, CONNECTION, tenant=owner)
    if not is_allowed:
        with pytest.raises(OtherTenant, match=r"Nothing was changed.*channels set acme --tenant"):
            registry.add("acme", REFRESH, CONNECTION, tenant=tenant, exact_tenant=exact)
        assert registry.get("acme").tenant == owner
        return
    assert registry.add("acme", REFRESH, CONNECTION, tenant=tenant, exact_tenant=exact).tenant == (tenant or owner)


def test_the_command_line_says_how_to_move_a_channel(registry: Registry, person: Person, simulator: Simulator) -> None:
    finish(registry, consent(registry, person, tenant="a"))
    asked = len(token_requests(simulator))
    with pytest.raises(OtherTenant, match="belongs to tenant a"):
        finish(registry, consent(registry, person, tenant="b"))
    assert len(token_requests(simulator)) == asked  # the code was not even exchanged
    with pytest.raises(OtherTenant):
        register_from_refresh_token(registry, "acme", refresh_token(person.org), data_center=DC, tenant="b")
    assert finish(registry, consent(registry, person)).tenant == "a"
    registry.store_settings("acme", tenant="b")
    assert finish(registry, consent(registry, person, tenant="b")).tenant == "b"


def test_a_consent_of_the_web_needs_its_session(
    registry: Registry, person: Person, add: Callable[..., object], simulator: Simulator
) -> None:
    with pytest.raises(StateForged):
        finish(registry, consent(registry, person, tenant="a", session="unknown"))
    assert token_requests(simulator) == []

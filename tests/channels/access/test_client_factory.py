"""What clients get from the registry: the host of the environment, the org's limits, and no token in clear text."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.channels.wire import DC, refresh_token
from zoho_pipeline.channels.access.client_factory import org_limits_of
from zoho_pipeline.channels.access.token_request import in_environment
from zoho_pipeline.channels.access.token_source import StoredTokenSource
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken


@pytest.mark.parametrize(
    ("answered", "environment", "used"),
    [
        ("https://www.zohoapis.in", "production", "https://www.zohoapis.in"),
        ("https://www.zohoapis.in", "sandbox", "https://sandbox.zohoapis.in"),
        ("https://sandbox.zohoapis.in", "production", "https://sandbox.zohoapis.in"),
        ("https://developer.zohoapis.in", "sandbox", "https://developer.zohoapis.in"),
    ],
)
def test_the_environments_host(answered: str, environment: str, used: str) -> None:
    center = DataCenters().get("in")
    token = AccessToken(Secret("1000.t"), datetime.now(UTC), answered)
    assert in_environment(token, center, environment).api_domain == used


def test_clients_of_one_org_share_its_limits(registry: Registry, org: Org) -> None:
    register_from_refresh_token(registry, "twin", refresh_token(org), data_center=DC, again=True)
    one, two = registry.get("acme"), registry.get("twin")
    limits = org_limits_of(registry.settings, registry, one)
    assert limits is org_limits_of(registry.settings, registry, two)
    assert limits.concurrency == 20
    assert limits.daily_credits == 51_000
    assert limits.own_credits == registry.credits_used("acme") == 4
    for unknown in (None, "galactic"):  # a small guess at the credits would stop syncs that may go on
        limits = org_limits_of(registry.settings, registry, replace(one, org_id=None, edition=unknown))
        assert (limits.daily_credits, limits.concurrency) == (None, 5)


def test_no_token_stands_in_the_registry_in_clear(registry: Registry) -> None:
    """The whole file, not the columns that we think of."""
    source = StoredTokenSource(registry, "acme")
    secrets = [
        source.refused(source.current()).value,
        registry.token_store.refresh_token("acme"),
        *registry.settings.secret_keys,
    ]
    secrets.append(Secret("test-client-secret-0123456789"))
    if registry.database.path is not None:
        everything = b"".join(path.read_bytes() for path in registry.database.path.parent.glob("registry.sqlite*"))
    else:
        everything = dump(registry)
    assert b"acme" in everything
    for secret in secrets:
        assert secret.reveal().encode() not in everything
        assert secret.reveal() not in repr(source) + repr(registry.get("acme")) + repr(registry.list())


def dump(registry: Registry) -> bytes:
    from sqlalchemy import select

    from zoho_pipeline.channels.registry.tables import metadata

    with registry.database.read() as connection:
        return b"".join(repr(connection.execute(select(t)).all()).encode() for t in metadata.sorted_tables)

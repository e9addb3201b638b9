"""Fixtures of the tests of `channels`: a registry on each engine, and connections to store in it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.registries import new_registry
from zoho_pipeline.channels.registry.model import Channel, OrgConnection
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, Settings, load_settings

REFRESH = Secret("1000.0123456789abcdef0123456789abcdef.fedcba9876543210fedcba9876543210")
CONNECTION = OrgConnection(
    data_center="in",
    accounts_server="https://accounts.zoho.in",
    api_domain="https://www.zohoapis.in",
    timezone="Asia/Kolkata",
    scopes=("ZohoCRM.modules.READ", "ZohoCRM.users.READ", "ZohoCRM.org.READ"),
    org_id="6000",
    org_name="Acme",
    edition="enterprise",
    users_licensed=3,
    currency="INR",
    user_id="61",
    user_name="Asha",
    is_admin=True,
)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Restore the umask of the process. Otherwise a Postgres that a later test starts could not read its own data."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def sqlite_settings(settings_env: Callable[..., dict[str, str]]) -> Settings:
    return load_settings(settings_env())


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, settings_env: Callable[..., dict[str, str]]) -> Settings:
    """Settings with a SQLite file in HOME as the registry, and then with a Postgres."""
    if request.param == "sqlite":
        return load_settings(settings_env())
    return load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=request.getfixturevalue("postgres_registry_url")))


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return new_registry(settings)


@pytest.fixture
def add(registry: Registry) -> Callable[..., Channel]:
    """`add(id, **changes to the connection)` registers a channel without a call to Zoho, also of an org that another
    channel has."""

    def build(channel_id: str = "acme", token: Secret = REFRESH, **changes: object) -> Channel:
        return registry.add(channel_id, token, replace(CONNECTION, **changes), again=True)  # type: ignore[arg-type]

    return build

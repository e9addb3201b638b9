"""A registered channel on the simulator, whose registration has used its first access token."""

from collections.abc import Callable

import pytest

from tests.channels.wire import DC, refresh_token, settings_for
from tests.registries import new_registry
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.simulator import Org, Simulator

Env = Callable[..., dict[str, str]]


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org("Acme", time_zone="Asia/Kolkata", currency="INR")


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, simulator: Simulator, org: Org, settings_env: Env) -> Registry:
    """A registry with channel `acme`, verified, whose first access token is used up."""
    postgres = request.param == "postgres"
    extra = {"ZOHO_PIPELINE_REGISTRY": request.getfixturevalue("postgres_registry_url")} if postgres else {}
    registry = new_registry(settings_for(simulator, settings_env, **extra))
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    simulator.requests.clear()
    return registry

"""The simulator as a data center, an empty registry, and a person with a browser."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.channels.wire import DC, Person, settings_for
from tests.registries import new_registry
from zoho_pipeline.channels.consent.connect import authorize
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.simulator import Org, Simulator

CALLBACK = "http://localhost:8414/callback"


def ignore(url: str) -> None:
    """Show the URL to nobody."""


def consent(registry: Registry, person: Person, channel_id: str = "acme", **options: Any) -> dict[str, str]:
    """The parameters of a callback, as the route of a web service would receive them."""
    return person.callback(authorize(registry, channel_id, redirect_uri=CALLBACK, data_center=DC, **options).url)


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org("Acme", time_zone="America/New_York", currency="USD", edition="Professional")


@pytest.fixture
def registry(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Registry:
    return new_registry(settings_for(simulator, settings_env))


@pytest.fixture
def person(org: Org) -> Person:
    return Person(org, org.admin)

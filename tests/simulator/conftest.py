"""An org, and clients that call its simulator."""

from collections.abc import Callable, Iterator

import pytest

from tests.simulator.client import ALL_SCOPES, CLIENT, Api
from zoho_pipeline.simulator import Org, Simulator, User


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org(name="Acme", time_zone="Asia/Kolkata")


@pytest.fixture
def connect(simulator: Simulator, org: Org) -> Iterator[Callable[..., Api]]:
    """`connect(user=…, scopes=…)` → a client with a token of its own."""
    opened: list[Api] = []

    def build(user: User | None = None, scopes: str = ALL_SCOPES, of: Org | None = None) -> Api:
        api = Api(simulator, (of or org).grant(CLIENT["client_id"], CLIENT["client_secret"], scopes, user))
        opened.append(api)
        return api

    yield build
    for api in opened:
        api.http.close()


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    return connect()

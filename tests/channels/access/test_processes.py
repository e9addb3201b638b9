"""The token source in several processes: one request for all, and no wait for a process that died."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import update

from tests.channels.wire import token_requests
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import token_requests as requests_table
from zoho_pipeline.channels.registry.token_budget import LONGEST_REQUEST
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.zoho.read import users

HOUR = timedelta(hours=1)
Env = Callable[..., dict[str, str]]


ASK = """
import sys
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings
from zoho_pipeline.zoho.read import users
settings = load_settings()
registry = Registry(settings)
sys.stdin.readline()
with open_client(settings, registry, "acme") as client:
    print(users.current(client)["full_name"])
"""


@pytest.mark.long
@pytest.mark.parametrize("registry", ["sqlite", "postgres"], indirect=True)
def test_many_processes_at_once_share_one_request(
    registry: Registry, simulator: Simulator, settings_env: Env, tmp_path: Path
) -> None:
    """All hold a token that Zoho no longer takes, all see the 401, one asks for the next."""
    simulator.expire_access_tokens()
    centers = json.dumps(dict(registry.settings.data_centers))
    env = settings_env(ZOHO_PIPELINE_REGISTRY=registry.settings.registry_url, ZOHO_PIPELINE_DATA_CENTERS=centers)
    command = [sys.executable, "-W", "error", "-c", ASK]
    askers = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, text=True)
        for _ in range(5)
    ]
    for asker in askers:  # all are up and wait: now together
        assert asker.stdin is not None
        asker.stdin.write("\n")
        asker.stdin.flush()
    assert [asker.communicate()[0] for asker in askers] == ["Asha Admin\n"] * 5
    assert len(token_requests(simulator)) == 1


def test_a_process_killed_during_its_request_stops_nobody(
    registry: Registry, simulator: Simulator, settings_env: Env, tmp_path: Path
) -> None:
    """It dies with the lock held and its request in flight. When no answer can come any more, the next one sends a
    request, and both count."""
    simulator.expire_access_tokens()
    simulator.faults.next(1, "slow", "/oauth/v2/token", seconds=5)
    centers = json.dumps(dict(registry.settings.data_centers))
    env = settings_env(ZOHO_PIPELINE_REGISTRY=registry.settings.registry_url, ZOHO_PIPELINE_DATA_CENTERS=centers)
    command = [sys.executable, "-W", "error", "-c", ASK]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, cwd=tmp_path) as asker:
        assert asker.stdin is not None
        asker.stdin.write(b"\n")
        asker.stdin.flush()
        while not simulator.faults.fired:
            sleep(0.02)
        asker.kill()
    with registry.database.write() as connection:  # the time that a request can take passes
        sent = update(requests_table).where(requests_table.c.under_way)
        assert connection.execute(sent.values(requested_at=registry.database.now() - LONGEST_REQUEST)).rowcount == 1
    with open_client(registry.settings, registry, "acme") as client:
        assert users.current(client)["full_name"] == "Asha Admin"
    since = datetime.now(UTC) - HOUR
    assert (
        registry.token_budget.requests(registry.token_store.fingerprint("acme"), since) == 3
    )  # the registration's too

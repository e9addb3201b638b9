"""Two hosts, each with its own HOME, share Postgres and sync the same channels at the same time.

It costs half a minute of CPU, so only `make drill` runs it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from scripts.production import ROOT, make_database, zoho_environment
from tests.orchestration.conftest import make_org
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

DRILL = "ZOHO_PIPELINE_DRILL" in os.environ  # read at import, because each test starts with a scrubbed environment
pytestmark = pytest.mark.skipif(not DRILL, reason="it costs half a minute of CPU: run `make drill`")
TIMEOUT_SECONDS = 300.0


def host(folder: Path, shared: dict[str, str]) -> dict[str, str]:
    """The environment of a host that shares nothing with the other host except these variables."""
    dagster_home = folder / "dagster"
    dagster_home.mkdir(parents=True)
    (dagster_home / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DAGSTER_"))}
    places = {"DAGSTER_HOME": str(dagster_home), "ZOHO_PIPELINE_HOME": str(folder / "data"), "HOME": str(folder)}
    return {**kept, **shared, **places}


def worker(folder: Path, env: dict[str, str], channels: list[str]) -> "subprocess.Popen[bytes]":
    """Start the sync job in a process, as a run launcher does."""
    config = folder / "run.json"
    wanted = {"channels": channels, "retry_waits": [0.0, 0.0, 0.0]}
    config.write_text(json.dumps({"ops": {"zoho_raw": {"config": wanted}}}))
    run = ["dagster", "job", "execute", "-m", "zoho_pipeline.definitions", "-j", "sync_channels", "-c", str(config)]
    with (folder / "run.log").open("wb") as log:
        command = [sys.executable, "-W", "ignore", "-m", *run]
        return subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def connect_channels(registry: Registry, simulator: Simulator, env: dict[str, str]) -> dict[str, int]:
    """Connect six channels of three orgs, expire their access tokens, and return channel id → number of live leads."""
    found: dict[str, int] = {}
    for number in range(3):
        org, leads = make_org(simulator, f"org-{number}", 20 + number), 19 + number  # one is deleted
        for part in "ab":
            token = Secret(org.grant(env["ZOHO_CLIENT_ID"], env["ZOHO_CLIENT_SECRET"], DEFAULT_SCOPES))
            register_from_refresh_token(registry, f"channel-{number}{part}", token, data_center="sim", again=True)
            found[f"channel-{number}{part}"] = leads
    desk = simulator.hub.tokens
    for value in list(desk.live):
        desk.expire(value)
    return found


def test_two_hosts_sync_the_same_channels_without_a_conflict(
    tmp_path: Path, postgres_server: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {name: make_database(postgres_server, f"hosts_{name}") for name in ("dagster", "pipeline")}
    shared = {
        "DAGSTER_POSTGRES_URL": urls["dagster"].replace("postgresql://", "postgresql+psycopg2://"),
        "ZOHO_PIPELINE_WAREHOUSE": urls["pipeline"],
        "ZOHO_PIPELINE_REGISTRY": urls["pipeline"],
        **zoho_environment(simulator.url),
    }
    hosts = {name: host(tmp_path / name, shared) for name in ("one", "two")}
    settings = load_settings(hosts["one"])
    registry = Registry(settings)
    leads = connect_channels(registry, simulator, shared)
    simulator.faults.next(10_000, "slow", path="/crm/v7", seconds=0.02)  # so that both always work at the same time
    before = simulator.hub.tokens.minted
    workers = {name: worker(tmp_path / name, env, list(leads)) for name, env in hosts.items()}
    ended = {name: process.wait(timeout=TIMEOUT_SECONDS) for name, process in workers.items()}
    assert ended == {"one": 0, "two": 0}, (tmp_path / "two" / "run.log").read_text()[-3_000:]

    desk = simulator.hub.tokens
    assert desk.minted - before == len(leads), "one new token per connection, and not per host"
    assert {len(grant.live) for grant in desk.grants.values()} == {1}

    with open_warehouse(settings).connect() as connection:
        stored = {row["channel_id"]: row["n"] for row in connection.rows(
            "select channel_id, count(*) as n from zoho_raw.leads group by channel_id"
        )}  # fmt: skip
        windows = connection.rows(
            "select channel_id, window_start from zoho_raw.sync_runs where module = 'Leads' order by finished_at"
        )
    assert stored == leads
    for channel in leads:
        first, second = (row["window_start"] for row in windows if row["channel_id"] == channel)
        assert first is None, "one host was first"
        assert second is not None, "the other host waited, and started where the first one ended"

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", shared["DAGSTER_POSTGRES_URL"])
    with dg.DagsterInstance.from_config(hosts["one"]["DAGSTER_HOME"]) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS] * 2
        assert instance.get_materialized_partitions(dg.AssetKey(["zoho_raw", "leads"])) == set(leads)

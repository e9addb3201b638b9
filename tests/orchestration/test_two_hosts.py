"""Two run workers on hosts of their own (a HOME each) that share Postgres, at the same channels at once.

Half a minute of CPU: run by `make drill`, not by every test run.
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
from zoho_pipeline.warehouse import open_warehouse
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

DRILL = "ZOHO_PIPELINE_DRILL" in os.environ  # read at import: the tests' own environment is scrubbed
pytestmark = pytest.mark.skipif(not DRILL, reason="half a minute of CPU: run by `make drill`")
PATIENCE = 300.0


def host(folder: Path, shared: dict[str, str]) -> dict[str, str]:
    """A machine that has nothing of the other but what the environment says."""
    dagster_home = folder / "dagster"
    dagster_home.mkdir(parents=True)
    (dagster_home / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DAGSTER_"))}
    places = {"DAGSTER_HOME": str(dagster_home), "ZOHO_PIPELINE_HOME": str(folder / "data"), "HOME": str(folder)}
    return {**kept, **shared, **places}


def worker(folder: Path, env: dict[str, str], channels: list[str]) -> "subprocess.Popen[bytes]":
    """A run of the sync job in a process of its own, as a launcher starts one."""
    config = folder / "run.json"
    wanted = {"channels": channels, "retry_waits": [0.0, 0.0, 0.0]}
    config.write_text(json.dumps({"ops": {"zoho_raw": {"config": wanted}}}))
    run = ["dagster", "job", "execute", "-m", "zoho_pipeline.definitions", "-j", "sync_channels", "-c", str(config)]
    with (folder / "run.log").open("wb") as log:
        command = [sys.executable, "-W", "ignore", "-m", *run]
        return subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def connected(registry: Registry, simulator: Simulator, env: dict[str, str]) -> dict[str, int]:
    """Channel → live leads: six on three orgs, each with a refresh token of its own, its access token dead by now."""
    found: dict[str, int] = {}
    for number in range(3):
        org, leads = make_org(simulator, f"org-{number}", 20 + number), 19 + number  # one is deleted
        for part in "ab":
            token = Secret(org.grant(env["ZOHO_CLIENT_ID"], env["ZOHO_CLIENT_SECRET"], DEFAULT_SCOPES))
            register_from_refresh_token(registry, f"channel-{number}{part}", token, data_center="sim")
            found[f"channel-{number}{part}"] = leads
    desk = simulator.hub.tokens
    for value in list(desk.live):
        desk.expire(value)
    return found


def test_two_workers_share_channels_tokens_and_tables(
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
    leads = connected(registry, simulator, shared)
    simulator.faults.next(10_000, "slow", path="/crm/v7", seconds=0.02)  # the two are always at it together
    before = simulator.hub.tokens.minted
    workers = {name: worker(tmp_path / name, env, list(leads)) for name, env in hosts.items()}
    ended = {name: process.wait(timeout=PATIENCE) for name, process in workers.items()}
    assert ended == {"one": 0, "two": 0}, (tmp_path / "two" / "run.log").read_text()[-3_000:]

    desk = simulator.hub.tokens
    assert desk.minted - before == len(leads), "a new token for each connection, not for each worker"
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
        assert first is None, "one worker was the first"
        assert second is not None, "the other waited and went on from where it ended: never both at once"

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", shared["DAGSTER_POSTGRES_URL"])
    with dg.DagsterInstance.from_config(hosts["one"]["DAGSTER_HOME"]) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS] * 2
        assert instance.get_materialized_partitions(dg.AssetKey(["zoho_raw", "leads"])) == set(leads)

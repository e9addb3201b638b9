"""A new Dagster instance on data that commands have filled, as after `make demo`."""

import subprocess
import sys

import dagster as dg
import pytest

from tests.orchestration.automation.ticks import evaluate_sensor
from tests.orchestration.conftest import Deployment
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse

SENSOR = "known_assets"


def filled_by_commands(deployment: Deployment) -> None:
    """Channel acme is synced and bolt is not; the marts are published. Dagster sees none of it."""
    warehouse = open_warehouse(deployment.settings)
    sync_channel(deployment.settings, deployment.registry, warehouse, "acme")
    publish(deployment.settings, deployment.registry, warehouse)
    transform(warehouse)


@pytest.mark.long
def test_the_first_tick_reports_what_is_there_once(deployment: Deployment) -> None:
    filled_by_commands(deployment)
    tick = evaluate_sensor(deployment, SENSOR)
    assert not tick.run_requests
    instance = deployment.instance
    for key in deployment.defs.resolve_asset_graph().materializable_asset_keys:
        event = instance.get_latest_materialization_event(key)
        assert event is not None, f"{key} is shown as never materialized"
        if key.path[0] == "zoho_raw":
            assert instance.get_materialized_partitions(key) == {"acme"}
    event = instance.get_latest_materialization_event(dg.AssetKey(["marts", "lead"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 5
    assert "before this Dagster instance" in str(event.asset_materialization.metadata["source"].value)
    before = count_events(deployment)
    assert "are known" in evaluate_sensor(deployment, SENSOR, cursor=tick.cursor).skip_message
    evaluate_sensor(deployment, SENSOR)  # even with a lost cursor
    assert count_events(deployment) == before


def count_events(deployment: Deployment) -> int:
    keys = deployment.defs.resolve_asset_graph().materializable_asset_keys
    found = [deployment.instance.fetch_materializations(key, limit=10).records for key in keys]
    return sum(len(records) for records in found)


def test_where_nothing_is_there_nothing_is_reported(deployment: Deployment) -> None:
    assert evaluate_sensor(deployment, SENSOR).cursor == "done"
    assert count_events(deployment) == 0


@pytest.mark.long
def test_a_busy_warehouse_is_looked_at_by_the_next_tick(deployment: Deployment) -> None:
    filled_by_commands(deployment)
    path = deployment.settings.home / "warehouse.duckdb"
    hold = f"import duckdb; c = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        tick = evaluate_sensor(deployment, SENSOR)
    finally:
        holder.communicate(b"\n")
    assert "next tick tries again" in tick.skip_message
    assert tick.cursor is None
    assert count_events(deployment) == 0


@pytest.mark.long
def test_a_refresh_with_nothing_to_do_is_quiet(deployment: Deployment) -> None:
    deployment.sync("bolt")
    filled_by_commands(deployment)
    result = deployment.run("refresh_marts")
    assert result.success
    assert not result.get_asset_materialization_events()
    written = [entry.user_message for entry in deployment.instance.all_logs(result.run_id)]
    assert "Nothing changed since the last refresh, so nothing was built." in written
    assert max(len(message) for message in written) < 1_000, "no line names 160 checks"

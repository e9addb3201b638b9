"""Sensors: partitions follow the registry, new channels get their first sync, marts follow the syncs."""

import json
from datetime import UTC, datetime

import dagster as dg

from tests.orchestration.automation.ticks import evaluate_sensor, submit
from tests.orchestration.conftest import Deployment, connect
from zoho_pipeline.orchestration.automation.sensors import MAX_RUNS_OF_ONE_CHANNEL, first_sync_requests
from zoho_pipeline.orchestration.naming import Naming


def test_every_sensor_is_switched_on(deployment: Deployment) -> None:
    sensors = {s.name: s for s in deployment.defs.sensors or []}
    assert set(sensors) == {
        "automation_conditions",
        "channel_registry",
        "known_assets",
        "marts_after_syncs",
        "run_failures",
        "sync_requests",
    }
    assert all(s.default_status == dg.DefaultSensorStatus.RUNNING for s in sensors.values())


def test_a_connected_channel_gets_its_partition_and_one_first_sync(deployment: Deployment) -> None:
    data = evaluate_sensor(deployment, "channel_registry")
    assert [sorted(r.partition_keys) for r in data.dynamic_partitions_requests] == [["acme", "bolt"]]
    assert {r.partition_key for r in data.run_requests} == {"acme", "bolt"}
    deployment.add_partitions()
    waiting = evaluate_sensor(deployment, "channel_registry", cursor=data.cursor)
    assert not waiting.run_requests, "the first sync is requested once"
    assert set(json.loads(waiting.cursor)) == {"acme", "bolt"}, "both stay in the cursor until they succeed"
    deployment.record_sync("acme", "Leads", datetime.now(UTC), "complete")
    after = evaluate_sensor(deployment, "channel_registry", cursor=waiting.cursor)
    assert set(json.loads(after.cursor)) == {"bolt"}
    connect(deployment.registry, "bolt", deployment.orgs["bolt"])
    reconnected = evaluate_sensor(deployment, "channel_registry", cursor=after.cursor)
    assert [r.partition_key for r in reconnected.run_requests] == ["bolt"], "a reconnect requests a first sync again"
    deployment.registry.remove("bolt")
    removed = evaluate_sensor(deployment, "channel_registry", cursor=reconnected.cursor)
    (request,) = removed.dynamic_partitions_requests
    assert isinstance(request, dg.DeleteDynamicPartitionsRequest)
    assert list(request.partition_keys) == ["bolt"]


def test_many_new_channels_share_runs() -> None:
    few = [f"c{n}" for n in range(MAX_RUNS_OF_ONE_CHANNEL)]
    many = [*few, "one more"]
    connected = dict.fromkeys(many, "2026-06-01T00:00:00+00:00")
    assert [request.partition_key for request in first_sync_requests(Naming(), few, connected)] == few
    (shared,) = first_sync_requests(Naming(), many, connected)
    assert shared.run_config == {"ops": {"zoho_raw": {"config": {"channels": many}}}}
    (reconnected,) = first_sync_requests(Naming(), many, connected | {"c0": "2026-06-02T00:00:00+00:00"})
    assert shared.run_key != reconnected.run_key


def replace_tag(request: dg.RunRequest, tag: str, former: str) -> dg.RunRequest:
    tags = dict(request.tags)
    return dg.RunRequest(tags={**{name: tags[name] for name in tags if name != tag}, former: tags[tag]})


def test_one_refresh_of_the_marts_follows_the_syncs(deployment: Deployment) -> None:
    sensor = "marts_after_syncs"
    assert "ever synced" in evaluate_sensor(deployment, sensor).skip_message
    deployment.record_sync("acme", "Leads", datetime(2026, 6, 1, tzinfo=UTC), "complete")
    sync = submit(deployment, dg.RunRequest(), "sync_channels", dg.DagsterRunStatus.STARTED)
    assert "1 sync runs are queued or running" in evaluate_sensor(deployment, sensor).skip_message
    deployment.instance.report_run_canceled(sync)
    (request,) = evaluate_sensor(deployment, sensor).run_requests
    refresh = submit(deployment, request, "refresh_marts", dg.DagsterRunStatus.STARTED)
    assert "A refresh is running" in evaluate_sensor(deployment, sensor).skip_message
    deployment.instance.report_run_failed(refresh)
    assert "one hour after" in evaluate_sensor(deployment, sensor).skip_message, "a failed refresh waits for its retry"
    submit(deployment, request, "refresh_marts", dg.DagsterRunStatus.SUCCESS)
    assert "no sync since" in evaluate_sensor(deployment, sensor).skip_message
    former = replace_tag(request, "zoho_pipeline/synced_data", "zoho_pipeline/state")
    submit(deployment, former, "refresh_marts", dg.DagsterRunStatus.SUCCESS)
    assert "no sync since" in evaluate_sensor(deployment, sensor).skip_message, "version 0.1.0 named the tag so"
    deployment.record_sync("acme", "Leads", datetime(2026, 6, 2, tzinfo=UTC), "complete")
    assert len(evaluate_sensor(deployment, sensor).run_requests) == 1

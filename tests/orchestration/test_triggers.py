"""Triggers: who starts what, when, and once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from tests.orchestration.conftest import Deployment, connect
from tests.sync_records import record_sync
from zoho_pipeline.orchestration.build import build
from zoho_pipeline.orchestration.channel_summaries import roster, synced_since
from zoho_pipeline.settings import Secret, SettingsError


def rooms(deployment: Deployment) -> dict[str, Any]:
    return {"rooms": deployment.defs.resources["rooms"]}


def sense(deployment: Deployment, name: str, cursor: str | None = None) -> Any:
    context = dg.SensorEvaluationContext(
        instance_ref=deployment.instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        repository_name=None,
        repository_def=deployment.defs.get_repository_def(),
        resources=deployment.defs.get_repository_def().get_top_level_resources(),
    )
    with context:
        return deployment.defs.resolve_sensor_def(name).evaluate_tick(context)


def tick(deployment: Deployment, name: str, at: datetime) -> Any:
    context = dg.build_schedule_context(
        instance=deployment.instance, resources=rooms(deployment), scheduled_execution_time=at
    )
    return deployment.defs.resolve_schedule_def(name).evaluate_tick(context)


def submit(deployment: Deployment, request: dg.RunRequest, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """What the daemon makes of a request: a run with its config and tags."""
    definition = deployment.defs.resolve_job_def(job)
    if job == "refresh_marts":  # of 80 models one will do: each costs a planned event
        definition = definition.get_subset(
            asset_selection={dg.AssetKey(["marts", "lead"])}, asset_check_selection=set()
        )
    return deployment.instance.create_run_for_job(
        definition, run_config=dict(request.run_config or {}), tags={**definition.tags, **request.tags}, status=status
    )


def tomorrow(hour: int = 1, minute: int = 0) -> datetime:
    return (datetime.now(UTC) + timedelta(days=1)).replace(hour=hour, minute=minute, second=0, microsecond=0)


def test_everything_runs_by_default_at_the_agreed_times(deployment: Deployment) -> None:
    schedules = {s.name: s for s in deployment.defs.schedules or []}
    crons = {name: s.cron_schedule for name, s in schedules.items()}
    assert crons == {
        "nightly_sync": ["0 1 * * *", "5-55/5 1 * * *"],
        "weekly_reconcile": "0 4 * * 0",
        "weekly_insight": "0 6 * * 1",
        "freshness": "30 * * * *",
    }
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in schedules.values())
    sensors = {s.name: s for s in deployment.defs.sensors or []}
    assert set(sensors) == {"channel_registry", "marts_after_syncs", "run_failures"}
    assert all(s.default_status == dg.DefaultSensorStatus.RUNNING for s in sensors.values())


def test_the_night_asks_for_every_active_channel_once(deployment: Deployment) -> None:
    at = tomorrow()
    (request,) = tick(deployment, "nightly_sync", at).run_requests
    assert request.run_config == {"ops": {"zoho_raw": {"config": {"channels": ["acme", "bolt"]}}}}
    submit(deployment, request, "sync_channels", dg.DagsterRunStatus.NOT_STARTED)
    again = tick(deployment, "nightly_sync", at + timedelta(minutes=5))
    assert not again.run_requests
    assert "asked for" in again.skip_message
    (next_night,) = tick(deployment, "nightly_sync", at + timedelta(days=1)).run_requests
    assert next_night.run_key != request.run_key


def test_a_channel_whose_last_night_failed_has_its_turn_after_all_others(deployment: Deployment) -> None:
    at = tomorrow()
    record_sync(deployment.registry, "acme", "Leads", at - timedelta(hours=49), "complete")
    record_sync(deployment.registry, "bolt", "Leads", at - timedelta(hours=25), "complete")
    healthy, late = tick(deployment, "nightly_sync", at).run_requests
    for request, channel in ((healthy, "bolt"), (late, "acme")):
        assert request.run_config == {"ops": {"zoho_raw": {"config": {"channels": [channel]}}}}
    assert "dagster/priority" not in healthy.tags
    assert int(late.tags["dagster/priority"]) < 0


def test_a_night_without_channels_says_so(deployment: Deployment) -> None:
    for channel in ("acme", "bolt"):
        deployment.registry.pause(channel)
    assert "zoho-pipeline connect" in tick(deployment, "nightly_sync", tomorrow()).skip_message
    assert "never" not in (tick(deployment, "weekly_reconcile", tomorrow()).run_requests or [])


def test_the_night_can_be_a_deployments_or_each_channels_own(deployment: Deployment) -> None:
    for zone, clock, cron in (
        ("Asia/Kolkata", "Asia/Kolkata", ["0 1 * * *", "5-55/5 1 * * *"]),
        ("channel", "UTC", "*/5 * * * *"),
    ):
        defs = build(replace(deployment.settings, schedule_timezone=zone))
        nightly = defs.resolve_schedule_def("nightly_sync")
        assert (nightly.execution_timezone, nightly.cron_schedule) == (clock, cron)
    own = replace(deployment, defs=build(replace(deployment.settings, schedule_timezone="channel")))
    half_past = tomorrow(19, 30)  # 01:00 in Kolkata, the zone of both orgs
    last = tick(own, "nightly_sync", half_past - timedelta(minutes=5)).run_requests
    assert [r.tags["zoho_pipeline/night"] for r in last or []] in ([], [f"{tomorrow():%Y-%m-%d}"])
    (request,) = tick(own, "nightly_sync", half_past).run_requests
    assert request.tags["zoho_pipeline/night"] == f"{tomorrow() + timedelta(days=1):%Y-%m-%d}"


def test_a_connected_channel_gets_its_partition_and_one_first_sync(deployment: Deployment) -> None:
    data = sense(deployment, "channel_registry")
    assert [sorted(r.partition_keys) for r in data.dynamic_partitions_requests] == [["acme", "bolt"]]
    assert {r.partition_key for r in data.run_requests} == {"acme", "bolt"}
    deployment.add_partitions()
    waiting = sense(deployment, "channel_registry", cursor=data.cursor)
    assert not waiting.run_requests, "asked for once"
    assert set(json.loads(waiting.cursor)) == {"acme", "bolt"}, "kept until it succeeded"
    assert deployment.sync("acme").success
    after = sense(deployment, "channel_registry", cursor=waiting.cursor)
    assert set(json.loads(after.cursor)) == {"bolt"}
    connect(deployment.registry, "bolt", deployment.orgs["bolt"])
    anew = sense(deployment, "channel_registry", cursor=after.cursor)
    assert [r.partition_key for r in anew.run_requests] == ["bolt"], "a reconnect is a new beginning"
    deployment.registry.remove("bolt")
    gone = sense(deployment, "channel_registry", cursor=anew.cursor)
    (request,) = gone.dynamic_partitions_requests
    assert isinstance(request, dg.DeleteDynamicPartitionsRequest)
    assert list(request.partition_keys) == ["bolt"]


def test_marts_follow_a_sync_once_and_wait_for_the_others(deployment: Deployment) -> None:
    assert "ever synced" in sense(deployment, "marts_after_syncs").skip_message
    deployment.sync("acme")
    other = submit(deployment, dg.RunRequest(), "sync_channels", dg.DagsterRunStatus.STARTED)
    assert "under way" in sense(deployment, "marts_after_syncs").skip_message
    deployment.instance.report_run_canceled(other)
    (request,) = sense(deployment, "marts_after_syncs").run_requests
    refresh = submit(deployment, request, "refresh_marts", dg.DagsterRunStatus.STARTED)
    assert "under way" in sense(deployment, "marts_after_syncs").skip_message
    deployment.instance.report_run_failed(refresh)
    assert "an hour after" in sense(deployment, "marts_after_syncs").skip_message, "a failing model is no storm"
    submit(deployment, request, "refresh_marts", dg.DagsterRunStatus.SUCCESS)
    assert "No sync since" in sense(deployment, "marts_after_syncs").skip_message
    deployment.sync("acme")
    assert len(sense(deployment, "marts_after_syncs").run_requests) == 1


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook of our own on loopback, and what it was sent."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/s3cret", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def failed(deployment: Deployment) -> dg.ExecuteInProcessResult:
    org = deployment.orgs["acme"]
    org.deactivate_user(org.admin)
    return deployment.sync("acme")


def test_a_run_that_failed_is_told_once_and_the_webhook_hears_it(deployment: Deployment) -> None:
    result = failed(deployment)
    failure = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE)
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    with listening() as (url, received):
        defs = build(replace(deployment.settings, failure_webhook=Secret(url)))
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failures",
            dagster_event=failure,
            dagster_instance=deployment.instance,
            dagster_run=run,
            resources=rooms(deployment),
        ).for_run_failure()
        hook = defs.resolve_sensor_def("run_failures")
        hook(context)
        assert len(received) == 1
        assert received[0]["job"] == "sync_channels"
        assert "acme" in received[0]["text"]
        again = run.with_tags({**run.tags, "dagster/will_retry": "true"})
        retried = dg.build_run_status_sensor_context(
            sensor_name="run_failures",
            dagster_event=failure,
            dagster_instance=deployment.instance,
            dagster_run=again,
            resources=rooms(deployment),
        ).for_run_failure()
        hook(retried)
        assert len(received) == 1, "a run that will be tried again is not told"


def test_a_webhook_that_is_down_stops_nothing_and_is_never_shown() -> None:
    from zoho_pipeline.orchestration.automation.failure_sensor import post

    problem = post(Secret("http://127.0.0.1:9/hook/s3cret"), {"text": "x"})
    assert problem is not None
    assert "s3cret" not in problem


@pytest.mark.parametrize("url", ["http://example.com/hook", "ftp://127.0.0.1/x", "nonsense"])
def test_a_webhook_is_https_or_loopback(deployment: Deployment, url: str) -> None:
    with pytest.raises(SettingsError, match="FAILURE_WEBHOOK") as error:
        build(replace(deployment.settings, failure_webhook=Secret(url)))
    assert url not in str(error.value)


def test_the_roster_says_what_the_registry_says(deployment: Deployment) -> None:
    deployment.sync("acme")
    record_sync(deployment.registry, "acme", "Notes", None, "skipped")
    record_sync(deployment.registry, "bolt", "Deals", datetime(2026, 6, 1, tzinfo=UTC), "complete")
    record_sync(deployment.registry, "bolt", "Leads", None, "skipped")
    deployment.registry.set_status("bolt", "reconnect_needed", "the user is gone")
    names = ("status", "status_detail", "timezone", "connected_at", "last_complete_sync_at")
    said = {m.id: {name: getattr(m, name) for name in names} for m in roster(deployment.registry)}
    assert said == {c.id: {name: getattr(c, name) for name in names} for c in deployment.registry.list()}
    assert said["acme"]["last_complete_sync_at"] is not None
    assert said["bolt"]["last_complete_sync_at"] is None, "Leads were never read"


def test_who_was_done_by_an_earlier_try(deployment: Deployment) -> None:
    registry, before = deployment.registry, datetime.now(UTC)
    for channel, outcome in (("acme", "complete"), ("bolt", "failed")):
        for module in ("Leads", "Deals"):
            record_sync(registry, channel, module, None, outcome if module == "Deals" else "complete")
    assert synced_since(registry, ["acme", "bolt", "gone"], before) == {"acme"}
    assert synced_since(registry, ["bolt"], before) == set()
    assert synced_since(registry, ["acme"], datetime.now(UTC)) == set(), "that was an earlier sync"

"""Schedules: when they run, and which runs they request."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg

from tests.orchestration.automation.ticks import evaluate_schedule, submit, tomorrow
from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration import build


def test_every_schedule_is_switched_on_with_its_documented_time(deployment: Deployment) -> None:
    schedules = {s.name: s for s in deployment.defs.schedules or []}
    crons = {name: s.cron_schedule for name, s in schedules.items()}
    assert crons == {
        "nightly_sync": ["0 1 * * *", "5-55/5 1 * * *"],
        "weekly_reconcile": "0 4 * * 0",
        "weekly_insight": "0 6 * * 1",
        "freshness": "30 * * * *",
    }
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in schedules.values())


def test_a_night_requests_the_sync_of_every_active_channel_once(deployment: Deployment) -> None:
    at = tomorrow()
    (request,) = evaluate_schedule(deployment, "nightly_sync", at).run_requests
    assert request.run_config == {"ops": {"zoho_raw": {"config": {"channels": ["acme", "bolt"]}}}}
    submit(deployment, request, "sync_channels", dg.DagsterRunStatus.NOT_STARTED)
    again = evaluate_schedule(deployment, "nightly_sync", at + timedelta(minutes=5))
    assert not again.run_requests
    assert "already requested" in again.skip_message
    (next_night,) = evaluate_schedule(deployment, "nightly_sync", at + timedelta(days=1)).run_requests
    assert next_night.run_key != request.run_key


def test_a_run_of_the_night_that_a_person_changed_stops_no_further_night(deployment: Deployment) -> None:
    """The launchpad keeps the tag of the night, and lets a person empty the config or choose a partition."""
    at = tomorrow()
    (request,) = evaluate_schedule(deployment, "nightly_sync", at).run_requests
    ran = dg.DagsterRunStatus.SUCCESS
    for config in ({}, {"ops": {}}, {"ops": {"zoho_raw": {"config": {"retry_waits": [1.0]}}}}):
        submit(deployment, dg.RunRequest(run_config=config, tags=request.tags), "sync_channels", ran)
    (same,) = evaluate_schedule(deployment, "nightly_sync", at).run_requests
    assert same.run_config == request.run_config, "such a run names no channel"
    one = dg.RunRequest(tags={**request.tags, "dagster/partition": "acme"})
    submit(deployment, one, "sync_channels", ran)
    (other,) = evaluate_schedule(deployment, "nightly_sync", at).run_requests
    assert other.run_config == {"ops": {"zoho_raw": {"config": {"channels": ["bolt"]}}}}


def test_a_channel_whose_last_night_failed_is_synced_after_all_others(deployment: Deployment) -> None:
    at = tomorrow()
    deployment.record_sync("acme", "Leads", at - timedelta(hours=49), "complete")
    deployment.record_sync("bolt", "Leads", at - timedelta(hours=25), "complete")
    healthy, failed = evaluate_schedule(deployment, "nightly_sync", at).run_requests
    for request, channel in ((healthy, "bolt"), (failed, "acme")):
        assert request.run_config == {"ops": {"zoho_raw": {"config": {"channels": [channel]}}}}
    assert "dagster/priority" not in healthy.tags
    assert int(failed.tags["dagster/priority"]) < 0


def test_without_an_active_channel_the_schedules_say_why_they_do_nothing(deployment: Deployment) -> None:
    for channel in ("acme", "bolt"):
        deployment.registry.pause(channel)
    assert "zoho-pipeline connect" in evaluate_schedule(deployment, "nightly_sync", tomorrow()).skip_message
    weekly = evaluate_schedule(deployment, "weekly_reconcile", tomorrow())
    assert not weekly.run_requests
    assert "complete sync" in weekly.skip_message


def test_the_weekly_reconciliation_takes_the_active_channels_that_were_synced(deployment: Deployment) -> None:
    deployment.record_sync("acme", "Leads", tomorrow() - timedelta(hours=25), "complete")
    (request,) = evaluate_schedule(deployment, "weekly_reconcile", tomorrow()).run_requests
    assert request.run_config == {"ops": {"reconcile": {"config": {"channels": ["acme"]}}}}


def test_the_night_starts_in_the_zone_of_the_deployment_or_of_each_channel(deployment: Deployment) -> None:
    for zone, timezone, cron in (
        ("Asia/Kolkata", "Asia/Kolkata", ["0 1 * * *", "5-55/5 1 * * *"]),
        ("channel", "UTC", "*/5 * * * *"),
    ):
        defs = build(replace(deployment.settings, schedule_timezone=zone))
        nightly = defs.resolve_schedule_def("nightly_sync")
        assert (nightly.execution_timezone, nightly.cron_schedule) == (timezone, cron)
    per_channel = replace(deployment, defs=build(replace(deployment.settings, schedule_timezone="channel")))
    start = tomorrow(19, 30)  # 01:00 in Kolkata, the zone of both orgs
    before = evaluate_schedule(per_channel, "nightly_sync", start - timedelta(minutes=5)).run_requests
    assert [r.tags["zoho_pipeline/night"] for r in before or []] in ([], [f"{tomorrow():%Y-%m-%d}"])
    (request,) = evaluate_schedule(per_channel, "nightly_sync", start).run_requests
    assert request.tags["zoho_pipeline/night"] == f"{tomorrow() + timedelta(days=1):%Y-%m-%d}"

"""Requests for a sync in Dagster: taken where no worker lives, shown with who asked, ended when the marts show them."""

from datetime import timedelta

import dagster as dg
import pytest
from sqlalchemy import text, update

from tests.orchestration.automation.ticks import evaluate_sensor, submit
from tests.orchestration.conftest import NO_WAITS, Deployment
from zoho_pipeline.channels.registry.platform_tables import sync_requests
from zoho_pipeline.channels.sync_requests import claims, queue, workers
from zoho_pipeline.channels.sync_requests.model import SyncRequest
from zoho_pipeline.orchestration.automation.requested_syncs import WAIT_FOR_RUN
from zoho_pipeline.warehouse.warehouse import open_warehouse

SENSOR = "sync_requests"


def ask(deployment: Deployment, reason: str = "user", **options: bool) -> SyncRequest:
    return queue.request_sync(deployment.registry, "acme", reason=reason, requested_by="key:k1", **options)[0]


def now(deployment: Deployment, request: SyncRequest) -> SyncRequest:
    found = queue.get(deployment.registry, request.id)
    assert found is not None
    return found


def taken(deployment: Deployment) -> dg.RunRequest:
    (run_request,) = evaluate_sensor(deployment, SENSOR).run_requests
    assert isinstance(run_request, dg.RunRequest)
    return run_request


def test_a_request_becomes_a_run_that_says_who_asked(deployment: Deployment) -> None:
    assert "No request" in evaluate_sensor(deployment, SENSOR).skip_message
    request = ask(deployment, full=True)
    run = taken(deployment)
    assert run.run_key == request.id
    config = {"channels": ["acme"], "full": True, "keep_side_tables": False}
    assert run.run_config == {"ops": {"zoho_raw": {"config": config}}}
    assert run.tags["zoho_pipeline/requested_by"] == "key:k1 (user)"
    assert run.tags["zoho_pipeline/sync_request"] == request.id
    assert (now(deployment, request).state, now(deployment, request).worker) == ("running", "dagster")
    assert not evaluate_sensor(deployment, SENSOR).run_requests, "it is asked for once"


def test_a_living_worker_does_the_requests(deployment: Deployment) -> None:
    request = ask(deployment)
    workers.heartbeat(deployment.registry, "w")
    assert "A worker lives" in evaluate_sensor(deployment, SENSOR).skip_message
    assert now(deployment, request).state == "queued"
    workers.heartbeat(deployment.registry, "w", lease=timedelta(seconds=-1))
    assert taken(deployment).run_key == request.id


@pytest.mark.long
def test_a_request_is_done_when_the_marts_show_its_rows(deployment: Deployment) -> None:
    request = ask(deployment)
    run = taken(deployment)
    started = submit(deployment, run, "sync_channels", dg.DagsterRunStatus.STARTED)
    claims.signs_of_life(
        deployment.registry, "dagster", [claims.SignOfLife(request.id, renew=True)], lease=timedelta(seconds=1)
    )
    evaluate_sensor(deployment, SENSOR)
    lease = now(deployment, request).lease_until
    assert lease is not None
    assert lease - deployment.registry.database.now() > timedelta(minutes=10), "each tick keeps the claim alive"
    deployment.instance.delete_run(started.run_id)
    config = {"ops": {"zoho_raw": {"config": {**run.run_config["ops"]["zoho_raw"]["config"], **NO_WAITS}}}}
    assert deployment.run("sync_channels", run_config=config, tags=dict(run.tags)).success
    evaluate_sensor(deployment, SENSOR)
    waiting = now(deployment, request)
    assert waiting.state == "running", "the rows are loaded, and not published yet"
    assert waiting.run_id
    assert waiting.modules
    deployment.registry.record_published(["acme"], request.asked_at)
    evaluate_sensor(deployment, SENSOR)
    assert now(deployment, request).state == "running", "that build began before the sync"
    assert deployment.run("refresh_marts").success
    evaluate_sensor(deployment, SENSOR)
    assert (now(deployment, request).state, now(deployment, request).error) == ("done", None)


@pytest.mark.long
def test_a_sync_that_notifications_cause_keeps_young_side_tables(deployment: Deployment) -> None:
    """As the worker does. The sync of a user reads them anew."""

    def kept(reason: str) -> set[str]:
        request = ask(deployment, reason)
        run = taken(deployment)
        config = {"ops": {"zoho_raw": {"config": {**run.run_config["ops"]["zoho_raw"]["config"], **NO_WAITS}}}}
        assert deployment.run("sync_channels", run_config=config, tags=dict(run.tags)).success
        claims.finish(deployment.registry, "dagster", request.id)
        run_id = now(deployment, request).run_id
        with open_warehouse(deployment.settings).connect() as connection:
            query = "select module from zoho_raw.sync_runs where route = 'kept' and run_id = ?"
            return {row["module"] for row in connection.rows(query, (run_id,))}

    assert kept("push") == set(), "nothing was read before"
    assert {"users", "holidays"} <= kept("push")
    assert kept("gap") == set()


def test_a_failed_run_fails_its_request_with_the_reason(deployment: Deployment) -> None:
    request = ask(deployment)
    run = submit(deployment, taken(deployment), "sync_channels", dg.DagsterRunStatus.STARTED)
    deployment.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    deployment.instance.report_run_failed(run)
    evaluate_sensor(deployment, SENSOR)
    assert now(deployment, request).state == "running", "Dagster repeats the run"
    deployment.instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})
    evaluate_sensor(deployment, SENSOR)
    assert (now(deployment, request).state, now(deployment, request).error) == (
        "failed",
        f"see Dagster's run {run.run_id}",
    )


def test_a_damaged_channel_does_not_stop_the_requests_of_others(deployment: Deployment) -> None:
    """Each tick looks at every request that Dagster has. One that cannot be looked at would end all ticks."""
    request = ask(deployment)
    run = submit(deployment, taken(deployment), "sync_channels", dg.DagsterRunStatus.STARTED)
    deployment.instance.report_run_failed(run)
    deployment.instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})
    with deployment.registry.database.write() as transaction:
        transaction.execute(text("update registry_channels set scopes = '{' where channel_id = 'acme'"))
    assert "No request" in evaluate_sensor(deployment, SENSOR).skip_message
    ended = now(deployment, request)
    assert ended.state == "failed"
    assert "is damaged" in str(ended.error)


@pytest.mark.long
def test_a_run_that_skipped_a_paused_channel_fails_its_request(deployment: Deployment) -> None:
    request = ask(deployment)
    submit(deployment, taken(deployment), "sync_channels", dg.DagsterRunStatus.SUCCESS)
    deployment.registry.pause("acme")
    evaluate_sensor(deployment, SENSOR)
    assert (now(deployment, request).state, "is paused" in str(now(deployment, request).error)) == ("failed", True)


@pytest.mark.parametrize("late", [False, True])
def test_a_request_whose_run_never_began_goes_back(deployment: Deployment, late: bool) -> None:
    request = ask(deployment)
    taken(deployment)
    if late:
        with deployment.registry.database.write() as transaction:
            past = deployment.registry.database.now() - WAIT_FOR_RUN - timedelta(seconds=1)
            transaction.execute(update(sync_requests).values(started_at=past))
    again = evaluate_sensor(deployment, SENSOR).run_requests
    assert [run.run_key for run in again] == ([request.id] if late else [])


@pytest.mark.long
def test_first_syncs_are_the_workers_where_one_lives(deployment: Deployment) -> None:
    sensor = "channel_registry"
    workers.heartbeat(deployment.registry, "w")
    living = evaluate_sensor(deployment, sensor)
    assert not living.run_requests
    assert living.dynamic_partitions_requests, "partitions follow the registry all the same"
    workers.retire(deployment.registry, "w")
    ask(deployment)
    alone = evaluate_sensor(deployment, sensor, cursor=living.cursor)
    assert [run.partition_key for run in alone.run_requests] == ["bolt"], "acme has an open request"
    assert not evaluate_sensor(deployment, sensor, cursor=alone.cursor).run_requests

"""Sync runs: a batch of channels is one run, and a channel that fails does not stop the others."""

import dagster as dg
import pytest
from dagster._core.execution.retries import auto_reexecution_should_retry_run

from tests.orchestration.conftest import Deployment
from zoho_pipeline.channels.registry.model import SUBFORMS
from zoho_pipeline.ingest.catalog.tables import MODULE_TABLES
from zoho_pipeline.ingest.report import ModuleReport, SyncReport
from zoho_pipeline.orchestration.assets.raw_assets import sync_failure
from zoho_pipeline.orchestration.channel_batch import ChannelFailure
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse

LEADS = dg.AssetKey(["zoho_raw", "leads"])


def count(deployment: Deployment, sql: str) -> int:
    with open_warehouse(deployment.settings).connect() as connection:
        return int(connection.rows(sql)[0]["n"])


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    failure = next(event for event in result.all_events if event.is_step_failure)
    return str(failure.step_failure_data.user_failure_data)


@pytest.mark.long
def test_one_partition_syncs_one_channel_and_logs_its_numbers(deployment: Deployment) -> None:
    deployment.add_partitions()
    result = deployment.run("sync_channels", partition_key="acme")
    assert result.success
    assert deployment.instance.get_materialized_partitions(LEADS) == {"acme"}
    assert count(deployment, "select count(*) as n from zoho_raw.leads where channel_id = 'acme'") == 5
    event = deployment.instance.get_latest_materialization_event(LEADS)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["rows"].value == 5
    assert metadata["outcome"].value == "complete"
    assert int(str(metadata["credits"].value)) >= 1


@pytest.mark.long
def test_a_batch_is_one_run_and_fills_every_raw_table(deployment: Deployment) -> None:
    deployment.add_partitions()
    deployment.registry.pause("bolt")
    result = deployment.sync()
    assert result.success
    for key in deployment.defs.resolve_asset_graph().get_all_asset_keys():
        if key.path[0] == "zoho_raw":
            assert deployment.instance.get_materialized_partitions(key) == {"acme"}, f"{key}: bolt is paused"
    checks = [e for e in result.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]
    assert {e.event_specific_data.partition for e in checks} == {"acme"}
    everything = "\n".join(str(e) for e in deployment.instance.all_logs(result.run_id))
    assert "test-client-secret" not in everything
    assert "1000." not in everything.replace("1000.TESTCLIENT", "")


@pytest.mark.long
def test_a_quiet_sync_logs_no_table_that_it_did_not_write(deployment: Deployment) -> None:
    """With 5,000 channels, the users, stages and hours of a quiet night were 25,000 events that said nothing."""
    deployment.add_partitions()
    assert deployment.sync("acme").success
    quiet = deployment.sync("acme")
    assert logged(quiet) == {"channels", "sync_runs", *(table.name for table in MODULE_TABLES)}
    org = deployment.orgs["acme"]
    org.admin.first_name = "Renamed"
    assert logged(deployment.sync("acme")) - logged(quiet) == {"users"}
    org.add_module("Webinars", "Name:text! Talks:subform")
    org.insert("Webinars", {"Name": "W", "Talks": [{"id": "7", "Title": "T"}]})
    deployment.registry.store_settings("acme", chosen_modules={"Webinars": SUBFORMS})
    assert logged(deployment.sync("acme")) - logged(quiet) == {"module_records", "module_record_parts"}


def logged(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key}


def test_a_permanent_failure_stops_no_other_channel_and_is_not_retried(deployment: Deployment) -> None:
    deployment.add_partitions()
    org = deployment.orgs["acme"]
    org.deactivate_user(org.admin)  # Zoho then refuses the tokens of this user
    result = deployment.sync()
    assert not result.success
    assert deployment.instance.get_materialized_partitions(LEADS) == {"bolt"}
    assert deployment.registry.get("acme").status == "reconnect_needed"
    assert deployment.check_results("synced") == {"acme": False, "bolt": True}
    assert "acme" in failure_text(result)
    assert "bolt" not in failure_text(result)
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0", "Dagster does not retry the run either"
    again = deployment.sync("acme")
    assert again.success, "a run skips a channel that must be connected again, and does not fail every night"


@pytest.mark.long
def test_a_channel_whose_zoho_does_not_answer_does_not_delay_the_others(
    in_memory: Deployment, simulator: Simulator
) -> None:
    """Its first turn ends after three attempts of a call. Its next turn comes after the others, and succeeds."""
    in_memory.add_partitions()
    simulator.faults.next(5, "server_error", path="/crm/v7/org")  # one of the two meets three of them, and gives up
    result = in_memory.sync("acme", "bolt")
    assert result.success
    events = in_memory.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [event.get_dagster_event().event_specific_data for event in events]
    turns = [(check.partition, check.passed) for check in checks if check.check_name == "synced"]
    [late] = [channel for channel, passed in turns if not passed]
    [other] = {"acme", "bolt"} - {late}
    assert sorted(turns) == sorted([(late, False), (late, True), (other, True)])
    assert turns[-1] == (late, True), "its next turn comes after the other channel"
    runs = "select channel_id, outcome from zoho_raw.sync_runs where module = 'Leads'"
    with open_warehouse(in_memory.settings).connect() as connection:
        assert {row["outcome"] for row in connection.rows(runs)} == {"complete"}


@pytest.mark.parametrize(
    ("job", "config"),
    [
        ("sync_channels", {}),
        ("sync_channels", {"ops": {"zoho_raw": {"config": {"channels": []}}}}),
        ("reconcile_channels", {"ops": {"reconcile": {"config": {"channels": []}}}}),
    ],
)
def test_a_run_that_names_no_channel_is_cancelled_once_and_no_check_is_red(
    deployment: Deployment, job: str, config: dict[str, object]
) -> None:
    """As a failed run it was retried twice by the daemon, and each check that it planned was shown as failed."""
    result = deployment.run(job, run_config=config)
    assert not result.success
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert not auto_reexecution_should_retry_run(deployment.instance, run, None)
    logs = deployment.instance.all_logs(result.run_id)
    said = [event.message for event in logs if event.dagster_event and event.dagster_event.event_type_value]
    assert any("channels: [id, …]" in message for message in said)
    storage = deployment.instance.event_log_storage
    assert red_checks(deployment) == set()
    for key in deployment.defs.resolve_asset_graph().asset_check_keys:
        for record in storage.get_asset_check_execution_history(key, limit=1):
            assert record.run_id == result.run_id
            assert record.status.value == "PLANNED", "of a run that did not fail: Dagster shows it as skipped"


def red_checks(deployment: Deployment) -> set[dg.AssetCheckKey]:
    """The checks whose newest evaluation failed, or was planned by a run that failed."""
    found = set()
    for key in deployment.defs.resolve_asset_graph().asset_check_keys:
        for record in deployment.instance.event_log_storage.get_asset_check_execution_history(key, limit=1):
            run = deployment.instance.get_run_by_id(record.run_id)
            unfinished = record.status.value == "PLANNED" and run and run.status == dg.DagsterRunStatus.FAILURE
            if record.status.value == "FAILED" or unfinished:
                found.add(key)
    return found


@pytest.mark.long
def test_a_channel_that_nobody_registered_fails_its_run_once_and_has_no_check(deployment: Deployment) -> None:
    deployment.add_partitions()
    result = deployment.sync("acme", "acne")
    assert "acne" in failure_text(result)
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert not auto_reexecution_should_retry_run(deployment.instance, run, None)
    assert deployment.check_results("synced") == {"acme": True}


def test_a_spent_budget_is_permanent_and_a_failed_module_is_transient() -> None:
    def report(*outcomes: str) -> SyncReport:
        modules = [ModuleReport(f"M{n}", outcome=o, detail=f"why {n}") for n, o in enumerate(outcomes)]  # type: ignore[arg-type]
        return SyncReport("acme", "run", modules)

    assert sync_failure(report("complete", "skipped")) is None
    assert sync_failure(report("complete", "stopped")) == ChannelFailure("M1: why 1", permanent=True)
    assert sync_failure(report("failed", "stopped")) == ChannelFailure("M0: why 0; M1: why 1", permanent=False)

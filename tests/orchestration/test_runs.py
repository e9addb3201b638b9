"""Runs: a batch of channels is one run, each channel's fate its own; marts, checks and the weekly insight."""

import dagster as dg

from tests.orchestration.conftest import Deployment
from zoho_pipeline.reading import published
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse import open_warehouse

LEADS = dg.AssetKey(["zoho_raw", "leads"])
INSIGHT = dg.AssetKey(["marts", "channel_insight"])


def count(deployment: Deployment, sql: str) -> int:
    with open_warehouse(deployment.settings).connect() as connection:
        return int(connection.rows(sql)[0]["n"])


def insights(deployment: Deployment) -> dict[str, tuple[int, bool]]:
    """Channel → (leads this month, is weekly) as published."""
    with published.connect(open_warehouse(deployment.settings)) as connection:
        rows = connection.rows("select channel_id, leads_this_month, is_weekly from channel_insight")
    return {row["channel_id"]: (row["leads_this_month"], row["is_weekly"]) for row in rows}


def cut_off(deployment: Deployment, channel_id: str) -> None:
    """The user behind a channel is deactivated in Zoho: its tokens are dead, for good."""
    org = deployment.orgs[channel_id]
    org.deactivate_user(org.admin)


def told(result: dg.ExecuteInProcessResult) -> str:
    failure = next(event for event in result.all_events if event.is_step_failure)
    return str(failure.step_failure_data.user_failure_data)


def test_one_partition_syncs_one_channel_with_its_figures(deployment: Deployment) -> None:
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


def test_a_batch_is_one_run_and_fills_every_raw_table(deployment: Deployment) -> None:
    deployment.add_partitions()
    deployment.registry.pause("bolt")
    result = deployment.sync()
    assert result.success
    for key in deployment.defs.resolve_asset_graph().get_all_asset_keys():
        if key.path[0] == "zoho_raw":
            assert deployment.instance.get_materialized_partitions(key) == {"acme"}, f"{key}: bolt is paused"
    told_of = [e for e in result.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]
    assert {e.event_specific_data.partition for e in told_of} == {"acme"}
    everything = "\n".join(str(e) for e in deployment.instance.all_logs(result.run_id))
    assert "test-client-secret" not in everything
    assert "1000." not in everything.replace("1000.TESTCLIENT", "")


def test_a_channel_that_fails_for_good_takes_nothing_from_the_others_and_is_not_tried_again(
    deployment: Deployment,
) -> None:
    deployment.add_partitions()
    cut_off(deployment, "acme")
    result = deployment.sync()
    assert not result.success
    assert deployment.instance.get_materialized_partitions(LEADS) == {"bolt"}
    assert deployment.registry.get("acme").status == "reconnect_needed"
    assert deployment.checks("synced") == {"acme": False, "bolt": True}
    assert "acme" in told(result)
    assert "bolt" not in told(result)
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0", "no retry of the run either"
    again = deployment.sync("acme")
    assert again.success, "a channel that waits for its reconnect is passed over, not failed every night"


def test_a_channel_whose_zoho_cannot_be_reached_keeps_no_other_waiting(
    in_memory: Deployment, simulator: Simulator
) -> None:
    """Its first turn gives up after three tries of a call; the next, when the others are done, gets through."""
    in_memory.add_partitions()
    simulator.faults.next(3, "server_error", path="/crm/v7/org")
    assert in_memory.sync("acme", "bolt").success
    began = in_memory.registry.list()
    ended = {channel.id: channel.modules["Leads"].synced_at for channel in began}
    assert ended["bolt"] < ended["acme"]
    runs = "select run_id, outcome from zoho_raw.sync_runs where channel_id = 'acme' and module = 'Leads'"
    with open_warehouse(in_memory.settings).connect() as connection:
        assert {row["outcome"] for row in connection.rows(runs)} == {"complete"}


def test_every_kind_of_asset_can_be_materialised_alone(in_memory: Deployment) -> None:
    """What a person does in the UI: pick any one asset and press the button."""
    in_memory.add_partitions()
    alone = [("zoho_raw", "leads"), ("zoho_raw", "users"), ("staging", "stg_leads"), ("marts", "lead_volume")]
    job = in_memory.defs.resolve_implicit_global_asset_job_def()
    for path in alone:
        key = dg.AssetKey(list(path))
        result = job.execute_in_process(
            instance=in_memory.instance,
            asset_selection=[key],
            partition_key="acme" if path[0] == "zoho_raw" else None,
            raise_on_error=False,
        )
        assert result.success, path
        events = result.get_asset_materialization_events()
        assert {event.asset_key for event in events} == {key}
        evaluated = {evaluation.check_name for evaluation in result.get_asset_check_evaluations()}
        assert "matches_zoho" not in evaluated, "a comparison id by id costs credits: it is asked for by itself"


def test_marts_checks_and_the_weekly_insight(in_memory: Deployment) -> None:
    in_memory.add_partitions()
    in_memory.sync()
    weekly = in_memory.run("weekly_insight")
    assert weekly.success
    evaluations = weekly.get_asset_check_evaluations()
    assert evaluations, "the yml's tests and the invariants are checks"
    assert [e for e in evaluations if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR] == []
    event = in_memory.instance.get_latest_materialization_event(INSIGHT)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 2
    page = str(event.asset_materialization.metadata["insight of acme"].value)
    assert page.startswith("![leads a week](data:image/png;base64,")
    assert "**5** leads this month" in page
    assert insights(in_memory) == {"acme": (5, True), "bolt": (3, True)}

    in_memory.orgs["acme"].insert("Leads", {"Last_Name": "Late", "Company": "Co"})
    in_memory.sync("acme")
    assert in_memory.run("refresh_marts").success
    assert insights(in_memory) == {"acme": (6, True), "bolt": (3, True)}, "the week's mark stays"

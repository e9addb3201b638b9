"""Runs of the models: marts, their checks, the weekly insight, and one asset at a time."""

import dagster as dg
import pytest

from tests.orchestration.conftest import Deployment
from zoho_pipeline.reading import published
from zoho_pipeline.warehouse.warehouse import open_warehouse

INSIGHT = dg.AssetKey(["marts", "channel_insight"])


def insights(deployment: Deployment) -> dict[str, tuple[int, bool]]:
    """Channel → (leads of this month, is weekly), from the published marts."""
    with published.connect(open_warehouse(deployment.settings)) as connection:
        rows = connection.rows("select channel_id, leads_this_month, is_weekly from channel_insight")
    return {row["channel_id"]: (row["leads_this_month"], row["is_weekly"]) for row in rows}


@pytest.mark.long
def test_every_kind_of_asset_can_be_materialized_alone(in_memory: Deployment) -> None:
    """A person selects one asset in the UI and presses Materialize."""
    in_memory.add_partitions()
    assets = [("zoho_raw", "leads"), ("zoho_raw", "users"), ("staging", "stg_leads"), ("marts", "lead_volume")]
    job = in_memory.defs.resolve_implicit_global_asset_job_def()
    for path in assets:
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
        assert "matches_zoho" not in evaluated, "the comparison id by id costs credits, so it runs only on request"


@pytest.mark.long
def test_a_weekly_insight_is_built_checked_and_kept(in_memory: Deployment) -> None:
    in_memory.add_partitions()
    in_memory.sync()
    weekly = in_memory.run("weekly_insight")
    assert weekly.success
    evaluations = weekly.get_asset_check_evaluations()
    assert evaluations, "the tests of the yml and the singular tests are checks"
    assert [e for e in evaluations if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR] == []
    event = in_memory.instance.get_latest_materialization_event(INSIGHT)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 2
    page = str(event.asset_materialization.metadata["insight of acme"].value)
    assert page.startswith("![leads per week](data:image/png;base64,")
    assert "**5** leads this month" in page
    assert insights(in_memory) == {"acme": (5, True), "bolt": (3, True)}

    in_memory.orgs["acme"].insert("Leads", {"Last_Name": "Late", "Company": "Co"})
    in_memory.sync("acme")
    assert in_memory.run("refresh_marts").success
    assert insights(in_memory) == {"acme": (6, True), "bolt": (3, True)}, "the weekly mark stays"


@pytest.mark.long
def test_a_refresh_that_cannot_succeed_is_not_retried(deployment: Deployment) -> None:
    """An as-of that cannot be read fails each time."""
    result = deployment.run("refresh_marts", run_config={"ops": {"models": {"config": {"as_of": "yesterday"}}}})
    assert not result.success
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/will_retry"] == "false"


@pytest.mark.long
def test_checks_that_a_person_executes_alone_are_evaluated(in_memory: Deployment) -> None:
    """The page of an asset has a button `Execute all` for its checks. The models are built and published then, too."""
    in_memory.sync()
    checks = {dg.AssetCheckKey(INSIGHT, name) for name in ("not_null", "insight_statuses_hold")}
    job = in_memory.defs.resolve_implicit_global_asset_job_def()
    checks_alone = job.get_subset(asset_selection=set(), asset_check_selection=checks)
    for what in ("the marts are new", "nothing has changed since"):
        result = checks_alone.execute_in_process(instance=in_memory.instance, raise_on_error=False)
        assert result.success, what
        assert {e.asset_check_key for e in result.get_asset_check_evaluations()} == checks, what
        event = in_memory.instance.get_latest_materialization_event(INSIGHT)
        assert event is not None, "who follows the mart must see that it was published"
        assert event.run_id == result.run_id, what
    assert insights(in_memory) == {"acme": (5, False), "bolt": (3, False)}

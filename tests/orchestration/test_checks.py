"""Checks of channels: what the weekly reconciliation found, who is fresh, and where column lineage leads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from tests.orchestration.conftest import QUICK, Deployment
from tests.sync_records import record_sync
from zoho_pipeline.orchestration.assets.channel_checks import freshness
from zoho_pipeline.orchestration.assets.model_manifest import SHIPPED
from zoho_pipeline.orchestration.channel_summaries import roster
from zoho_pipeline.transform.project.project import shipped


def test_reconciliation_tells_each_channel_and_module_what_differed(in_memory: Deployment) -> None:
    in_memory.sync()
    from zoho_pipeline.warehouse import open_warehouse

    warehouse = open_warehouse(in_memory.settings)
    with warehouse.exclusive(), warehouse.connect(read_only=False) as connection:
        connection.execute(
            "insert into zoho_raw.leads select * replace ('999' as id) from zoho_raw.leads"
            " where channel_id = 'acme' limit 1"
        )
    config = {"ops": {"reconcile": {"config": {"channels": ["acme", "bolt"], **QUICK}}}}
    assert in_memory.run("reconcile_channels", run_config=config).success
    assert in_memory.checks("matches_zoho", "leads") == {"acme": False, "bolt": True}
    assert in_memory.run("reconcile_channels", run_config=config).success
    assert in_memory.checks("matches_zoho", "leads") == {"acme": True, "bolt": True}, "it was repaired"


def test_the_hourly_look_tells_each_channel_once_while_it_stays_fresh(in_memory: Deployment) -> None:
    in_memory.sync("acme")
    first = in_memory.run("check_freshness")
    assert first.success
    assert in_memory.checks("fresh") == {"acme": True, "bolt": True}, "bolt was connected a moment ago"
    again = in_memory.run("check_freshness")
    assert not [e for e in again.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]


@pytest.mark.parametrize(
    ("hours", "status", "passed", "severe"),
    [
        (1, "active", True, False),
        (27, "active", False, False),
        (37, "active", False, True),
        (37, "paused", False, False),
    ],
)
def test_when_a_channel_is_fresh(deployment: Deployment, hours: int, status: str, passed: bool, severe: bool) -> None:
    now = datetime.now(UTC)
    record_sync(deployment.registry, "acme", "Leads", now - timedelta(hours=hours), "complete")
    member = next(member for member in roster(deployment.registry) if member.id == "acme")
    assert freshness(replace(member, status=status), now)[:2] == (passed, severe)


def test_columns_lead_from_the_insight_to_zohos_fields(deployment: Deployment) -> None:
    assert shipped() == SHIPPED
    specs = {spec.key: spec for spec in deployment.defs.resolve_all_asset_specs()}
    found: set[tuple[str, str]] = set()
    waiting = [(dg.AssetKey(["marts", "lead"]), "company")]
    while waiting:
        key, column = waiting.pop()
        if (key.to_user_string(), column) in found:
            continue
        found.add((key.to_user_string(), column))
        lineage = specs[key].metadata.get("dagster/column_lineage")
        for dep in lineage.deps_by_column.get(column, []) if lineage else []:
            waiting.append((dep.asset_key, dep.column_name))
    assert ("zoho_raw/leads", "company") in found
    assert ("zoho_crm/Leads", "Company") in found


def test_every_asset_has_owner_group_kind_and_a_link_to_its_file(deployment: Deployment) -> None:
    for spec in deployment.defs.resolve_all_asset_specs():
        assert spec.group_name in {"zoho_crm", "zoho_raw", "staging", "intermediate", "marts", "insight", "seeds"}
        assert spec.kinds
        if spec.group_name != "zoho_crm":
            assert spec.owners
            assert "dagster/code_references" in spec.metadata

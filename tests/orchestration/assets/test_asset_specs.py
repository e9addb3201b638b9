"""What the UI shows of every asset: owner, group, kind, file, and the lineage of its columns."""

import dagster as dg
import pytest

from tests.orchestration.conftest import Deployment

GROUPS = {"zoho_crm", "zoho_raw", "staging", "intermediate", "metrics", "marts", "insight", "seeds"}


@pytest.mark.parametrize(
    ("mart", "column", "raw", "field"),
    [
        ("lead", "company", "leads/company", "Leads/Company"),
        ("deal", "account_name", "deals/account_name_name", "Deals/Account_Name"),
        ("deal", "days_in_stage", "deal_stage_history/modified_time", None),
        ("activity", "happened_at", "calls/call_start_time", "Calls/Call_Start_Time"),
        ("owner", "won_revenue_90d", "deals/amount", "Deals/Amount"),
        ("campaign", "campaign", "leads/custom_fields", None),
        ("channel", "connected_at", "channels/connected_at", None),
    ],
)
def test_column_lineage_leads_from_a_mart_to_the_fields_of_zoho(
    mart: str, column: str, raw: str, field: str | None, deployment: Deployment
) -> None:
    specs = {spec.key: spec for spec in deployment.defs.resolve_all_asset_specs()}
    found: set[tuple[str, str]] = set()
    to_visit = [(dg.AssetKey(["marts", mart]), column)]
    while to_visit:
        key, column = to_visit.pop()
        if (key.to_user_string(), column) in found:
            continue
        found.add((key.to_user_string(), column))
        lineage = specs[key].metadata.get("dagster/column_lineage")
        for dep in lineage.deps_by_column.get(column, []) if lineage else []:
            to_visit.append((dep.asset_key, dep.column_name))
    assert tuple(f"zoho_raw/{raw}".rsplit("/", 1)) in found
    assert field is None or tuple(f"zoho_crm/{field}".rsplit("/", 1)) in found


def test_every_asset_has_an_owner_a_group_a_kind_and_a_link_to_its_file(deployment: Deployment) -> None:
    for spec in deployment.defs.resolve_all_asset_specs():
        assert spec.group_name in GROUPS
        assert spec.kinds
        if spec.group_name != "zoho_crm":
            assert spec.owners
            assert "dagster/code_references" in spec.metadata

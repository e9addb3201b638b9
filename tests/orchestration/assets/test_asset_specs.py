"""What the UI shows of every asset: owner, group, kind, file, and the lineage of its columns."""

import dagster as dg

from tests.orchestration.conftest import Deployment

GROUPS = {"zoho_crm", "zoho_raw", "staging", "intermediate", "metrics", "marts", "insight", "seeds"}


def test_column_lineage_leads_from_a_mart_to_the_fields_of_zoho(deployment: Deployment) -> None:
    specs = {spec.key: spec for spec in deployment.defs.resolve_all_asset_specs()}
    found: set[tuple[str, str]] = set()
    to_visit = [(dg.AssetKey(["marts", "lead"]), "company")]
    while to_visit:
        key, column = to_visit.pop()
        if (key.to_user_string(), column) in found:
            continue
        found.add((key.to_user_string(), column))
        lineage = specs[key].metadata.get("dagster/column_lineage")
        for dep in lineage.deps_by_column.get(column, []) if lineage else []:
            to_visit.append((dep.asset_key, dep.column_name))
    assert ("zoho_raw/leads", "company") in found
    assert ("zoho_crm/Leads", "Company") in found


def test_every_asset_has_an_owner_a_group_a_kind_and_a_link_to_its_file(deployment: Deployment) -> None:
    for spec in deployment.defs.resolve_all_asset_specs():
        assert spec.group_name in GROUPS
        assert spec.kinds
        if spec.group_name != "zoho_crm":
            assert spec.owners
            assert "dagster/code_references" in spec.metadata

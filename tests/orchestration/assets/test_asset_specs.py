"""What the UI shows of every asset and check: tags, owners, group, kind, file, lineage, and what a failure blocks."""

from collections.abc import Callable

import dagster as dg
import pytest

from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration import build
from zoho_pipeline.settings import load_settings

LAYERS = {"source", "raw", "seed", "staging", "intermediate", "mart", "metric", "insight"}
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


def test_every_asset_has_tags_a_group_a_kind_and_a_link_to_its_file(deployment: Deployment) -> None:
    for spec in deployment.defs.resolve_all_asset_specs():
        assert spec.group_name in GROUPS
        assert spec.kinds
        assert spec.tags["layer"] in LAYERS
        assert spec.tags["pii"] in ("true", "false")
        assert not spec.owners, "nobody owns an asset until a setting says so"
        if spec.group_name != "zoho_crm":
            assert "dagster/code_references" in spec.metadata


def test_the_owners_are_those_of_the_setting(settings_env: Callable[..., dict[str, str]]) -> None:
    env = settings_env(ZOHO_PIPELINE_DAGSTER_OWNERS="ana@example.com, team:crm ,ana@example.com")
    specs = list(build(load_settings(env)).resolve_all_asset_specs())
    assert {tuple(spec.owners) for spec in specs} == {("ana@example.com", "team:crm")}


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dg.AssetSpec]:
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path_factory.mktemp("specs") / "home")})
    return {spec.key.to_user_string(): spec for spec in build(settings).resolve_all_asset_specs()}


@pytest.mark.parametrize(
    ("key", "layer", "personal"),
    [
        ("zoho_crm/Leads", "source", {"First_Name", "Email", "Phone", "Owner", "(custom fields)"}),
        ("zoho_raw/leads", "raw", {"email", "full_name", "phone", "owner_name", "custom_fields"}),
        ("zoho_raw/module_records", "raw", {"owner_name", "record"}),
        ("zoho_raw/module_record_parts", "raw", {"parts"}),
        ("zoho_raw/person_keys", "raw", {"key"}),
        ("zoho_raw/deal_stages", "raw", set()),
        ("zoho_raw/channel_parameters", "raw", set()),
        ("seeds/seed_contact_task_kinds", "seed", set()),
        ("staging/stg_deals", "staging", {"deal_name", "contact_name", "owner_name"}),
        ("intermediate/int_touch_matches", "intermediate", set()),
        ("marts/lead_contact", "mart", {"email", "full_name", "phone"}),
        ("marts/lead_source_attribution", "mart", set()),
        ("marts/channel_insight", "insight", set()),
        ("marts/owner", "insight", {"name"}),
        ("metrics/metric_trends", "metric", set()),
    ],
)
def test_personal_data_is_followed_from_the_raw_tables_to_the_marts(
    key: str, layer: str, personal: set[str], specs: dict[str, dg.AssetSpec]
) -> None:
    spec = specs[key]
    assert (spec.tags["layer"], spec.tags["pii"]) == (layer, "true" if personal else "false")
    schema = spec.metadata.get("dagster/column_schema")
    marked = {column.name for column in schema.columns if column.tags.get("pii")} if schema else set()
    assert personal <= marked
    assert bool(personal) == bool(marked)
    assert not {"channel_id", "id", "created_time", "Lead_Source", "lead_source"} & marked


def test_each_check_says_what_a_failure_blocks(deployment: Deployment) -> None:
    graph = deployment.defs.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(specs) > 200
    for spec in specs:
        assert "block" in (spec.description or "") or "keep their last published rows" in (spec.description or "")
        is_error = spec.metadata.get("severity") == "error"
        assert spec.blocking == is_error, "an error keeps rows back, and fails the step"
        assert (spec.metadata["blocks"] == "nothing") == (not is_error)

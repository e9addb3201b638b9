"""Mistakes one could make in the SQL: each must change a number of the worlds that the other tests hold fast."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden.insight.edge_channels import BUILD, edge_world
from tests.golden.insight.test_worked_example import example
from tests.golden.insight.worlds import INSIGHT_MARTS, Row, everything, run
from zoho_pipeline.transform.project import Project, shipped
from zoho_pipeline.transform.run import transform
from zoho_pipeline.warehouse import Warehouse

VARIANTS = {
    "months of UTC": (
        "intermediate/int_insight_months.sql",
        "date_trunc('month', as_of_local) as this_month",
        "date_trunc('month', as_of_utc) as this_month",
    ),
    "a month is thirty days": (
        "intermediate/int_insight_months.sql",
        "as_of_local - interval '1 month' as same_point",
        "as_of_local - interval '30 days' as same_point",
    ),
    "zero for no data": (
        "marts/channel_insight.sql",
        "case when clock.has_data then cast(months.leads_this_month as bigint) end",
        "cast(months.leads_this_month as bigint)",
    ),
    "ever instead of 30 days": (
        "intermediate/int_insight_conversion_counts.sql",
        "is_in_cohort and is_reached_30d",
        "is_in_cohort and is_reached",
    ),
    "converted is a deal": (
        "intermediate/int_insight_conversions.sql",
        "has_deal as is_reached,\n        deal_linked_at",
        "is_converted as is_reached,\n        converted_at",
    ),
    "leads without time enough": (
        "intermediate/int_insight_leads.sql",
        "created_at <= clock.as_of_utc - interval '30 days' as is_mature",
        "created_at <= clock.as_of_utc as is_mature",
    ),
    "a window closed at both ends": (
        "intermediate/int_insight_leads.sql",
        "created_at > clock.as_of_utc - interval '60 days'",
        "created_at >= clock.as_of_utc - interval '60 days'",
    ),
    "censored leads forgotten": (
        "intermediate/int_insight_conversion_survival.sql",
        "count(*) as n_leaving",
        "sum(case when conversions.is_reached_30d then 1 else 0 end) as n_leaving",
    ),
    "a survival nobody watched": (
        "intermediate/int_insight_conversion_survival.sql",
        "when reaches_30d = 1 then",
        "else",
    ),
    "z of 1.96": ("intermediate/int_insight_rates.sql", "1.959963984540054", "1.96"),
    "early contacts on the clock": (
        "intermediate/int_insight_contacts.sql",
        "contacts.contact_status <> 'contact_before_creation'",
        "contacts.contact_status <> ''",
    ),
    "young leads in the first hour's share": (
        "intermediate/int_insight_contact_times.sql",
        "contacts.is_on_clock and contacts.is_1h_old then 1",
        "contacts.is_on_clock then 1",
    ),
    "Unknown is a source like others": (
        "intermediate/int_insight_top_sources.sql",
        "leads.lead_source <> 'Unknown' as is_known",
        "true as is_known",
    ),
    "the running week in the trend": (
        "intermediate/int_insight_months.sql",
        "date_trunc('week', as_of_local) as this_week",
        "date_trunc('week', as_of_local) + interval '7 days' as this_week",
    ),
    "a topic at the base rate suggested": ("marts/topic_performance.sql", "and lift > 1", "and lift >= 1"),
    "lift before evidence": ("marts/topic_performance.sql", "case when evidence = 'strong' then 0 else 1 end,", ""),
    "empty weeks left out": (
        "marts/lead_volume.sql",
        "left join counts\n    on\n        periods.channel_id",
        "inner join counts\n    on\n        periods.channel_id",
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    from zoho_pipeline.settings import Settings
    from zoho_pipeline.warehouse import open_warehouse

    home = tmp_path_factory.mktemp("variants")
    both = example()
    for name, rows in edge_world().rows.items():
        both.rows[name] += rows
    warehouse = open_warehouse(Settings(home=home, warehouse_url=f"duckdb:///{home}/w.duckdb", registry_url=""))
    both.write(warehouse)
    return warehouse


@pytest.fixture(scope="module")
def right(world: Warehouse) -> dict[str, list[Row]]:
    run(world, build_at=BUILD, select=INSIGHT_MARTS)
    return everything(world)


@pytest.fixture
def variant(tmp_path: Path) -> Callable[[str], Project]:
    def build(name: str) -> Project:
        file, text, mistake = VARIANTS[name]
        root = tmp_path / "sql"
        shutil.copytree(shipped(), root)
        model = (root / file).read_text(encoding="utf-8")
        assert model.count(text) == 1, f"{file} no longer says {text!r} once"
        (root / file).write_text(model.replace(text, mistake), encoding="utf-8")
        return Project.load(root)

    return build


@pytest.mark.parametrize("name", VARIANTS)
def test_a_mistake_shows(
    name: str, world: Warehouse, right: dict[str, list[Row]], variant: Callable[[str], Project]
) -> None:
    report = transform(world, project=variant(name), build_at=BUILD, select=INSIGHT_MARTS)
    assert report.held_back or everything(world) != right

"""The SQL project of the package loads, builds on both engines, and can be written in the SQL of other engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.params import choice
from tests.transform.portability import unsupported
from zoho_pipeline.reading.insight import read
from zoho_pipeline.reading.insight_page import render, spark
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.checks import project_checks
from zoho_pipeline.transform.run.engine import type_in
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def fill(warehouse: Warehouse, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows into a raw table, and first create it with every declared column if it is missing."""
    columns = {c.name: type_in(warehouse.dialect, c.data_type) for c in Project.load().raw_tables[table]}
    with warehouse.connect(read_only=False) as connection:
        connection.execute("create schema if not exists zoho_raw")
        listed = ", ".join(f'"{name}" {data_type}' for name, data_type in columns.items())
        connection.execute(f"create table if not exists zoho_raw.{table} ({listed})")
        for row in ({"synced_at": NOON, **row} for row in rows):
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(f"insert into zoho_raw.{table} ({names}) values ({marks})", tuple(row.values()))


def company(warehouse: Warehouse) -> None:
    """One synced channel with 40 leads over ten weeks, half of them called; one channel that never synced."""
    common = {"timezone": "Asia/Kolkata", "currency": "INR", "leads_readable": True}
    fill(
        warehouse,
        "channels",
        [
            {"channel_id": "tea", "last_complete_sync_at": NOON, **common},
            {"channel_id": "new", **common},
        ],
    )
    created = [NOON - timedelta(days=2 * n, hours=1) for n in range(40)]
    sources = ("Website", "Partner", None, "Advertisement", "Website")
    fill(
        warehouse,
        "leads",
        [
            {"channel_id": "tea", "id": f"l{n}", "created_time": at, "lead_source": sources[n % 5], "modified_time": at}
            for n, at in enumerate(created)
        ],
    )
    fill(
        warehouse,
        "calls",
        [
            {
                "channel_id": "tea",
                "id": f"c{n}",
                "what_id": f"l{n}",
                "se_module": "Leads",
                "call_type": "Outbound",
                "call_start_time": at + timedelta(minutes=30 + n),
                "call_duration_in_seconds": 60,
            }
            for n, at in enumerate(created)
            if n % 2
        ],
    )


@pytest.mark.long
def test_every_model_reads_as_other_engines_sql() -> None:
    assert unsupported(Project.load()) == []


def test_every_mart_names_its_key_and_every_check_its_model() -> None:
    project = Project.load()
    assert {m.name for m in project.marts.values() if not m.docs.primary_key} == set()
    assert all(check.model in project.models or check.model in project.seeds for check in project_checks(project))


@pytest.mark.long
def test_the_page_shows_the_rows(warehouse: Warehouse) -> None:
    company(warehouse)
    report = transform(warehouse, build_at=NOON)
    report.require_complete()
    found = read(warehouse, "tea")
    assert (found["data_status"], found["leads_this_month"]) == ("ok", 10)
    assert {"conversion_rate", "time_to_first_contact", "topic_performance", "lead_volume"} <= found.keys()
    assert sum(w["n_leads"] for w in found["lead_volume"] if w["grain"] == "week") == 40
    assert {row["dimension"] for row in found["conversion_rate"]} == {"all", "lead_source"}
    assert [(row["lead_channel"], row["n_leads"], row["n_matured"]) for row in found["lead_channels"]] == [
        ("Offline", 32, 12), ("Unknown", 8, 3)
    ]  # fmt: skip
    assert found["lead_volume"][-1]["grain"] == "week"
    assert found["lead_volume"][-1]["is_partial"]
    page = render(found)
    assert "tea · Wednesday 20 May 2026\nData as of 17:30 on 20 May 2026 (Asia/Kolkata), up to date." in page
    assert f"10 leads this month, as many as the {found['leads_last_month_same_point']} by the same point" in page
    assert "Website" in page
    assert "source unknown" in page
    waiting = next(r for r in found["time_to_first_contact"] if r["dimension"] == "all")["n_uncontacted"]
    assert f"{waiting} leads still wait" in page
    assert "\x1b" not in page
    assert "\x1b[" in render(found, color=True)


@pytest.mark.parametrize("warehouse", choice(["duckdb", "postgres"], ["postgres"]), indirect=True)
def test_a_channel_that_never_synced_has_a_page_too(warehouse: Warehouse) -> None:
    company(warehouse)
    transform(warehouse, build_at=NOON)
    found = read(warehouse, "new")
    assert found["leads_this_month"] is None
    assert "zoho-pipeline sync" in render(found)
    with pytest.raises(NotPublished, match="no insight of other yet"):
        read(warehouse, "other")


@pytest.mark.long
def test_stale_data_is_built_again_and_says_so(duckdb_warehouse: Warehouse) -> None:
    company(duckdb_warehouse)
    transform(duckdb_warehouse, build_at=NOON)
    assert "tea" in transform(duckdb_warehouse, build_at=NOON + timedelta(hours=1)).unchanged
    assert "tea" in transform(duckdb_warehouse, build_at=NOON + timedelta(days=3)).channels
    assert "STALE" in render(read(duckdb_warehouse, "tea"))


def test_an_insight_before_any_transform_says_what_to_run(warehouse: Warehouse) -> None:
    with pytest.raises(PipelineError, match="zoho-pipeline transform"):
        read(warehouse, "tea")


def test_a_sparkline_goes_from_zero_to_the_largest_value() -> None:
    assert spark([0, 5, 10]) == "▁▅█"
    assert spark([0, 0]) == "▁▁"
    assert spark([]) == ""

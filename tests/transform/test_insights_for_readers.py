"""What is stored for readers of insights is what the marts have, whatever a run publishes."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.params import combined
from tests.transform.world_copy import built, warehouse
from tests.web.world import AS_OF, NAMES
from zoho_pipeline.reading.insight import read_from
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform import insight_rates, packed_insights
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

__all__ = ["built", "warehouse"]

LATER = AS_OF + timedelta(days=1, minutes=32)
RATES, PACKED = f"pipeline_state.{insight_rates.TABLE}", f"pipeline_state.{packed_insights.TABLE}"
FRESH = {
    RATES: insight_rates.select(shape=insight_rates.SHAPE),
    PACKED: packed_insights.pack(shape=packed_insights.SHAPE),
}
NEWER_SCHEMA = "; ".join(f"alter table {table} add column made_at timestamp" for table in FRESH)
OTHER_SHAPE = f"update {RATES} set shape = 'other', n_leads = -1; update {PACKED} set shape = 'other', content = '{{}}'"
NO_TABLES = "; ".join(f"drop table {table}" for table in FRESH)
Rows = list[tuple[Any, ...]]
OnFile = Callable[[str], Rows]


@pytest.fixture
def on_file(tmp_path: Path) -> OnFile:
    """Runs a statement on the published file."""

    def run(statement: str) -> Rows:
        with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"))) as file:
            file.execute("set TimeZone = 'UTC'")
            return file.execute(statement).fetchall()

    return run


def change(warehouse: Warehouse, channel: str) -> None:
    """Give the leads of a channel another source."""
    now = datetime.now(UTC).isoformat()
    with warehouse.connect(read_only=False) as connection:
        connection.execute(
            f"update zoho_raw.leads set lead_source = 'Changed', synced_at = '{now}' where channel_id = '{channel}'"
        )


def expect_true(on_file: OnFile, names: set[str]) -> None:
    for table, query in FRESH.items():
        stored, fresh = on_file(f"from {table}"), on_file(query)
        assert stored
        assert sorted(stored) == sorted(fresh)
        assert {row[0] for row in on_file(f"select distinct channel_id from {table}")} == names


def insights(tmp_path: Path) -> dict[str, dict[str, Any]]:
    with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"))) as file:
        file.execute("use marts")
        return {name: read_from(DuckDBConnection(file), name) for name in NAMES}


@pytest.mark.long
def test_an_insight_is_the_same_with_and_without_the_stored_rows(
    warehouse: Warehouse, on_file: OnFile, tmp_path: Path
) -> None:
    stored = insights(tmp_path)
    on_file(f"update {RATES} set n_converted = 77")
    rates = [row for row in insights(tmp_path)["acme"]["conversion_rate"] if row["n_converted"] == 77]
    assert len(rates) == len(stored["acme"]["conversion_rate"]) >= 3 * 18  # they come from the stored rows
    on_file(f"drop table {RATES}")
    assert insights(tmp_path) == stored
    on_file(f"""update {PACKED} set content = replace(content, '"timezone":', '"timezone":"Mars","was":')""")
    assert insights(tmp_path)["acme"]["timezone"] == "Mars"  # and so does the insight
    on_file(f"drop table {PACKED}")
    from_marts = insights(tmp_path)
    assert json.dumps(from_marts, sort_keys=True) == json.dumps(stored, sort_keys=True)  # 1 is not 1.0 in JSON
    assert all(stored["acme"][mart] for mart in packed_insights.LISTS)


def test_an_instant_within_a_second_is_packed_with_its_fraction(on_file: OnFile, tmp_path: Path, built: Path) -> None:
    (tmp_path / "warehouse.published.duckdb").write_bytes((built / "warehouse.published.duckdb").read_bytes())
    on_file("update marts.channel_insight set as_of_utc = as_of_utc + interval 500 milliseconds")
    on_file(f"delete from {PACKED}; insert into {PACKED} {FRESH[PACKED]}")
    packed = insights(tmp_path)["acme"]["as_of_utc"]
    on_file(f"drop table {PACKED}")
    assert packed == insights(tmp_path)["acme"]["as_of_utc"]
    assert packed.endswith(".500000")


@pytest.mark.parametrize(
    "change",
    [
        "update marts.channel_insight set leads_change_rate = 'nan', contacted_rate = '-inf', trend_dispersion = -0.0",
        "update marts.lead_volume set n_leads = 9007199254740993",
        "update marts.channel_insight set leads_change_rate = 1e300, as_of_utc = null",
        "update marts.topic_performance set topic = chr(0) || '\"\\' || chr(8232) || '😀' || topic, lift = 'inf'",
        "delete from marts.lead_volume; delete from marts.topic_performance; delete from marts.time_to_first_contact",
    ],
)
def test_odd_values_are_the_same_with_and_without_the_stored_rows(
    on_file: OnFile, tmp_path: Path, built: Path, change: str
) -> None:
    (tmp_path / "warehouse.published.duckdb").write_bytes((built / "warehouse.published.duckdb").read_bytes())
    on_file(change)
    for table, query in FRESH.items():
        on_file(f"delete from {table}; insert into {table} {query}")
    packed = insights(tmp_path)
    on_file(NO_TABLES)
    assert json.dumps(packed, allow_nan=False) == json.dumps(insights(tmp_path), allow_nan=False)


@pytest.mark.parametrize(
    "content", ["null", "''", "'{'", "'null'", "'[]'", "'{}'", "replace(content, ':\"20', ':\"x')"]
)
def test_a_damaged_row_hides_no_number(on_file: OnFile, tmp_path: Path, built: Path, content: str) -> None:
    (tmp_path / "warehouse.published.duckdb").write_bytes((built / "warehouse.published.duckdb").read_bytes())
    before = insights(tmp_path)
    on_file(f"update {PACKED} set content = {content}")
    assert insights(tmp_path) == before


@pytest.mark.parametrize(
    ("older", "options"),
    [
        ("alter table marts.channel_insight drop column timezone", {"full": True}),
        ("alter table marts.lead_volume add column older bigint default 7", {"select": "lead_volume"}),
    ],
)
@pytest.mark.long
def test_a_run_of_one_channel_packs_all_channels_where_a_mart_gets_other_columns(
    warehouse: Warehouse, on_file: OnFile, older: str, options: dict[str, Any]
) -> None:
    """The rows of the other channels get the column too, as null."""
    on_file(f"{older}; delete from {PACKED}; insert into {PACKED} {FRESH[PACKED]}")
    transform(warehouse, build_at=LATER, channels=["acme"], **options)
    expect_true(on_file, set(NAMES))


@pytest.mark.parametrize(
    ("before", "changed", "options"),
    combined(
        (None, OTHER_SHAPE, NEWER_SCHEMA, NO_TABLES),
        (None, "acme", "small"),
        ({}, {"full": True}, {"select": "conversion_rate"}, {"select": "recent_lead"}),
        quick=[(None, "acme", {}), (OTHER_SHAPE, "small", {}), (NEWER_SCHEMA, None, {"select": "recent_lead"})],
    ),
)
def test_each_run_leaves_the_rows_of_the_marts(
    warehouse: Warehouse, on_file: OnFile, before: str | None, changed: str | None, options: dict[str, Any]
) -> None:
    if before:
        on_file(before)
    if changed:
        change(warehouse, changed)
    transform(warehouse, build_at=LATER, **options)
    expect_true(on_file, set(NAMES))


@pytest.mark.long
def test_a_removed_channel_has_no_rows(warehouse: Warehouse, on_file: OnFile) -> None:
    with warehouse.connect(read_only=False) as connection:
        connection.execute("delete from zoho_raw.channels where channel_id = 'foreign'")
    transform(warehouse, build_at=LATER)
    expect_true(on_file, set(NAMES) - {"foreign"})


def test_the_rates_of_an_earlier_day_come_from_the_mart(warehouse: Warehouse, on_file: OnFile, tmp_path: Path) -> None:
    """Only the newest day is stored. A file whose newest insight is of another day gives no stored row."""
    before = insights(tmp_path)["acme"]
    on_file(f"update {RATES} set as_of_date = as_of_date - 1, n_leads = 123456")
    assert date.fromisoformat(before["as_of_date"])
    assert insights(tmp_path)["acme"] == before


@pytest.mark.long
def test_single_marts_have_no_rows(tmp_path: Path, built: Path, on_file: OnFile) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes((built / "warehouse.duckdb").read_bytes())
    warehouse = open_warehouse(Settings(tmp_path, f"duckdb:///{tmp_path}/warehouse.duckdb", ""))
    transform(warehouse, build_at=LATER, select="lead")
    assert [on_file(f"select count(*) from {table}") for table in FRESH] == [[(0,)], [(0,)]]
    transform(warehouse, build_at=LATER)
    expect_true(on_file, set(NAMES))

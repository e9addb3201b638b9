"""The packed rows of pages are those that the published marts give, whatever a run publishes."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.transform.world_copy import built, warehouse
from tests.web.world import AS_OF, NAMES
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform import channel_pages
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse
from zoho_pipeline.web.pages.page_numbers import read_page_numbers

__all__ = ["built", "warehouse"]

LATER = AS_OF + timedelta(minutes=32)
Rows = dict[str, str]


def packed(warehouse: Warehouse) -> tuple[Rows, Rows]:
    """Channel → its packed row, as it was published, and as the published marts give it now."""
    path = Path(warehouse.url.removeprefix("duckdb:///")).with_name("warehouse.published.duckdb")
    with closing(duckdb.connect(str(path), read_only=True)) as file:
        file.execute("set TimeZone = 'UTC'")
        there = f"select channel_id, content from pipeline_state.{channel_pages.TABLE} where shape = ?"
        stored = file.execute(there, [channel_pages.SHAPE]).fetchall()
        assert len(stored) == len(dict(stored))
        fresh = file.execute(f"select channel_id, content from ({channel_pages.pack()})").fetchall()
    return dict(stored), dict(fresh)


def run(warehouse: Warehouse, statement: str = "", **options: object) -> None:
    if statement:
        with warehouse.connect(read_only=False) as connection:
            connection.execute(statement)
    transform(warehouse, **{"build_at": LATER, **options})  # type: ignore[arg-type]


def change(channel: str) -> str:
    now = datetime.now(UTC).isoformat()
    return f"update zoho_raw.leads set company = 'Changed', synced_at = '{now}' where channel_id = '{channel}'"


@pytest.mark.long
def test_every_channel_has_a_row(warehouse: Warehouse) -> None:
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert sorted(stored) == sorted(NAMES)


@pytest.mark.long
def test_a_changed_channel_changes_its_row_and_no_other(warehouse: Warehouse) -> None:
    before, _ = packed(warehouse)
    run(warehouse, change("small"))
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert "Changed" in stored["small"]
    assert {name for name in NAMES if stored[name] != before[name]} == {"small", "never"}  # never: as of the build


@pytest.mark.long
def test_a_removed_channel_has_no_row(warehouse: Warehouse) -> None:
    run(warehouse, "delete from zoho_raw.channels where channel_id = 'foreign'")
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert sorted(stored) == sorted(set(NAMES) - {"foreign"})


@pytest.mark.long
def test_a_full_rebuild_and_selected_models_keep_the_rows_true(warehouse: Warehouse) -> None:
    run(warehouse, change("acme"), select="recent_lead")
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert "Changed" in stored["acme"]
    run(warehouse, change("small"), full=True)
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert "Changed" in stored["small"]


def test_a_publication_into_a_new_file_logs_no_error(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    """Its packed tables are not there yet. Dagster shows the log of a run, and people would look for a fault."""
    with caplog.at_level("INFO"):
        run(warehouse, full=True)
    assert "does not exist" not in caplog.text
    assert packed(warehouse)[0]


@pytest.mark.long
def test_rows_that_another_version_packed_are_made_anew(warehouse: Warehouse, tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"))) as file:
        file.execute(f"update pipeline_state.{channel_pages.TABLE} set shape = 'other', content = '{{}}'")
    run(warehouse, change("small"))
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert sorted(stored) == sorted(NAMES)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("alter table {} rename column shape to version", marks=pytest.mark.long),
        "alter table {} add column made_at timestamp",
        pytest.param(
            "create or replace table {0} as select channel_id, content, shape from {0}", marks=pytest.mark.long
        ),
    ],
)
def test_a_table_with_the_columns_of_another_version_is_made_anew(
    warehouse: Warehouse, tmp_path: Path, other: str
) -> None:
    path = tmp_path / "warehouse.published.duckdb"
    with closing(duckdb.connect(str(path))) as file:
        file.execute(other.format(f"pipeline_state.{channel_pages.TABLE}"))
        file.execute("use marts")
        assert read_page_numbers(DuckDBConnection(file), "acme").leads
    run(warehouse, change("small"))
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert sorted(stored) == sorted(NAMES)


@pytest.mark.long
def test_marts_of_an_older_version_are_read_as_they_are(warehouse: Warehouse, tmp_path: Path) -> None:
    """A run that publishes some marts leaves others with the columns of an older version."""
    with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"))) as file:
        file.execute("alter table marts.topic_performance drop column rest_rate")
        file.execute("drop table pipeline_state.channel_pages")
    run(warehouse, change("small"), select="recent_lead")
    with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"), read_only=True)) as file:
        assert file.execute("select count(*) from pipeline_state.channel_pages").fetchone() == (0,)
    run(warehouse, change("acme"))
    stored, fresh = packed(warehouse)
    assert stored == fresh
    assert sorted(stored) == sorted(NAMES)


def test_single_marts_have_no_rows(tmp_path: Path, built: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes((built / "warehouse.duckdb").read_bytes())
    warehouse = open_warehouse(Settings(tmp_path, f"duckdb:///{tmp_path}/warehouse.duckdb", ""))
    run(warehouse, select="lead")
    with closing(duckdb.connect(str(tmp_path / "warehouse.published.duckdb"), read_only=True)) as file:
        assert file.execute("select count(*) from pipeline_state.channel_pages").fetchone() == (0,)

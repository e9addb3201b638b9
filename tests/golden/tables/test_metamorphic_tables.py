"""What must not change the five tables: a shift by a week, the order of rows, other channels, the id of a channel."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.golden.sql_lab import SqlLab, write_raw
from tests.golden.tables.random_tables import BUILD_AT, Row, random_world
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

TABLES = ("channel", "deal", "activity", "owner", "campaign")
SEEDS = range(500, 560)
WEEK = timedelta(7)
Marts = dict[str, list[Row]]


def built(raw: Marts, build_at: datetime = BUILD_AT) -> Marts:
    lab = SqlLab(raw, build_at)
    assert lab.failing() == []
    return {mart: sorted(lab.rows(mart), key=repr) for mart in TABLES}


def changed(raw: Marts, change: Callable[[str, Any], Any]) -> Marts:
    """Return the rows with each cell changed by `change(column, value)`."""
    return {table: [{n: change(n, v) for n, v in row.items()} for row in rows] for table, rows in raw.items()}


def moved(value: Any, by: timedelta) -> Any:
    return value + by if isinstance(value, (date, datetime)) else value


@pytest.fixture(scope="module")
def raw() -> Marts:
    """The rows of some channels in zones without clock changes."""
    return changed(random_world(SEEDS), lambda name, value: "Asia/Kathmandu" if value == "America/New_York" else value)


@pytest.fixture(scope="module")
def before(raw: Marts) -> Marts:
    marts = built(raw)
    assert min(map(len, marts.values())) >= len(SEEDS)
    return marts


@pytest.mark.long
def test_a_week_later_only_dates_differ(raw: Marts, before: Marts) -> None:
    after = built(changed(raw, lambda name, value: moved(value, WEEK)), BUILD_AT + WEEK)
    for mart, rows in before.items():
        later = [{name: moved(value, WEEK) for name, value in row.items()} for row in rows]
        assert after[mart] == sorted(later, key=repr), mart


@pytest.mark.long
def test_the_order_of_rows_changes_nothing(raw: Marts, before: Marts) -> None:
    rng = random.Random(3)
    assert built({table: rng.sample(rows, len(rows)) for table, rows in raw.items()}) == before


def test_other_channels_change_nothing(raw: Marts, before: Marts) -> None:
    kept = {row["channel_id"] for row in raw["channels"][::3]}
    alone = built({table: [row for row in rows if row["channel_id"] in kept] for table, rows in raw.items()})
    for mart, rows in alone.items():
        assert rows == [row for row in before[mart] if row["channel_id"] in kept], mart


@pytest.mark.long
def test_the_id_of_a_channel_changes_nothing_else(raw: Marts, before: Marts) -> None:
    def renamed(name: str, value: Any) -> Any:
        return f"other {value}" if name == "channel_id" else value

    after = built(changed(raw, renamed))
    assert after == {mart: sorted(rows, key=repr) for mart, rows in changed(before, renamed).items()}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_a_channel_built_alone_has_the_same_rows(
    engine: str, raw: Marts, empty_warehouse: Callable[[str], Warehouse]
) -> None:
    few = {row["channel_id"] for row in raw["channels"][:6]}
    warehouse = empty_warehouse(engine)
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, {t: [row for row in rows if row["channel_id"] in few] for t, rows in raw.items()})

    def rows() -> Marts:
        with published.connect(warehouse) as connection:
            return {mart: sorted(connection.rows(f"select * from {mart}"), key=repr) for mart in TABLES}

    transform(warehouse, build_at=BUILD_AT).require_complete()
    whole = rows()
    transform(warehouse, build_at=BUILD_AT, channels=[min(few)], full=True).require_complete()
    assert rows() == whole

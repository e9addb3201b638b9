"""After incremental runs, the marts have the rows of a full rebuild, whatever changes in whatever order."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.params import choice
from tests.transform.conftest import NOON, PROJECT, Raw, write_project
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

CHANNELS = st.sampled_from(["a", "b", "c"])
CHANGES = st.one_of(
    st.tuples(st.just("lead"), CHANNELS, st.sampled_from(["1", "2", "3"]), st.sampled_from(["1.00", "2.50"])),
    st.tuples(st.just("broken"), CHANNELS),
    st.tuples(st.just("mended"), CHANNELS),
    st.tuples(st.just("gone"), CHANNELS, st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("synced"), CHANNELS, st.integers(0, 2)),
    st.tuples(st.just("removed"), CHANNELS),
    st.tuples(st.just("doubled"), CHANNELS),
    st.tuples(st.just("run")),
)


def change(raw: Raw, what: str, channel: str, *how: Any) -> None:
    """Make one change of the raw tables, as a load, a repair or a purge does."""
    match what:
        case "lead":
            raw.lead(channel, how[0], amount=how[1])
        case "broken":
            raw.lead(channel, "bad", amount="a lot")
        case "mended":
            raw.run("delete from zoho_raw.leads where channel_id = ? and id in ('bad', 'twin')", channel)
        case "doubled":
            for _ in range(2):
                raw.run("insert into zoho_raw.leads values (?, 'twin', '1', 'web', ?)", channel, raw.stamp())
        case "gone":
            raw.run("delete from zoho_raw.leads where channel_id = ? and id = ?", channel, how[0])
        case "synced":
            raw.channel(channel, synced=NOON + timedelta(days=how[0]))
        case "removed":
            raw.run("delete from zoho_raw.leads where channel_id = ?", channel)
            raw.run("delete from zoho_raw.channels where channel_id = ?", channel)


def marts(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    with published.connect(warehouse) as connection:
        return {
            "lead": connection.fetch("select channel_id, id, amount, source from lead order by 1, 2, 3")[1],
            "insight": connection.fetch("select channel_id, as_of_date, leads, amount from insight order by 1, 2")[1],
        }


def check(warehouse: Warehouse, models: Project, changes: list[tuple[Any, ...]]) -> None:
    raw = Raw(warehouse)
    for channel in ("a", "b"):
        raw.channel(channel)
        raw.lead(channel, "1")
    transform(warehouse, project=models)
    for what, *how in changes:
        if what == "run":
            transform(warehouse, project=models)
        else:
            change(raw, what, *how)
    report = transform(warehouse, project=models)
    incremental = marts(warehouse)
    again = transform(warehouse, project=models, full=True)
    assert marts(warehouse) == incremental
    assert again.held_back.keys() == report.held_back.keys()


@pytest.mark.parametrize("lives", choice([5, 12, 40], [5]))
def test_incremental_rows_are_those_of_a_full_rebuild(tmp_path_factory: pytest.TempPathFactory, lives: int) -> None:
    @settings(max_examples=lives, deadline=None, derandomize=True)
    @given(changes=st.lists(CHANGES, max_size=8))
    def live(changes: list[tuple[Any, ...]]) -> None:
        folder = tmp_path_factory.mktemp("incremental")
        url = f"duckdb:///{folder}/warehouse.duckdb"
        warehouse = open_warehouse(Settings(home=folder, warehouse_url=url, registry_url=""))
        check(warehouse, write_project(folder / "sql"), changes)

    live()


def test_the_same_on_postgres(postgres_url: str, tmp_path: Path, project: Callable[..., Project]) -> None:
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    changes: list[tuple[Any, ...]] = [
        *(("lead", "a", "2", "2.50"), ("synced", "c", 1), ("lead", "c", "1", "1.00"), ("run",)),
        *(("broken", "a"), ("doubled", "c"), ("gone", "b", "1"), ("run",), ("synced", "b", 2), ("run",)),
        *(("mended", "a"), ("removed", "b"), ("lead", "a", "3", "1.00")),
    ]
    check(warehouse, project(dict(PROJECT)), changes)

"""A published file that is made by turns of two files has, cell by cell, the rows of one that is made by copies."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.raw_world import fill, touch
from tests.transform.conftest import PROJECT, Raw, write_project
from tests.transform.copied import copied
from tests.transform.test_incremental import change
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.published_files.files import STANDBY
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import open_warehouse

KNOWN = ["a", "b", "c", "d", "e", "f"]
CHANNELS = st.sampled_from(KNOWN)
AT = datetime(2026, 3, 5, tzinfo=UTC)

WEEK = {
    "marts/week.sql": "select l.channel_id, count(*) as leads, current_date > date '2020-01-01' as is_now"
    " from lead as l group by l.channel_id"
}
VIEW = {
    "marts/dear.sql": "-- Leads of more than two.\nselect channel_id, id, amount from lead where amount > 2",
    "marts/dear.yml": "models:\n  - {name: dear, description: Dear leads., config: {materialized: view}}",
}
WIDER = {"marts/lead.sql": PROJECT["marts/lead.sql"].replace("l.amount,", "l.amount, 1 as one,")}
TOLD = {"marts/marts.yml": PROJECT["marts/marts.yml"].replace("One row per lead.", "Each lead has a row.")}
PROJECTS: dict[str, dict[str, str]] = {"first": {}, "week": WEEK, "view": VIEW, "wider": WIDER, "told": TOLD}
"""Changes of the models: a mart comes and goes, a view, a column, a description."""

LEAD = st.tuples(st.just("lead"), CHANNELS, st.sampled_from(["1", "2", "3"]), st.sampled_from(["1.00", "2.50"]))
CHANGES = st.one_of(
    LEAD,
    st.tuples(st.sampled_from(["broken", "mended", "doubled", "removed"]), CHANNELS),
    st.tuples(st.just("gone"), CHANNELS, st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("synced"), CHANNELS, st.integers(0, 2)),
)
RUNS = st.one_of(
    *(st.just(("transform", {})) for _ in range(4)),
    st.tuples(st.just("transform"), st.builds(lambda c: {"channels": [c]}, st.sampled_from(["a", "b"]))),
    st.just(("transform", {"select": "lead", "channels": ["a"]})),
    st.just(("transform", {"select": "insight"})),
    st.just(("transform", {"full": True})),
    st.just(("transform", {"weekly": True})),
    st.just(("transform", {"as_of": "2026-03-02T00:00:00+00:00", "channels": ["b"]})),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("changes"), st.lists(CHANGES, min_size=1, max_size=2), RUNS),
        st.tuples(st.just("project"), st.sampled_from([*PROJECTS]), RUNS),
    ),
    min_size=3,
    max_size=7,
)


def cells(path: Path) -> dict[str, Any]:
    """Everything in a published file that people can read, and the state, in one order: columns, rows, comments."""
    found: dict[str, Any] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        named = "select table_schema, table_name from information_schema.tables where table_schema <> 'main'"
        for schema, name in connection.execute(named).fetchall():
            if not name.startswith("publication"):
                read = connection.execute(f'select * from "{schema}"."{name}" order by all')
                shape, rows = str(read.description), read.fetchall()
                found[f"{schema}.{name}"] = shape, [_page(*row) for row in rows] if name == "channel_pages" else rows
        for kind in ("tables", "views", "columns"):
            told = (
                f"select schema_name, {kind.rstrip('s')}_name, comment from duckdb_{kind}() where comment is not null"
            )
            found[kind] = connection.execute(f"{told} order by all").fetchall()
    return found


def _page(channel_id: str, shape: str, content: str) -> tuple[Any, ...]:
    """A packed row; some of its lists have no order."""
    return channel_id, shape, {name: sorted(rows, key=str) for name, rows in json.loads(content).items()}


class Pair:
    """Two warehouses with the same rows. The first takes turns, and the second one's standby is removed each time."""

    def __init__(self, folder: Path) -> None:
        self.turns, self.copies = (_warehouse(folder / name) for name in ("turns", "copies"))
        self.taken = 0
        """How many publications were written into a file that was published before."""

    def transform(self, **how: Any) -> None:
        had_standby = standby_of(self.turns).exists()
        standby_of(self.copies).unlink(missing_ok=True)
        copied()
        told = [_told(warehouse, **how) for warehouse in (self.turns, self.copies)]
        assert told[0] == told[1]
        assert cells(self.turns.published_path) == cells(self.copies.published_path)
        copies = {Path(path).parent for path in copied()}
        self.taken += had_standby and self.copies.path.parent in copies and self.turns.path.parent not in copies


def _told(warehouse: DuckDBWarehouse, **how: Any) -> Any:
    report = transform(warehouse, **how)
    return report.channels, report.removed, sorted(report.held_back), report.published


def _warehouse(folder: Path) -> DuckDBWarehouse:
    opened = open_warehouse(
        Settings(home=folder, warehouse_url=f"duckdb:///{folder}/warehouse.duckdb", registry_url="")
    )
    assert isinstance(opened, DuckDBWarehouse)
    return opened


def standby_of(warehouse: DuckDBWarehouse) -> Path:
    path = warehouse.published_path
    return path.with_name(path.name + STANDBY)


def live(folder: Path, steps: list[tuple[Any, ...]]) -> Pair:
    """Carry out steps on a pair of small worlds; the two files are compared after each one."""
    pair = Pair(folder)
    raws = [Raw(pair.turns), Raw(pair.copies)]
    models = write_project(folder / "first")
    for raw in raws:
        for channel in KNOWN:
            raw.channel(channel)
            raw.lead(channel, "1")
    pair.transform(project=models, build_at=AT)
    for number, (what, how, run) in enumerate(steps, 1):
        if what == "project":
            models = write_project(folder / how, PROJECTS[how])
        else:
            for raw in raws:
                for one in how:
                    change(raw, *one)
                for kept in ("a", "b"):  # runs name them
                    if ("removed", kept) in how:
                        change(raw, "synced", kept, 0)
        pair.transform(project=models, build_at=AT + timedelta(minutes=number), **run[1])
    return pair


@pytest.mark.long
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=STEPS)
def test_turns_publish_what_copies_publish(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    live(tmp_path_factory.mktemp("turns"), steps)


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_turns_publish_what_copies_publish_in_many_lives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    live(tmp_path_factory.mktemp("turns"), steps)


@pytest.mark.long
def test_most_publications_of_one_channel_take_turns(tmp_path: Path) -> None:
    """Else the comparison above would compare copies with copies."""
    run = ("transform", {})
    steps = [("changes", [("lead", channel, str(number), "2.50")], run) for number in (2, 3) for channel in KNOWN[:4]]
    pair = live(tmp_path, steps)
    assert pair.taken == len(steps) - 1, "the first change after the full run has no standby"


@pytest.mark.long
def test_the_shipped_marts_and_pages_are_those_of_a_full_rebuild(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    for warehouse in (pair.turns, pair.copies):
        fill(warehouse, channels=6, leads=15)
    pair.transform(build_at=AT)
    for number, channel in enumerate(("ch1", "ch1", "ch4", "ch0"), 1):
        for warehouse in (pair.turns, pair.copies):
            touch(warehouse, channel, number)
        pair.transform(build_at=AT)
    assert pair.taken == 3
    transform(pair.copies, full=True, build_at=AT, project=Project.load())
    by_turns, rebuilt = cells(pair.turns.published_path), cells(pair.copies.published_path)
    assert len(by_turns["pipeline_state.channel_pages"][1]) == 6
    assert by_turns == rebuilt

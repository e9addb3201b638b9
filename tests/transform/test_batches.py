"""A run in batches of channels publishes what one batch does, and a run that fails or is killed publishes nothing."""

import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transform.conftest import NOON, PROJECT, Raw, write_project
from tests.transform.test_incremental import CHANGES, change
from tests.transform.twins import HUGE, TINY, Twins, contents
from zoho_pipeline.transform.errors import ModelFailed
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.batches.split import grouped
from zoho_pipeline.transform.run.duckdb_session import OUTSIDE
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

MakeProject = Callable[..., Project]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def raw(home: Path) -> Raw:
    """Six channels with two leads each."""
    home.mkdir()
    raw = Raw(DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb"))
    for channel in "abcdef":
        raw.channel(channel)
        raw.lead(channel, "1")
        raw.lead(channel, "2", source=channel)
    return raw


def test_few_batches_of_about_equal_size_fit_into_the_memory() -> None:
    assert grouped({"a": 4, "b": 4, "c": 4, "d": 4}, 12) == [["a", "b"], ["c", "d"]]
    assert grouped({"a": 1, "b": 20, "c": 1, "d": 1}, 12) == [["a"], ["b"], ["c", "d"]]
    assert grouped({"a": 5, "b": 5}, 10) == [["a", "b"]]
    assert grouped({"a": 5, "b": 5}, 0) == [["a"], ["b"]]
    assert grouped({}, 10) == [[]]


@given(sizes=st.lists(st.integers(1, 30), max_size=40), memory=st.integers(0, 100))
def test_every_channel_is_in_one_batch_that_fits(sizes: list[int], memory: int) -> None:
    named = {f"{number:03d}": size for number, size in enumerate(sizes)}
    groups = grouped(named, memory)
    assert [name for group in groups for name in group] == list(named)
    assert all(len(group) <= 1 or sum(named[name] for name in group) <= memory for group in groups)
    assert len(groups) <= max(1, 2 * sum(sizes) // max(memory, 1) + 1) or memory < 30


def test_a_full_rebuild_in_batches_is_that_of_one(home: Path, raw: Raw, project: MakeProject) -> None:
    report, batches = Twins(home, HUGE, OUTSIDE + 250_000, TINY).run(project=project())
    assert (report.channels, batches) == (tuple("abcdef"), 6)
    assert Twins(home, HUGE, TINY).run(project=project(), full=True)[1] == 6  # on marts that are there already
    assert Twins(home, HUGE, TINY).run(project=project())[1] == 0  # the fingerprints are the same


@pytest.mark.long
def test_a_few_changed_channels_in_batches_are_those_of_one(home: Path, raw: Raw, project: MakeProject) -> None:
    """Less than half of the channels changed, so their rows replace others in a copy of the published file."""
    Twins(home, HUGE).run(project=project())
    for channel in "bd":
        raw.lead(channel, "3", source="ad")
    report, batches = Twins(home, HUGE, TINY).run(project=project())
    assert (report.channels, batches) == (("b", "d"), 2)
    raw.lead("a", "9")
    raw.channel("f", synced=NOON.replace(day=2))
    raw.run("delete from zoho_raw.channels where channel_id = 'c'")
    report, batches = Twins(home, HUGE, TINY).run(project=project())
    assert (report.channels, report.removed, batches) == (("a", "f"), ("c",), 2)


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"channels": ["a", "e"], "full": True},
        {"weekly": True},
        {"as_of": "2026-02-01T00:00:00Z"},
        {"select": "lead"},
    ],
    ids=["channels", "weekly", "as_of", "select"],
)
def test_every_kind_of_run(home: Path, raw: Raw, project: MakeProject, options: dict[str, Any]) -> None:
    Twins(home, HUGE, TINY).run(project=project())
    raw.lead("a", "3")
    assert Twins(home, HUGE, TINY).run(project=project(), **options)[1] == (2 if "channels" in options else 6)
    Twins(home, HUGE, TINY).run(project=project())  # the flags and the days of the history stay


@pytest.mark.long
def test_a_changed_shape_takes_the_rows_of_all_batches(home: Path, raw: Raw, project: MakeProject) -> None:
    Twins(home, HUGE, TINY).run(project=project())
    text = "select l.channel_id, l.id, l.amount, l.source, 1 as more from stg_leads as l"
    changed = project({"marts/lead.sql": text})
    report, batches = Twins(home, HUGE, TINY).run(project=changed, channels=["b", "d"])
    assert (report.channels, batches) == (("b", "d"), 2)


@pytest.mark.long
def test_an_odd_channel_costs_only_itself(home: Path, raw: Raw, project: MakeProject) -> None:
    Twins(home, HUGE, TINY).run(project=project())
    raw.lead("b", "bad", amount="a lot")
    raw.lead("c", "3")
    for _ in range(2):
        raw.run("insert into zoho_raw.leads values ('e', 'twin', '1', 'web', ?)", raw.stamp())
    for full in (False, True):
        report, _ = Twins(home, HUGE, OUTSIDE + 250_000, TINY).run(project=project(), full=full)
        assert report.held_back.keys() == {"b", "e"}
        failed = {check.name: (check.failures, check.channels) for check in report.checks if not check.passed}
        assert failed == {"unique_combination_of_columns_lead_channel_id_id": (1, ("e",))}


def test_check_counts_are_those_of_all_batches(home: Path, raw: Raw, project: MakeProject) -> None:
    for channel in "aab":
        raw.run("insert into zoho_raw.leads values (?, null, '1', 'web', ?)", channel, raw.stamp())
    report, _ = Twins(home, HUGE, OUTSIDE + 250_000, TINY).run(project=project())
    failed = {check.name: (check.failures, check.channels) for check in report.checks if not check.passed}
    assert failed["not_null_lead_id"] == (3, ("a", "b"))


@pytest.mark.long
def test_channels_that_all_break_a_model_show_a_wrong_model(home: Path, raw: Raw, project: MakeProject) -> None:
    Twins(home, HUGE, TINY).run(project=project())
    for channel in "abcdef":
        raw.lead(channel, "bad", amount="a lot")
    before = contents(home / "warehouse.published.duckdb")
    for budget in (HUGE, OUTSIDE + 250_000, TINY):
        warehouse = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb", transform_memory=budget)
        with pytest.raises(ModelFailed, match=r"stg_leads\.sql"):
            transform(warehouse, project=project())
        assert contents(home / "warehouse.published.duckdb") == before
        assert not list(home.glob("*.draft*"))


@pytest.mark.long
def test_a_channel_of_a_later_batch_that_breaks_a_mart_is_held_back(home: Path, raw: Raw, project: MakeProject) -> None:
    Twins(home, HUGE, TINY).run(project=project())
    before = contents(home / "warehouse.published.duckdb")
    wrong = """
        select channel_id, id, amount, coalesce((select source from stg_leads where channel_id = 'd'), source) as source
        from stg_leads
    """  # two rows for one value
    warehouse = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb", transform_memory=TINY)
    report = transform(warehouse, project=project({"marts/lead.sql": wrong}), full=True)
    assert report.held_back.keys() == {"d"}
    after = contents(home / "warehouse.published.duckdb")
    kept = f"{MARTS_SCHEMA}.lead"
    assert Counter(row[0] for row in after[kept][1:]) == dict.fromkeys("abcdef", 2)
    assert [row for row in before[kept] if row[0] == "d"] == [row for row in after[kept] if row[0] == "d"]


@pytest.mark.long
def test_a_batch_that_fails_late_leaves_no_row_twice(home: Path, raw: Raw, project: MakeProject) -> None:
    """The rows of `lead` are written, also those of the other channel of the batch, when `insight` breaks."""
    raw.lead("d", "3", amount="99999.00")
    insight = PROJECT["marts/insight.sql"].replace("sum(amount)", "cast(sum(amount) as decimal(5, 2))")
    models = project({"marts/insight.sql": insight})
    for options in ({"full": True}, {"channels": ["c", "d"], "full": True}):
        report, _ = Twins(home, HUGE, OUTSIDE + 250_000, TINY).run(project=models, **options)
        assert report.held_back.keys() == {"d"}
        lead = contents(home / "warehouse.published.duckdb")[f"{MARTS_SCHEMA}.lead"]
        assert Counter(row[0] for row in lead[1:]) == dict.fromkeys("abcef", 2)


@pytest.mark.long
def test_a_channel_that_is_larger_than_the_budget_is_built_alone(home: Path, raw: Raw, project: MakeProject) -> None:
    """Its rows take more than DuckDB's smallest limit, so they are spilled."""
    texts = "repeat(md5(cast(i as varchar)), 6)"
    raw.run(f"insert into zoho_raw.leads select 'c', 'x' || i, '1', {texts}, now() from range(700000) as rows(i)")
    report, batches = Twins(home, HUGE, OUTSIDE + 600_000).run(project=project())
    assert (report.held_back, batches) == ({}, 3)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

home, left = sys.argv[1], int(sys.argv[3])
def die(model):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
warehouse = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb", transform_memory=1)
transform(warehouse, project=Project.load(Path(sys.argv[2])), on_model=die)
"""


@pytest.mark.long
@pytest.mark.parametrize("changed", ["bd", "abcdef"])
def test_a_kill_between_batches_leaves_the_last_publication(
    home: Path, tmp_path: Path, raw: Raw, project: MakeProject, changed: str
) -> None:
    models = project()
    Twins(home, HUGE).run(project=models)
    before = contents(home / "warehouse.published.duckdb")
    for channel in changed:
        raw.lead(channel, "3", source="ad")
    command = [sys.executable, "-P", "-c", textwrap.dedent(KILLED), str(home), str(tmp_path / "sql")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    for left in (len(models.models) + 1, 2 * len(models.models) - 1):  # in the second batch, and at its end
        killed = subprocess.run([*command, str(left)], capture_output=True, text=True, env=environment)
        assert killed.returncode == -9, killed.stderr
        assert contents(home / "warehouse.published.duckdb") == before
    report, _ = Twins(home, HUGE, TINY).run(project=models)
    assert report.channels == tuple(changed)
    assert not list(home.glob("*.draft*"))
    assert not [path for path in (home / "tmp").glob("*") if path.suffix != ".lock"]


@pytest.mark.long
@pytest.mark.parametrize("lives", [2, 40])
def test_whatever_changes_in_whatever_order(tmp_path_factory: pytest.TempPathFactory, lives: int) -> None:
    @settings(max_examples=lives, deadline=None, derandomize=True)
    @given(changes=st.lists(CHANGES, max_size=8))
    def live(changes: list[tuple[Any, ...]]) -> None:
        folder = tmp_path_factory.mktemp("batches")
        (folder / "home").mkdir()
        models = write_project(folder / "sql")
        raw = Raw(DuckDBWarehouse.from_url(f"duckdb:///{folder}/home/warehouse.duckdb"))
        for channel in "abcd":
            raw.channel(channel)
            raw.lead(channel, "1")
        for what, *how in (*changes, ("run",)):
            if what == "run":
                Twins(folder / "home", HUGE, OUTSIDE + 170_000, TINY).run(project=models)
            else:
                change(raw, what, *how)

    live()

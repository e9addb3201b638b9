"""A small SQL project over a small raw schema, on both engines."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

SOURCES = """
sources:
  - name: zoho_raw
    tables:
      - name: channels
        columns:
          - {name: channel_id, data_type: text}
          - {name: timezone, data_type: text}
          - {name: last_complete_sync_at, data_type: timestamptz}
          - {name: synced_at, data_type: timestamptz}
      - name: leads
        columns:
          - {name: channel_id, data_type: text}
          - {name: id, data_type: text}
          - {name: amount, data_type: text}
          - {name: source, data_type: text}
          - {name: synced_at, data_type: timestamptz}
"""

PROJECT = {
    "staging/sources.yml": SOURCES,
    "staging/stg_channels.sql": """
        select c.channel_id, c.timezone, c.last_complete_sync_at at time zone 'UTC' as synced_until
        from zoho_raw.channels as c
        inner join run_channels as r on c.channel_id = r.channel_id
    """,
    "staging/stg_leads.sql": """
        select l.channel_id, l.id, cast(l.amount as decimal(18, 2)) as amount, l.source
        from zoho_raw.leads as l
        inner join run_channels as r on l.channel_id = r.channel_id
    """,
    "intermediate/int_clock.sql": """
        select c.channel_id, coalesce(p.as_of_requested, c.synced_until) as as_of_utc,
            cast(coalesce(p.as_of_requested, c.synced_until) as date) as as_of_date
        from stg_channels as c
        cross join run_parameters as p
    """,
    "intermediate/int.yml": """
        models:
          - name: int_clock
            config: {meta: {decides_rebuild: true}}
    """,
    "seeds/seed_names.csv": "source,name\nweb,Website\nad,Advert\n",
    "marts/lead.sql": """
        select l.channel_id, l.id, l.amount, coalesce(n.name, l.source) as source
        from stg_leads as l
        left join seed_names as n on l.source = n.source
    """,
    "marts/insight.sql": """
        with totals as (select channel_id, count(*) as leads, sum(amount) as amount from lead group by channel_id)
        select c.channel_id, c.as_of_date, coalesce(t.leads, 0) as leads, t.amount, p.is_weekly
        from int_clock as c
        cross join run_parameters as p
        left join totals as t on c.channel_id = t.channel_id
    """,
    "marts/marts.yml": """
        models:
          - name: lead
            description: One row per lead.
            config: {meta: {primary_key: [channel_id, id]}}
            columns:
              - name: id
                description: Zoho's id.
                tests: [not_null]
            tests:
              - unique_combination_of_columns: {combination_of_columns: [channel_id, id]}
          - name: insight
            config: {meta: {primary_key: [channel_id, as_of_date], keeps_history: true, sticky_flags: [is_weekly]}}
    """,
}

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write_project(root: Path, changes: Mapping[str, str | None] | None = None) -> Project:
    """PROJECT with `changes` (None: the file is left out), written and loaded."""
    for name, text in {**PROJECT, **(changes or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(dedent(text).strip() + "\n")
    return Project.load(root)


class Raw:
    """Writes rows into `zoho_raw` as a load does, with `synced_at`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse, self._stamp = warehouse, 0
        self._run(
            ("create schema zoho_raw",),
            (
                "create table zoho_raw.channels"
                " (channel_id text, timezone text, last_complete_sync_at timestamptz, synced_at timestamptz)",
            ),
            (
                "create table zoho_raw.leads"
                " (channel_id text, id text, amount text, source text, synced_at timestamptz)",
            ),
        )

    def run(self, sql: str, *params: object) -> None:
        self._run((sql, *params))

    def _run(self, *statements: tuple[object, ...]) -> None:
        """Run all statements in one connection, because opening and closing the file costs more than writing a row."""
        with self._warehouse.connect(read_only=False) as connection:
            for sql, *params in statements:
                connection.execute(str(sql), params)

    def stamp(self) -> datetime:
        self._stamp += 1
        return datetime(2026, 3, 1, 12, 0, self._stamp, tzinfo=UTC)

    def channel(self, channel_id: str, synced: datetime = NOON) -> None:
        self._run(
            ("delete from zoho_raw.channels where channel_id = ?", channel_id),
            ("insert into zoho_raw.channels values (?, 'UTC', ?, ?)", channel_id, synced, self.stamp()),
        )

    def lead(self, channel_id: str, id_: str | None, amount: str = "1.50", source: str = "web") -> None:
        self._run(
            ("delete from zoho_raw.leads where channel_id = ? and id = ?", channel_id, id_),
            ("insert into zoho_raw.leads values (?, ?, ?, ?, ?)", channel_id, id_, amount, source, self.stamp()),
        )


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty warehouse on each engine."""
    if request.param == "duckdb":
        url = f"duckdb:///{tmp_path}/home/warehouse.duckdb"
    else:
        url = request.getfixturevalue("postgres_url")
    return open_warehouse(Settings(home=tmp_path / "home", warehouse_url=url, registry_url=""))


@pytest.fixture
def duckdb_warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse.from_url(f"duckdb:///{tmp_path}/home/warehouse.duckdb")


@pytest.fixture
def raw(warehouse: Warehouse) -> Raw:
    """Two channels: a with two leads, and b with one."""
    return two_channels(warehouse)


def two_channels(warehouse: Warehouse) -> Raw:
    """The raw rows of the fixture `raw`."""
    raw = Raw(warehouse)
    for channel_id in ("a", "b"):
        raw.channel(channel_id)
    raw.lead("a", "1")
    raw.lead("a", "2", amount="2.25", source="ad")
    raw.lead("b", "1", source="fair")
    return raw


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """`project({file: text})` → the small project with changed files."""

    def build(changes: Mapping[str, str | None] | None = None) -> Project:
        return write_project(tmp_path / "sql", changes)

    return build


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HOME with the two channels and the published marts of the small project, on DuckDB. Tests copy it."""
    folder = tmp_path_factory.mktemp("marts")
    warehouse = DuckDBWarehouse.from_url(f"duckdb:///{folder}/home/warehouse.duckdb")
    two_channels(warehouse)
    transform(warehouse, project=write_project(folder / "sql"))
    return folder / "home"


@pytest.fixture
def marts(
    request: pytest.FixtureRequest, warehouse: Warehouse, project: Callable[..., Project], tmp_path: Path
) -> Warehouse:
    """A warehouse with the two channels and their published marts. On DuckDB it is a copy: a build takes 0.5 s."""
    small = project()
    if isinstance(warehouse, DuckDBWarehouse) and "raw" not in request.fixturenames:
        shutil.copytree(request.getfixturevalue("built_home"), tmp_path / "home", dirs_exist_ok=True)
    else:
        request.getfixturevalue("raw")
        transform(warehouse, project=small)
    return warehouse

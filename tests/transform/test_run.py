"""A transform on both engines: what it publishes, which rows it replaces, and what stops it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.transform.conftest import NOON, PROJECT, Raw
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings, UsageError
from zoho_pipeline.transform.errors import ModelFailed, NotPublished, ProjectError, TransformError, TransformFailed
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.postgres_engine import PostgresEngine
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.connection import WarehouseBusy
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

MakeProject = Callable[..., Project]
LEADS = "select channel_id, id, amount, source from lead order by 1, 2"
INSIGHT = "select channel_id, as_of_date, leads, amount, is_weekly from insight order by 1, 2"
DAY = date(2026, 3, 1)


def read(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    with published.connect(warehouse) as connection:
        return connection.fetch(sql)[1]


def test_marts_hold_what_the_models_say(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    report = transform(warehouse, project=project())
    assert report.published
    assert report.channels == ("a", "b")
    assert read(warehouse, LEADS) == [
        ("a", "1", Decimal("1.50"), "Website"),
        ("a", "2", Decimal("2.25"), "Advert"),
        ("b", "1", Decimal("1.50"), "fair"),
    ]
    assert read(warehouse, INSIGHT) == [("a", DAY, 2, Decimal("3.75"), False), ("b", DAY, 1, Decimal("1.50"), False)]
    assert [(m.name, m.rows) for m in report.models if m.layer == "marts"] == [("lead", 3), ("insight", 2)]
    assert {c.name for c in report.checks} == {"not_null_lead_id", "unique_combination_of_columns_lead_channel_id_id"}


def test_a_warehouse_without_raw_tables_gives_empty_marts(warehouse: Warehouse, project: MakeProject) -> None:
    transform(warehouse, project=project())
    assert read(warehouse, LEADS) == []
    with published.connect(warehouse) as connection:
        assert list(connection.tables("marts")) == ["insight", "lead"]


def test_a_table_or_column_the_warehouse_lacks_is_empty_or_null(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    raw.run("alter table zoho_raw.leads drop column source")
    transform(warehouse, project=project())
    assert [row[3] for row in read(warehouse, LEADS)] == [None, None, None]
    raw.run("drop table zoho_raw.leads")
    transform(warehouse, project=project())
    assert read(warehouse, LEADS) == []
    assert [row[2] for row in read(warehouse, INSIGHT)] == [0, 0]


def test_only_channels_that_changed_are_built_and_the_rows_are_those_of_a_full_run(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    assert not transform(warehouse, project=models).published

    raw.lead("b", "1", amount="7.00")
    raw.lead("b", "2")
    report = transform(warehouse, project=models)
    assert (report.channels, report.unchanged) == (("b",), ("a",))
    partial = read(warehouse, LEADS), read(warehouse, INSIGHT)
    assert partial[0][2:] == [("b", "1", Decimal("7.00"), "Website"), ("b", "2", Decimal("1.50"), "Website")]

    assert transform(warehouse, project=models, full=True).channels == ("a", "b")
    assert (read(warehouse, LEADS), read(warehouse, INSIGHT)) == partial


def test_a_new_as_of_rebuilds_and_history_keeps_the_old_row(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    raw.channel("a", synced=NOON + timedelta(days=1))
    assert transform(warehouse, project=models).channels == ("a",)
    assert [row[:2] for row in read(warehouse, INSIGHT)] == [("a", DAY), ("a", DAY + timedelta(days=1)), ("b", DAY)]
    transform(warehouse, project=models, as_of="2026-02-10T23:30:00-02:00")
    assert (("a", date(2026, 2, 11)) in [row[:2] for row in read(warehouse, INSIGHT)]) is True
    transform(warehouse, project=models, full=True)
    assert len(read(warehouse, INSIGHT)) == 5


def test_a_changed_model_or_seed_rebuilds_every_channel(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project())
    report = transform(warehouse, project=project({"seeds/seed_names.csv": "source,name\nweb,Homepage\n"}))
    assert report.channels == ("a", "b")
    assert read(warehouse, LEADS)[0][3] == "Homepage"


def test_a_channel_that_raw_no_longer_has_leaves_every_mart(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    raw.run("delete from zoho_raw.channels where channel_id = 'b'")
    raw.run("delete from zoho_raw.leads where channel_id = 'b'")
    transform(warehouse, project=models, select="insight")
    report = transform(warehouse, project=models)
    assert (report.removed, report.channels) == (("b",), ())
    assert {row[0] for row in [*read(warehouse, LEADS), *read(warehouse, INSIGHT)]} == {"a"}


def test_the_weekly_flag_stays_when_the_day_is_written_again(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    assert transform(warehouse, project=models, weekly=True).channels == ("a", "b")
    raw.lead("a", "3")
    transform(warehouse, project=models)
    assert [row[2:] for row in read(warehouse, INSIGHT)] == [(3, Decimal("5.25"), True), (1, Decimal("1.50"), True)]


def test_a_new_column_rebuilds_the_mart_and_history_rows_hold_null_there(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    transform(warehouse, project=project())
    raw.channel("a", synced=NOON + timedelta(days=1))
    wider = PROJECT["marts/insight.sql"].replace("p.is_weekly", "p.is_weekly, cast(9 as bigint) as extra")
    narrower = PROJECT["marts/lead.sql"].replace("l.amount,", "cast(l.amount as integer) as amount,")
    transform(warehouse, project=project({"marts/insight.sql": wider, "marts/lead.sql": narrower}))
    rows = read(warehouse, "select channel_id, as_of_date, leads, extra from insight order by 1, 2")
    assert rows == [("a", DAY, 2, None), ("a", DAY + timedelta(days=1), 2, 9), ("b", DAY, 1, 9)]
    assert {row[2] for row in read(warehouse, LEADS)} == {2}


def test_history_whose_type_no_longer_fits_becomes_null(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    worded = PROJECT["marts/insight.sql"].replace("coalesce(t.leads, 0) as leads", "'many' as leads")
    transform(warehouse, project=project({"marts/insight.sql": worded}))
    raw.channel("a", synced=NOON + timedelta(days=1))
    transform(warehouse, project=project({"marts/insight.sql": PROJECT["marts/insight.sql"]}))
    assert [row[2] for row in read(warehouse, INSIGHT)] == [None, 2, 1]


def test_a_mart_without_a_model_is_dropped_and_other_tables_stay(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    transform(warehouse, project=project())
    if warehouse.dialect == "postgres":
        raw.run("create table marts.somebodys as select 1 as one")
    changes = {"marts/insight.sql": None, "marts/marts.yml": None}
    transform(warehouse, project=project(changes))
    with published.connect(warehouse) as connection:
        assert set(connection.tables("marts")) - {"somebodys"} == {"lead"}
        assert ("somebodys" in connection.tables("marts")) is (warehouse.dialect == "postgres")


def test_a_wrong_model_names_file_and_line_and_publishes_nothing(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    transform(warehouse, project=project())
    raw.lead("a", "9")
    wrong = "select\n    channel_id,\n    id,\n    amuont as amount\nfrom stg_leads\n"
    with pytest.raises(ModelFailed, match=r"sql/marts/lead\.sql:4: lead: .*amuont") as caught:
        transform(warehouse, project=project({"marts/lead.sql": wrong}))
    assert caught.value.exit_code == 1
    assert len(read(warehouse, LEADS)) == 3


def test_an_unreadable_value_of_one_channel_keeps_back_only_that_channel(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    for channel_id in ("c", "d", "e"):
        raw.channel(channel_id)
        raw.lead(channel_id, "1")
    raw.lead("b", "2", amount="a lot")
    raw.lead("a", "3")
    report = transform(warehouse, project=models)
    assert report.channels == ("a", "c", "d", "e")
    assert set(report.held_back) == {"b"}
    with pytest.raises(TransformFailed, match=r"b: .*staging/stg_leads\.sql.*(?s:.*)Not published: b"):
        report.require_complete()
    assert [row[:2] for row in read(warehouse, LEADS)] == [
        *(("a", "1"), ("a", "2"), ("a", "3")),
        *(("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")),
    ]
    assert set(transform(warehouse, project=models).held_back) == {"b"}, "it is reported until the value is corrected"
    raw.lead("b", "2", amount="3")
    assert transform(warehouse, project=models).channels == ("b",)


def test_a_value_no_channel_can_have_is_the_models_fault(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    wrong = PROJECT["marts/lead.sql"].replace("l.amount", "cast(l.source as integer) as amount")
    with pytest.raises(ModelFailed, match=r"lead\.sql"):
        transform(warehouse, project=project({"marts/lead.sql": wrong}))
    with pytest.raises(NotPublished, match="zoho-pipeline transform"):
        read(warehouse, LEADS)


def test_a_failed_check_keeps_back_its_channels_and_names_itself(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    models = project()
    transform(warehouse, project=models)
    raw.run("insert into zoho_raw.leads values ('b', '1', '5', 'web', now())")
    raw.lead("a", "3")
    report = transform(warehouse, project=models)
    assert (report.channels, report.held_back.keys()) == (("a",), {"b"})
    (failed,) = report.failed_checks
    assert (failed.failures, failed.channels) == (1, ("b",))
    with pytest.raises(TransformFailed, match="unique_combination_of_columns_lead_channel_id_id failed on 1 rows of b"):
        report.require_complete()
    assert [row[:2] for row in read(warehouse, LEADS)] == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")]


def test_a_warning_publishes(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    yml = """
        models:
          - name: lead
            columns:
              - name: source
                tests:
                  - accepted_values: {values: [Website, Advert], config: {severity: warn}}
    """
    report = transform(warehouse, project=project({"marts/marts.yml": yml}))
    failed = [(c.name, c.severity, c.failures, c.channels) for c in report.checks if not c.passed]
    assert failed == [("accepted_values_lead_source", "warn", 1, ("b",))]
    report.require_complete()
    assert len(read(warehouse, LEADS)) == 3


def test_each_kind_of_check_counts_its_failures(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    raw.lead("b", None, amount="-1")
    yml = """
        models:
          - name: lead
            columns:
              - name: id
                tests:
                  - not_null
                  - unique
                  - unique: {config: {where: "channel_id = 'a'"}}
              - name: amount
                tests:
                  - accepted_values: {values: [1.5, 2.25]}
              - name: source
                tests:
                  - relationships: {to: ref('seed_names'), field: name}
              - name: channel_id
                tests:
                  - relationships: {to: ref('int_clock'), field: channel_id}
          - name: insight
            config: {meta: {primary_key: [channel_id, as_of_date], keeps_history: true}}
    """
    singular = {"tests/amounts_are_positive.sql": "select channel_id, id from lead where amount <= 0"}
    report = transform(warehouse, project=project({"marts/marts.yml": yml, **singular}))
    found = {c.name: (c.failures, c.channels) for c in report.checks}
    assert found == {
        "not_null_lead_id": (1, ("b",)),
        "unique_lead_id": (2, ("a", "b")),
        "unique_lead_id_2": (0, ()),
        "accepted_values_lead_amount": (1, ("b",)),
        "relationships_lead_source_seed_names": (1, ("b",)),
        "relationships_lead_channel_id_int_clock": (0, ()),
        "amounts_are_positive": (1, ("b",)),
    }


def test_a_key_of_several_columns_is_unique_with_its_nulls(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    """Two rows with the same nulls have the same key. In a key of one column, nulls may repeat."""
    for _ in range(2):
        raw.lead("a", None)
    raw.lead("b", None)
    yml = """
        models:
          - name: lead
            data_tests:
              - unique_combination_of_columns: {combination_of_columns: [channel_id, id], config: {severity: warn}}
              - unique_combination_of_columns:
                  combination_of_columns: [channel_id, id]
                  config: {where: "channel_id <> 'a'"}
            columns:
              - name: id
                data_tests:
                  - unique: {config: {where: "id is null"}}
    """
    report = transform(warehouse, project=project({"marts/marts.yml": yml}))
    assert {c.name: (c.failures, c.channels) for c in report.checks} == {
        "unique_combination_of_columns_lead_channel_id_id": (1, ("a",)),
        "unique_combination_of_columns_lead_channel_id_id_2": (0, ()),
        "unique_lead_id": (0, ()),
    }


def test_a_mart_of_a_star_is_not_sorted_by_a_column_that_it_lacks(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    """Its columns are not known when the project is loaded. The error names the file and not only the column."""
    changes = {
        "marts/lead.sql": "with leads as (select channel_id, id, amount, source from stg_leads) select * from leads",
        "marts/marts.yml": "models:\n  - {name: lead, config: {cluster_by: [channel_id, nme]}}",
    }
    with pytest.raises(TransformError, match=r"marts/(lead\.sql|marts\.yml).*nme"):
        transform(warehouse, project=project(changes))


def test_a_selection_publishes_its_models_alone(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    models = project()
    transform(warehouse, project=models)
    raw.lead("a", "3")
    report = transform(warehouse, project=models, select="insight")
    assert [c.model for c in report.checks] == []
    assert len(read(warehouse, LEADS)) == 3
    assert read(warehouse, INSIGHT)[0][2] == 3
    assert transform(warehouse, project=models).channels == ("a",), "a run of a selection does not count as a whole run"
    assert len(read(warehouse, LEADS)) == 4
    with pytest.raises(UsageError, match="no model is called 'laed'"):
        transform(warehouse, project=models, select="laed+")


def test_named_channels_are_built_alone(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    models = project()
    assert transform(warehouse, project=models, channels=["b"]).channels == ("b",)
    assert {row[0] for row in read(warehouse, LEADS)} == {"b"}
    with pytest.raises(UsageError, match="no channel 'z'"):
        transform(warehouse, project=models, channels=["z"])


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", ""])
def test_an_unreadable_as_of_is_refused(duckdb_warehouse: DuckDBWarehouse, project: MakeProject, text: str) -> None:
    with pytest.raises(UsageError, match="ISO 8601"):
        transform(duckdb_warehouse, project=project(), as_of=text)


def test_a_bad_seed_value_names_its_line(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    seed = {
        "seeds/seed_names.csv": "source,name,rank\nweb,Website,1\nad,Advert,second\n",
        "seeds/seeds.yml": "seeds:\n  - name: seed_names\n    columns:\n      - {name: rank, data_type: integer}\n",
    }
    with pytest.raises(ProjectError, match=r"seed_names\.csv:3: has a value of another type"):
        transform(warehouse, project=project(seed))


def test_a_reader_with_the_old_marts_open_keeps_reading_them(
    duckdb_warehouse: DuckDBWarehouse, project: MakeProject
) -> None:
    raw = Raw(duckdb_warehouse)
    raw.channel("a")
    models = project()
    transform(duckdb_warehouse, project=models)
    with published.connect(duckdb_warehouse) as old:
        raw.lead("a", "1")
        transform(duckdb_warehouse, project=models)
        assert old.rows("select count(*) as n from lead") == [{"n": 0}]
        assert read(duckdb_warehouse, "select count(*) from lead") == [(1,)]
    folder = duckdb_warehouse.published_path.parent
    assert duckdb_warehouse.published_path.stat().st_mode & 0o777 == 0o600
    assert not [p.name for p in folder.iterdir() if "draft" in p.name or "spill" in p.name]


def test_the_build_time_decides_where_no_model_does(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    models = project({"intermediate/int.yml": None})
    at = datetime(2026, 3, 2, tzinfo=UTC)
    assert transform(warehouse, project=models, build_at=at).published
    assert not transform(warehouse, project=models, build_at=at).published
    assert transform(warehouse, project=models, build_at=at + timedelta(hours=1)).channels == ("a", "b")


def test_the_line_is_that_of_the_wrong_word_and_not_of_another_like_it(
    warehouse: Warehouse, raw: Raw, project: MakeProject
) -> None:
    wrong = """
        select
            l.channel_id,
            l.id
        from stg_leads as l
        inner join stg_leads as k on l.id = k.id
        where
            id = 'x'
    """
    with pytest.raises(ModelFailed, match=r"marts/lead\.sql:7: lead: (?s:.*)[Aa]mbiguous"):
        transform(warehouse, project=project({"marts/lead.sql": wrong}))


def test_a_transform_that_waits_too_long_for_another_says_so(postgres_url: str, tmp_path: Path) -> None:
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    with warehouse.connect(read_only=False) as one, warehouse.connect(read_only=False) as other:
        PostgresEngine(one, {})
        with pytest.raises(WarehouseBusy, match="another transform is still running"):
            PostgresEngine(other, {}, lock_seconds=0.1)


def test_a_view_on_a_mart_whose_columns_change_is_named(
    postgres_url: str, project: MakeProject, tmp_path: Path
) -> None:
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    raw = Raw(warehouse)
    raw.channel("a")
    transform(warehouse, project=project())
    raw.run("create view public.insight_of_mine as select leads from marts.insight")
    raw.lead("a", "1")
    transform(warehouse, project=project(), full=True)
    assert read(warehouse, "select leads from public.insight_of_mine") == [(1,)]
    wider = {"marts/insight.sql": PROJECT["marts/insight.sql"].replace("p.is_weekly", "p.is_weekly, 9 as extra")}
    with pytest.raises(TransformError, match=r"marts\.insight changed, and view (public\.)?insight_of_mine reads it"):
        transform(warehouse, project=project(wider))
    assert read(warehouse, "select leads from public.insight_of_mine") == [(1,)]
    raw.run("drop view public.insight_of_mine")
    assert transform(warehouse, project=project(wider)).published

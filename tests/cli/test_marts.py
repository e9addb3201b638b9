"""The commands `transform`, `insight` and `sql` on the simulator."""

import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Built, Run
from zoho_pipeline.reading.values import distinct
from zoho_pipeline.simulator import Org


@pytest.mark.long
def test_sql_prints_three_formats(first: Built) -> None:
    query = "select zoho_lead_id, is_converted from lead order by 1"
    assert [row["zoho_lead_id"] for row in first.run("sql", query, "--format", "json").json] == first.ids
    lines = list(csv.reader(io.StringIO(first.run("sql", query, "--format", "csv").out)))
    assert lines[0] == ["zoho_lead_id", "is_converted"]
    assert [line[0] for line in lines[1:]] == first.ids
    assert first.ids[0] in first.run("sql", query).out
    assert first.run("sql", "--raw", "select * from zoho_raw.leads where false", "--format", "json").json == []


@pytest.mark.long
def test_sql_cannot_write(first: Built) -> None:
    for query in ("delete from leads", "select 1; drop table leads", "create table x as select 1", "nonsense"):
        for raw in ((), ("--raw",)):
            answer = first.run("sql", query if raw else query.replace("leads", "lead"), *raw)
            assert answer.code == 2, query
            assert answer.out == ""
            assert answer.err.startswith("error: ")
    assert first.run("sql", "select count(*) as n from lead", "--format", "json").json == [{"n": len(first.ids)}]


def test_transform_with_nothing_new_says_so(built: Built) -> None:
    answer = built.run("transform")
    assert answer.code == 0
    assert "up to date" in answer.out


@pytest.mark.long
def test_transform_accepts_a_model_and_an_as_of_time(built: Built) -> None:
    report = built.run("transform", "--select", "lead", "--format", "json")
    assert report.code == 0, report.err
    assert report.json["published"] is True
    assert built.run("transform", "--as-of", "2026-01-01T00:00:00+05:30").code == 0
    assert "2025-12-31" in built.run("sql", "select distinct as_of_utc from lead_volume").out
    for wrong in (("--select", "no_such_model"), ("--as-of", "yesterday")):
        answer = built.run("transform", *wrong)
        assert answer.code == 2
        assert wrong[1] in answer.err


@pytest.mark.long
def test_the_next_transform_uses_the_settings_of_a_channel(built: Built, tmp_path: Path) -> None:
    sources = tmp_path / "sources.csv"
    sources.write_text("raw_value,lead_source\npartner,Our Partners\n")
    assert built.run("channels", "set", "acme", "--lead-source-map", sources).code == 0
    assert built.run("transform").code == 0
    answer = built.run("sql", "select distinct lead_source from lead_source_attribution", "--format", "json")
    assert answer.json == [{"lead_source": "Our Partners"}]


def test_insight_as_a_page_and_as_json(first: Built) -> None:
    insight = first.run("insight", "acme", "--format", "json").json
    assert insight["channel_id"] == "acme"
    assert insight["leads_this_month"] == len(first.ids)
    assert len(first.run("insight", "acme").out.splitlines()) > 5


@pytest.mark.long
def test_insight_names_the_cure_that_works(run: Run, channel: str, org: Org) -> None:
    """No marts, marts without the last sync, a channel that was never synced: each has another cure."""
    answer = run("insight", channel)
    assert (answer.code, "zoho-pipeline sync acme" in answer.err) == (1, True)
    assert run("channels", "pause", channel).code == 0
    assert "zoho-pipeline channels resume acme" in run("insight", channel).err
    assert run("channels", "resume", channel).code == 0
    assert run("transform").code == 0
    assert "run: zoho-pipeline sync" in run("insight", channel).out
    assert run("sync").code == 0
    page = run("insight", channel).out
    assert "Run zoho-pipeline transform: the sync as of" in page
    assert "zoho-pipeline sync" not in page
    assert run("transform").code == 0
    assert "up to date" in run("insight", channel).out
    assert "zoho-pipeline" not in run("insight", channel).out
    org.insert("Leads", {"Last_Name": "New", "Company": "Co"})
    assert run("sync").code == 0
    assert "Run zoho-pipeline transform: the sync as of" in run("insight", channel).out


@pytest.mark.long
def test_insight_of_a_synced_channel_without_marts_asks_for_a_transform_only(run: Run, channel: str) -> None:
    assert run("sync").code == 0
    answer = run("insight", channel)
    assert answer.code == 1
    assert answer.err == "error: there is no insight of acme yet. Run `zoho-pipeline transform`.\n"
    assert "nobody" in run("insight", "nobody").err


def test_a_raw_query_does_not_keep_the_warehouse_open(first: Built) -> None:
    """A query and a load take turns: after the query, no process holds the file."""
    import duckdb

    assert first.count("leads") == len(first.ids)
    with duckdb.connect(str(first.home / "warehouse.duckdb")) as connection:
        connection.execute("create temp table t as select 1")


def test_repeated_column_names_lose_nothing() -> None:
    assert distinct(["n", "m", "n", "n"]) == ["n", "m", "n_2", "n_3"]

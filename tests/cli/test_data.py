"""`sync`, `content load`, `transform`, `sql`, `insight` through the command line, on the simulator."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import CLIENT, Run
from zoho_pipeline.simulator import Org, Simulator

CONTENT = "content_id,content_type,published_at,topics,utm_source\nc1,blog_post,2026-01-05T10:00:00Z,A|B,x\n"


@pytest.fixture
def synced(run: Run, channel: str) -> str:
    """A channel whose rows are in."""
    answer = run("sync", channel)
    assert answer.code == 0, answer.err
    return channel


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "content.csv"
    path.write_text(CONTENT)
    return path


def count(run: Run, table: str, where: str = "true") -> int:
    answer = run("sql", "--raw", f"select count(*) as n from {table} where {where}", "--format", "json")
    assert answer.code == 0, answer.err
    return int(answer.json[0]["n"])


def test_sync_prints_what_it_did(run: Run, channel: str, org: Org) -> None:
    answer = run("sync", channel, "--format", "json")
    assert answer.code == 0, answer.err
    [report] = answer.json
    modules = {module["module"]: module for module in report["modules"]}
    assert report["complete"] is True
    assert modules["Leads"]["rows"] == len(org.rows("Leads"))
    assert modules["Leads"]["route"]
    assert sum(module["credits"] for module in modules.values()) <= org.credits_used


def test_sync_for_people_names_rows_credits_and_route(run: Run, channel: str) -> None:
    answer = run("sync", channel)
    assert answer.code == 0
    assert all(text in answer.out for text in ("Leads", "route", "credits", "(all)"))


def test_a_second_sync_moves_only_what_changed(run: Run, synced: str, org: Org) -> None:
    org.update("Leads", org.rows("Leads")[-1]["id"], {"Lead_Status": "Contacted"})
    [report] = run("sync", "--format", "json").json
    rows = {module["module"]: module["rows"] for module in report["modules"]}
    assert (rows["Leads"], rows["Contacts"], rows["Deals"]) == (1, 0, 0)


def test_some_modules_alone(run: Run, channel: str) -> None:
    [report] = run("sync", channel, "--modules", "leads, Deals", "--format", "json").json
    assert [module["module"] for module in report["modules"]] == ["Leads", "Deals"]


def test_one_failing_channel_does_not_stop_the_others(
    run: Run, channel: str, simulator: Simulator, token: Path
) -> None:
    other = simulator.add_org(name="Zeta")
    other.insert("Leads", {"Last_Name": "Z"})
    token.write_text(refresh := other.grant(*CLIENT, "ZohoCRM.modules.READ ZohoCRM.users.READ"))
    for name in ("aaa", "zzz"):
        assert run("channels", "add", name, "--data-center", "sim", "--refresh-token-file", token).code == 0
        if name == "aaa":
            token.write_text(other.grant(*CLIENT, "ZohoCRM.modules.READ ZohoCRM.users.READ"))
    simulator.hub.tokens.drop(simulator.hub.tokens.grants[refresh])
    answer = run("sync", "--format", "json")
    assert answer.code == 1
    assert {report["channel_id"] for report in answer.json} == {"acme", "zzz"}
    assert "channel aaa" in answer.err


def test_a_missing_scope_is_said_and_no_crash(run: Run, org: Org, token: Path) -> None:
    token.write_text(org.grant(*CLIENT, "ZohoCRM.modules.leads.READ ZohoCRM.users.READ"))
    assert run("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", token).code == 0
    answer = run("sync", "acme")
    assert answer.code == 0, answer.err
    assert "Deals" in answer.err
    assert "scope" in answer.err.lower()
    assert count(run, "leads") == len(org.rows("Leads"))
    assert count(run, "sync_runs", "module = 'Deals' and outcome = 'skipped'") == 1


def test_sync_without_a_channel_says_what_to_do(run: Run) -> None:
    answer = run("sync")
    assert (answer.code, answer.out) == (1, "")
    assert "zoho-pipeline connect" in answer.err


def test_content_is_loaded_and_updated(run: Run, channel: str, catalogue: Path) -> None:
    assert run("content", "load", channel, catalogue, "--format", "json").json["rows"] == 1
    catalogue.write_text(CONTENT.replace("blog_post", "video"))
    assert run("content", "load", channel, catalogue).code == 0
    assert count(run, "content_items", "content_type = 'video'") == count(run, "content_items") == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("content_id,content_type\nc1,blog\n", "published_at"),
        ("content_id,content_type,published_at\nc1,blog,soon\n", "published_at"),
        ("content_id,content_type,published_at\nc1,blog,2026-01-01\n,blog,2026-01-01\n", "content_id"),
        ("", "content.csv"),
    ],
)
def test_a_malformed_content_file_loads_nothing(run: Run, synced: str, catalogue: Path, text: str, named: str) -> None:
    catalogue.write_text(text)
    answer = run("content", "load", synced, catalogue)
    assert answer.code in (1, 2)
    assert answer.err.startswith("error: ")
    assert named in answer.err
    assert count(run, "content_items") == 0


def test_content_of_an_unknown_channel_or_file(run: Run, channel: str, catalogue: Path, tmp_path: Path) -> None:
    assert "'nobody'" in run("content", "load", "nobody", catalogue).err
    answer = run("content", "load", channel, tmp_path / "absent.csv")
    assert answer.code in (1, 2)
    assert "absent.csv" in answer.err


def test_transform_publishes_and_sql_reads_in_three_formats(run: Run, synced: str, org: Org) -> None:
    first = run("transform", "--format", "json")
    assert first.code == 0, first.err
    assert first.json["published"] is True
    query = "select zoho_lead_id, is_converted from lead order by 1"
    ids = [row["id"] for row in org.rows("Leads")]
    assert [row["zoho_lead_id"] for row in run("sql", query, "--format", "json").json] == ids
    lines = list(csv.reader(io.StringIO(run("sql", query, "--format", "csv").out)))
    assert lines[0] == ["zoho_lead_id", "is_converted"]
    assert [line[0] for line in lines[1:]] == ids
    assert ids[0] in run("sql", query).out


def test_transform_with_nothing_new_says_so(run: Run, synced: str) -> None:
    assert run("transform").code == 0
    again = run("transform")
    assert again.code == 0
    assert "up to date" in again.out


def test_transform_takes_a_model_and_an_as_of(run: Run, synced: str) -> None:
    assert run("transform", "--select", "lead").code == 0
    assert run("transform", "--as-of", "2026-01-01T00:00:00+05:30").code == 0
    assert "2025-12-31" in run("sql", "select distinct as_of_utc from lead_volume").out
    for wrong in (("--select", "no_such_model"), ("--as-of", "yesterday")):
        answer = run("transform", *wrong)
        assert answer.code == 2
        assert wrong[1] in answer.err


@pytest.mark.parametrize(
    "query", ["delete from lead", "select 1; drop table lead", "create table x as select 1", "nonsense"]
)
@pytest.mark.parametrize("raw", [True, False])
def test_sql_cannot_write(run: Run, synced: str, query: str, raw: bool) -> None:
    assert run("transform").code == 0
    before = count(run, "leads")
    answer = run("sql", query.replace("lead", "leads") if raw else query, *(["--raw"] if raw else []))
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert count(run, "leads") == before
    assert run("sql", "select count(*) as n from lead", "--format", "json").json[0]["n"] == before


def test_sql_of_nothing_is_an_empty_array(run: Run, synced: str) -> None:
    assert run("sql", "--raw", "select * from zoho_raw.leads where false", "--format", "json").json == []


def test_insight_as_a_page_and_as_json(run: Run, synced: str, catalogue: Path) -> None:
    assert run("content", "load", synced, catalogue).code == 0
    assert run("transform").code == 0
    told = run("insight", synced, "--format", "json").json
    assert told["channel_id"] == synced
    assert told["leads_this_month"] == 3
    assert len(run("insight", synced).out.splitlines()) > 5


def test_remove_with_purge_deletes_every_row(run: Run, synced: str) -> None:
    assert run("transform").code == 0
    answer = run("channels", "remove", synced, "--purge", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["deleted_rows"] > 3
    assert count(run, "leads") == 0
    assert run("sql", "select count(*) as n from lead", "--format", "json").json == [{"n": 0}]


def test_settings_of_a_channel_show_in_the_next_transform(run: Run, synced: str, tmp_path: Path) -> None:
    assert run("transform").code == 0
    sources = tmp_path / "sources.csv"
    sources.write_text("raw_value,lead_source\npartner,Our Partners\n")
    assert run("channels", "set", synced, "--lead-source-map", sources).code == 0
    assert run("transform").code == 0
    answer = run("sql", "select distinct lead_source from lead_source_attribution", "--format", "json")
    assert answer.json == [{"lead_source": "Our Partners"}]


def test_the_warehouse_is_left_free(run: Run, synced: str, home: Path) -> None:
    """A person's query and a load take turns: afterwards nobody holds the file."""
    import duckdb

    assert run("transform").code == 0
    assert run("sql", "select 1").code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create temp table t as select 1")
    assert json.loads(run("channels", "show", synced, "--format", "json").out)["last_complete_sync_at"]

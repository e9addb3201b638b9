"""`sync`, `reconcile`, `content load`, `transform`, `sql`, `insight` through the command line, on the simulator."""

import csv
import io
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.cli.conftest import CLIENT, Run, knows, runner, small_org
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.settings import load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

CONTENT = "content_id,content_type,published_at,topics,utm_source\nc1,blog_post,2026-01-05T10:00:00Z,A|B,x\n"
FEW_SCOPES = "ZohoCRM.modules.READ ZohoCRM.users.READ"


@dataclass
class Built:
    """A channel `acme` whose rows are in and whose marts are published; `ids` are its live leads."""

    run: Run
    org: Org
    simulator: Simulator
    home: Path
    ids: list[str]

    def count(self, table: str, where: str = "true") -> int:
        answer = self.run("sql", "--raw", f"select count(*) as n from {table} where {where}", "--format", "json")
        assert answer.code == 0, answer.err
        return int(answer.json[0]["n"])

    def add(self, channel_id: str, org: Org, scopes: str) -> str:
        """Register a channel of an org; its refresh token."""
        token = org.grant(*CLIENT, scopes)
        answer = self.run(
            "channels", "add", channel_id, "--data-center", "sim", "--refresh-token-file", "-", stdin=token
        )
        assert answer.code == 0, answer.err
        return token


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Built once; tests that only read its HOME share it."""
    folder = tmp_path_factory.mktemp("built")
    with Simulator.start() as simulator, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        org = small_org(simulator)
        ids = [row["id"] for row in org.rows("Leads")]
        built = Built(runner(knows(simulator, folder / "home")), org, simulator, folder / "home", ids)
        built.add("acme", org, " ".join(DEFAULT_SCOPES))
        for command in ("sync", "transform"):
            answer = built.run(command)
            assert answer.code == 0, answer.err
        yield built


@pytest.fixture
def built(first: Built, tmp_path: Path) -> Built:
    """A HOME of its own that begins as a copy; the Zoho behind it is shared and may have moved on."""
    shutil.copytree(first.home, tmp_path / "home")
    return Built(
        runner(knows(first.simulator, tmp_path / "home")), first.org, first.simulator, tmp_path / "home", first.ids
    )


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "content.csv"
    path.write_text(CONTENT)
    return path


def test_a_first_sync_prints_what_it_did(run: Run, channel: str, org: Org) -> None:
    answer = run("sync", channel, "--format", "json")
    assert answer.code == 0, answer.err
    [report] = answer.json
    modules = {module["module"]: module for module in report["modules"]}
    assert report["complete"] is True
    assert modules["Leads"]["rows"] == len(org.rows("Leads"))
    assert modules["Leads"]["route"]
    assert modules["Leads"]["credits"] > 0


def test_a_second_sync_moves_only_what_changed(built: Built) -> None:
    built.org.update("Leads", built.ids[-1], {"Lead_Status": "Contacted"})
    [report] = built.run("sync", "--format", "json").json
    rows = {module["module"]: module["rows"] for module in report["modules"]}
    assert (rows["Leads"], rows["Contacts"], rows["Deals"]) == (1, 0, 0)
    told = built.run("sync", "--modules", "leads, Deals")
    assert told.code == 0
    assert all(text in told.out for text in ("Leads", "Deals", "route", "credits", "(all)"))
    assert "Contacts" not in told.out


def test_one_failing_channel_does_not_stop_the_others(built: Built) -> None:
    zeta = built.simulator.add_org(name="Zeta")
    zeta.insert("Leads", {"Last_Name": "Z"})
    refresh = built.add("aaa", zeta, FEW_SCOPES)
    built.add("zzz", zeta, FEW_SCOPES)
    built.simulator.hub.tokens.drop(built.simulator.hub.tokens.grants[refresh])
    answer = built.run("sync", "--modules", "Leads", "--format", "json")
    assert answer.code == 1
    assert [report["channel_id"] for report in answer.json] == ["zzz", "acme"], "who waited longest is first"
    assert "channel aaa" in answer.err


def test_a_missing_scope_is_said_and_no_crash(built: Built) -> None:
    poor = built.simulator.add_org(name="Poor")
    poor.insert("Leads", {"Last_Name": "P"})
    built.add("poor", poor, "ZohoCRM.modules.leads.READ ZohoCRM.users.READ")
    answer = built.run("sync", "poor")
    assert answer.code == 0, answer.err
    assert "Deals" in answer.err
    assert "scope" in answer.err.lower()
    assert built.count("leads", "channel_id = 'poor'") == 1
    assert built.count("sync_runs", "channel_id = 'poor' and module = 'Deals' and outcome = 'skipped'") == 1
    assert any(
        "Deals" in problem for problem in built.run("channels", "show", "poor", "--format", "json").json["problems"]
    )


def test_a_channel_id_with_a_dot_is_one_like_any_other(built: Built) -> None:
    dotted = built.simulator.add_org(name="Dotted")
    dotted.insert("Leads", {"Last_Name": "D"})
    built.add("acme.in-2", dotted, FEW_SCOPES)
    for _ in range(2):
        answer = built.run("sync", "acme.in-2")
        assert answer.code == 0, answer.err
    assert built.count("leads", "channel_id = 'acme.in-2'") == 1
    assert built.run("channels", "remove", "acme.in-2", "--purge", "--format", "json").json["deleted_rows"] > 0
    assert built.count("leads", "channel_id = 'acme.in-2'") == 0
    assert not [path.name for path in (built.home / "dlt").iterdir() if "acme.in-2" in path.name.replace("~", ".")]


def test_no_second_copy_of_the_rows_stays_on_disk(first: Built) -> None:
    """What was loaded would otherwise lie in dlt's folder until the next sync, out of reach of a purge."""
    name = b"Rao 2"
    holding = [path.name for path in first.home.rglob("*") if path.is_file() and name in path.read_bytes()]
    assert not list((first.home / "dlt").rglob("*.parquet"))
    assert all(path.startswith("warehouse.") for path in holding), holding


def test_sync_without_a_channel_says_what_to_do(run: Run) -> None:
    answer = run("sync")
    assert (answer.code, answer.out) == (1, "")
    assert "zoho-pipeline connect" in answer.err


def test_a_sync_beside_another_says_that_it_waits(built: Built) -> None:
    settings = load_settings(knows(built.simulator, built.home))
    held, done = Event(), Event()

    def hold() -> None:
        with channel_lock(settings, "acme"):
            held.set()
            done.wait(20)

    def told_to_wait() -> None:
        held.wait(20)
        time.sleep(1)
        done.set()

    other, watch = Thread(target=hold), Thread(target=told_to_wait)
    other.start()
    watch.start()
    held.wait(20)
    answer = built.run("sync", "acme", "--modules", "Leads")
    other.join()
    watch.join()
    assert answer.code == 0, answer.err
    assert "channel acme is being worked on by another process" in answer.err


def test_a_paused_channel_is_left_out(built: Built) -> None:
    assert built.run("channels", "pause", "acme").code == 0
    assert "no active channel" in built.run("sync").err
    answer = built.run("sync", "acme")
    assert answer.code == 1
    assert "channels resume acme" in answer.err


def test_reconcile_repairs_what_left_no_trace(built: Built) -> None:
    extra = built.org.insert("Leads", {"Last_Name": "Hidden"})
    assert built.run("sync").code == 0
    before = built.count("leads")
    built.org.merge("Leads", built.ids[-1], extra)
    answer = built.run("reconcile", "acme", "--format", "json")
    assert answer.code == 0, answer.err
    [report] = answer.json
    assert report["complete"] is True
    assert built.count("deleted_records", f"id = '{extra}' and restored_at is null") == 1
    assert built.count("leads") == before
    told = built.run("reconcile", "acme")
    assert told.code == 0
    assert "nothing differed" in told.out


def test_content_is_loaded_updated_and_refused_whole(built: Built, catalogue: Path) -> None:
    assert built.run("content", "load", "acme", catalogue, "--format", "json").json["rows"] == 1
    catalogue.write_text(CONTENT.replace("blog_post", "video"))
    assert "1 content items" in built.run("content", "load", "acme", catalogue).out
    assert built.count("content_items", "content_type = 'video'") == built.count("content_items") == 1
    malformed = [
        ("content_id,content_type\nc2,blog\n", "published_at"),
        ("content_id,content_type,published_at\nc2,blog,soon\n", "published_at"),
        ("content_id,content_type,published_at\nc2,blog,2026-01-01\n,blog,2026-01-01\n", "content_id"),
        ("", "content.csv"),
    ]
    for text, named in malformed:
        catalogue.write_text(text)
        answer = built.run("content", "load", "acme", catalogue)
        assert answer.code in (1, 2)
        assert answer.err.startswith("error: ")
        assert named in answer.err
    assert built.count("content_items") == 1


def test_content_comes_from_a_database_too(built: Built, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "site.db") as site:
        site.execute("create table articles (content_id, content_type, published_at, changed)")
        site.execute("insert into articles values ('a1', 'blog_post', '2026-01-05', 1)")
    site.close()
    where = ("--url", f"sqlite:///{tmp_path}/site.db", "--table", "articles")
    assert (
        built.run("content", "load", "acme", *where, "--incremental", "changed", "--format", "json").json["rows"] == 1
    )
    (tmp_path / "url.txt").write_text(f"sqlite:///{tmp_path}/site.db\n")
    asked = ("--url-file", tmp_path / "url.txt", "--query", "select content_id, published_at from articles")
    answer = built.run("content", "load", "acme", *asked)
    assert (answer.code, "content_type is missing" in answer.err) == (1, True)
    for wrong in (where[:2], where[2:], (*where, "--query", "select 1"), ("content.csv", *where), ()):
        assert built.run("content", "load", "acme", *wrong).code == 2


def test_content_of_an_unknown_channel_or_file(run: Run, channel: str, catalogue: Path, tmp_path: Path) -> None:
    assert "'nobody'" in run("content", "load", "nobody", catalogue).err
    answer = run("content", "load", channel, tmp_path / "absent.csv")
    assert answer.code in (1, 2)
    assert "absent.csv" in answer.err


def test_sql_reads_in_three_formats(first: Built) -> None:
    query = "select zoho_lead_id, is_converted from lead order by 1"
    assert [row["zoho_lead_id"] for row in first.run("sql", query, "--format", "json").json] == first.ids
    lines = list(csv.reader(io.StringIO(first.run("sql", query, "--format", "csv").out)))
    assert lines[0] == ["zoho_lead_id", "is_converted"]
    assert [line[0] for line in lines[1:]] == first.ids
    assert first.ids[0] in first.run("sql", query).out
    assert first.run("sql", "--raw", "select * from zoho_raw.leads where false", "--format", "json").json == []


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


def test_transform_takes_a_model_and_an_as_of(built: Built) -> None:
    report = built.run("transform", "--select", "lead", "--format", "json")
    assert report.code == 0, report.err
    assert report.json["published"] is True
    assert built.run("transform", "--as-of", "2026-01-01T00:00:00+05:30").code == 0
    assert "2025-12-31" in built.run("sql", "select distinct as_of_utc from lead_volume").out
    for wrong in (("--select", "no_such_model"), ("--as-of", "yesterday")):
        answer = built.run("transform", *wrong)
        assert answer.code == 2
        assert wrong[1] in answer.err


def test_settings_of_a_channel_show_in_the_next_transform(built: Built, tmp_path: Path) -> None:
    sources = tmp_path / "sources.csv"
    sources.write_text("raw_value,lead_source\npartner,Our Partners\n")
    assert built.run("channels", "set", "acme", "--lead-source-map", sources).code == 0
    assert built.run("transform").code == 0
    answer = built.run("sql", "select distinct lead_source from lead_source_attribution", "--format", "json")
    assert answer.json == [{"lead_source": "Our Partners"}]


def test_insight_as_a_page_and_as_json(first: Built) -> None:
    told = first.run("insight", "acme", "--format", "json").json
    assert told["channel_id"] == "acme"
    assert told["leads_this_month"] == len(first.ids)
    assert len(first.run("insight", "acme").out.splitlines()) > 5


def test_remove_with_purge_deletes_every_row(built: Built) -> None:
    refresh = built.org.grant(*CLIENT, DEFAULT_SCOPES)  # its own token: removing revokes it
    arguments = ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", "-")
    assert built.run(*arguments, stdin=refresh).code == 0
    answer = built.run("channels", "remove", "acme", "--purge", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["revoked"] is True
    assert answer.json["deleted_rows"] > len(built.ids)
    assert built.count("leads") == 0
    assert built.run("sql", "select count(*) as n from lead", "--format", "json").json == [{"n": 0}]
    assert built.run("channels", "remove", "acme", "--purge", "--format", "json").json["deleted_rows"] == 0


def test_the_warehouse_is_left_free(first: Built) -> None:
    """A person's query and a load take turns: afterwards nobody holds the file."""
    import duckdb

    assert first.count("leads") == len(first.ids)
    with duckdb.connect(str(first.home / "warehouse.duckdb")) as connection:
        connection.execute("create temp table t as select 1")

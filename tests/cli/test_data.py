"""The commands `sync`, `reconcile` and `content load` on the simulator, and `channels remove --purge`."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.cli.conftest import CLIENT, Built, Run, environment_for
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.cli.data import for_each_channel
from zoho_pipeline.settings import PipelineError, load_settings
from zoho_pipeline.simulator import Org
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

CONTENT = "content_id,content_type,published_at,topics,utm_source\nc1,blog_post,2026-01-05T10:00:00Z,A|B,x\n"
FEW_SCOPES = "ZohoCRM.modules.READ ZohoCRM.users.READ"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "content.csv"
    path.write_text(CONTENT)
    return path


@pytest.mark.long
def test_a_first_sync_reports_rows_route_and_credits(run: Run, channel: str, org: Org) -> None:
    answer = run("sync", channel, "--format", "json")
    assert answer.code == 0, answer.err
    [report] = answer.json
    modules = {module["module"]: module for module in report["modules"]}
    assert report["complete"] is True
    assert modules["Leads"]["rows"] == len(org.rows("Leads"))
    assert modules["Leads"]["route"]
    assert modules["Leads"]["credits"] > 0


def test_a_second_sync_reads_only_what_changed(built: Built) -> None:
    assert built.run("sync").code == 0
    built.org.update("Leads", built.ids[-1], {"Lead_Status": "Contacted"})
    [report] = built.run("sync", "--format", "json").json
    rows = {module["module"]: module["rows"] for module in report["modules"]}
    assert (rows["Leads"], rows["Contacts"], rows["Deals"]) == (1, 0, 0)
    selected = built.run("sync", "--modules", "leads, Deals")
    assert selected.code == 0
    assert all(text in selected.out for text in ("Leads", "Deals", "route", "credits", "(all)"))
    assert "Contacts" not in selected.out


def test_one_failing_channel_does_not_stop_the_others(built: Built) -> None:
    zeta = built.simulator.add_org(name="Zeta")
    zeta.insert("Leads", {"Last_Name": "Z"})
    refresh = built.add("aaa", zeta, FEW_SCOPES)
    built.add("zzz", zeta, FEW_SCOPES, "--again")
    built.simulator.hub.tokens.drop(built.simulator.hub.tokens.grants[refresh])
    answer = built.run("sync", "--modules", "Leads", "--format", "json")
    assert answer.code == 1
    assert [report["channel_id"] for report in answer.json] == ["zzz", "acme"], "the oldest sync first"
    assert "channel aaa" in answer.err


def test_a_missing_scope_is_named_and_the_other_modules_are_loaded(built: Built) -> None:
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


@pytest.mark.long
def test_a_channel_id_with_a_dot_works_like_any_other(built: Built) -> None:
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
    """A copy in the folder of dlt would stay until the next sync, and a purge would not delete it."""
    name = b"Rao 2"
    holding = [path.name for path in first.home.rglob("*") if path.is_file() and name in path.read_bytes()]
    assert not list((first.home / "dlt").rglob("*.parquet"))
    assert all(path.startswith("warehouse.") for path in holding), holding


def test_sync_without_a_channel_says_what_to_do(run: Run) -> None:
    answer = run("sync")
    assert (answer.code, answer.out) == (1, "")
    assert "zoho-pipeline connect" in answer.err


@contextmanager
def held_lock(built: Built, channel_id: str) -> Iterator[Event]:
    """Holds the lock of a channel in another thread until the event is set, for at most 60 s."""
    settings = load_settings(environment_for(built.simulator, built.home))
    held, release = Event(), Event()

    def hold() -> None:
        with channel_lock(settings, channel_id):
            held.set()
            release.wait(60)

    thread = Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        yield release
    finally:
        release.set()
        thread.join()


def test_a_sync_of_a_channel_that_is_being_synced_waits_and_says_so(built: Built) -> None:
    class ReleaseAtMessage(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "in use by another process" in record.getMessage():
                release.set()

    handler = ReleaseAtMessage()
    logger = logging.getLogger("zoho_pipeline")
    with held_lock(built, "acme") as release:
        logger.addHandler(handler)
        try:
            answer = built.run("sync", "acme", "--modules", "Leads")
        finally:
            logger.removeHandler(handler)
        assert release.is_set(), "it did not say that it waits"
    assert answer.code == 0, answer.err
    assert "channel acme is in use by another process" in answer.err


def test_a_paused_channel_is_not_synced(built: Built) -> None:
    assert built.run("channels", "pause", "acme").code == 0
    assert "no active channel" in built.run("sync").err
    answer = built.run("sync", "acme")
    assert answer.code == 1
    assert "channels resume acme" in answer.err
    assert answer.err.count("channel acme") == 1, "the error names the channel once"


@pytest.mark.long
def test_reconcile_repairs_a_change_that_a_sync_cannot_see(built: Built) -> None:
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
    again = built.run("reconcile", "acme")
    assert again.code == 0
    assert "nothing differed" in again.out


@pytest.mark.long
def test_content_is_loaded_updated_and_refused_as_a_whole(built: Built, catalogue: Path) -> None:
    assert built.run("content", "load", "acme", catalogue, "--format", "json").json["rows"] == 1
    catalogue.write_text(CONTENT.replace("blog_post", "video"))
    assert "Loaded 1 content items" in built.run("content", "load", "acme", catalogue).out
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


def test_content_can_come_from_a_database(built: Built, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "site.db") as site:
        site.execute("create table articles (content_id, content_type, published_at, changed)")
        site.execute("insert into articles values ('a1', 'blog_post', '2026-01-05', 1)")
    site.close()
    where = ("--url", f"sqlite:///{tmp_path}/site.db", "--table", "articles")
    assert (
        built.run("content", "load", "acme", *where, "--incremental", "changed", "--format", "json").json["rows"] == 1
    )
    (tmp_path / "url.txt").write_text(f"sqlite:///{tmp_path}/site.db\n")
    options = ("--url-file", tmp_path / "url.txt", "--query", "select content_id, published_at from articles")
    answer = built.run("content", "load", "acme", *options)
    assert (answer.code, "content_type is missing" in answer.err) == (1, True)
    for wrong in (where[:2], where[2:], (*where, "--query", "select 1"), ("content.csv", *where), ()):
        assert built.run("content", "load", "acme", *wrong).code == 2


def test_content_of_an_unknown_channel_or_file_fails(run: Run, channel: str, catalogue: Path, tmp_path: Path) -> None:
    assert "'nobody'" in run("content", "load", "nobody", catalogue).err
    answer = run("content", "load", channel, tmp_path / "absent.csv")
    assert answer.code in (1, 2)
    assert "absent.csv" in answer.err


@pytest.mark.long
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


def test_an_error_of_one_channel_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def action(channel_id: str) -> None:
        if channel_id == "expected":
            raise PipelineError("it is paused")
        if channel_id == "unexpected":
            raise RuntimeError("nobody thought of this")
        done.append(channel_id)

    expected, unexpected = for_each_channel(["expected", "a", "unexpected", "b"], action)
    assert done == ["a", "b"]
    assert expected == "channel expected: it is paused"
    assert unexpected.startswith("channel unexpected: ")
    assert "nobody thought of this" in caplog.text

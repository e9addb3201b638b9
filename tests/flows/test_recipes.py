"""docs/recipes.md is carried out in its order on the company of the demo, and every output is compared.

The clock of the simulated Zoho stands still, so that each number of the page is the same on every day.
"""

import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from tests.cli.conftest import CLIENT, environment_for, runner
from tests.cli.conftest import _logging_restored as _logging_restored
from tests.dlt_source.bench import plain_dlt
from tests.exports.test_excel import sheets
from tests.flows.recipe_reader import PAGE, Reader, blocks, plain, script
from tests.ingest.conftest import ALL_SCOPES
from zoho_pipeline.cli.marts import print_transform
from zoho_pipeline.cli.session import Session
from zoho_pipeline.settings import load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.simulator.demo.company import build_company
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
ZOHO, COPY = "http://127.0.0.1:8417", "postgresql://zoho:password@127.0.0.1:5432/bi"
STARTS_ZOHO = "zoho-pipeline simulator"
MATERIALIZE = "dagster asset materialize --select weekly_leads -f analytics.py 2> dagster.log"
FIELDS_OF_CRON = r"(\d+|\*) (\d+|\*) (\d+|\*) (\d+|\*) (\d+|\*) cd \S+ && \.venv/bin/python (\S+\.py) >> \S+ 2>&1"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator.start() as started:
        started.clock.freeze(NOW)
        yield started


@pytest.fixture
def reader(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A reader after `make demo`, whose Zoho runs in this process."""
    monkeypatch.chdir(tmp_path)
    env = environment_for(sim, tmp_path / "data" / "demo")
    company = build_company(sim, now=NOW)
    catalogue = company.write_content(tmp_path / "content.csv")
    run = runner(env)
    add = ("channels", "add", "demo", "--data-center", "sim", "--refresh-token-file", "-")
    for words in (add, ("content", "load", "demo", catalogue), ("sync",)):
        answer = run(*words, stdin=company.org.grant(*CLIENT, DEFAULT_SCOPES))
        assert answer.code == 0, answer.err
    built(env)
    return Reader(tmp_path, env, {"zoho-pipeline transform": built, MATERIALIZE: materialized})


def built(env: dict[str, str]) -> str:
    """What `transform` does and prints half an hour after NOW. Today it would call the numbers stale."""
    session = Session(load_settings(env))
    session.publish_registry()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_transform(transform(session.warehouse, build_at=NOW + timedelta(minutes=31)))
    return printed.getvalue()


def materialized(env: dict[str, str]) -> str:
    """What `dagster asset materialize` does, without a process of its own: Dagster's imports take 5 s of CPU."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        found = runpy.run_path("analytics.py")
        keys = {tuple(key.path) for key in found["defs"].resolve_all_asset_keys()}
        assert {("weekly_leads",), ("crm", "marts", "lead_volume")} <= keys
        assert dg.materialize([found["weekly_leads"]]).success
    return ""


def known_to_dlt(sim: Simulator, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What the block that starts Zoho gives to dlt."""
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("SOURCES__ZOHO_CRM__LAG_SECONDS", "0")
    monkeypatch.setenv("SOURCES__ZOHO_CRM__DATA_CENTERS", json.dumps({"sim": sim.url}))
    token = sim.orgs[0].grant(*CLIENT, ALL_SCOPES)
    for name, value in zip(("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"), (*CLIENT, token), strict=True):
        monkeypatch.setenv(f"SOURCES__ZOHO_CRM__CREDENTIALS__{name}", value)
    plain_dlt(folder)


@pytest.mark.long
def test_every_output_is_that_of_the_page(
    reader: Reader, sim: Simulator, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_dlt(sim, monkeypatch, reader.folder)
    compared = []
    for block in blocks():
        text = block.text.replace(COPY, postgres_url).replace(ZOHO, sim.url)
        if block.title:
            (reader.folder / block.title).write_text(text, encoding="utf-8")
        if block.title == "reader.sql":
            the_role_reads_and_writes_nothing(text, postgres_url)
        if block.kind != "sh" or STARTS_ZOHO in text or "activate" in text:
            continue
        plain_dlt(reader.folder)
        printed = reader.run(text).replace(shown_url(postgres_url), shown_url(COPY))
        if block.shown is not None:
            assert plain(printed) == plain(block.shown), block.part
            compared.append(block.part.partition(".")[0])
    assert compared == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "10"]
    the_workbook_has_the_rows_of_the_table(reader.folder / "posts.xlsx")


def shown_url(url: str) -> str:
    """The URL as messages show it: without its password."""
    return re.sub(r":[^:@/]+@", "@", url)


def the_role_reads_and_writes_nothing(grants: str, url: str) -> None:
    """Run the grants of the page as the administrator, then act as the role that they make."""
    administrator = psycopg2.connect(url)
    administrator.autocommit = True
    with administrator.cursor() as cursor:
        cursor.execute(grants.replace("for role zoho", "for role postgres"))
        try:
            with psycopg2.connect(url, user="metabase", password="another-password") as bi, bi.cursor() as asked:
                asked.execute("select count(*) from marts.lead")
                assert asked.fetchone() == (572,)
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    asked.execute("delete from marts.lead")
        finally:
            bi.close()
            cursor.execute("drop owned by metabase; drop role metabase")
    administrator.close()


def the_workbook_has_the_rows_of_the_table(path: Path) -> None:
    shown = next(block.shown for block in blocks() if "posts.xlsx" in block.text)
    header, *rows = sheets(path)["query"]
    assert [text for _, text in header.values()] == [
        "title",
        "content_type",
        "leads",
        "won_deals",
        "won_revenue",
        "currency",
    ]
    assert len(rows) == 5
    assert shown is not None
    for row in rows:
        assert row[0][1] in shown


def test_the_line_for_cron_runs_a_file_of_the_page() -> None:
    (line,) = [block.text.strip() for block in blocks() if block.kind == "cron"]
    found = re.fullmatch(FIELDS_OF_CRON, line)
    assert found, line
    assert found[6] in {block.title for block in blocks()}


def test_the_name_of_a_file_is_in_the_text() -> None:
    """A page on the web shows no title of a block."""
    named = [block.title for block in blocks() if block.title]
    assert len(named) >= 8
    for title in named:
        assert re.search(rf'file `{re.escape(title)}`:\n\n```\w+ title="{re.escape(title)}"\n', PAGE), title


def test_there_are_ten_recipes_and_the_table_of_contents_leads_to_each() -> None:
    headings = [part for part in dict.fromkeys(block.part for block in blocks()) if part[:1].isdigit()]
    assert [heading.partition(".")[0] for heading in headings] == [str(number) for number in range(1, 11)]
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchors == set(re.findall(r"\]\(#([0-9][^)]+)\)", PAGE))


@pytest.mark.long
def test_a_reader_who_copies_the_page_after_the_demo_gets_such_outputs(tmp_path: Path, postgres_url: str) -> None:
    """One shell, from the demo on. The numbers are those of today, so the words of the first lines are compared."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    given = blocks()
    begin = (
        "set -e -o pipefail\n. .venv/bin/activate\nZOHO_PIPELINE_HOME=$PWD/data/demo zoho-pipeline demo > demo.log\n"
    )
    text = begin + script(given, MARK).replace(COPY, postgres_url) + "kill %1\n"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "PYTHON"))}
    env |= {"DLT_DATA_DIR": str(tmp_path / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    shells = [block for block in given if block.kind == "sh"]
    for block, output in zip(shells, printed, strict=True):
        if block.shown is not None:
            assert shape(output) == shape(block.shown), f"{block.part}\n{output}"


MARK = "end of a block of the page"


def shape(text: str) -> list[str]:
    """The words of the first line of an output, without numbers and addresses."""
    first, *_ = plain(text).splitlines()
    return re.findall(r"[a-z_]+", re.sub(r"postgresql://\S+", "", first.lower()))

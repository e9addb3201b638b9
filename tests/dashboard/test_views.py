"""Each view shows the numbers of the marts: Streamlit's own test harness runs the app, without a browser."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.expected import captions, metrics, tables, values
from tests.golden.sql_lab import write_raw
from tests.web.test_platform_guide import BLOCK
from tests.web.world import HOSTILE, raw_rows
from zoho_pipeline import read_mart
from zoho_pipeline.dashboard.charts import bars
from zoho_pipeline.dashboard.views import VIEWS
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dashboard.md").read_text()
PUBLISHED = "warehouse.published.duckdb"
PATHS = [view.path for view in VIEWS]


def run(path: str, channel: str = "acme") -> AppTest:
    """The app with one view, after its first run."""
    place = PATHS.index(path)
    app = AppTest.from_string(
        "from zoho_pipeline.dashboard.app import main\nfrom zoho_pipeline.dashboard.views import VIEWS\n"
        f"main(VIEWS[{place}:{place + 1}])\n",
        default_timeout=120,
    )
    app.query_params["channel"] = channel
    app.run()
    assert not app.exception, app.exception
    return app


def require_equal(app: AppTest, path: str, channel: str = "acme") -> None:
    """Compare every metric, caption and table of the app with the marts."""
    assert {metric.label: metric.value for metric in app.metric} == metrics(path, channel)
    said = [caption.value for caption in app.caption]
    for words in captions(path, channel):
        assert any(words in text for text in said), (words, said)
    expected = tables(path, channel)
    assert len(app.dataframe) == len(expected)
    for shown, rows in zip(app.dataframe, expected.values(), strict=True):
        assert values(shown.value) == rows


@pytest.mark.parametrize("path", PATHS)
def test_every_figure_equals_the_mart(published: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    require_equal(run(path), path)


@pytest.mark.long
def test_a_channel_with_few_leads_shows_what_is_known(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    for path in PATHS:
        app = run(path, "small")
        assert {metric.label: metric.value for metric in app.metric} == metrics(path, "small")
    assert "No lead is credited to content" in run("content", "small").info[0].value


@pytest.mark.parametrize(("channel", "words"), [("never", "no complete sync yet"), ("hidden", "cannot be read")])
@pytest.mark.long
def test_a_channel_without_numbers_says_why(
    published: Path, channel: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    app = run("channel", channel)
    assert any(words in caption.value for caption in app.caption)
    assert app.metric[0].value == "–", "no data is not zero"
    for path in PATHS:
        run(path, channel)


@pytest.mark.long
def test_texts_of_a_tenant_are_never_markdown(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    for path in PATHS:
        app = run(path)
        drawn: list[Any] = [*app.markdown, *app.caption, *app.title, *app.subheader, *app.info]
        assert not [element for element in drawn if "alert(1)" in element.value or "7*7" in element.value]
    assert HOSTILE in set(run("content").dataframe[0].value.title)


def test_without_marts_it_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(home))
    app = run("channel")
    assert app.error[0].value == "The marts cannot be read."
    assert "Run `zoho-pipeline transform`" in app.text[0].value


@pytest.mark.long
def test_an_unknown_channel_is_said(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    assert "not in the marts" in run("channel", "nope").warning[0].value
    assert not run("channel", "acme").warning


def test_marts_of_another_release_are_an_error_with_a_cure(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(published / PUBLISHED, tmp_path / PUBLISHED)
    with duckdb.connect(str(tmp_path / PUBLISHED)) as marts:
        marts.execute("alter table marts.channel_insight drop column trend_direction")
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(tmp_path))
    app = run("channel")
    assert app.error[0].value == "The marts cannot be read."
    assert "zoho-pipeline transform --full" in app.text[1].value


@pytest.mark.long
def test_the_copy_in_postgres_shows_the_same(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, f"duckdb:///{tmp_path}/warehouse.duckdb", "", published_copy=Secret(postgres_url))
    with open_warehouse(settings).connect(read_only=False) as connection:
        write_raw(connection, raw_rows())
    assert transform(settings).copy_error is None
    apps = {}
    with monkeypatch.context() as reader:
        reader.setenv("ZOHO_PIPELINE_HOME", str(tmp_path / "reader"))
        reader.setenv("ZOHO_PIPELINE_WAREHOUSE", postgres_url)
        apps = {path: run(path) for path in PATHS}
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(tmp_path))
    for path, app in apps.items():
        require_equal(app, path)


@pytest.mark.parametrize("title", ["my_dashboard.py"])
def test_the_app_of_the_docs_has_a_view_of_its_own(
    published: Path, tmp_path: Path, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    (code,) = [code for kind, name, code in BLOCK.findall(PAGE) if (kind, name) == ("python", title)]
    (tmp_path / title).write_text(code.replace("[*VIEWS, WAITING]", "[WAITING]"))
    app = AppTest.from_file(str(tmp_path / title), default_timeout=120)
    app.query_params["channel"] = "acme"
    app.run()
    assert not app.exception
    assert app.title[0].value == "Waiting"
    contacts = read_mart("lead_first_contact", channels=["acme"], columns=["contact_status"])
    waiting = int((contacts.contact_status == "uncontacted").sum())
    assert len(app.dataframe[0].value) == min(waiting, 50) > 0


def test_equal_names_are_two_bars() -> None:
    owners = pd.DataFrame({"owner": ["Asha", "Ravi", "Asha", None], "n_leads": [3, 2, 1, 1]})
    assert list(bars(owners, "owner", "n_leads", {"n_leads": "Leads"}).data.owner) == ["Asha", "Ravi", "Asha (2)", "–"]

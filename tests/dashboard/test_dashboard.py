"""The starter dashboard is served and opened in a browser, on the published file and on the copy in Postgres."""

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from selenium.webdriver.common.by import By

from scripts.dashboard import NotInstalled, interpreter, served
from scripts.screenshots import browser, browser_missing
from tests.web.world import HOSTILE, publish_world
from zoho_pipeline.frames.read import read_mart, read_sql
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.transform.run.transform import transform

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,  # pip installs 40 packages once, and each case starts a server and a browser
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]
PATIENCE = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard")
    publish_world(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """Where no package registry answers, the tests are skipped, and in CI they fail."""
    try:
        interpreter()
    except NotInstalled as error:
        said = f"NOT TESTED: {error}"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)


def settings_of(home: Path, copy: str | None = None) -> Settings:
    return Settings(home, f"duckdb:///{home}/warehouse.duckdb", "", published_copy=Secret(copy) if copy else None)


def wait_for(find: Any) -> Any:
    """What `find` returns as soon as it is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := find():
            return found
        time.sleep(0.2)
    raise AssertionError("the page does not show it")


def metrics(driver: Any) -> dict[str, str]:
    """Label → value of the headline numbers."""
    found = {}
    for metric in driver.find_elements(By.CSS_SELECTOR, "[data-testid=stMetric]"):
        label = metric.find_element(By.CSS_SELECTOR, "[data-testid=stMetricLabel]").text
        found[label] = metric.find_element(By.CSS_SELECTOR, "[data-testid=stMetricValue]").text
    return found


def table(driver: Any, key: str) -> list[list[str]]:
    """The rows of a table, as the browser tells them to a screen reader."""
    script = (
        "return [...document.querySelectorAll('.st-key-' + arguments[0] + ' canvas table tbody tr')]"
        ".map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))"
    )
    rows: list[list[str]] = driver.execute_script(script, key)
    return rows


def percent(value: Any) -> str:
    """A share as the page shows it."""
    return "–" if pd.isna(value) else f"{100 * float(value):.1f} %"


def as_number(value: Any) -> float | None:
    """The number of a cell, or of a mart; None where it is missing."""
    if isinstance(value, str):
        return None if value == "–" else float(value.replace(",", ""))
    return None if pd.isna(value) else pytest.approx(float(value), rel=1e-6)


def open_view(driver: Any, name: str) -> None:
    (tab,) = [tab for tab in driver.find_elements(By.CSS_SELECTOR, "[role=tab]") if tab.text == name]
    tab.click()


@pytest.mark.parametrize("place", ["file", "postgres"])
def test_the_four_views_show_the_numbers_of_the_marts(
    home: Path, place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = str(home / "warehouse.published.duckdb")
    if place == "postgres":
        source = request.getfixturevalue("postgres_url")
        assert transform(settings_of(home, source)).copy_error is None
    where = settings_of(home)
    with served(source, tmp_path) as address, browser() as driver:
        driver.set_window_size(1300, 1600)
        driver.get(address)
        wait_for(lambda: len(metrics(driver)) == 4)
        insight = read_mart("channel_insight", channels=["acme"], where=where).iloc[-1]
        shown = metrics(driver)
        assert shown["Leads this month"] == f"{insight.leads_this_month:,}"
        assert shown["Lead to deal in 30 days"] == f"{100 * insight.conversion_rate_30d:.1f} %"
        open_view(driver, "Sources")
        sql = (
            "select lead_source, count(*) as n from lead_source_attribution where channel_id = 'acme'"
            " group by 1 order by 2 desc, 1"
        )
        expected = [[row.lead_source, f"{row.n:,}"] for row in read_sql(sql, where=where).itertuples()]
        assert wait_for(lambda: [row[:2] for row in table(driver, "sources")]) == expected
        rates = read_sql(
            "select dimension_label, n_leads, n_converted, conversion_rate from conversion_rate_headline as r where"
            " channel_id = 'acme' and dimension = 'lead_source' and n_leads > 0 and as_of_date ="
            " (select max(as_of_date) from channel_insight where channel_id = 'acme')",
            where=where,
        )
        assert sorted(row[:4] for row in wait_for(lambda: table(driver, "rates"))) == sorted(
            [row.dimension_label, f"{row.n_leads:,}", f"{row.n_converted:,}", percent(row.conversion_rate)]
            for row in rates.itertuples()
        )
        open_view(driver, "Content")
        content = read_mart("content_performance_default", channels=["acme"], where=where)
        content = content[content.credited_leads > 0]
        rows = wait_for(lambda: table(driver, "content"))
        assert HOSTILE in {row[0] for row in rows}, "a hostile title is a text"
        assert sorted((row[0], as_number(row[2]), row[7]) for row in rows) == sorted(
            (row.title, pytest.approx(float(row.credited_leads)), percent(row.conversion_rate))
            for row in content.itertuples()
        )
        open_view(driver, "Speed to lead")
        owners = read_mart("owner", channels=["acme"], where=where)
        owners = owners[owners.n_leads_90d > 0]
        rows = wait_for(lambda: table(driver, "owners"))
        assert sorted((row[0], as_number(row[1]), row[2], as_number(row[4])) for row in rows) == sorted(
            (row.name, row.n_leads_90d, percent(row.contacted_rate), as_number(row.median_business_hours))
            for row in owners.itertuples(index=False)
        )
        assert driver.find_elements(By.CSS_SELECTOR, "[data-testid=stException]") == []

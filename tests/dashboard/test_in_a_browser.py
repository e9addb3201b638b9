"""The dashboard as a person opens it: the command serves it, and Chromium shows it. Nothing leaves the machine."""

import re
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from scripts.screenshots import browser, browser_missing
from tests.dashboard.expected import metrics, tables
from zoho_pipeline.dashboard.views import VIEWS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]
METRICS = """return Object.fromEntries([...document.querySelectorAll('[data-testid=stMetric]')].map((box) => [
  box.querySelector('[data-testid=stMetricLabel]').innerText,
  box.querySelector('[data-testid=stMetricValue]').innerText]))"""
CELLS = """return [...document.querySelectorAll('.st-key-' + arguments[0] + ' canvas table tbody tr')]
  .map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))"""
"""The rows of a table, as the browser tells them to a screen reader. A table draws only what is in sight."""
FOREIGN = """return performance.getEntriesByType('resource').map((entry) => entry.name)
  .filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:') && !name.startsWith('blob:'))"""
Served = Callable[..., Any]


def until(driver: Any, script: str, expected: Any, *arguments: str) -> None:
    """Wait until a script returns what is expected."""
    found: list[Any] = [None]

    def is_there(_: Any) -> bool:
        found[0] = driver.execute_script(script, *arguments)
        return bool(found[0] == expected)

    try:
        WebDriverWait(driver, 120, 0.2).until(is_there)
    except Exception:
        raise AssertionError(f"the page shows {found[0]!r} instead of {expected!r}") from None


@pytest.mark.long
def test_the_channel_opens_and_nothing_leaves_the_machine(
    served: Served, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    with served() as url, browser(1300, 1500) as driver:
        driver.get(f"{url}/?channel=acme")
        until(driver, METRICS, metrics("channel", "acme"))
        assert driver.execute_script(FOREIGN) == []
        assert driver.find_elements("css selector", "[data-testid=stException]") == []
        assert is_refused(url, "https://evil.example"), "a page of another site gets no connection"
        assert not is_refused(url, url)
    dialled = (tmp_path / "dialled").read_text().splitlines()
    assert any(line.startswith("socket.bind") for line in dialled), "the start file was not read"
    assert not [line for line in dialled if not re.search(r"'127\.0\.0\.1'|'::1'|localhost|127\.0\.0\.1", line)]


def is_refused(url: str, origin: str) -> bool:
    """Whether the server refuses the websocket of a page of this origin."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": origin}
    headers |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    connection = HTTPConnection(url.removeprefix("http://"))
    try:
        connection.request("GET", "/_stcore/stream", headers=headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status in (101, 403), status
    return status == 403


def shown(value: Any) -> str:
    """A cell as a table tells it: the plain value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | int):
        return repr(int(value)) if value == int(value) else repr(value)
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


@pytest.mark.long
def test_every_table_of_the_four_views(served: Served, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(published))
    with served() as url, browser(2200, 2400) as driver:
        for place, view in enumerate(VIEWS):
            driver.get(f"{url}/{view.path if place else ''}?channel=acme")
            until(driver, METRICS, metrics(view.path, "acme"))
            for key, rows in tables(view.path, "acme").items():
                if key == "weeks":  # in a fold
                    driver.find_element("css selector", "[data-testid=stExpander] summary").click()
                    continue
                until(driver, CELLS, [[shown(cell) for cell in row] for row in rows], key)
        driver.get(f"{url}/?channel=small")
        until(driver, METRICS, metrics("channel", "small"))
        driver.find_element("link text", "Sources").click()
        rows = tables("sources", "small")["sources"]
        until(driver, CELLS, [[shown(cell) for cell in row] for row in rows], "sources")


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    def said(*more: str, before: str = "") -> str:
        code = f"{before}\nfrom zoho_pipeline.cli import main\nmain()"
        command = [sys.executable, "-c", code, "dashboard", *more]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        return ended.stderr

    assert "is no Python file" in said("--app", "nowhere.py")
    without = "import sys; sys.modules['streamlit'] = None"
    assert "pip install 'zoho-pipeline[dashboard]'" in said(before=without)

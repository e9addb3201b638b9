"""Walks through Dagster's UI in headless Chromium, as a new user does, and takes the screenshots of docs/images.

`python -m scripts.screenshots --url http://127.0.0.1:3000` walks through a UI that is running (`make ui`). Without
`--url`, it starts a small production deployment with a simulated Zoho. It needs the Debian packages chromium and
chromium-driver, or Chrome and its driver on PATH.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.production import PIECES, ROOT, Production, connect_companies, make_database, zoho_environment

IMAGES = ROOT / "docs" / "images"
MAX_IMAGE_BYTES = 250_000
TIMEOUT_SECONDS, RELOAD_SECONDS = 300.0, 15.0
STILL_SECONDS, REST_SECONDS = 2.0, 20.0


_RUN_PATHS = """
const path = link => link.getAttribute('href') || '';
const runs = [...document.querySelectorAll('a')].filter(link => /^\\/runs\\/[0-9a-f-]{36}/.test(path(link)));
const row = link => {
  let element = link;
  const others = runs.filter(other => path(other) !== path(link));
  while (element.parentElement && !others.some(other => element.parentElement.contains(other)))
    element = element.parentElement;
  return element;
};
return runs.filter(link => row(link).innerText.includes(arguments[0])).map(path);
"""
"""The paths of the listed runs whose row shows a word. A row is the largest element that shows only one run."""


def browser_missing() -> str | None:
    """Why this machine cannot run the walk; None when it can."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return "Chromium is not installed (apt-get install chromium chromium-driver)"
    return None if shutil.which("chromedriver") else "chromedriver is not installed (apt-get install chromium-driver)"


@contextmanager
def browser(width: int = 1400, height: int = 860) -> Iterator[Any]:
    """Headless Chromium with a window of this size in pixels. Its log has what the pages write to the console."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    options.binary_location = next(path for path in found if path)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@dataclass
class Walk:
    """Opens pages, waits for words, presses buttons. It takes screenshots when `images` is a folder."""

    driver: Any
    url: str
    images: Path | None = None
    seen: list[str] = field(default_factory=list)

    def go(self, path: str, *words: str) -> None:
        """Open a page and reload it until it shows all the words: some pages do not update themselves."""
        loaded_at = 0.0

        def shows_all() -> bool:
            nonlocal loaded_at
            if time.monotonic() - loaded_at > RELOAD_SECONDS:
                self.driver.get(self.url + path)
                loaded_at = time.monotonic()
            text = self.text().lower()
            return all(word.lower() in text for word in words)

        self.until(shows_all, f"{', '.join(words)} on {path}")
        self.seen.append(path)

    def text(self) -> str:
        """The visible text of the page."""
        return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))

    def wait_for(self, word: str, seconds: float = TIMEOUT_SECONDS) -> None:
        self.until(lambda: word.lower() in self.text().lower(), f"{word!r} on {self.driver.current_url}", seconds)

    def until(self, condition: Callable[[], object], what: str, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until the condition holds; AssertionError with `what` after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{what} did not appear within {seconds:g} s. The page shows: {self.text()[:1500]}"
                )
            time.sleep(0.3)

    def press(self, words: str) -> None:
        """Press the button, tab or link that has exactly these words."""
        from selenium.webdriver.common.by import By

        places = f"//*[self::button or self::a or @role='tab' or @role='button'][normalize-space(.)='{words}']"

        def pressed() -> bool:
            for element in self.driver.find_elements(By.XPATH, places):
                if element.is_displayed() and element.is_enabled():
                    self.driver.execute_script("arguments[0].click()", element)
                    return True
            return False

        self.until(pressed, f"a button {words!r}")

    def click(self, xpath: str) -> None:
        """Click the last matching element with the mouse. The last one is on top when a menu is open."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By

        def clicked() -> bool:
            try:
                shown = [e for e in self.driver.find_elements(By.XPATH, xpath) if e.is_displayed()]
                if shown:
                    ActionChains(self.driver).move_to_element(shown[-1]).click().perform()
                return bool(shown)
            except WebDriverException:  # the page was drawn again in the meantime
                return False

        self.until(clicked, xpath)

    def newest_run(self, word: str) -> str:
        """The path of the first run in the list of runs whose row shows a word.

        The newest run of all may be a refresh of the marts, which a sensor requests after the sync.
        """
        paths: list[str] = self.driver.execute_script(_RUN_PATHS, word)
        if not paths:
            raise AssertionError(f"no run in the list shows {word!r}. The page shows: {self.text()[:1500]}")
        return paths[0]

    def count(self, tag: str) -> int:
        """The number of elements with this tag."""
        return int(self.driver.execute_script("return document.getElementsByTagName(arguments[0]).length", tag))

    def show(self, tag: str) -> None:
        """Scroll the first element with this tag into the middle of the window."""
        script = "document.getElementsByTagName(arguments[0])[0].scrollIntoView({block: 'center'})"
        self.driver.execute_script(script, tag)

    def _rest(self) -> None:
        """Wait until the page has shown the same words for STILL_SECONDS: rows are loaded, and animations have ended.

        Pages with a running clock never rest. After REST_SECONDS they are shown as they are.
        """
        until, last, since = time.monotonic() + REST_SECONDS, self.text(), time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < STILL_SECONDS:
            time.sleep(0.2)
            if (text := self.text()) != last:
                last, since = text, time.monotonic()

    def picture(self, name: str) -> None:
        """Save a screenshot of the page, when `images` is a folder.

        Raises:
            AssertionError: the file is larger than MAX_IMAGE_BYTES.
        """
        if self.images is None:
            return
        self._rest()
        self.images.mkdir(parents=True, exist_ok=True)
        path = self.images / f"{name}.png"
        self.driver.save_screenshot(str(path))
        path.chmod(0o644)  # the umask of the pipeline lets only the owner read a file
        size = path.stat().st_size
        if size > MAX_IMAGE_BYTES:
            raise AssertionError(f"{path} has {size} bytes, more than {MAX_IMAGE_BYTES}")


def walk(visitor: Walk, channel: str, change: Callable[[], object] = lambda: None) -> None:
    """Materialize a channel and watch its run; then open plots, checks, columns, insight, lineage and automation.

    Args:
        channel: the id of a channel that has its first sync behind it, or soon.
        change: changes records at Zoho before the sync that a person starts, so that this sync has something to read.
    """
    visitor.go("/asset-groups", "zoho_raw", "staging", "marts", "insight")
    partition = f"/assets/zoho_raw/leads?view=partitions&partition={channel}"
    visitor.go(partition, "Latest materialization", "credits")
    change()
    materialize(visitor, channel)
    visitor.go(partition, "Latest materialization", "credits")
    visitor.picture("partition")
    visitor.go("/assets/zoho_raw/leads", "Metadata", "Passing")
    visitor.press("Plots")
    visitor.until(lambda: visitor.count("canvas") > 0, "plots of the metadata")
    visitor.show("canvas")
    visitor.picture("metadata-plots")
    visitor.go("/assets/marts/channel_insight?view=checks", "not_null", "Passed")
    visitor.picture("checks")
    visitor.go("/assets/marts/channel_insight", "leads_this_month", "← metric_", "Passing")
    visitor.picture("columns")
    visitor.go("/assets/marts/channel_insight?view=events", f"insight of {channel}")
    visitor.click(f"//tr[contains(., 'insight of {channel}')]//*[not(*)][normalize-space(.)='[Show Markdown]']")
    visitor.wait_for("leads this month")
    visitor.picture("insight")
    visitor.go("/assets/marts/channel_insight?view=lineage", "channel_insight")
    visitor.until(lambda: visitor.count("foreignObject") > 3, "the lineage")
    visitor.picture("lineage")
    visitor.go("/automation", "nightly_sync", "weekly_insight", "channel_registry", "marts_after_syncs")
    visitor.picture("automation")
    visitor.go("/asset-groups", "zoho_crm", "zoho_raw", "marts", "insight")
    visitor.until(lambda: visitor.count("foreignObject") > 3, "the groups")
    visitor.picture("asset-groups")


def materialize(visitor: Walk, channel: str) -> None:
    """Launch the partition of one channel on the page of the asset `leads`, and wait until its run succeeds."""
    visitor.go("/assets/zoho_raw/leads", "Materialize")
    visitor.press("Materialize…")
    visitor.wait_for("Select a partition")
    time.sleep(1)
    visitor.click("//*[not(*)][normalize-space(.)='Select a partition or create one']")
    visitor.click(f"//*[@role='menuitem']//*[@data-tooltip='{channel}']")
    visitor.wait_for("1 partition")
    visitor.click("//*[not(*)][starts-with(normalize-space(.), 'Launch runs to materialize')]")  # closes the menu
    visitor.picture("launchpad")
    visitor.click("//button[starts-with(normalize-space(.), 'Launch') and not(@disabled)]")
    time.sleep(5)
    visitor.go("/runs", "zoho_raw")
    visitor.until(lambda: "Success" in visitor.text() and "In progress (0)" in visitor.text(), "the run to succeed")
    visitor.picture("runs")
    visitor.go(visitor.newest_run("zoho_raw"), "zoho_raw", "RUN_SUCCESS")
    visitor.picture("run")


def main() -> None:
    """Take the screenshots."""
    from tests.postgres import running_postgres
    from zoho_pipeline.simulator import Simulator

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="The URL of a UI that is running. Name one of its channels with --channel.")
    parser.add_argument("--channel", default="tenant-1", help="The channel to materialize.")
    options = parser.parse_args()
    if reason := browser_missing():
        raise SystemExit(f"error: {reason}")
    if options.url:
        with browser() as driver:
            walk(Walk(driver, options.url, IMAGES), options.channel)
        return
    home = ROOT / "data" / "screenshots"
    shutil.rmtree(home, ignore_errors=True)
    with running_postgres() as server, Simulator.start() as simulator:
        urls = [make_database(server, name) for name in ("dagster", "pipeline")]
        production = Production(home, urls[0], urls[1], zoho_environment(simulator.url))
        first, *_ = connect_companies(production, simulator, companies=3, leads=150)
        news = [{"Last_Name": f"Walk-in {n}", "Company": "Fair", "Lead_Source": "Trade Show"} for n in range(12)]
        try:
            production.start(*PIECES)
            with browser() as driver:
                visitor = Walk(driver, f"http://127.0.0.1:{production.ports['web']}", IMAGES)
                walk(visitor, options.channel, lambda: first.insert_many("Leads", news))
        finally:
            production.stop()


if __name__ == "__main__":
    main()

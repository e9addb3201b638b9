"""Walk through Dagster's UI as a new user would, in headless Chromium, and take the pictures of docs/images.

`python -m scripts.screenshots --url http://127.0.0.1:3000` walks a UI that is running (`make ui`); without
`--url` a small production deployment on a simulated Zoho is started for it. Needs Debian's packages chromium
and chromium-driver (or Chrome and its driver on PATH).
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
LIMIT_BYTES = 250_000
PATIENCE, OPENED_ANEW = 90.0, 15.0


def browser_missing() -> str | None:
    """Why there can be no walk on this machine; None where there can."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return "Chromium is not installed (apt-get install chromium chromium-driver)"
    return None if shutil.which("chromedriver") else "chromedriver is not installed (apt-get install chromium-driver)"


@contextmanager
def browser(width: int = 1400, height: int = 860) -> Iterator[Any]:
    """Headless Chromium with a window of the pictures' size."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    options.binary_location = next(path for path in found if path)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@dataclass
class Walk:
    """One visitor: goes to pages, waits for words, presses buttons, takes pictures where `images` is given."""

    driver: Any
    url: str
    images: Path | None = None
    seen: list[str] = field(default_factory=list)

    def go(self, path: str, *words: str) -> None:
        """Open a page and wait until all the words are on it; some pages show what is new only when opened anew."""
        opened = 0.0

        def there() -> bool:
            nonlocal opened
            if time.monotonic() - opened > OPENED_ANEW:
                self.driver.get(self.url + path)
                opened = time.monotonic()
            text = self.text().lower()
            return all(word.lower() in text for word in words)

        self.until(there, f"{', '.join(words)} on {path}")
        self.seen.append(path)

    def text(self) -> str:
        return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))

    def wait_for(self, word: str, seconds: float = PATIENCE) -> None:
        self.until(lambda: word.lower() in self.text().lower(), f"{word!r} on {self.driver.current_url}", seconds)

    def until(self, look: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not look():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:g} s in vain for {what}; the page says: {self.text()[:1500]}")
            time.sleep(0.3)

    def press(self, words: str) -> None:
        """Press the button, tab or link with these words."""
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
        """Click, as a mouse does, the last element on the page that fits (a menu lies over the rest)."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By

        def clicked() -> bool:
            try:
                shown = [e for e in self.driver.find_elements(By.XPATH, xpath) if e.is_displayed()]
                if shown:
                    ActionChains(self.driver).move_to_element(shown[-1]).click().perform()
                return bool(shown)
            except WebDriverException:  # the page drew itself anew in between
                return False

        self.until(clicked, xpath)

    def first_link(self, beginning: str) -> str:
        """The first link on the page that leads to one thing below a path."""
        script = "return [...document.querySelectorAll('a')].map(a => a.getAttribute('href') || '')"
        links = [str(link) for link in self.driver.execute_script(script)]
        return next(link for link in links if link.startswith(beginning) and link.count("-") == 4)

    def count(self, tag: str) -> int:
        return int(self.driver.execute_script("return document.getElementsByTagName(arguments[0]).length", tag))

    def show(self, tag: str) -> None:
        """Scroll the first element of a kind into the middle."""
        script = "document.getElementsByTagName(arguments[0])[0].scrollIntoView({block: 'center'})"
        self.driver.execute_script(script, tag)

    def picture(self, name: str) -> None:
        """The page as it stands, in few colours so that it stays small."""
        if self.images is None:
            return
        time.sleep(1.5)  # animations end
        self.images.mkdir(parents=True, exist_ok=True)
        path = self.images / f"{name}.png"
        self.driver.save_screenshot(str(path))
        path.chmod(0o644)  # the pipeline's own umask keeps files to their owner
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise AssertionError(f"{path} has {size} bytes, more than {LIMIT_BYTES}")


def walk(visitor: Walk, channel: str, change: Callable[[], object] = lambda: None) -> None:
    """The tour: materialise a channel, watch it, then graph, plots, checks, columns, insight, automation.

    Args:
        change: what happens at Zoho between the first sync and the one by hand, so that it has something to read.
    """
    visitor.go("/asset-groups", "zoho_raw", "staging", "marts", "insight")
    partition = f"/assets/zoho_raw/leads?view=partitions&partition={channel}"
    visitor.go(partition, "Latest materialization", "credits")
    change()
    materialise(visitor, channel)
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


def materialise(visitor: Walk, channel: str) -> None:
    """Launch one channel's partition of leads from the asset's page and watch the run succeed."""
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
    visitor.go(visitor.first_link("/runs/"), "zoho_raw", "RUN_SUCCESS")
    visitor.picture("run")


def main() -> None:
    """Take the pictures."""
    from tests.postgres import running_postgres
    from zoho_pipeline.simulator import Simulator

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a UI that is running, with its channel given by --channel")
    parser.add_argument("--channel", default="tenant-1")
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

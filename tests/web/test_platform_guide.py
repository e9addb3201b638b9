"""docs/platform-guide.md is carried out as it is written: by a shell, a platform in Python, and a browser."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.screenshots import browser as chromium
from scripts.screenshots import browser_missing
from tests.postgres import free_port
from zoho_pipeline.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "platform-guide.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ACCEPTED = "after the person accepted"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]


class Shell:
    """Runs blocks one after another; what one exports, the next one has. Background programs run until the end."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder, self._env = folder, env
        self._started: list[subprocess.Popen[str]] = []
        (folder / "exports").write_text("")

    def run(self, block: str) -> None:
        script = f"set -e -o pipefail\n. ./exports\n{block}\nexport -p > exports\n"
        with (self._folder / "log").open("a") as log:
            child = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self._folder,
                env=self._env,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._started.append(child)
        assert child.wait(timeout=180) == 0, f"{block}\n{(self._folder / 'log').read_text()[-3000:]}"

    def stop(self) -> None:
        for child in self._started:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(child.pid, number)
                except ProcessLookupError:
                    break
                time.sleep(2 if number == signal.SIGTERM else 0)


@pytest.fixture
def guide(simulator: Simulator, tmp_path: Path) -> Iterator[tuple[list[tuple[str, str, str]], Shell, Path, int]]:
    """The blocks with free ports and the simulator's data centre, a shell, its folder, and the platform's port."""
    ours, theirs = free_port(), free_port()
    text = GUIDE.replace("8480", str(ours)).replace("8600", str(theirs)).replace("region=in", "region=sim")
    org = simulator.add_org(name="Shop", currency="INR", time_zone="Asia/Kolkata")
    org.insert_many("Leads", [{"Last_Name": f"Rao {n}", "Lead_Source": "LinkedIn"} for n in range(30)])
    redirect = next(code for kind, _, code in BLOCK.findall(text) if kind == "text").strip()
    simulator.add_client("1000.GUIDE", "s3cret", [redirect])
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "ZOHO_PIPELINE_HOME": str(tmp_path / "home"),
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": simulator.url}),
        "ZOHO_CLIENT_ID": "1000.GUIDE",
        "ZOHO_CLIENT_SECRET": "s3cret",
    }
    shell = Shell(tmp_path, env)
    yield BLOCK.findall(text), shell, tmp_path, theirs
    shell.stop()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.1)
    return found


def accept(driver: Any, platform: str) -> None:
    """Click the button of the platform, and accept at Zoho in the popup, which closes itself."""
    driver.get(platform)
    driver.find_element("id", "connect").click()
    until(lambda: len(driver.window_handles) == 2)
    driver.switch_to.window(driver.window_handles[1])
    until(lambda: driver.find_elements("css selector", "button[value=accept]"))[0].click()
    until(lambda: len(driver.window_handles) == 1)
    driver.switch_to.window(driver.window_handles[0])


def test_the_ten_steps_of_the_guide(guide: Any, tmp_path: Path) -> None:
    blocks, shell, folder, port = guide
    embedded = False
    with chromium() as driver:
        for kind, title, code in blocks:
            if kind in ("python", "html"):
                (folder / title).write_text(code)
            if title == ACCEPTED:
                accept(driver, f"http://localhost:{port}")
            if "DELETE" in code:  # before the channel goes, look at the page in its frame
                embedded = True
                show(driver, folder, port)
            if kind == "bash":
                shell.run(code)
    assert embedded
    channel = json.loads((folder / "channel.json").read_text())
    assert (channel["id"], channel["tenant"], channel["status"]) == ("shop.crm", "shop", "connected")
    assert channel["leads"]["total"] == 30
    leads = json.loads((folder / "leads.json").read_text())
    assert len(leads["data"]) == 20
    assert leads["next_cursor"]
    assert json.loads((folder / "insight.json").read_text())["leads_this_month"] is not None
    until(lambda: "connection.removed" in events(folder))
    assert {"connection.created", "sync.finished", "insight.published"} <= set(events(folder))


def show(driver: Any, folder: Path, port: int) -> None:
    url = json.loads((folder / "session.json").read_text())["embed_url"]
    (folder / "page.html").write_text((folder / "embed.html").read_text().replace("EMBED_URL", url))
    driver.get(f"http://localhost:{port}/embed")
    height = until(lambda: int(driver.find_element("id", "zoho").get_attribute("height")) != 900, 20)
    assert height
    driver.switch_to.frame("zoho")
    assert "Shop" in driver.find_element("tag name", "h1").text
    driver.switch_to.default_content()


def events(folder: Path) -> list[str]:
    file = folder / "events.jsonl"
    return [json.loads(line)["type"] for line in file.read_text().splitlines()] if file.exists() else []


def test_the_guide_has_ten_steps() -> None:
    assert re.findall(r"^## (\d+)\. ", GUIDE, re.MULTILINE) == [str(number) for number in range(1, 11)]

"""Commands run as processes, with a consent by HTTP and by a real browser. No secret is in anything they write."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.channels.wire import CLIENT_ID, CLIENT_SECRET, Person
from zoho_pipeline.simulator import Org, Simulator

TOKEN = re.compile(rb"1000\.[0-9a-f]{32}\.[0-9a-f]{32}")
RUN = (sys.executable, "-W", "ignore", "-c", "from zoho_pipeline.cli import main; main()")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")


class Machine:
    """Runs commands in their own HOME. `said` is everything that they wrote."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._env, self._folder = {**os.environ, **env}, folder
        self.said = b""

    def run(self, *words: str) -> int:
        done = subprocess.run((*RUN, *words), env=self._env, cwd=self._folder, capture_output=True, timeout=120)
        self.said += done.stdout + done.stderr
        return done.returncode

    def connect(self, channel: str, visit: Callable[[str], object], *more: str) -> tuple[int, str]:
        """Run `connect` with `visit` as the browser. Return its exit code and what it wrote after the URL."""
        words = (*RUN, "connect", channel, "--data-center", "sim", "--port", "0", "--no-browser", *more)
        with subprocess.Popen(
            words, env=self._env, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            url = b""
            while not url:
                line = process.stdout.readline()
                assert line, self.said
                self.said += line
                url = next(iter(re.findall(rb"\shttp://\S+/oauth/v2/auth\S+", b" " + line)), b"").strip()
            visit(url.decode())
            rest = process.stdout.read()
        self.said += rest
        return process.returncode, rest.decode()


@pytest.fixture
def org(simulator: Simulator) -> Org:
    simulator.add_client(CLIENT_ID, CLIENT_SECRET)
    org = simulator.add_org("Acme", time_zone="Asia/Kolkata", currency="INR")
    org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(3)])
    return org


@pytest.fixture
def machine(simulator: Simulator, settings_env: Callable[..., dict[str, str]], tmp_path: Path) -> Machine:
    centers = json.dumps({"sim": simulator.url})
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=centers, ZOHO_PIPELINE_LOG_LEVEL="DEBUG", NO_PROXY="*")
    return Machine(env, tmp_path)


@pytest.mark.long
def test_no_secret_in_anything_a_life_of_a_channel_writes(
    machine: Machine, simulator: Simulator, org: Org, home: Path
) -> None:
    simulator.faults.next(1, "expired_token", "/crm/v7/Leads")
    simulator.faults.next(1, "reset", "/crm/v7/Contacts")
    code, said = machine.connect("acme", Person(org, org.admin))
    assert code == 0, said
    assert "Connected: Acme" in said
    assert simulator.faults.pending == 0
    simulator.hub.tokens.drop_user(org.id, org.admin.id)
    simulator.expire_access_tokens()
    assert machine.run("channels", "verify", "acme") == 1
    assert b"Connect the channel again" in machine.said
    simulator.switches.api_domain = "http://127.0.0.1:9"
    assert machine.connect("other", Person(org, org.admin))[0] == 2
    files = [path for path in home.rglob("*") if path.is_file()]
    written = {str(path): path.read_bytes() for path in files} | {"the commands": machine.said}
    assert b"DEBUG" in machine.said
    assert simulator.hub.tokens.codes
    for where, text in written.items():
        assert not TOKEN.findall(text), where
        assert CLIENT_SECRET.encode() not in text, where
    assert {oct(path.stat().st_mode)[-3:] for path in files} == {"600"}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("Chromium or its driver is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'chromium'}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.mark.long
def test_a_consent_in_a_real_browser(machine: Machine, org: Org, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    seen: list[str] = []

    def press(decision: str) -> Callable[[str], None]:
        def visit(url: str) -> None:
            browser.get(url)
            browser.find_element("css selector", f"button[value={decision}]").click()
            WebDriverWait(browser, 60).until(lambda driver: driver.title == "zoho-pipeline")
            seen.append(browser.find_element("tag name", "h1").text)

        return visit

    code, said = machine.connect("acme", press("reject"), "--no-sync")
    assert (code, "access_denied" in said) == (1, True)
    code, said = machine.connect("acme", press("accept"), "--no-sync")
    assert (code, "Connected: Acme, as Asha Admin" in said) == (0, True)
    assert seen == ["Not connected", "Connected"]

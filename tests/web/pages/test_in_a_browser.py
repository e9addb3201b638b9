"""The pages in a real Chromium: accessibility, keyboard, narrow screens, print, no JavaScript, and frames."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
from selenium.webdriver.support.wait import WebDriverWait

from scripts.production import free_port
from scripts.screenshots import browser, browser_missing
from tests.channels.conftest import CONNECTION
from tests.web.pages.browser import axe_source, emulate, violations
from tests.web.server import serving
from tests.web.world import AS_OF, NAMES, put
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, load_settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import EMBED, Tokens

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]
SCOPES = ("read", "sync", "admin", "connect")
PARENT = """<!doctype html><title>Parent</title><iframe id="f" src="{url}" width="800" height="600"></iframe>
<script>window.heard = []; addEventListener("message", (e) => heard.push([e.origin, e.data]));</script>"""


@dataclass
class Site:
    """The served pages, and what makes links to them."""

    url: str
    home: Path
    registry: Registry
    tokens: Tokens
    key_id: str

    def token(self, channel: str = "acme", origin: str = "http://localhost:1", scopes: tuple[str, ...] = SCOPES) -> str:
        claims = {"sub": "u", "ten": "acme-inc", "chs": [channel], "scp": list(scopes), "org": origin}
        return self.tokens.make(EMBED, 600, **claims, key=self.key_id)[0]

    def embed(self, channel: str = "acme", **more: Any) -> str:
        return f"{self.url}/embed/channels/{channel}?t={self.token(channel, **more)}"


@pytest.fixture(scope="module")
def site(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env")
    registry, port = Registry(settings), free_port()
    for name in NAMES:
        connection = replace(CONNECTION, org_id=f"org of {name}", user_id=name)
        registry.add(name, Secret(f"1000.{name}"), connection, tenant="acme-inc")
        if name != "never":
            registry.record_syncs(name, [ModuleSync("Leads", AS_OF, "complete", 9, 12.0, not_after=AS_OF)])
    registry.set_reconnect_needed("small", "Zoho refuses its token.")
    put(world, home)
    key, _ = ApiKeys(registry.database).add("page", tenants=("acme-inc",), scopes=SCOPES)
    service = ServiceSettings(public_url=f"http://localhost:{port}")
    tokens = Tokens(settings.secret_keys, service.public_url, lambda: datetime.now(UTC))
    with serving(create_app(settings, service), port=port):
        yield Site(service.public_url, home, registry, tokens, key.id)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser(1100, 900) as driver:
        yield driver


@pytest.fixture
def driver(chrome: Any) -> Iterator[Any]:
    emulate(chrome)
    yield chrome
    emulate(chrome)
    chrome.get("about:blank")


@pytest.fixture(scope="module")
def pages(site: Site, chrome: Any) -> list[str]:
    """The pages in their states; the operator is logged in."""
    chrome.get(login_link(site.tokens))
    states = [site.embed(name) for name in ("acme", "small", "never", "hidden")]
    return [
        *states,
        f"{site.url}/ui",
        f"{site.url}/ui?q=nothing",
        f"{site.url}/ui/channels/acme",
        f"{site.url}/embed/channels/acme?t=x",
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 320])
def test_axe_finds_nothing(driver: Any, pages: list[str], width: int, dark: bool) -> None:
    source = axe_source()
    for url in pages:
        emulate(driver, width=width, dark=dark)
        driver.get(url)
        driver.execute_script("for (const part of document.querySelectorAll('.twin')) part.open = true")
        assert violations(driver, source) == [], url


def test_a_narrow_page_scrolls_in_one_direction(driver: Any, pages: list[str]) -> None:
    emulate(driver, width=320)
    for url in pages:
        driver.get(url)
        driver.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 320, url


def test_no_page_breaks_its_own_policy(driver: Any, pages: list[str]) -> None:
    driver.get_log("browser")
    for url in pages:
        driver.get(url)
    said = [entry["message"] for entry in driver.get_log("browser")]
    assert [message for message in said if "Content Security Policy" in message or "TypeError" in message] == []


def test_everything_by_keyboard(driver: Any, site: Site) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(driver).send_keys(*keys).perform()

    def focused() -> str:
        return str(driver.execute_script("return document.activeElement.textContent.trim().slice(0, 40)"))

    site.registry.resume("acme")
    driver.get(site.embed("acme"))
    press(Keys.TAB)
    assert focused() == "Skip to the content"
    press(Keys.TAB)
    assert focused() == "Sync Now"
    press(Keys.TAB)
    assert "counts" in driver.execute_script("return document.activeElement.getAttribute('aria-label')")
    note = "return document.querySelector('.note').open"
    assert driver.execute_script(note) is False
    press(Keys.ENTER)
    assert driver.execute_script(note) is True
    press(Keys.ESCAPE)
    assert driver.execute_script(note) is False
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert focused() == "Sync Now"
    press(Keys.ENTER)
    assert wait_for(driver, "return document.querySelector('.done')?.textContent")


def wait_for(driver: Any, script: str) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 20).until(lambda found: found.execute_script(script))


def test_it_works_without_javascript(driver: Any, site: Site) -> None:
    emulate(driver, scripts=False)
    driver.get(site.embed("hidden"))
    assert driver.find_element("css selector", "h1").text == "Acme"
    summary = driver.find_element("css selector", ".note summary")
    summary.click()
    assert driver.find_element("css selector", ".note p").is_displayed()
    for button, said in (("Pause this channel", "The channel is paused now."), ("Resume", "active again")):
        driver.find_element("xpath", f"//button[.='{button}']").click()
        # a click does not wait for the page that answers the form
        assert WebDriverWait(driver, 20).until(text_to_be_present_in_element(("css selector", ".done"), said))


@pytest.mark.parametrize(("scripts", "channel"), [(True, "hidden"), (False, "never")], ids=["scripts", "no-scripts"])
def test_the_operator_presses_the_buttons(driver: Any, site: Site, scripts: bool, channel: str) -> None:
    """A browser sends the origin of a form only where the page lets it send a referrer to its own server."""
    driver.get(login_link(site.tokens))
    emulate(driver, scripts=scripts)
    driver.get(f"{site.url}/ui/channels/{channel}")
    for button, said in (
        ("Sync Now", "The sync was requested"),
        ("Pause this channel", "The channel is paused now."),
        ("Resume", "active again"),
    ):
        driver.find_element("xpath", f"//button[.='{button}']").click()
        assert WebDriverWait(driver, 20).until(text_to_be_present_in_element(("css selector", ".done"), said))


def test_the_operator_logs_out(driver: Any, site: Site) -> None:
    driver.get(login_link(site.tokens))
    assert driver.find_element("css selector", "h1").text == "Channels"
    emulate(driver, scripts=False)
    driver.find_element("xpath", "//button[.='Log out']").click()
    said = "zoho-pipeline web login"
    assert WebDriverWait(driver, 20).until(text_to_be_present_in_element(("css selector", ".lead"), said))
    driver.get(f"{site.url}/ui/channels/acme")
    assert said in driver.find_element("css selector", "main").text


def test_paper_has_the_numbers_and_no_buttons(driver: Any, site: Site) -> None:
    emulate(driver, media="print")
    driver.get(site.embed("acme"))
    assert not any(button.is_displayed() for button in driver.find_elements("css selector", "button, .note, .skip"))
    assert driver.find_element("css selector", ".bars").is_displayed()
    assert "261" in driver.find_element("css selector", ".numbers").text
    background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"


@contextmanager
def parent_page() -> Iterator[tuple[int, dict[str, str]]]:
    """A page of another origin with a frame; its port, and a dict whose `url` the frame shows."""
    shown: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = PARENT.format(url=shown["url"]).encode() if self.path == "/" else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_frame_of_the_allowed_origin(driver: Any, site: Site) -> None:
    with parent_page() as (port, shown):
        origin = f"http://localhost:{port}"
        shown["url"] = site.embed("acme", origin=origin)
        driver.get(origin)
        height = "return heard.find(([, data]) => data.type === 'zoho-pipeline:height')"
        sender, data = wait_for(driver, height)
        assert (sender, data["source"], data["v"], data["channel_id"]) == (site.url, "zoho-pipeline", 1, "acme")
        assert data["height"] > 1000
        _, status = wait_for(driver, "return heard.find(([, data]) => data.type === 'zoho-pipeline:status')")
        assert status["status"] == "connected"
        fresh = site.token("acme", origin=origin)
        frame = "document.getElementById('f').contentWindow"
        driver.execute_script(f"{frame}.postMessage({{type: 'zoho-pipeline:token', token: arguments[0]}}, '*')", fresh)
        driver.switch_to.frame("f")
        wait_for(driver, f"return new URL(location.href).searchParams.get('t') === '{fresh}'")
        hidden = wait_for(driver, f"return document.querySelector('input[name=t]').value === '{fresh}'")
        assert hidden
        driver.switch_to.default_content()


def test_the_frame_of_a_foreign_origin_is_refused(driver: Any, site: Site) -> None:
    with parent_page() as (port, shown):
        shown["url"] = site.embed("acme", origin=f"http://localhost:{port}")
        driver.get(f"http://127.0.0.1:{port}/")
        driver.switch_to.frame("f")
        assert driver.find_elements("css selector", "#main, #status-title") == []
        driver.switch_to.default_content()
        assert driver.execute_script("return heard.length") == 0


def test_a_token_of_another_page_is_ignored(driver: Any, site: Site) -> None:
    url = site.embed("acme", origin="http://localhost:1")
    driver.get(url)
    driver.execute_script("postMessage({type: 'zoho-pipeline:token', token: 'other'}, '*')")
    driver.execute_async_script("setTimeout(arguments[0], 200)")
    before, after = (parse_qs(urlsplit(found).query)["t"] for found in (url, driver.current_url))
    assert before == after


def test_the_page_follows_the_channel(driver: Any, site: Site) -> None:
    """No reload: the stream of events tells the page, and the page takes the new state from the server."""
    title = "return document.querySelector('#status-title').textContent"
    site.registry.resume("foreign")
    driver.get(site.embed("foreign"))
    assert driver.execute_script(title) == "Connected"
    driver.execute_script("window.loadedOnce = true")
    driver.execute_async_script("setTimeout(arguments[0], 1500)")
    request_sync(site.registry, "foreign", reason="user", requested_by="test")
    wait_for(driver, f"{title} === 'Syncing'")
    site.registry.pause("foreign")
    wait_for(driver, f"{title} === 'Paused' && document.body.dataset.status === 'paused'")
    assert driver.execute_script("return window.loadedOnce")


LEADS = "return document.querySelectorAll('.number .figure')[1].textContent"
FEWER = "delete from marts.lead where channel_id = 'acme' and zoho_lead_id > '{}'"


def tell(site: Site, kind: str, **data: Any) -> None:
    """Record an event of `acme`, as the worker does."""
    database = site.registry.database
    with database.write() as transaction:
        channel_events.record(transaction, "acme", "acme-inc", kind, data, database.now_in(transaction))


def listening(driver: Any, site: Site, rows: int = 7) -> None:
    """Wait until the page hears its channel: it shows the rows of a progress, which must be new to it."""

    def hears(found: Any) -> bool:
        tell(site, channel_events.SYNC_PROGRESS, progress={"Leads": rows})
        return found.find_element("id", "live").text == f"{rows} rows read so far."

    WebDriverWait(driver, 20).until(hears)


@pytest.mark.parametrize("kind", ["sync.finished", "sync.failed", "insight.published", "channel.status"])
def test_each_end_of_a_sync_brings_the_new_numbers(driver: Any, site: Site, world: Path, kind: str) -> None:
    """The page stays the same one: what a person opened stays open, and the focus stays on its button."""
    put(world, site.home)
    driver.get(site.embed("acme"))
    assert driver.execute_script(LEADS) == "261"
    driver.execute_script(
        "window.loadedOnce = true; document.querySelector('.twin').open = true;"
        "[...document.querySelectorAll('button')].at(-1).focus()"
    )
    listening(driver, site)
    put(world, site.home, FEWER.format("5000000100"))
    tell(site, kind)
    wait_for(driver, f"{LEADS} === '101'")
    kept = "return [loadedOnce, document.querySelector('.twin').open, document.activeElement.textContent]"
    assert driver.execute_script(kept) == [True, True, "Pause this channel"]
    assert driver.find_element("id", "live").text == ""


def test_a_change_while_the_page_loads_is_not_lost(driver: Any, site: Site, world: Path) -> None:
    """The first answer is held back until a second publication has been told. It must not be the last one shown."""
    put(world, site.home)
    driver.get(site.embed("acme"))
    driver.execute_script(
        "const own = fetch; window.held = [];"
        "window.fetch = async (...what) => { const answer = await own(...what);"
        "  await new Promise((done) => held.push(done)); return answer; };"
    )
    listening(driver, site)
    for place, limit in enumerate(("5000000100", "5000000050")):
        put(world, site.home, FEWER.format(limit))
        tell(site, "insight.published")
        if place == 0:
            wait_for(driver, "return held.length === 1")
    listening(driver, site, rows=8)  # events come in their order, so the page has heard the second one too
    driver.execute_script("held.shift()()")
    wait_for(driver, f"{LEADS} === '101' && held.length === 1")
    driver.execute_script("held.shift()()")
    wait_for(driver, f"{LEADS} === '51'")


@pytest.mark.long
def test_what_happened_before_the_stream_is_not_lost(driver: Any, site: Site, world: Path) -> None:
    """A sync may end after the page was made and before the page listens; no further event would come."""
    put(world, site.home)
    gate = (
        "const own = fetch, gate = new Promise((done) => (window.openGate = done));"
        "window.fetch = async (...what) => {"
        "  if (String(what[0]).includes('/events')) await gate; return own(...what); };"
    )
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": gate})
    try:
        driver.get(site.embed("acme"))
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert driver.execute_script(LEADS) == "261"
    put(world, site.home, FEWER.format("5000000100"))
    tell(site, "insight.published")
    driver.execute_script("openGate()")
    wait_for(driver, f"{LEADS} === '101'")

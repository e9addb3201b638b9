"""Connect by popup in a real browser, with and without a Zoho that cuts the tie to the page that opened the window."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.screenshots import browser as chromium
from scripts.screenshots import browser_missing
from tests.channels.wire import DC, settings_for
from tests.params import combined
from tests.web.server import serving
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.platform.tenants import Tenants
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.web.app import create_app

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]

PAGE = b"""<!doctype html><title>Platform</title><button id="go">Connect</button><script>
window.heard = [];
addEventListener("message", (event) => { heard.push([event.origin, event.data]); });
document.getElementById("go").onclick = () => { window.popup = open(window.start, "zoho", "width=600,height=700"); };
</script>"""


@pytest.fixture
def page() -> Iterator[str]:
    """The page of the platform, on another origin than the web server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Settings:
    return settings_for(simulator, settings_env)


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("policy", "decision"),
    combined(
        ["", "same-origin", "same-origin-allow-popups"],
        ["yes", "no"],
        quick=[("", "yes"), ("same-origin", "yes"), ("same-origin-allow-popups", "no")],
    ),
)
def test_a_popup(
    settings: Settings, simulator: Simulator, page: str, registry: Registry, policy: str, decision: str
) -> None:
    import httpx

    simulator.add_org("Acme")
    simulator.switches.consent_opener_policy = policy
    Tenants(registry.database).set_origins("acme-inc", [page])
    _, secret = ApiKeys(registry.database).add("test", tenants=["acme-inc"], scopes=["connect"])
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    with serving(create_app(settings, ServiceSettings())) as unused:
        pass
    own = f"http://127.0.0.1:{unused}"
    simulator.add_client("1000.TESTCLIENT", "test-client-secret-0123456789", {f"{own}/zohoCrm/callback"})
    app = create_app(settings, ServiceSettings(public_url=own))
    with serving(app, port=unused), chromium() as driver, httpx.Client(trust_env=False, base_url=own) as http_client:
        begun = http_client.get(f"/zohoCrm/connect?channel_id=acme&region={DC}", headers=headers).json()
        driver.get(page)
        opener = driver.current_window_handle
        driver.execute_script("window.start = arguments[0]", begun["start_url"])
        driver.find_element("id", "go").click()
        popup = until(lambda: [handle for handle in driver.window_handles if handle != opener])[0]
        driver.switch_to.window(popup)
        until(lambda: driver.find_elements("css selector", f"button.{decision}"))[0].click()

        def status() -> Any:
            found = http_client.get(f"/v1/connect/{begun['session_id']}?wait=5", headers=headers).json()
            return found if found["status"] != "pending" else None

        # the truth, whatever the browser allowed
        code = None if decision == "yes" else "consent_denied"
        ended = {"status": "failed" if code else "connected", "code": code, "channel_id": "acme"}
        assert until(status) == ended
        if decision == "yes":
            until(lambda: driver.window_handles == [opener])  # it closes itself, with an opener or without one
        else:
            text = until(lambda: driver.find_elements("tag name", "main"))[0].text
            assert "the consent was refused" in text
            assert driver.find_element("link text", "Retry").get_attribute("href") == begun["start_url"]
            time.sleep(1)
            assert popup in driver.window_handles
        driver.switch_to.window(opener)
        heard = driver.execute_script("return window.heard")
        if policy:
            assert heard == []
        else:
            kind = "connect.failed" if code else "connect.done"
            said = {"source": "zoho-pipeline", "v": 1, "type": kind, "session_id": begun["session_id"]}
            assert heard == [[own, said | {"channel_id": "acme", "code": code}]]


def test_a_message_goes_to_the_sessions_origin_alone(
    settings: Settings, simulator: Simulator, page: str, registry: Registry
) -> None:
    """A page of another origin opens the link: the consent works, and that page hears nothing."""
    import httpx

    simulator.add_org("Acme")
    Tenants(registry.database).set_origins("acme-inc", ["https://app.example.com"])
    _, secret = ApiKeys(registry.database).add("test", tenants=["acme-inc"], scopes=["connect"])
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    with serving(create_app(settings, ServiceSettings())) as unused:
        pass
    own = f"http://127.0.0.1:{unused}"
    simulator.add_client("1000.TESTCLIENT", "test-client-secret-0123456789", {f"{own}/zohoCrm/callback"})
    app = create_app(settings, ServiceSettings(public_url=own))
    with serving(app, port=unused), chromium() as driver, httpx.Client(trust_env=False, base_url=own) as http_client:
        begun = http_client.get(f"/zohoCrm/connect?channel_id=acme&region={DC}", headers=headers).json()
        driver.get(page)
        opener = driver.current_window_handle
        driver.execute_script("window.start = arguments[0]", begun["start_url"])
        driver.find_element("id", "go").click()
        popup = until(lambda: [handle for handle in driver.window_handles if handle != opener])[0]
        driver.switch_to.window(popup)
        until(lambda: driver.find_elements("css selector", "button.yes"))[0].click()
        until(lambda: driver.window_handles == [opener])
        driver.switch_to.window(opener)
        assert driver.execute_script("return window.heard") == []
        assert registry.get("acme").org_name == "Acme"

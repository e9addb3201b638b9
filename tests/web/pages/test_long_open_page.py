"""A page that stays open for long: its link or login ends, the computer sleeps, the server goes. It says so."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scripts.screenshots import browser_missing
from tests.web.pages.test_in_a_browser import (
    FEWER,
    LEADS,
    Site,
    chrome,
    driver,
    listening,
    parent_page,
    site,
    tell,
    wait_for,
)
from tests.web.world import put
from zoho_pipeline.web.auth.operator import login_link, logout_nonce
from zoho_pipeline.web.auth.tokens import EMBED, OPERATOR

__all__ = ["chrome", "driver", "site"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]
WARNED = "const line = document.getElementById('ended'); return line.hidden ? '' : line.textContent.trim()"


def short_link(site: Site, origin: str, seconds: int = 4) -> str:
    """A link to the page in a frame that ends soon."""
    claims = {"sub": "u", "ten": "acme-inc", "chs": ["acme"], "scp": ["read", "sync"], "org": origin}
    return f"{site.url}/embed/channels/acme?t={site.tokens.make(EMBED, seconds, **claims, key=site.key_id)[0]}"


@pytest.mark.long
def test_a_frame_whose_link_has_ended_says_so_and_goes_on_with_a_new_one(driver: Any, site: Site, world: Path) -> None:
    put(world, site.home)
    with parent_page() as (port, shown):
        origin = f"http://localhost:{port}"
        shown["url"] = short_link(site, origin)
        driver.get(origin)
        wait_for(driver, "return heard.find(([, data]) => data.type === 'zoho-pipeline:ended')")
        driver.switch_to.frame("f")
        assert "its link has ended. Load the page around it again" in driver.execute_script(WARNED)
        assert driver.execute_script(LEADS) == "261"
        driver.switch_to.default_content()
        frame = "document.getElementById('f').contentWindow"
        fresh = site.token("acme", origin=origin)
        driver.execute_script(f"{frame}.postMessage({{type: 'zoho-pipeline:token', token: arguments[0]}}, '*')", fresh)
        driver.switch_to.frame("f")
        wait_for(driver, "return document.getElementById('ended').hidden")
        listening(driver, site)  # at once, and not only when the next try of the old link is due
        assert driver.execute_script(WARNED) == ""
        driver.switch_to.default_content()
        told = "return heard.filter(([, data]) => data.type === 'zoho-pipeline:ended').length"
        assert driver.execute_script(told) == 1


def test_an_operator_whose_login_has_ended_gets_a_way_back(driver: Any, site: Site) -> None:
    driver.get(login_link(site.tokens))
    driver.get(f"{site.url}/ui/channels/acme")
    listening(driver, site)
    cookie = driver.get_cookie("zp_operator")["value"]
    login = site.tokens.read(OPERATOR, cookie)["jti"]
    site.registry.claim_nonce(logout_nonce(f"operator:{login}"))
    wait_for(driver, "return !document.getElementById('ended').hidden")
    assert "your login has ended" in driver.execute_script(WARNED)
    assert "zoho-pipeline web login" in driver.execute_script(WARNED)
    driver.find_element("css selector", "#ended a").click()
    wait_for(driver, "return document.querySelector('h1').textContent === 'Please log in'")
    driver.get(login_link(site.tokens))
    driver.get(f"{site.url}/ui/channels/acme")
    assert driver.execute_script(WARNED) == ""


class Cable:
    """A way to the server that somebody can cut without either end being told, as the sleep of a computer does."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._open: list[dict[str, Any]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.refuses = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """No byte passes on the open streams of events, and no end is told. Idle connections are closed, as a browser
        does when its network comes back. New connections pass."""
        for state in self._open:
            state["cut"] = True
            if not state["streams"]:
                self._end(state)

    def close(self) -> None:
        self._listening.close()
        for state in self._open:
            self._end(state)

    @staticmethod
    def _end(state: dict[str, Any]) -> None:
        for end in state["ends"]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if self.refuses:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._server))
                state = {"cut": False, "streams": False, "ends": (near, far)}
                self._open.append(state)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other, state), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, state: dict[str, Any]) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                state["streams"] |= b"/events HTTP/" in part
                if not state["cut"]:
                    other.sendall(part)
            if not state["cut"]:
                self._end(state)


@contextmanager
def cable(site: Site) -> Iterator[Cable]:
    made = Cable(int(site.url.rpartition(":")[2]))
    try:
        yield made
    finally:
        made.close()


SLEEP = (
    "const real = Date.now; Date.now = () => real() + 7200000; document.dispatchEvent(new Event('visibilitychange'))"
)
"""The clock of a computer that slept for two hours, and the lid that opens."""


def test_a_computer_that_slept_sees_what_happened_meanwhile(driver: Any, site: Site, world: Path) -> None:
    """The connection is dead, and nobody told the browser."""
    put(world, site.home)
    with cable(site) as line:
        driver.get(f"http://127.0.0.1:{line.port}{site.embed('acme').removeprefix(site.url)}")
        listening(driver, site)
        line.cut()
        put(world, site.home, FEWER.format("5000000100"))
        tell(site, "insight.published")
        driver.execute_async_script("setTimeout(arguments[0], 1500)")
        assert driver.execute_script(LEADS) == "261"
        driver.execute_script(SLEEP)
        wait_for(driver, f"{LEADS} === '101'")
        assert driver.execute_script(WARNED) == ""


@pytest.mark.long
def test_a_server_that_cannot_be_reached_is_named_and_found_again(driver: Any, site: Site, world: Path) -> None:
    put(world, site.home)
    with cable(site) as line:
        driver.get(f"http://127.0.0.1:{line.port}{site.embed('acme').removeprefix(site.url)}")
        listening(driver, site)
        line.refuses = True
        line.cut()
        driver.execute_script(SLEEP)
        wait_for(driver, "return !document.getElementById('ended').hidden")
        assert "The server cannot be reached." in driver.execute_script(WARNED)
        assert driver.execute_script(LEADS) == "261"
        line.refuses = False
        wait_for(driver, "return document.getElementById('ended').hidden")

"""`/forms.js`: its size and headers, and what it sends from a real page in Chromium."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scripts.screenshots import browser, browser_missing
from tests.web.forms.conftest import stored
from tests.web.server import serving
from tests.worker.conftest import wait_for
from zoho_pipeline.channels.forms import person_keys, salts
from zoho_pipeline.channels.forms.form_keys import FormKey, FormKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app

PAGE = """<!doctype html><title>Page</title><form id="contact" action="/thanks" method="get">
<input type="email" name="email"><input type="tel" name="phone"><input name="hp" hidden>
<input type="hidden" name="id" value="7">
<input type="checkbox" id="consent" name="agree"><button id="send">Send</button></form>
<form action="/thanks" method="get"><input name="q"><button id="search">Search</button></form>
<script async src="{script}" data-key="{key}" {attributes}></script>"""


def test_the_script_is_small_and_may_be_loaded_by_any_page(client: TestClient) -> None:
    answer = client.get("/forms.js", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert len(answer.content) <= 2048
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert client.head("/forms.js").status_code == 200
    assert client.get("/healthz").headers["Cross-Origin-Resource-Policy"] == "same-origin"


@dataclass
class Site:
    """A site on another origin, and the form of its pages."""

    url: str
    form: FormKey
    attributes: str = 'data-consent="#consent" data-text-version="v3" data-content-id="post-1"'


@pytest.fixture
def site(settings: Settings, registry: Registry, add: Callable[..., Channel]) -> Iterator[Site]:
    add()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGE.format(
                script=f"http://127.0.0.1:{port}/forms.js", key=made.form.form_key, attributes=made.attributes
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode() if self.path.startswith("/page") else b"<title>Thanks</title>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://localhost:{server.server_port}"
    made = Site(url, FormKeys(registry).add("acme", [url])[0])
    with serving(create_app(settings, ServiceSettings())) as port:
        yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as found:
        yield found


def kept(driver: Any) -> Any:
    return json.loads(driver.execute_script("return JSON.stringify({...sessionStorage})"))


def fill(driver: Any, *, agree: bool) -> None:
    driver.find_element("name", "email").send_keys("Asha@acme.in")
    driver.find_element("name", "phone").send_keys("98765 43210")
    if agree:
        driver.find_element("id", "consent").click()
    time.sleep(2.1)  # whoever sends it sooner is taken for a robot


def send(driver: Any) -> None:
    driver.find_element("id", "send").click()
    wait_for(lambda: driver.title == "Thanks")


def opened(driver: Any, url: str) -> None:
    driver.get(url)
    wait_for(lambda: driver.execute_script("return !!window.zohoPipelineForms"))


@pytest.mark.browser
@pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or "")
class TestInABrowser:
    def test_a_visitor_who_agrees_is_captured_with_the_first_touch(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        opened(driver, f"{site.url}/page?utm_source=blog&utm_campaign=spring&token={'secret' * 400}")
        driver.execute_script("sessionStorage.clear()")
        assert kept(driver) == {}  # nothing before consent
        fill(driver, agree=True)
        assert json.loads(kept(driver)["zp-touch"])["utm_source"] == "blog"
        opened(driver, f"{site.url}/page?utm_source=other")  # the first touch stays
        fill(driver, agree=True)
        send(driver)
        (row,) = wait_for(lambda: stored(registry))
        salt = salts.salt_of(registry, "acme")
        assert salt is not None
        found = row["row"]
        assert found["email_key"] == person_keys.email_key(salt, "asha@acme.in")
        assert found["phone_key"] == person_keys.phone_key(salt, "9876543210")
        assert (found["utm_source"], found["utm_campaign"]) == ("blog", "spring")
        assert (found["consent_text_version"], found["content_id"], found["form_id"]) == ("v3", "post-1", "contact")
        assert found["landing_url"] == f"{site.url}/page?utm_source=blog&utm_campaign=spring"
        assert (found["is_suspect"], found["elapsed_ms"] >= 2000) == (False, True)
        driver.get(f"{site.url}/page")
        fill(driver, agree=True)
        driver.find_element("id", "consent").click()
        assert kept(driver) == {}  # who withdraws the consent leaves nothing

    def test_a_visitor_who_does_not_agree_sends_nothing_but_a_number(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        opened(driver, f"{site.url}/page?utm_source=blog")
        driver.execute_script("sessionStorage.clear()")
        driver.execute_script(
            "window.sent = []; const real = fetch; window.fetch = (u, o) => {"
            "sessionStorage.sent = String(o.body); return real(u, o); }"
        )
        fill(driver, agree=False)
        send(driver)
        wait_for(lambda: FormKeys(registry).get(site.form.form_key).no_consent == 1)
        sent = kept(driver)["sent"]
        assert "zp-touch" not in kept(driver)
        assert sorted(part.partition("=")[0] for part in sent.split("&")) == ["consent%5Banalytics%5D", "submission_id"]
        assert stored(registry) == []

    def test_the_search_of_a_page_sends_nothing_that_another_form_holds(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        opened(driver, f"{site.url}/page?utm_source=blog")
        driver.execute_script("sessionStorage.clear()")
        fill(driver, agree=True)
        driver.find_element("id", "search").click()
        wait_for(lambda: driver.title == "Thanks")
        opened(driver, f"{site.url}/page")
        driver.execute_script("sessionStorage.clear()")
        fill(driver, agree=False)
        send(driver)  # it came after whatever the search would have sent
        wait_for(lambda: FormKeys(registry).get(site.form.form_key).no_consent == 1)
        assert stored(registry) == []

    def test_a_second_click_sends_nothing_again_and_a_corrected_address_does(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        """Many pages check a form themselves, and hold the first submit back."""
        opened(driver, f"{site.url}/page?utm_term={'x' * 2500}")
        driver.execute_script("document.forms[0].onsubmit = () => false; sessionStorage.clear()")
        fill(driver, agree=True)
        driver.find_element("id", "send").click()
        driver.find_element("id", "send").click()
        wait_for(lambda: len(stored(registry)) == 1)
        driver.find_element("name", "email").send_keys("dia")
        driver.find_element("id", "send").click()
        wait_for(lambda: len(stored(registry)) == 2)
        assert {len(row["row"]["utm_term"]) for row in stored(registry)} == {2000}  # 2,001 would be refused

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param("Promise.reject(new TypeError('offline'))", id="none"),
            pytest.param("Promise.resolve(new Response('', { status: 503 }))", id="503"),
        ],
    )
    def test_a_failed_post_can_be_sent_again_by_hand(
        self, driver: Any, site: Site, registry: Registry, answer: str
    ) -> None:
        opened(driver, f"{site.url}/page")
        driver.execute_script(
            "document.forms[0].onsubmit = () => false; sessionStorage.clear();"
            f"window.real = fetch; window.fetch = () => {answer}"
        )
        fill(driver, agree=True)
        driver.find_element("id", "send").click()
        driver.execute_script("window.fetch = window.real")
        driver.find_element("id", "send").click()
        wait_for(lambda: len(stored(registry)) == 1)

    def test_a_post_whose_answer_was_lost_is_stored_once(self, driver: Any, site: Site, registry: Registry) -> None:
        opened(driver, f"{site.url}/page")
        driver.execute_script(
            "document.forms[0].onsubmit = () => false; sessionStorage.clear(); window.real = fetch; window.seen = [];"
            "window.fetch = async (...all) => { seen.push((await real(...all)).status); throw new TypeError('lost') }"
        )
        fill(driver, agree=True)
        for number in (1, 2):
            driver.find_element("id", "send").click()
            wait_for(lambda: len(driver.execute_script("return window.seen")) == number)  # noqa: B023
        assert driver.execute_script("return window.seen") == [202, 200]
        assert len(stored(registry)) == 1

    def test_a_late_answer_to_an_older_post_says_nothing_of_a_newer_one(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        """Somebody corrects an address while the first post is on its way, and the second post is refused."""
        opened(driver, f"{site.url}/page")
        driver.execute_script(
            "document.forms[0].onsubmit = () => false; sessionStorage.clear(); window.real = fetch;"
            "window.answers = [];"
            "window.fetch = () => new Promise(answer => answers.push(status => answer(new Response('', { status }))))"
        )
        fill(driver, agree=True)
        driver.find_element("id", "send").click()
        driver.find_element("name", "email").send_keys("dia")
        driver.find_element("id", "send").click()
        driver.execute_script("answers[1](503)")
        driver.execute_script("answers[0](202)")
        driver.execute_script("window.fetch = window.real")
        driver.find_element("id", "send").click()
        (row,) = wait_for(lambda: stored(registry))
        salt = salts.salt_of(registry, "acme")
        assert salt is not None
        assert row["row"]["email_key"] == person_keys.email_key(salt, "asha@acme.india")

    def test_a_label_with_the_class_of_the_box_does_not_hide_its_tick(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        site.attributes = 'data-consent=".agree"'
        opened(driver, f"{site.url}/page")
        driver.execute_script(
            "sessionStorage.clear(); const label = document.createElement('label'); label.htmlFor = 'consent';"
            "document.forms[0].prepend(label); label.className = document.getElementById('consent').className = 'agree'"
        )
        fill(driver, agree=True)
        send(driver)
        assert len(wait_for(lambda: stored(registry))) == 1

    @pytest.mark.parametrize("said", ["", "agree(undefined)", "agree('false')"])
    def test_only_a_tick_and_a_clear_yes_are_consent(
        self, driver: Any, site: Site, registry: Registry, said: str
    ) -> None:
        """A selector may name the label of a box, and a banner may pass on what it does not know."""
        site.attributes = 'data-consent="#words"' if not said else ""
        opened(driver, f"{site.url}/page?utm_source=blog")
        driver.execute_script(
            "sessionStorage.clear(); const label = document.createElement('label'); label.id = 'words';"
            f"document.body.append(label); {said and 'zohoPipelineForms.' + said}"
        )
        driver.find_element("name", "email").send_keys("Asha@acme.in")
        send(driver)
        wait_for(lambda: FormKeys(registry).get(site.form.form_key).no_consent == 1)
        assert kept(driver) == {}
        assert stored(registry) == []

    def test_fields_may_have_the_names_of_properties(self, driver: Any, site: Site, registry: Registry) -> None:
        opened(driver, f"{site.url}/page?utm_source=blog")
        driver.execute_script(
            "sessionStorage.clear(); for (const name of ['elements', 'matches', 'length', 'form'])"
            "document.forms[0].append(Object.assign(document.createElement('input'), { type: 'hidden', name }))"
        )
        driver.find_element("name", "email").send_keys("Asha@acme.in")
        driver.find_element("id", "consent").click()
        send(driver)
        (row,) = wait_for(lambda: stored(registry))
        assert (row["row"]["form_id"], row["row"]["utm_source"]) == ("contact", "blog")

    def test_without_storage_the_form_still_sends_and_keeps_nothing(
        self, driver: Any, site: Site, registry: Registry
    ) -> None:
        """Some browsers throw at the mere name of the storage, for example in a frame of another site."""
        opened(driver, f"{site.url}/page?utm_source=blog")
        driver.execute_script(
            "Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
        )
        fill(driver, agree=True)
        send(driver)
        (row,) = wait_for(lambda: stored(registry))
        assert row["row"]["utm_source"] == "blog"

    def test_a_clock_that_is_set_back_loses_no_form(self, driver: Any, site: Site, registry: Registry) -> None:
        opened(driver, f"{site.url}/page")
        driver.execute_script("Date.now = () => 0")
        fill(driver, agree=True)
        send(driver)
        (row,) = wait_for(lambda: stored(registry))
        assert (row["row"]["elapsed_ms"] >= 2000, row["row"]["is_suspect"]) == (True, False)

    @pytest.mark.long
    def test_a_page_that_has_the_consent_already_says_so(self, driver: Any, site: Site, registry: Registry) -> None:
        site.attributes = "data-consented"
        opened(driver, f"{site.url}/page?utm_source=mail")
        fill(driver, agree=False)
        send(driver)
        (row,) = wait_for(lambda: stored(registry))
        assert row["row"]["consent_text_version"] == "1"

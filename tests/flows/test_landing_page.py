"""A visitor comes by the link of a post, sends the form of a page, and is typed into Zoho by hand an hour later.

The page is the one of docs/forms.md, in a real browser and on another origin than the server. Zoho is the simulator.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from scripts.production import free_port
from scripts.screenshots import browser, browser_missing
from tests.ingest.conftest import QUICK, raw_tables
from tests.web.server import serving
from tests.worker.conftest import Place, place, registry_env, wait_for
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.tables import form_submissions
from zoho_pipeline.cli.marts import run_transform
from zoho_pipeline.cli.session import Session
from zoho_pipeline.ingest.content.files import load_content
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import Tokens

__all__ = ["place", "raw_tables", "registry_env"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]
DOCS = Path(__file__).parents[2] / "docs" / "forms.md"
TITLE = "Local SEO for dentists"
CATALOGUE = f"""content_id,content_type,title,published_at,canonical_url,utm_source,utm_medium,utm_campaign
local-seo,blog_post,{TITLE},2020-01-01T00:00:00Z,https://blog.acme.example/seo,blog,article,local-seo
pricing,blog_post,What it costs,2020-01-01T00:00:00Z,https://blog.acme.example/price,blog,article,pricing
"""
LINK = "utm_source=blog&utm_medium=article&utm_campaign=local-seo"
WITH_CONSENT = {"email": "asha@acme.in", "phone": "+91 98765 43210"}
WITHOUT = {"email": "binod@acme.in", "phone": "+91 98765 43211"}
KINDS = (
    "select l.zoho_lead_id, l.captured_by, a.content_id, a.match_rule, a.touch_input_basis, a.utm_campaign from lead l"
)
KINDS += " join lead_source_attribution a using (channel_id, zoho_lead_id)"


def landing_page(script: str, key: str) -> str:
    """The block of the docs, for a page that belongs to no post: the link alone must name the post."""
    found = re.search(r"```html\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    block = found.group(1).replace("http://localhost:8480/forms.js", script).replace("FORM_KEY", key)
    block, changed = re.subn(r' data-content-id="[^"]*"', "", block)
    assert changed == 1
    return f"<!doctype html><title>Offer</title>{block}"


@contextmanager
def site(pages: dict[str, str]) -> Iterator[str]:
    """A web site on an origin of its own; its URL. It thanks for a form."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(pages.get(self.path.partition("?")[0], ""))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer("<!doctype html><title>Thanks</title>")

        def _answer(self, page: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Street:
    """The server of the product and the landing page, both served, with the channel `acme`."""

    place: Place
    url: str
    page: str
    form_key: str

    def submissions(self) -> int:
        with self.place.registry.database.read() as transaction:
            return int(transaction.scalar(select(func.count()).select_from(form_submissions)) or 0)

    def visit(self, driver: Any, person: dict[str, str], *, agree: bool) -> None:
        """Open the page by the link of the post, fill in the form as a person does, and send it."""
        driver.get(f"{self.page}/offer?{LINK}")
        wait_for(lambda: driver.execute_script("return !!window.zohoPipelineForms"))
        for name, text in person.items():
            driver.find_element("name", name).send_keys(text)
        if agree:
            driver.find_element("id", "consent").click()
        time.sleep(2.1)  # whoever sends it sooner is taken for a robot
        driver.find_element("css selector", "#contact button").click()
        wait_for(lambda: driver.title == "Thanks")

    def type_in(self, name: str, person: dict[str, str]) -> str:
        """Make a lead as a colleague does who has a note with an address and a number."""
        phone = person["phone"].removeprefix("+91 ")
        values = {"Last_Name": name, "Company": "Acme", "Email": person["email"].upper(), "Phone": phone}
        return self.place.orgs["acme"].insert("Leads", values)

    def publish(self) -> None:
        sync_channel(self.place.settings, self.place.registry, self.place.warehouse, "acme", limits=QUICK)
        run_transform(Session(self.place.settings)).require_complete()


@pytest.fixture
def street(place: Place, tmp_path: Path) -> Iterator[Street]:
    place.connect("acme", leads=4, tenant="acme-inc")
    catalogue = tmp_path / "content.csv"
    catalogue.write_text(CATALOGUE)
    load_content(place.settings, place.warehouse, "acme", catalogue)
    port = free_port()
    service = ServiceSettings(public_url=f"http://localhost:{port}")
    pages: dict[str, str] = {}
    with serving(create_app(place.settings, service), port=port), site(pages) as page:
        form, _ = FormKeys(place.registry).add("acme", [page])
        pages["/offer"] = landing_page(f"{service.public_url}/forms.js", form.form_key)
        yield Street(place, service.public_url, page, form.form_key)


@pytest.fixture
def driver(street: Street) -> Iterator[Any]:
    """It ends before the server: an open channel page keeps a stream of events."""
    with browser(1100, 900) as found:
        yield found


@pytest.mark.long
def test_the_post_is_credited_with_the_visitor_who_agreed_and_with_nobody_else(street: Street, driver: Any) -> None:
    street.visit(driver, WITH_CONSENT, agree=True)
    wait_for(street.submissions)
    street.visit(driver, WITHOUT, agree=False)
    wait_for(lambda: FormKeys(street.place.registry).get(street.form_key).no_consent == 1)
    assert street.submissions() == 1, "without consent nothing is stored"
    street.place.sim.clock.advance(3_600)
    asha, binod = street.type_in("Rao", WITH_CONSENT), street.type_in("Das", WITHOUT)
    street.publish()

    rows = {row["zoho_lead_id"]: row for row in street.place.published(KINDS)}
    expected = {"captured_by": "landing_page", "content_id": "local-seo", "match_rule": "utm_triple"}
    expected |= {"touch_input_basis": "form", "utm_campaign": "local-seo"}
    assert {name: rows[asha][name] for name in expected} == expected
    others = [row for id_, row in rows.items() if id_ != asha]
    assert binod in rows
    assert len(others) == 5
    assert {(row["captured_by"], row["content_id"], row["utm_campaign"]) for row in others} == {
        ("zoho_crm", None, None)
    }

    tokens = Tokens(street.place.settings.secret_keys, street.url, lambda: datetime.now(UTC))
    driver.get(login_link(tokens))
    driver.get(f"{street.url}/ui/channels/acme")
    table = [row.text for row in driver.find_elements("css selector", ".leads tbody tr")]
    assert len(table) == 6
    (mine,) = [row for row in table if "by your form" in row]
    assert "Rao" in mine
    assert TITLE in mine
    (his,) = [row for row in table if "Das" in row]
    assert TITLE not in his
    access = driver.find_element("css selector", ".access").text
    assert "stored as a hash only" in access

    _, key = ApiKeys(street.place.registry.database).add("agent", tenants=("acme-inc",), scopes=("agent", "read"))
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    with httpx.Client(base_url=street.url, headers=headers, trust_env=False) as client:
        context = client.get("/v1/channels/acme/agent-context").json()["data"]
        leads = {lead["id"]: lead for lead in client.get("/v1/channels/acme/leads").json()["data"]}
    found = context["recent_leads"]
    assert [(item["title"], item["n_leads"]) for item in found["items"]] == [(TITLE, 1)]
    assert (found["items"][0]["suppressed"], found["items"][0]["captured_by"]) == (True, None), "it is one person"
    assert TITLE in found["words"]
    assert (leads[asha]["captured_by"], leads[asha]["content_id"]) == ("landing_page", "local-seo")
    assert (leads[binod]["captured_by"], leads[binod]["content_id"]) == ("zoho_crm", None)

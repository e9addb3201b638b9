"""docs/forms.md is carried out as it is written: by a shell, by a Python program, and by Chromium."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.screenshots import browser, browser_missing
from tests.channels.conftest import CONNECTION
from tests.postgres import free_port
from tests.web.test_platform_guide import BLOCK, Shell
from tests.worker.conftest import wait_for
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.forms import suspect
from zoho_pipeline.forms.read_submission import LONGEST
from zoho_pipeline.settings import Secret, load_settings
from zoho_pipeline.web.forms import gate

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "forms.md").read_text()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]


@pytest.fixture
def registry(home: Path) -> Registry:
    made = Registry(load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env"))
    made.add("acme", Secret("1000.acme"), CONNECTION, tenant="acme-inc")
    return made


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Iterator[Shell]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    env |= {"ZOHO_PIPELINE_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    made = Shell(tmp_path, env)
    yield made
    made.stop()


@pytest.mark.long
def test_every_block_does_what_the_page_says(registry: Registry, shell: Shell, tmp_path: Path) -> None:
    site = Site()
    text = PAGE.replace("8480", str(free_port())).replace("serve --port", "serve --no-worker --port")
    text = text.replace("https://www.acme.in --format", f"https://www.acme.in --origin {site.url} --format")
    shown = False
    for kind, title, code in BLOCK.findall(text):
        if kind == "html":
            (form,) = FormKeys(registry).list("acme")
            site.page = code.replace("FORM_KEY", form.form_key)
            send_by_browser(site.url)
            wait_for(lambda: FormKeys(registry).list("acme")[0].stored == 1)
            shown = True
        elif kind == "python":
            (tmp_path / title).write_text(code)
            shell.run(f"python3 {title}")
        else:
            assert kind == "bash", kind
            shell.run(code)
    site.close()
    assert shown
    assert json.loads((tmp_path / "stored.json").read_text()) == {"stored": True}
    listed = json.loads((tmp_path / "submissions.json").read_text())
    assert {row["utm_source"] for row in listed} == {"blog", None}
    assert {row["content_id"] for row in listed} == {"local-seo"}
    assert json.loads((tmp_path / "gone.json").read_text())["code"] == "gone"
    assert FormKeys(registry).list("acme") == []


class Site:
    """A page on another origin, on this machine."""

    def __init__(self) -> None:
        site = self
        self.page = ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(site.page)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.answer("<title>Thanks</title>")

            def answer(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(f"<!doctype html>{text}".encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def send_by_browser(url: str) -> None:
    with browser() as driver:
        driver.get(url)
        wait_for(lambda: driver.execute_script("return !!window.zohoPipelineForms"))
        driver.find_element("name", "email").send_keys("ravi@acme.in")
        driver.find_element("id", "consent").click()
        driver.find_element("tag name", "button").click()
        wait_for(lambda: driver.title == "Thanks")


def test_the_page_names_the_limits() -> None:
    numbers = (LONGEST, gate.PER_ADDRESS, gate.PER_KEY, suspect.MOST_PER_MINUTE, suspect.QUICKEST_MS // 1000)
    for number in numbers:
        assert f" {number:,} " in PAGE.replace("`", " "), number
    for word in (*suspect.TEST_WORDS, "example.com"):
        assert f"`{word}`" in PAGE


def test_the_block_of_the_page_has_the_attributes_of_the_script() -> None:
    script = (ROOT / "zoho_pipeline" / "web" / "forms" / "static" / "forms.js").read_text()
    names = ("key", "form", "consent", "consented", "textVersion", "formId", "contentId")
    for name in names:
        assert f"set.{name}" in script or f'"{name}" in set' in script
        attribute = "".join(f"-{c.lower()}" if c.isupper() else c for c in name)
        assert f"`data-{attribute}`" in PAGE

"""What a visitor sent is in no file of HOME and in no line of the log, neither in clear nor hashed without the salt."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.web.server import serving
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.forms.load_forms import load_forms
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.web.app import create_app

PAGE = "https://www.acme.in"
MARK = "zyxwvut"
EMAIL, PHONE, ADDRESS = f"{MARK}@acme.in", "+91 91234 56788", "203.0.113.77"
AGENT = f"{MARK}Browser/1.0"
INNER = [hashlib.sha256(text.encode()).hexdigest() for text in (EMAIL, "9123456788")]
MARKERS = [MARK, "9123456788", "91234 56788", ADDRESS, *INNER]


def found_in(folder: Path) -> list[tuple[str, str]]:
    """(file, marker) of each marker in a file, in any case."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes().lower()
        found += [(path.name, marker) for marker in MARKERS if marker.lower().encode() in content]
    return found


@pytest.fixture
def bodies() -> dict[str, dict[str, Any]]:
    consent = {"analytics": True, "text_version": "v1"}
    person = {"email": EMAIL.upper(), "phone": PHONE, "name": MARK, "company": MARK, "hp": ""}
    url = f"https://www.acme.in/p?email={EMAIL}&phone=9123456788&utm_source=blog"
    body = {"consent": consent, **person, "landing_url": url, "utm_content": EMAIL, "referrer": f"https://b.in/{EMAIL}"}
    return {
        "good": body,
        "suspect": body | {"hp": MARK},
        "no consent": body | {"consent": {"analytics": False}},
        "wrong": body | {"email": MARK},
        "wrong time": body | {"submitted_at": "2020-01-01T00:00:00Z"},
        "no id": body | {"submission_id": MARK},
        "hashed": {"consent": consent, "email_sha256": INNER[0], "phone_sha256": INNER[1]},
    }


@pytest.mark.long
def test_nothing_of_a_person_is_written_anywhere(
    settings: Settings,
    registry: Registry,
    add: Callable[..., Channel],
    bodies: dict[str, dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    add()
    form, _ = FormKeys(registry).add("acme", [PAGE])
    caplog.set_level(logging.DEBUG)
    env = {"ZOHO_PIPELINE_HOME": str(settings.home), "ZOHO_PIPELINE_TRUSTED_PROXIES": "127.0.0.0/8"}
    app = create_app(settings, load_service_settings(env, dotenv=settings.home / "no.env"))
    headers = {"Origin": PAGE, "User-Agent": AGENT, "X-Forwarded-For": ADDRESS}
    statuses = {}
    with serving(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
        for name, body in bodies.items():
            sent = {"submission_id": str(uuid4()), **body}
            statuses[name] = http.post(f"/v1/forms/{form.form_key}", json=sent).status_code
            http.post(f"/v1/forms/{form.form_key}", data=sent)
        http.post("/v1/forms/fk_unknown", json=bodies["good"])
        http.post("/v1/forms/fk_unknown/more", json=bodies["good"])
        http.get(f"/v1/forms/{form.form_key}")
        assert http.get("/forms.js").status_code == 200
        http.post(f"/v1/forms/{form.form_key}", json=bodies["good"], headers={"Origin": "https://evil.in"})
        assert found_in(settings.home) == []
        warehouse = open_warehouse(settings)
        Loader(settings, warehouse, "setup", purpose="setup").ensure_tables()
        assert load_forms(registry, warehouse, "acme") == 3
    assert statuses == {
        "good": 202,
        "suspect": 202,
        "no consent": 202,
        "wrong": 422,
        "wrong time": 422,
        "no id": 422,
        "hashed": 202,
    }
    assert (settings.home / "warehouse.duckdb").stat().st_size > 0
    assert found_in(settings.home) == []
    log = caplog.text.lower()
    assert "post /v1/forms/*** 202" in log
    assert [marker for marker in MARKERS if marker.lower() in log] == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0" + EMAIL.upper().encode() + b"\0")
    assert found_in(tmp_path) == [("file", MARK)]

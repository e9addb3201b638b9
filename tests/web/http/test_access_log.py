"""The log names each request, and nothing in it lets anybody in."""

import logging
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.web.http.access_log import shown_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/channels/acme", "/v1/channels/acme"),
        ("/tenant/v1/zoho-crm/webhook/SECRET", "/tenant/v1/zoho-crm/webhook/***"),
        ("/tenant/v1/zoho-crm/workflow/SECRET", "/tenant/v1/zoho-crm/workflow/***"),
        ("/tenant/v1/zoho-crm/webhook", "/tenant/v1/zoho-crm/webhook"),
        ("/v1/connect/SECRET", "/v1/connect/***"),
        ("/v1/connect/SECRET/x", "/v1/connect/***/x"),
        ("/a%0d%0ab?c=SECRET", "/a%0d%0ab"),
        ("/" + "a" * 900, "/" + "a" * 199),
    ],
)
def test_a_path_without_what_lets_somebody_in(path: str, shown: str) -> None:
    assert shown_path({"path": path, "raw_path": path.encode()}) == shown


def test_a_line_per_request(
    client: TestClient, key: Callable[..., dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("httpx", "httpx2"):  # the client of the test logs its own URLs
        caplog.set_level(logging.WARNING, name)
    caplog.set_level(logging.INFO)
    headers = key()
    client.post("/v1/sessions?token=SECRET1", headers=headers, json={"origin": "SECRET2"})
    client.get("/ui/login?t=SECRET3")
    client.get("/v1/connect/SECRET4")
    text = "\n".join(record.getMessage() for record in caplog.records if record.name == "zoho_pipeline.web.access")
    assert "POST /v1/sessions 422" in text
    assert "GET /ui/login 410" in text
    assert headers["Authorization"].split("_")[1] in text  # who it was: the id of the key
    assert "SECRET" not in caplog.text
    assert headers["Authorization"][-40:] not in caplog.text

"""A small app behind the middlewares of the product, so that their limits can be small."""

import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from zoho_pipeline.web.http.access_log import AccessLog
from zoho_pipeline.web.http.bodies import BodyLimits
from zoho_pipeline.web.http.headers import SecurityHeaders
from zoho_pipeline.web.http.methods import HeadAsGet


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it was asked: {method, path, size of the body}."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/broken":
        raise RuntimeError("refresh_token=1000.0123456789abcdef0123456789abcdef.fedcba9876543210fedcba9876543210")
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = json.dumps({"method": scope["method"], "path": scope["path"], "size": size}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def small() -> Any:
    """An app whose bodies have at most 1 KiB and may take 0.4 s."""
    limited = BodyLimits(HeadAsGet(echo), body_bytes=1024, seconds=0.4)
    return SecurityHeaders(AccessLog(limited), is_https=False)

"""A minimal Zoho for answers that the simulator never gives: it plays answers and keeps every request."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits

DATE = "Mon, 23 Nov 2026 14:40:37 GMT"
NOW = datetime(2026, 11, 23, 14, 40, 37, tzinfo=UTC)
JSON = "application/json;charset=UTF-8"

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
    """Make an answer with Zoho's headers. `x_name=` becomes the header `x-name`; None means no body."""
    named = {"Date": DATE, **{key.replace("_", "-"): value for key, value in headers.items()}}
    if body is None:
        return httpx.Response(status, headers=named)
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return httpx.Response(status, content=content, headers={"Content-Type": JSON, **named})


def error(
    code: str, status: int = 400, message: str = "no", details: dict[str, Any] | None = None, **headers: str
) -> httpx.Response:
    """Make an answer with the error body of Zoho."""
    return answer({"code": code, "details": details or {}, "message": message, "status": "error"}, status, **headers)


class Wire(httpx.BaseTransport):
    """Plays `replies` in order and repeats the last one. `seen` are the requests that it received."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # A copy, because a second sign-in changes the request that was already sent.
        self.seen.append(httpx.Request(request.method, request.url, headers=request.headers, content=request.read()))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):  # a response can be read only once, so a copy is played
            return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        return reply(request)


class Broken(httpx.SyncByteStream):
    """A body that sends `start` and then breaks with `error`."""

    def __init__(self, start: bytes, error: Exception) -> None:
        self._start, self._error = start, error

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        raise self._error


@dataclass
class Tokens:
    """A token source that counts: it has handed out `minted` tokens so far, 1000.<n>."""

    minted: int = 0
    refusals: list[str] = field(default_factory=list)

    def _token(self) -> AccessToken:
        value = Secret(f"1000.{self.minted:032x}.{self.minted:032x}")
        return AccessToken(value, datetime.now(UTC) + timedelta(hours=1), "https://www.zohoapis.com")

    def current(self) -> AccessToken:
        self.minted = self.minted or 1
        return self._token()

    def refused(self, token: AccessToken) -> AccessToken:
        self.refusals.append(token.value.reveal())
        self.minted += 1
        return self._token()


def client_on(wire: Wire, tokens: Tokens | None = None, **more: Any) -> ZohoClient:
    """A client that records its waits in `client.naps` and does not sleep."""
    naps: list[float] = []
    more.setdefault("limits", OrgLimits(concurrency=5))
    client = ZohoClient(
        "https://www.zohoapis.com", tokens or Tokens(), transport=wire, sleep=naps.append, rng=lambda: 1.0, **more
    )
    client.naps = naps  # type: ignore[attr-defined]
    return client

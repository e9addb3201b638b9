"""uvicorn's HTTP protocol with a limit for the head of a request, in bytes and in seconds.

uvicorn with httptools collects headers without a limit and waits for them without an end: one client could fill the
memory, or hold every connection of the process open. h11 has a limit of bytes, and is slower by half.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from zoho_pipeline.web.http.bodies import HEAD_BYTES

HEAD_SECONDS = 10.0
"""From the first byte (or the connection) to the end of the headers."""

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has too many bytes of headers, or takes too long to send them."""

    _head: int | None = None  # bytes of a head that is not complete; None while no head is being read
    _timer: TimerHandle | None = None
    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_begins()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ends()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._head_begins()
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._head_begins()

    def on_headers_complete(self) -> None:
        self._head_ends()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES:
            self._refuse()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            super().on_message_complete()

    def _head_begins(self) -> None:
        self._head = 0
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _head_ends(self) -> None:
        self._head = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        self.transport.write(TOO_LARGE)
        self.transport.close()


def uvicorn_options() -> dict[str, Any]:
    """How uvicorn must be set for this app: `uvicorn.Config(app, **uvicorn_options())`.

    `proxy_headers` is off, because `client_address.py` reads X-Forwarded-For. Our own access log leaves out secrets,
    and uvicorn's would not. Proxies keep a connection for 60 s, so the server keeps it longer: otherwise it would
    close one while the proxy sends a request on it.
    """
    return {
        "http": LimitedProtocol,
        "ws": "none",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": 75,
        "limit_concurrency": 5_000,
        "backlog": 2048,
        "log_config": None,
    }

"""uvicorn's HTTP protocol with a limit for the head of a request, in bytes and in seconds, and for unread answers.

uvicorn with httptools collects headers without a limit and waits for them without an end: one client could fill the
memory, or hold every connection of the process open. h11 has a limit of bytes, and is slower by half. Nor does uvicorn
give up a client that takes its answer never: its stream of events would outlive its token.
"""

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from zoho_pipeline.web.http.bodies import HEAD_BYTES
from zoho_pipeline.web.http.headers import bare_headers
from zoho_pipeline.web.http.problems import Problem, problem_answer

HEAD_SECONDS = 10.0
"""From the first byte (or the connection) to the end of the headers."""

READ_SECONDS = 60.0
"""How long a client may leave what it was sent unread. The system holds some hundred kilobytes for it before that."""

TOO_LARGE = Problem("headers_too_large", f"The URL and the headers have at most {HEAD_BYTES // 1024} KiB together.")
UNREADABLE = Problem("bad_request", "This is no request of HTTP.")
BUSY = Problem("unavailable", "Too many connections are open. Try again.", headers={"Retry-After": "5"})
TOO_LATE = Problem("request_timeout", "The request did not arrive in time.")


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has too many bytes of headers, or takes too long to send them, and one whose
    client does not read."""

    _head: int | None = None  # bytes of a head that is not complete; None while no head is being read
    _timer: TimerHandle | None = None
    _unread: TimerHandle | None = None
    head_seconds = HEAD_SECONDS
    read_seconds = READ_SECONDS

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_begins()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ends()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._head_begins()
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._head_begins()

    def on_headers_complete(self) -> None:
        self._head_ends()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES:
            self._refuse(TOO_LARGE)
            return
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._refuse(BUSY)
            return
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._is_read()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._is_unread()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._is_unread()

    def shutdown(self) -> None:
        super().shutdown()
        self._is_unread()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self._refuse(UNREADABLE)

    def _head_begins(self) -> None:
        self._head = 0
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._too_late)

    def _too_late(self) -> None:
        if self._head and not self.transport.is_closing():
            self._refuse(TOO_LATE)
        else:  # nothing came, so nobody waits for an answer
            self.transport.close()

    def _head_ends(self) -> None:
        self._head = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_unread(self) -> None:
        """Give the client some time to read. Closing does not help: it waits until everything was sent."""
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(self.read_seconds, self.transport.abort)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _refuse(self, problem: Problem) -> None:
        """Answer what no application sees, and end the connection."""
        headers = MutableHeaders(dict(bare_headers()))
        answer = problem_answer({"state": {"request_id": headers["X-Request-Id"]}}, problem)
        headers.update({**answer.headers, "Connection": "close"})
        head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + bytes(answer.body))
        self.transport.close()
        self._is_unread()


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

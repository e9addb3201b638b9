"""A web server on this machine that receives one callback at the end of a consent.

The browser shows a page with the result. The request is never logged, because its URL holds the grant code.

Every program and every web page on this machine can send requests to it. So only the first request with the state of
the consent that is waiting ends the wait; every other one gets a page and changes nothing. A request must name the host
of the redirect URI: a page of another site, whose name was made to point to this machine (DNS rebinding), names its own
host.
"""

import hmac
import html
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from zoho_pipeline.channels.errors import NoCallback
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.zoho.errors import scrub

log = logging.getLogger(__name__)

PATH = "/callback"
HOST = "localhost"
SECONDS_PER_READ = 10.0
"""A client that sends its request more slowly than this is cut off."""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>zoho-pipeline</title>
<body style="font:16px system-ui;max-width:36em;margin:4em auto;padding:0 1em">
<h1>{title}</h1><p>{text}</p></body></html>"""

Result = TypeVar("Result")


class CallbackServer(Generic[Result]):
    """Listens on 127.0.0.1 and gives the parameters of the right callback to `finish`, once.

    Args:
        port: 0 takes any free one.
        finish: makes a result of the parameters, or raises a PipelineError whose message the browser shows.
        done: makes the sentence that the browser shows after `finish` has returned.

    Attributes:
        redirect_uri: where Zoho sends the browser back.
    """

    def __init__(self, port: int, finish: Callable[[Mapping[str, str]], Result], done: Callable[[Result], str]) -> None:
        self._finish, self._done = finish, done
        self._outcome: SimpleQueue[Result | BaseException] = SimpleQueue()
        self._state: bytes | None = None
        self._lock = Lock()
        self._is_taken = self._has_warned = False
        owner = self

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
                """Print no trace: it may show the grant code. A client that closes early is no fault of ours."""
                if not isinstance(error := sys.exception(), OSError):
                    log.warning("the callback server could not answer a request (%s)", type(error).__name__)

        class Handler(BaseHTTPRequestHandler):
            timeout = SECONDS_PER_READ

            def do_GET(self) -> None:
                owner._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: the request line holds the grant code."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise NoCallback(
                f"port {port} of this machine is in use ({error.strerror}), so no callback can arrive. Free it, or "
                "choose another one with --port and register its redirect URI in Zoho's API console."
            ) from error
        port = self._server.server_port
        self._hosts = {f"{HOST}:{port}"} | ({HOST} if port == 80 else set())  # browsers leave port 80 out
        self.redirect_uri = f"http://{HOST}:{port}{PATH}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer callbacks inside the `with` block."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def expect(self, state: str) -> None:
        """Wait for the callback with this state. Before this call, every callback is refused."""
        self._state = state.encode()

    def result(self, timeout: float) -> Result:
        """The result of the callback with the expected state.

        Raises:
            NoCallback: no callback came within `timeout` seconds.
            PipelineError: the error that `finish` raised.
        """
        try:
            outcome = self._outcome.get(timeout=timeout)
        except Empty:
            raise NoCallback(
                f"nobody finished the consent within {timeout / 60:.0f} minutes. Check that the redirect URI "
                f"{self.redirect_uri} is registered in Zoho's API console, then start again."
            ) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        try:
            url = urlsplit(handler.path)
        except ValueError:  # such as the half address of `http://[::1`
            _answer(handler, 400, "Bad request", f"This server answers only at {self.redirect_uri}.")
            return
        if not self._is_for_us(handler, url.netloc):
            _answer(handler, 421, "Wrong host", f"This server answers only at {self.redirect_uri}.")
            return
        if url.path != PATH:
            _answer(handler, 404, "Not found", "There is nothing here.")
            return
        params = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if not self._is_expected(params.get("state", "")):
            self._warn_once(params)
            text = (
                "This request does not belong to the consent that is waiting, so nothing was done. The command in the "
                "terminal still waits. If you refused the consent, end the command with Ctrl-C."
            )
            _answer(handler, 400, "Not connected", text)
            return
        with self._lock:
            is_first, self._is_taken = not self._is_taken, True
        if not is_first:  # a browser may send a request twice
            text = "This consent has come back before. The terminal shows its result."
            _answer(handler, 409, "Received before", text)
            return
        outcome, page = self._finished(params)
        # the page comes first: when the outcome is known, the command may end, and this thread with it
        with suppress(OSError):
            _answer(handler, *page)
        self._outcome.put(outcome)

    def _is_for_us(self, handler: BaseHTTPRequestHandler, target: str) -> bool:
        """Whether the request names the host of the redirect URI, and no other one, in its header and its target."""
        named = [name.strip().lower() for name in handler.headers.get_all("Host", [])]
        return len(named) == 1 and named[0] in self._hosts and (not target or target.lower() == named[0])

    def _is_expected(self, state: str) -> bool:
        return self._state is not None and hmac.compare_digest(state.encode(errors="replace"), self._state)

    def _warn_once(self, params: Mapping[str, str]) -> None:
        """Say once that a wrong callback came: it may be a forgery, or a refusal by Zoho that has lost its state."""
        if self._has_warned:
            return
        self._has_warned = True
        error = params.get("error")
        reason = f" with the error {scrub(error)[:100]!r}" if error else ""
        log.warning(
            "a callback without the state of this consent arrived%s. It was refused, and the wait goes on. If you "
            "refused the consent, end the command with Ctrl-C.",
            reason,
        )

    def _finished(self, params: Mapping[str, str]) -> tuple[Result | BaseException, tuple[int, str, str]]:
        try:
            result = self._finish(params)
        except PipelineError as error:
            return error, (400, "Not connected", str(error))
        except Exception as error:  # a defect: the waiting command raises it
            return error, (500, "Not connected", "An unexpected error occurred. The terminal shows it.")
        return result, (200, "Connected", f"{self._done(result)} You can close this window.")


def _answer(handler: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
    page = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(page)),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Connection": "close",
    }
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(page)

"""A web server on this machine that receives one callback at the end of a consent.

The browser shows a page with the result. The request is never logged, because its URL holds the grant code.
"""

import html
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from zoho_pipeline.channels.errors import NoCallback
from zoho_pipeline.settings import PipelineError

PATH = "/callback"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>zoho-pipeline</title>
<body style="font:16px system-ui;max-width:36em;margin:4em auto;padding:0 1em">
<h1>{title}</h1><p>{text}</p></body></html>"""

Result = TypeVar("Result")


class CallbackServer(Generic[Result]):
    """Listens on 127.0.0.1 and gives the first callback's parameters to `finish`.

    Args:
        port: 0 takes any free one.
        finish: makes a result of the parameters, or raises a PipelineError whose message the browser shows.
        done: makes the sentence that the browser shows after `finish` has returned.
    """

    def __init__(self, port: int, finish: Callable[[Mapping[str, str]], Result], done: Callable[[Result], str]) -> None:
        self._finish, self._done = finish, done
        self._outcome: SimpleQueue[Result | BaseException] = SimpleQueue()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: the request line holds the grant code."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise NoCallback(
                f"port {port} of this machine is in use ({error.strerror}), so no callback can arrive. Free it, or "
                "choose another one with --port and register its redirect URI in Zoho's API console."
            ) from error
        self.redirect_uri = f"http://localhost:{self._server.server_port}{PATH}"

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

    def result(self, timeout: float) -> Result:
        """The result of the first callback.

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
        url = urlsplit(handler.path)
        if url.path != PATH:
            _answer(handler, 404, "Not found", "There is nothing here.")
            return
        params = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        outcome, page = self._finished(params)
        # the page comes first: when the outcome is known, the command may end, and this thread with it
        with suppress(OSError):
            _answer(handler, *page)
        self._outcome.put(outcome)

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

"""The client: the API calls of one connection, with limits, retries and Zoho's clock.

It turns each answer into data or an error of `errors`. It repeats a read always, and a call that changes something only
if Zoho certainly did not carry it out (no connection, or HTTP 429). It raises permanent errors at once.
"""

import copy
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import httpx

from zoho_pipeline.zoho.accounts.auth import TokenSource, ZohoAuth
from zoho_pipeline.zoho.accounts.data_centers import origin
from zoho_pipeline.zoho.accounts.scopes import covers, decisive
from zoho_pipeline.zoho.connection import responses
from zoho_pipeline.zoho.connection.answer import Answer, Meter, read_body, write_body
from zoho_pipeline.zoho.connection.credits import cost_of
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits
from zoho_pipeline.zoho.connection.server_clock import ServerClock, parse_date_header
from zoho_pipeline.zoho.errors import (
    AnswerTooLarge,
    BadAnswer,
    ClockJumped,
    ConcurrencyLimit,
    ConnectionFailed,
    DamagedFile,
    OddText,
    Retryable,
    ScopeMissing,
    ZohoError,
)
from zoho_pipeline.zoho.transport import BOUNDS, Bounds, connection_failed, new_http, silent_for

log = logging.getLogger(__name__)

_T = TypeVar("_T")

VERSION = "v7"
MOST_ATTEMPTS: Mapping[type[Retryable], int] = {ClockJumped: 3, OddText: 2, DamagedFile: 2}
"""Failures for which more tries would only spend credits: the next answer is mostly the same."""
JUMP = "date_jump"  # the key of a response's extensions that says how far its Date header jumped
CREDITS_HEADER = "X-API-CREDITS-REMAINING"


class ZohoClient:
    """The API of one connection. Thread-safe. Close it, or use it as a context manager.

    Args:
        api_domain: origin of the API. The caller has checked that it belongs to the data centre.
        tokens: gives access tokens.
        limits: the org's limits; None is the smallest edition's, shared with nobody.
        transport: an httpx transport, for tests.
        timeout: of one connect, read or write, in seconds; None is the product's, with the silence of the pacing.
        sleep, rng: how to wait, and the source of the jitter in [0, 1).
        pacing: tries, waits and deadlines; None is the product's.
        granted: the connection's scopes; None where Zoho did not name them.
        lacking: scopes for which Zoho refused an earlier call. Calls that need them are not sent.
        on_lacking: is called with a scope for which Zoho has just refused a call.
    """

    def __init__(
        self,
        api_domain: str,
        tokens: TokenSource,
        *,
        limits: OrgLimits | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout | float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: Callable[[], float] = random.random,
        pacing: Pacing | None = None,
        granted: tuple[str, ...] | None = None,
        lacking: Iterable[str] = (),
        on_lacking: Callable[[str], object] | None = None,
    ) -> None:
        self.api_domain = origin(api_domain)
        self.limits = limits or OrgLimits()
        self.clock = ServerClock()
        self.sleep = sleep
        self.learned: dict[str, Any] = {}
        """Where this API allows less than its documentation says. All views share it."""
        self._meters: tuple[Meter, ...] = (Meter(),)
        self._granted, self._lacking, self._on_lacking = granted, set(lacking), on_lacking
        self._rng = rng
        self.pacing = pacing or Pacing()
        timeout = silent_for(self.pacing.silence_seconds) if timeout is None else timeout
        self._http = new_http(self.api_domain, auth=ZohoAuth(tokens), transport=transport, timeout=timeout)
        self._http.event_hooks["response"].append(self._note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._http.close()

    @property
    def meter(self) -> Meter:
        """What this client, or this view of it, has used (see `metered`)."""
        return self._meters[-1]

    def metered(self) -> Self:
        """A view of this client with its own meter, and the same connections, limits and clock.

        The meters of the original count what the view uses, too. Only the original is closed.
        """
        view = copy.copy(self)
        view._meters = (*self._meters, Meter())
        return view

    @property
    def server_time(self) -> datetime:
        """Zoho's clock now (UTC); BadAnswer before the first answer."""
        return self.clock.now()

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Read `path` (`/crm/…`, below the API domain).

        Raises:
            ZohoError: see `errors`. A Retryable is raised only after all tries.
        """
        return self._call("GET", path, params=params, headers=headers)

    def post(
        self,
        path: str,
        *,
        json: Mapping[str, Any],
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        rows: str | None = None,
    ) -> Answer:
        """Post a JSON document.

        Args:
            repeatable: the call only reads, or does the same when it is sent again.
            rows: the key of the list with one result per part of the request (see `responses.read`).
        """
        return self._call("POST", path, params=params, headers=headers, json=json, repeatable=repeatable, rows=rows)

    def change(
        self,
        method: str,
        path: str,
        *,
        rows: str,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """PUT or DELETE something that a repetition leaves as it is. `rows`: see `post`."""
        return self._call(method, path, params=params, json=json, rows=rows)

    def put(self, path: str, *, json: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """Change records. The answer may have any status below 500: each row of its `data` has a result of its own.

        The call is sent again only if Zoho certainly did not carry it out. After any other failure of the network, and
        after a 5xx, the caller must look whether it was carried out.

        Raises:
            ZohoError: the call as a whole was refused, or its outcome is unknown. See `may_be_done`.
        """
        return self._call("PUT", path, headers=headers, json=json, repeatable=False, rows="data")

    def download(self, path: str, target: Path, check: Callable[[Path], object] | None = None) -> int:
        """Write an answer's body to `target`; the number of bytes. A retry starts from the beginning.

        Args:
            target: is replaced only when the body is complete.
            check: raises DamagedFile if the complete file is not good, such as an error page with status 200.

        Raises:
            AnswerTooLarge, OSError: the file is too large, or cannot be written. The partial file is removed.
        """
        part = target.with_name(target.name + ".part")

        def once(last_try: bool) -> int:
            size = self._download(path, part, last_try)
            if check is not None:
                check(part)
            return size

        try:
            size = self._retried("GET", path, True, once)
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return size

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        repeatable: bool = True,
        rows: str | None = None,
    ) -> Answer:
        cost = cost_of(method, path, params, json)
        scope = decisive(path)
        if scope in self._lacking:
            raise ScopeMissing(f"{method} {path}", (scope,))

        was_odd = not repeatable

        def once(last_try: bool) -> Answer:
            nonlocal was_odd
            request = self._request(method, path, params, headers, json)
            with self.limits.slot(path, params, cost):
                response = self._send(request)
                body = read_body(response, self.api_domain)
                self._settle(response, body, cost, last_try)
            if repeatable and (jump := response.extensions.get(JUMP)):
                raise ClockJumped(jump)
            try:
                data = responses.read(response, body, path, lenient=last_try or was_odd, rows=rows)
            except OddText:
                was_odd = True  # the next answer is read without its odd values
                raise
            date = None if response.extensions.get(JUMP) else parse_date_header(response.headers.get("Date"))
            return Answer(response.status_code, data, date or self.clock.now())

        try:
            return self._retried(method, path, repeatable, once)
        except ScopeMissing:
            self._note_lacking(scope)
            raise

    def _note_lacking(self, scope: str | None) -> None:
        """Remember the missing scope, unless it is granted: then the refusal had another reason."""
        if scope is None or scope in self._lacking or any(covers(name, scope) for name in self._granted or ()):
            return
        self._lacking.add(scope)
        if self._on_lacking is not None:
            self._on_lacking(scope)

    def _retried(self, method: str, path: str, repeatable: bool, once: Callable[[bool], _T]) -> _T:
        """Repeat `once` until it succeeds, fails permanently, or the tries are used up."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return once(attempt >= self.pacing.attempts)
            except Retryable as error:
                most = min(self.pacing.attempts, MOST_ATTEMPTS.get(type(error), self.pacing.attempts))
                if attempt >= most or not (repeatable or _certainly_not_done(error)):
                    raise
                pause = self.pacing.backoff(attempt, self._rng())
                log.warning("%s %s: %s Trying again in %.1f s (%d of %d).", method, path, error, pause, attempt, most)
            self.sleep(pause)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        json: Mapping[str, Any] | None,
        bounds: Bounds | None = None,
    ) -> httpx.Request:
        content = None if json is None else responses.dump(json)
        sent = dict(headers or {})
        if content is not None:
            sent["Content-Type"] = "application/json"
        # Encoded here, once: httpx would parse a URL of fifty field names three times, a tenth of a page's cost.
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        url = httpx.URL(f"{self.api_domain}{path}{query}")
        bounds = bounds or Bounds(self.pacing.answer_bytes, self.pacing.answer_seconds)
        extensions = {"meters": self._meters, BOUNDS: bounds}
        return self._http.build_request(method, url, headers=sent, content=content, extensions=extensions)

    def _send(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sent"] = time.monotonic()
        try:
            return self._http.send(request, stream=True)
        except ZohoError:
            raise  # from the token source: nothing was sent, or Zoho did nothing
        except (httpx.HTTPError, httpx.StreamError) as error:
            self._count(request, 0)
            failure = connection_failed(self.api_domain, error)
        raise failure  # raised here, so that it has no context: httpx's error may quote headers

    def _settle(self, response: httpx.Response, body: bytes, cost: int, last_try: bool, metered: bool = True) -> None:
        """Count the credits of an answered call, or raise what its 429 means."""
        remaining = response.headers.get(CREDITS_HEADER)
        if response.status_code == 429 or responses.is_limit(response.status_code, body):
            raise self.limits.refusal(remaining, last_try=last_try, metered=metered)
        self.limits.answered(cost, remaining)
        for meter in self._meters:
            meter.add(0, cost)

    def _download(self, path: str, part: Path, last_try: bool) -> int:
        bounds = Bounds(self.pacing.file_bytes, self.pacing.file_seconds)
        request = self._request("GET", path, None, {"Accept": "*/*"}, None, bounds)
        cost = cost_of("GET", path)
        with self.limits.slot(path, None, cost):
            response = self._send(request)
            if response.status_code != 200:
                body = read_body(response, self.api_domain)
                self._settle(response, body, cost, last_try, metered=False)
                responses.read(response, body, path)  # raises the error that the body names
                raise BadAnswer(f"GET {path}: Zoho answered {response.status_code} instead of a file.")
            size = write_body(response, self.api_domain, part)
            self._settle(response, b"", cost, last_try, metered=False)
        return size

    def _note(self, response: httpx.Response) -> None:
        """Read Zoho's clock from each response and count it, also those that `ZohoAuth` repeats."""
        date = parse_date_header(response.headers.get("Date"))
        if date is not None and response.status_code < 500:  # a 502 shows the clock of a gateway
            response.extensions[JUMP] = self.clock.observe(date, response.request.extensions.get("sent"))
        self._count(response.request, response.status_code)

    @staticmethod
    def _count(request: httpx.Request, status: int) -> None:
        for meter in request.extensions.get("meters", ()):
            meter.add(1, 0)
        # Only the path: a query may hold ids and page tokens.
        log.debug("%s %s -> %s", request.method, request.url.path, status or "no answer")


def may_be_done(error: ZohoError) -> bool:
    """Whether Zoho may have carried out a change that ended with this error."""
    return isinstance(error, AnswerTooLarge) or (isinstance(error, Retryable) and not _certainly_not_done(error))


def _certainly_not_done(error: Retryable) -> bool:
    """Whether Zoho cannot have carried out the request that ended with this error."""
    return isinstance(error, ConcurrencyLimit) or (isinstance(error, ConnectionFailed) and not error.sent)

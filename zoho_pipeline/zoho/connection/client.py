"""The client: one connection's calls to the API, with limits, retries and Zoho's clock.

It turns every answer into data or an error of `errors`, and knows no business rule. A call is retried only
where repeating it is safe: reads always; a POST that creates something only if Zoho certainly did not do it
(no connection, HTTP 429). Permanent errors are raised at once.
"""

import copy
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
from zoho_pipeline.zoho.connection.credits import cost_of
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits
from zoho_pipeline.zoho.connection.server_clock import ServerClock, parse_date_header
from zoho_pipeline.zoho.errors import (
    BadAnswer,
    ClockJumped,
    ConcurrencyLimit,
    ConnectionFailed,
    Retryable,
    ScopeMissing,
    ZohoError,
)
from zoho_pipeline.zoho.transport import TIMEOUT, connection_failed, new_http

log = logging.getLogger(__name__)

_T = TypeVar("_T")

VERSION = "v7"
JUMP_ATTEMPTS = 3  # more tries of a call whose Date header jumped would only spend credits
JUMP = "date_jump"  # under this name a response remembers how
CREDITS_HEADER = "X-API-CREDITS-REMAINING"


@dataclass
class Meter:
    """What a piece of work used: HTTP requests answered or failed, API credits."""

    requests: int = 0
    credits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, requests: int, credits: int) -> None:
        with self._lock:
            self.requests += requests
            self.credits += credits


@dataclass(frozen=True)
class Answer:
    """An answer of the API: `data` is its JSON object, None where it had none to give (204, 304).

    `server_time` is Zoho's clock (UTC) when it answered, cut to the second. It may be later than the moment
    the rows were read: bound a window by a clock seen before the call, or by less than this.
    """

    status: int
    data: dict[str, Any] | None
    server_time: datetime


class ZohoClient:
    """The API of one connection. Thread-safe; close it or use it as a context manager.

    Args:
        api_domain: origin of the API (checked against the data centre by whoever stored it).
        tokens: where access tokens come from.
        limits: the org's limits; default careful ones of its own.
        transport: an httpx transport, for tests.
        timeout: of one connect, read or write, in seconds.
        sleep, rng: how to wait, and the jitter's source in [0, 1).
        pacing: tries, waits and deadlines; default the product's.
        granted: the connection's scopes, None where Zoho did not name them.
        lacking: scopes an earlier call was refused for: calls that need them are refused here, unsent.
        on_lacking: is told a scope that a call has just been refused for.
    """

    def __init__(
        self,
        api_domain: str,
        tokens: TokenSource,
        *,
        limits: OrgLimits | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
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
        """In what this API was found to be narrower than documented; shared by all views."""
        self._meters: tuple[Meter, ...] = (Meter(),)
        self._granted, self._lacking, self._on_lacking = granted, set(lacking), on_lacking
        self._rng = rng
        self.pacing = pacing or Pacing()
        self._http = new_http(self.api_domain, auth=ZohoAuth(tokens), transport=transport, timeout=timeout)
        self._http.event_hooks = {"response": [self._note]}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client cannot be used after."""
        self._http.close()

    @property
    def meter(self) -> Meter:
        """What went through this client, or through this view of it (see `metered`)."""
        return self._meters[-1]

    def metered(self) -> Self:
        """A view of this client with a meter of its own: same connections, limits and clock.

        What the view uses is counted in the meters it came from too. Only the original is closed.
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
        """Read `path` (under the API domain, `/crm/…`).

        Raises:
            ZohoError: see `errors`; a Retryable only after all tries.
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
    ) -> Answer:
        """Post a JSON document. `repeatable` says that it only reads, so a lost answer may be asked for again."""
        return self._call("POST", path, params=params, headers=headers, json=json, repeatable=repeatable)

    def download(self, path: str, target: Path, whole: Callable[[Path], bool] | None = None) -> int:
        """Stream an answer's body into `target`, replacing it when whole; bytes written. Retried from the start.

        `whole` looks at the finished file: an error page with status 200 is no download either.
        """
        part = target.with_name(target.name + ".part")

        def once(last_try: bool) -> int:
            size = self._download(path, part, last_try)
            if whole is not None and not whole(part):
                raise BadAnswer(f"GET {path}: the file is damaged or of another kind.")
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
    ) -> Answer:
        cost = cost_of(method, path, params, json)
        scope = decisive(path)
        if scope in self._lacking:
            raise ScopeMissing(f"{method} {path}", (scope,))

        def once(last_try: bool) -> Answer:
            request = self._request(method, path, params, headers, json)
            with self.limits.slot(path, params, cost):
                response = self._send(request)
                body = self._body(response)
                self._settle(response, body, cost, last_try)
            if repeatable and (jump := response.extensions.get(JUMP)):
                raise ClockJumped(jump)
            data = responses.read(response, body, path)
            date = None if response.extensions.get(JUMP) else parse_date_header(response.headers.get("Date"))
            return Answer(response.status_code, data, date or self.clock.now())

        try:
            return self._retried(method, path, repeatable, once)
        except ScopeMissing:
            self._note_lacking(scope)
            raise

    def _note_lacking(self, scope: str | None) -> None:
        """Remember what a refusal showed, unless the scope is known to be granted: then it was about something else."""
        if scope is None or scope in self._lacking or any(covers(name, scope) for name in self._granted or ()):
            return
        self._lacking.add(scope)
        if self._on_lacking is not None:
            self._on_lacking(scope)

    def _retried(self, method: str, path: str, repeatable: bool, once: Callable[[bool], _T]) -> _T:
        """`once` until it works, fails for good, or the tries are used up."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return once(attempt >= self.pacing.attempts)
            except Retryable as error:
                most = self.pacing.attempts
                if isinstance(error, ClockJumped):
                    most = min(most, JUMP_ATTEMPTS)
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
    ) -> httpx.Request:
        content = None if json is None else responses.dump(json)
        sent = dict(headers or {})
        if content is not None:
            sent["Content-Type"] = "application/json"
        # Encoded here, once: httpx would read a URL of fifty field names three times, a tenth of a page's cost.
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        url = httpx.URL(f"{self.api_domain}{path}{query}")
        return self._http.build_request(method, url, headers=sent, content=content, extensions={"meters": self._meters})

    def _send(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sent"] = time.monotonic()
        try:
            return self._http.send(request, stream=True)
        except ZohoError:
            raise  # of the token source: nothing was sent, or nothing was done
        except (httpx.HTTPError, httpx.StreamError) as error:
            self._count(request, 0)
            failure = connection_failed(self.api_domain, error)
        raise failure  # out here, so that it carries no context: httpx's error may quote headers

    def _body(self, response: httpx.Response) -> bytes:
        """The whole body, or an error when it breaks off or takes too long."""
        deadline = time.monotonic() + self.pacing.answer_seconds
        chunks: list[bytes] = []
        try:
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise ConnectionFailed(
                        f"{self.api_domain} took longer than {self.pacing.answer_seconds:.0f} s.", sent=True
                    )
        except httpx.HTTPError as error:
            raise connection_failed(self.api_domain, error) from None
        finally:
            response.close()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _settle(self, response: httpx.Response, body: bytes, cost: int, last_try: bool, metered: bool = True) -> None:
        """Count the credits of an answered call, or say what its 429 means."""
        remaining = response.headers.get(CREDITS_HEADER)
        if response.status_code == 429 or responses.is_limit(response.status_code, body):
            raise self.limits.refusal(remaining, last_try=last_try, metered=metered)
        self.limits.answered(cost, remaining)
        for meter in self._meters:
            meter.add(0, cost)

    def _download(self, path: str, part: Path, last_try: bool) -> int:
        request = self._request("GET", path, None, {"Accept": "*/*"}, None)
        cost = cost_of("GET", path)
        with self.limits.slot(path, None, cost):
            response = self._send(request)
            if response.status_code != 200:
                body = self._body(response)
                self._settle(response, body, cost, last_try, metered=False)
                responses.read(response, body, path)  # raises what the body says
                raise BadAnswer(f"GET {path}: answered {response.status_code} instead of a file.")
            try:
                size = 0
                with part.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 16):
                        size += file.write(chunk)
            except httpx.HTTPError as error:
                raise connection_failed(self.api_domain, error) from None
            finally:
                response.close()
            self._settle(response, b"", cost, last_try, metered=False)
        return size

    def _note(self, response: httpx.Response) -> None:
        """Every response, those inside the sign-in's second look included: Zoho's clock and the count."""
        date = parse_date_header(response.headers.get("Date"))
        if date is not None and response.status_code < 500:  # a 502 is some gateway's clock
            response.extensions[JUMP] = self.clock.observe(date, response.request.extensions.get("sent"))
        self._count(response.request, response.status_code)

    @staticmethod
    def _count(request: httpx.Request, status: int) -> None:
        for meter in request.extensions.get("meters", ()):
            meter.add(1, 0)
        # The path alone: a query may hold ids and page tokens.
        log.debug("%s %s -> %s", request.method, request.url.path, status or "no answer")


def _certainly_not_done(error: Retryable) -> bool:
    """Whether Zoho cannot have carried out the request that ended so."""
    return isinstance(error, ConcurrencyLimit) or (isinstance(error, ConnectionFailed) and not error.sent)


__all__ = ["Answer", "Meter", "ZohoClient"]

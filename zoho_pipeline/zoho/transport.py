"""The settings of HTTP for the accounts servers and the API.

There are no redirects (a token must not follow one), no cookies, and no proxy for loopback addresses. Each answer has a
limit of size and of time, whoever reads it and whatever its status is: a few bytes of gzip can unpack to gigabytes.
"""

import math
import os
import ssl
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import local
from typing import Any

import httpcore
import httpx

from zoho_pipeline.settings import SettingsError
from zoho_pipeline.zoho.errors import AnswerTooLarge, BadAnswer, ConnectionFailed, Retryable

TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=30.0, pool=120.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60.0)
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""A proxy of the environment must never get calls to these hosts, because they may use plain http."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")

_LOOK_AGAIN = 1.0
"""Seconds for which an unused connection counts as open after a look at it, until a call chooses it."""

_UNPACKED_AT_ONCE = 1 << 20
_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True)
class Bounds:
    """The most that an answer may have: bytes after unpacking, seconds from its header to its last byte, and seconds
    from the request to its header."""

    size: int = 64 << 20
    seconds: float = 300.0
    head_seconds: float = 300.0


BOUNDS = "bounds"
"""The key of a request's extensions that has the bounds of its answer. Without it, `Bounds()` counts."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One context per process: loading the certificates takes 20 ms, and a sync opens one client per channel."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise SettingsError(
            f"the certificates that the environment names cannot be read: {_named(_CERTIFICATES)} "
            f"({error.strerror or type(error).__name__}). Set the variable to a file in PEM format, or unset it."
        ) from None


def _named(variables: tuple[str, ...]) -> str:
    """Those of the variables that are set, in either spelling; without their values."""
    found = [name for upper in variables for name in (upper, upper.lower()) if os.environ.get(name)]
    return ", ".join(found) or ", ".join(variables)


def silent_for(seconds: float) -> httpx.Timeout:
    """The usual timeouts, with so many seconds without a byte of an answer."""
    return httpx.Timeout(connect=TIMEOUT.connect, read=seconds, write=TIMEOUT.write, pool=TIMEOUT.pool)


def new_http(
    base_url: str = "",
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.BaseTransport | None = None,
    timeout: httpx.Timeout | float = TIMEOUT,
) -> httpx.Client:
    """An httpx client. Close it, or use it as a context manager. Reading an answer beyond its bounds is an error.

    Raises:
        SettingsError: the environment names a proxy or certificates that cannot be used.
    """
    verify = _tls()
    try:
        client = httpx.Client(
            base_url=base_url,
            auth=auth,
            transport=transport,
            timeout=timeout,
            limits=LIMITS,
            verify=verify,
            follow_redirects=False,
            mounts=dict.fromkeys(_LOOPBACK),
            headers={"User-Agent": "zoho-pipeline", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
            event_hooks={"request": [_begin], "response": [_bound]},
        )
    except (ImportError, ValueError, httpx.InvalidURL):  # their texts may repeat a proxy's password
        raise SettingsError(
            f"a proxy of the environment cannot be used: {_named(_PROXIES)}. A proxy has the form http://host:port "
            "(SOCKS is not supported), and NO_PROXY is a list of hosts. Set the variable to that, or unset it."
        ) from None
    client._cookies = _NoCookies()
    for opened in (client._transport, *client._mounts.values()):
        if isinstance(opened, httpx.HTTPTransport):
            _bound_reads(opened)
    return client


class _NoCookies(httpx.Cookies):
    """Keeps no cookie. A jar that refuses all of them reads each answer as urllib does: 5 % of a quiet sync's CPU."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Read nothing."""


def _bound_reads(transport: httpx.HTTPTransport) -> None:
    """End each read of a transport's connections at the deadline of its request. httpx has no argument for this.

    Raises:
        RuntimeError: httpx or httpcore keeps its connections elsewhere. Without the bound, an answer could keep a sync
            waiting for ever, so no client is opened.
    """
    try:
        pool = transport._pool
        pool._network_backend = _TimedBackend(pool._network_backend)
    except AttributeError:
        raise RuntimeError(
            f"httpx {httpx.__version__} keeps its connections in another place than 0.28. Install the versions of "
            "requirements.lock, or change `_bound_reads` in zoho_pipeline/zoho/transport.py."
        ) from None


class _Running(local):
    """The deadline of the answer that this thread reads, when its call began, and whether it is still choosing a
    connection."""

    deadline = math.inf
    began = -math.inf
    is_opening = False


_running = _Running()


def _begin(request: httpx.Request) -> None:
    """The answer to this request must end in time. httpx sends a request and reads its answer in one thread."""
    bounds = request.extensions.get(BOUNDS) or Bounds()
    _running.began = time.monotonic()
    _running.deadline = _running.began + bounds.head_seconds + bounds.seconds
    _running.is_opening = True


class _TimedStream(httpcore.NetworkStream):
    """A connection on which every read ends at the deadline of its request.

    Timeouts of httpx begin anew with each byte. So a header or a chunk's size that comes one byte at a time, or interim
    answers (`100 Continue`) without end, would keep a sync waiting for ever: no part of a body has arrived.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._looked_at = -math.inf
        self._is_used = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = _running.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer did not end in time")
        return self._stream.read(max_bytes, left if timeout is None else min(timeout, left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if _running.is_opening and self._is_used and self._looked_at < _running.began and self._is_ended():
            raise httpcore.ConnectionNotAvailable  # nothing was sent: httpcore chooses another connection
        _running.is_opening = False
        self._is_used = True
        self._looked_at = -math.inf
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """As httpcore's, with fewer looks whether the server has closed an idle connection (`is_readable`).

        httpcore looks at each idle connection before and after each call. In a batch of channels, these 190 system
        calls per quiet channel were a fifth of its CPU time, because each of them gives the interpreter to another
        thread. We look before a call, once after each use of the connection, and else once per second. `write` looks at
        the chosen connection, if this call has not done so.
        """
        if info != "is_readable":
            return self._stream.get_extra_info(info)
        now = time.monotonic()
        if not _running.is_opening or now - self._looked_at < _LOOK_AGAIN:
            return False
        self._looked_at = now
        return self._is_ended()

    def _is_ended(self) -> bool:
        """Whether the server has closed this connection, which nobody uses now."""
        return bool(self._stream.get_extra_info("is_readable"))


class _TimedBackend(httpcore.NetworkBackend):
    """Opens connections as another backend does, and bounds their reads."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _TimedStream(self._backend.connect_tcp(*args, **options))

    def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _TimedStream(self._backend.connect_unix_socket(*args, **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


def _bound(response: httpx.Response) -> None:
    """Let the stream of an answer unpack itself and end at its bounds."""
    if not isinstance(response.stream, httpx.SyncByteStream):
        return
    bounds = response.request.extensions.get(BOUNDS) or Bounds()
    encoding = response.headers.pop("Content-Encoding", "")
    response.stream = _BoundedStream(response.stream, bounds, encoding, response.request.url.host)


class _BoundedStream(httpx.SyncByteStream):
    """The unpacked body of an answer, in parts of at most 1 MB."""

    def __init__(self, packed: httpx.SyncByteStream, bounds: Bounds, encoding: str, host: str) -> None:
        self._packed, self._bounds, self._host = packed, bounds, host
        self._encoding = encoding.strip().lower()
        self._deadline = time.monotonic() + bounds.seconds

    def __iter__(self) -> Iterator[bytes]:
        received = unpacked = 0
        for part in self._unpacked(self._received()):
            received, unpacked = received + part[0], unpacked + len(part[1])
            if max(received, unpacked) > self._bounds.size:
                raise AnswerTooLarge(
                    f"{self._host}: the answer has more than {self._bounds.size / 2**20:g} MB. No answer of Zoho's is "
                    "so large, so it was not read."
                )
            if part[1]:
                yield part[1]

    def close(self) -> None:
        self._packed.close()

    def _received(self) -> Iterator[bytes]:
        for part in self._packed:
            if time.monotonic() > self._deadline:
                seconds = self._bounds.seconds
                raise ConnectionFailed(f"{self._host} took longer than {seconds:.0f} s to send its answer.", sent=True)
            yield part

    def _unpacked(self, parts: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        """The number of received bytes and what they unpack to, a part at a time."""
        if self._encoding in ("", "identity"):
            yield from ((len(part), part) for part in parts)
            return
        if self._encoding not in _WINDOWS:
            raise httpx.DecodingError("an encoding that was not asked for")
        inflate = None
        for part in parts:
            if inflate is None:
                inflate = zlib.decompressobj(self._window(part))
            yield len(part), b""
            while part and not inflate.eof:
                try:
                    unpacked = inflate.decompress(part, _UNPACKED_AT_ONCE)
                except zlib.error:
                    raise httpx.DecodingError("the body cannot be unpacked") from None
                yield 0, unpacked
                part = inflate.unconsumed_tail
        if inflate is not None and not inflate.eof:
            raise httpx.DecodingError("the body is cut off")

    def _window(self, start: bytes) -> int:
        """The form of the packed data. Some servers send deflate without its header."""
        is_bare = self._encoding == "deflate" and start[:1] != b"\x78"
        return -zlib.MAX_WBITS if is_bare else _WINDOWS[self._encoding]


def connection_failed(host: str, error: Exception) -> Retryable:
    """Our error for an error of httpx. The text of httpx is left out, because it may quote headers."""
    kind = type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return BadAnswer(f"{host}: the answer was cut off or damaged ({kind}).")
    if isinstance(error, httpx.TimeoutException):
        sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        return ConnectionFailed(f"{host} did not answer in time ({kind}).", sent=sent)
    cure = "Check the address, the network and the proxy"
    return ConnectionFailed(
        f"{host} cannot be reached ({kind}). {cure}.", sent=not isinstance(error, httpx.ConnectError)
    )

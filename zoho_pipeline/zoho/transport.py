"""The HTTP layer's settings, in one place for the accounts servers and the API.

No redirects (a token must not follow one), no cookies, and no proxy for loopback addresses.
"""

import ssl
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from zoho_pipeline.zoho.errors import BadAnswer, ConnectionFailed, Retryable

TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=30.0, pool=120.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60.0)
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""Hosts that a proxy of the environment must never see: they may be asked over plain http."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One context a process: loading the certificates costs 20 ms, and a sync opens a client a channel."""
    return httpx.create_ssl_context()


def new_http(
    base_url: str = "",
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.BaseTransport | None = None,
    timeout: httpx.Timeout | float = TIMEOUT,
) -> httpx.Client:
    """An httpx client. Close it, or use it as a context manager."""
    return httpx.Client(
        base_url=base_url,
        auth=auth,
        transport=transport,
        timeout=timeout,
        limits=LIMITS,
        verify=_tls(),
        follow_redirects=False,
        mounts=dict.fromkeys(_LOOPBACK),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": "zoho-pipeline", "Accept": "application/json"},
    )


def connection_failed(host: str, error: Exception) -> Retryable:
    """Our error for one of httpx's. Its own text is left out: it may quote headers."""
    kind = type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return BadAnswer(f"{host}: the answer was cut off or garbled ({kind}).")
    if isinstance(error, httpx.TimeoutException):
        sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        return ConnectionFailed(f"{host} did not answer in time ({kind}).", sent=sent)
    cure = "Check the address, the network and the proxy"
    return ConnectionFailed(
        f"{host} cannot be reached ({kind}). {cure}.", sent=not isinstance(error, httpx.ConnectError)
    )

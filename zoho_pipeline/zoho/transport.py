"""The settings of HTTP for the accounts servers and the API.

There are no redirects (a token must not follow one), no cookies, and no proxy for loopback addresses.
"""

import ssl
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from zoho_pipeline.zoho.errors import BadAnswer, ConnectionFailed, Retryable

TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=30.0, pool=120.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60.0)
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""A proxy of the environment must never get calls to these hosts, because they may use plain http."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One context per process: loading the certificates takes 20 ms, and a sync opens one client per channel."""
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

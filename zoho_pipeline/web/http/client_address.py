"""The address of the client, behind proxies that the settings name.

A header can claim any address. So `X-Forwarded-For` is read from its right end, where our own proxies write, and only
as long as the address before it is a trusted proxy. Everything left of the first other address is ignored.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from zoho_pipeline.service_settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
UNKNOWN = "unknown"


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """The address of the client as text; `unknown` where the server knows none (a Unix socket, a test).

    Args:
        trusted: the networks of our own proxies.
    """
    peer = _address(scope["client"][0]) if scope.get("client") else None
    if peer is None:
        return UNKNOWN
    for claimed in reversed(_forwarded(scope["headers"])):
        if not _is_in(peer, trusted):
            break
        found = _address(claimed)
        if found is None:
            break  # the proxy wrote no address, so the proxy itself is what we know
        peer = found
    return str(peer)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _address(text: str) -> Address | None:
    """The address in a text, which may hold a port: `192.0.2.7:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


class ClientAddress:
    """Keeps the address of the client as `scope["state"]["client"]`."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network] = ()) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["client"] = client_address(scope, self._trusted)
        await self._app(scope, receive, send)

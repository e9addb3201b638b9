"""Endpoints of the platform: where events are sent, for which tenant, and the sealed secret that signs them."""

import base64
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, insert, select

from zoho_pipeline.channels.errors import ChannelError, DecryptionError, InvalidSetting
from zoho_pipeline.channels.platform.tenants import check_tenant
from zoho_pipeline.channels.registry.channel_events import TYPES, endpoint_types, stored_types
from zoho_pipeline.channels.registry.platform_tables import webhook_deliveries, webhook_endpoints
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.token_store import WEBHOOK
from zoho_pipeline.setting_checks import LOOPBACK_HOSTS, is_host
from zoho_pipeline.settings import Secret

LONGEST_URL = 2_000


@dataclass(frozen=True)
class Endpoint:
    """An endpoint without its secret.

    Attributes:
        tenant: whose events it gets; None means those of all tenants.
        events: the types that it gets; None means all.
        failing_since: when the first of the tries that failed without a success after them was.
        disabled_at: since when nothing is sent to it.
        waiting, dead: the numbers of deliveries that will be tried, and of those that will not be tried again.
        last_problem: the answer to the last try that failed.
    """

    id: str
    url: str
    tenant: str | None
    events: tuple[str, ...] | None
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    waiting: int = 0
    dead: int = 0
    last_problem: str | None = None


class Endpoints:
    """The endpoints of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._database = registry, registry.database

    def add(
        self, url: str, *, tenant: str | None, events: Iterable[str] | None = None, loopback: bool = False
    ) -> tuple[Endpoint, Secret]:
        """Add an endpoint; its secret (`whsec_…`) is returned once.

        Args:
            tenant: whose events it gets; None means those of all tenants.
            events: types of `channel_events.TYPES`; None means all.
            loopback: whether an endpoint on this machine may be used, with plain http.

        Raises:
            InvalidSetting: the URL, the tenant or an event cannot be used.
        """
        url = check_url(url, loopback=loopback)
        wanted = None if events is None else sorted(set(events))
        if unknown := set(wanted or ()) - set(TYPES):
            raise InvalidSetting(f"there is no event {min(unknown)!r}. There are: {', '.join(TYPES)}.")
        if tenant is not None:
            check_tenant(tenant)
        endpoint_id = f"ep_{secrets.token_hex(6)}"
        secret = new_signing_secret()
        seal = self._registry.encryptor.encrypt(secret, endpoint_id, WEBHOOK)
        with self._database.write() as transaction:
            values: dict[str, Any] = {"id": endpoint_id, "url": url, "tenant": tenant, "events": wanted or None}
            now = self._database.now_in(transaction)
            transaction.execute(insert(webhook_endpoints).values(**values, secret_seal=seal, created_at=now))
        return self.get(endpoint_id), secret

    def list(self) -> list[Endpoint]:
        """All endpoints, the oldest first, with those that are disabled."""
        counts = select(webhook_deliveries.c.endpoint_id, webhook_deliveries.c.status, func.count())
        counts = counts.group_by(webhook_deliveries.c.endpoint_id, webhook_deliveries.c.status)
        with self._database.read() as transaction:
            numbers = {(row[0], row[1]): int(row[2]) for row in transaction.execute(counts)}
            shown = [column for column in webhook_endpoints.c if column.name not in ("secret_seal", "events")]
            every = select(*shown, stored_types().label("types")).order_by(
                webhook_endpoints.c.created_at, webhook_endpoints.c.id
            )
            rows = [dict(row) for row in transaction.execute(every).mappings()]
            problems = {row["id"]: transaction.scalar(_last_problem(row["id"])) for row in rows}
        found = []
        for row in rows:
            types, mine = endpoint_types(row.pop("types")), row["id"]
            waiting = sum(numbers.get((mine, status), 0) for status in ("waiting", "sending"))
            row |= {"waiting": waiting, "dead": numbers.get((mine, "dead"), 0), "last_problem": problems[mine]}
            found.append(Endpoint(**row, events=types))
        return found

    def get(self, endpoint_id: str) -> Endpoint:
        """One endpoint. ChannelError: there is no such endpoint."""
        for found in self.list():
            if found.id == endpoint_id:
                return found
        raise ChannelError(
            f"there is no endpoint {endpoint_id!r}. List the endpoints with: zoho-pipeline web endpoints list"
        )

    def secret(self, endpoint_id: str) -> Secret:
        """The secret of an endpoint. ChannelError: there is no such endpoint, or no key decrypts it."""
        with self._database.read() as transaction:
            query = select(webhook_endpoints.c.secret_seal).where(webhook_endpoints.c.id == endpoint_id)
            seal = transaction.scalar(query)
        if seal is None:
            self.get(endpoint_id)
        return open_secret(self._registry, endpoint_id, str(seal))

    def remove(self, endpoint_id: str) -> None:
        """Delete an endpoint and what waits for it. ChannelError: there is no such endpoint."""
        with self._database.write() as transaction:  # nothing of the row is read: it may be damaged
            found = transaction.execute(delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)).rowcount
        if not found:
            self.get(endpoint_id)


def new_signing_secret() -> Secret:
    """A secret of Standard Webhooks: `whsec_` and base64 of 32 random bytes."""
    return Secret(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")


def open_secret(registry: Registry, endpoint_id: str, seal: str) -> Secret:
    """The secret in a seal. ChannelError: no key decrypts it."""
    try:
        return registry.encryptor.decrypt(seal, endpoint_id, WEBHOOK)
    except DecryptionError:
        raise ChannelError(
            f"no key decrypts the secret of endpoint {endpoint_id}. Put the key that encrypted it back into "
            f"ZOHO_PIPELINE_SECRET_KEY, or remove the endpoint (zoho-pipeline web endpoints remove {endpoint_id}) and "
            "add it again."
        ) from None


def check_url(url: str, *, loopback: bool) -> str:
    """The URL of an endpoint, if it can be used. What its host resolves to is checked at each delivery.

    Args:
        loopback: whether a host of this machine may be used, with plain http too.

    Raises:
        InvalidSetting: it is not https, names a user, or a host that is not public.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
        host = host.encode("idna").decode() if host and not host.isascii() else host
    except ValueError:
        parts, host = urlsplit(""), None
    is_local = host in LOOPBACK_HOSTS
    if host and not is_local and _means_this_machine(host):
        raise InvalidSetting(f"no event is sent to {host}: it is another name of this machine. Use localhost.")
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_local)
    plain = not (parts.username or parts.password or parts.fragment)
    if (
        not host
        or not is_host(host)
        or not secure
        or not plain
        or len(url) > LONGEST_URL
        or not url.strip().isprintable()
    ):
        raise InvalidSetting(
            "the URL of an endpoint is https://host[:port]/path, without a user, a password or a fragment. Plain http "
            "is for this machine only."
        )
    if is_local and not loopback:
        raise InvalidSetting(
            f"the endpoint {host} is on this machine, and ZOHO_PIPELINE_PUBLIC_URL is not. Use a public https URL."
        )
    if not is_local and (why := why_refused(host)):
        raise InvalidSetting(f"no event is sent to {host}: {why}. Use a public https URL.")
    return url.strip()


def _means_this_machine(host: str) -> bool:
    """Whether a name is `localhost` or ends with it (RFC 6761), also with the dot of the root behind it."""
    name = host.lower().removesuffix(".")
    return name in ("localhost", "localhost.localdomain") or name.endswith(".localhost")


def why_refused(host: str) -> str | None:
    """Why no event is sent to this IP address; None for a public address, and for a name.

    An address that holds an IPv4 address (mapped, 6to4, Teredo, NAT64) is judged by that one.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if any(not _is_public(part) for part in (address, *_inner(address))):
        return f"{host} is not a public address"
    return None


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _inner(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses inside an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [inner for inner in found if inner is not None]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return True  # the inner address is judged
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _last_problem(endpoint_id: str) -> Any:
    problems = select(webhook_deliveries.c.detail).where(
        webhook_deliveries.c.endpoint_id == endpoint_id,
        webhook_deliveries.c.status != "done",
        webhook_deliveries.c.detail.is_not(None),
    )
    return problems.order_by(webhook_deliveries.c.created_at.desc()).limit(1)

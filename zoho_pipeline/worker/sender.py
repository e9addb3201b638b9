"""Sends events to endpoints by Standard Webhooks 1.0.0: signed, tried again, to checked addresses alone.

All deliveries of a worker run in one event loop, so an endpoint that does not answer costs no thread.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from threading import Event

import httpx

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform import webhook_deliveries as deliveries
from zoho_pipeline.channels.platform.webhook_deliveries import Delivery
from zoho_pipeline.channels.platform.webhook_endpoints import Endpoint, why_refused
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.setting_checks import LOOPBACK_HOSTS
from zoho_pipeline.settings import Secret
from zoho_pipeline.worker.limits import WorkerLimits

log = logging.getLogger(__name__)

MOST_ANSWER_BYTES = 16_384
"""How much of an answer is read. Only its status counts; the rest lets the endpoint finish its answer."""

MOST_ADDRESSES = 4
"""Addresses of a host that are tried, one after another, where the first one cannot be reached."""

TICK_SECONDS = 0.1
_GONE = 410

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host and a port."""


@dataclass(frozen=True)
class Result:
    """What came of one try. `gone`: the endpoint wants nothing more."""

    delivered: bool
    detail: str
    gone: bool = False


class AddressRefused(Exception):
    """The host resolves to an address to which no event is sent."""


class Sender:
    """Sends what is due, until `stop`."""

    def __init__(self, registry: Registry, service: ServiceSettings, limits: WorkerLimits) -> None:
        self._registry, self._service, self._limits = registry, service, limits
        self._stop, self._busy = Event(), Event()

    def stop(self) -> None:
        """Send nothing more. What is under way is given back."""
        self._stop.set()

    def is_idle(self) -> bool:
        """Whether nothing is under way or due."""
        # a delivery leaves the due ones after the mark is set, and may come back before it is removed: so it asks twice
        due = deliveries.next_due(self._registry)
        return not due and not self._busy.is_set() and not deliveries.next_due(self._registry)

    def run(self) -> None:
        """The body of the thread."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        looked_at = float("-inf")
        async with open_client(self._limits.delivery_seconds) as client:
            while not self._stop.is_set():
                free = self._limits.deliveries - len(tasks)
                if free and time.monotonic() - looked_at >= self._limits.poll_seconds:
                    self._busy.set()  # before the claim, so that nobody sees neither a due nor a busy one
                    claimed = await self._claim(free)
                    tasks |= {asyncio.create_task(self._deliver(client, delivery)) for delivery in claimed}
                    looked_at = float("-inf") if claimed else time.monotonic()
                if not tasks:
                    self._busy.clear()
                await asyncio.sleep(TICK_SECONDS)
                tasks = {task for task in tasks if not task.done()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _claim(self, most: int) -> list[Delivery]:
        """Claim what is due. It looks before it locks, because it looks every second."""
        try:
            if not await asyncio.to_thread(deliveries.next_due, self._registry):
                return []
            return await asyncio.to_thread(deliveries.claim, self._registry, most, self._limits.delivery_lease)
        except RegistryError as error:
            log.warning("the deliveries cannot be read, and are tried again: %s", error)
            return []

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            result = await send(
                client,
                self._service,
                (delivery.url, delivery.secret),
                delivery.event_id,
                delivery.body,
                seconds=self._limits.delivery_seconds,
            )
        except asyncio.CancelledError:
            with suppress(RegistryError):
                deliveries.give_back(self._registry, delivery)
            raise
        except Exception as error:  # else the claim would end, and the same try would come again for ever
            log.exception("event %s: unexpected error", delivery.event_id)
            result = Result(False, f"an unexpected error ({type(error).__name__})")
        try:
            await asyncio.to_thread(self._settle, delivery, result)
        except RegistryError as error:  # the claim ends, and the event is sent again: at least once
            log.warning("the result of a delivery cannot be stored: %s", error)

    def _settle(self, delivery: Delivery, result: Result) -> None:
        if result.delivered:
            deliveries.delivered(self._registry, delivery, result.detail)
            return
        waits = self._service.webhook_retries
        status = deliveries.refused(self._registry, delivery, result.detail, waits, gone=result.gone)
        log.warning(
            "event %s for endpoint %s is %s: %s", delivery.event_id, delivery.endpoint_id, status, result.detail
        )


def open_client(seconds: float) -> httpx.AsyncClient:
    """A client that follows no redirect, uses no proxy of the environment, and keeps no connection."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(timeout=seconds, trust_env=False, follow_redirects=False, limits=limits)


async def send(
    client: httpx.AsyncClient,
    service: ServiceSettings,
    endpoint: tuple[str, Secret],
    event_id: str,
    body: str,
    *,
    seconds: float,
    resolve: Resolve | None = None,
) -> Result:
    """Send one event and return what came of it; no exception of the network leaves this function.

    Args:
        endpoint: its URL and its secret.
        event_id: the header `webhook-id`, the same over all tries.
        seconds: within which the whole answer must come.
        resolve: resolves the host once; None: as the system does.
    """
    url, secret = endpoint
    headers = {"Content-Type": "application/json", **signed_headers(secret, event_id, body)}
    status: int | None = None
    try:
        async with asyncio.timeout(seconds):
            for target, host in await pin(url, service, resolve or system_resolve):
                request = client.build_request("POST", target, content=body.encode(), headers=headers | {"Host": host})
                request.extensions["sni_hostname"] = httpx.URL(url).host
                try:
                    response = await client.send(request, stream=True)
                except httpx.ConnectError as error:
                    unreachable = error
                    continue  # another address of the host may be reachable
                status = response.status_code
                await _read(response)
                break
            else:
                raise unreachable
    except AddressRefused as refused:
        return Result(False, str(refused))
    except TimeoutError:
        if status is None:
            return Result(False, f"no answer within {seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        if status is None:
            return Result(False, f"no connection, or no HTTP answer ({type(error).__name__})")
    assert status is not None
    return _result(status)


def send_test(service: ServiceSettings, endpoint: Endpoint, secret: Secret) -> Result:
    """Send one event of type `endpoint.test` to an endpoint now, and wait for the answer."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    data = {"endpoint_id": endpoint.id, "tenant": endpoint.tenant}
    body = json.dumps({"type": "endpoint.test", "timestamp": now, "data": data})
    seconds = WorkerLimits().delivery_seconds

    async def once() -> Result:
        async with open_client(seconds) as client:
            event_id = f"evt_{secrets.token_hex(16)}"
            return await send(client, service, (endpoint.url, secret), event_id, body, seconds=seconds)

    return asyncio.run(once())


def _result(status: int) -> Result:
    if 200 <= status < 300:
        return Result(True, f"HTTP {status}")
    if 300 <= status < 400:
        return Result(False, f"HTTP {status}: redirects are not followed")
    return Result(False, f"HTTP {status}", gone=status == _GONE)


async def _read(response: httpx.Response) -> None:
    """Read the answer up to a bound, and close it. A failure now changes nothing: the status came."""
    read = 0
    try:
        async for part in response.aiter_raw():
            read += len(part)
            if read > MOST_ANSWER_BYTES:
                return
    finally:
        await response.aclose()


def signed_headers(secret: Secret, event_id: str, body: str, at: int | None = None) -> dict[str, str]:
    """The headers of Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.

    Args:
        secret: `whsec_` and base64 of the key.
        at: Unix seconds; the default is now.
    """
    timestamp = str(int(time.time()) if at is None else at)
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    signature = hmac.new(key, f"{event_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "User-Agent": f"zoho-pipeline/{version('zoho-pipeline')}",
    }


async def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it; [] if it has none."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


async def pin(url: str, service: ServiceSettings, resolve: Resolve = system_resolve) -> list[tuple[httpx.URL, str]]:
    """The URL with each checked address in the place of its host, and the value of the header `Host`.

    The connection goes to exactly this address, so an answer of DNS that changes after the check changes nothing. TLS
    still asks for the certificate of the host.

    Raises:
        AddressRefused: the host has no address, or one of them is not public. On this machine, loopback is allowed
            where the public URL is on it too.
    """
    found = httpx.URL(url)
    local = found.host in LOOPBACK_HOSTS and service.is_loopback
    if found.scheme != "https" and not local:
        raise AddressRefused("refused: only https is used for hosts of other machines")
    port = found.port or (443 if found.scheme == "https" else 80)
    addresses = await resolve(found.host, port)
    if not addresses:
        raise AddressRefused(f"the host {found.host} has no address")
    for address in addresses:
        if (why := _why_not(address, local)) is not None:
            raise AddressRefused(f"refused: {why}")
    host = found.netloc.decode("ascii")
    return [(found.copy_with(host=address), host) for address in addresses[:MOST_ADDRESSES]]


def _why_not(address: str, local: bool) -> str | None:
    if local:
        is_own = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        return None if is_own else f"{address} is not on this machine"
    return why_refused(address)

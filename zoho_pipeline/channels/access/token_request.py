"""One request for an access token: under the refresh token's lock, within the budget, with its end by a shared clock.

A process that loses the lock while its request is in flight cannot take the request back. The next process sees it in
the budget and waits for its answer, or until no answer can come (`token_budget.LONGEST_REQUEST`).
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import ConnectionFailed, TokenThrottled
from zoho_pipeline.zoho.transport import silent_for

LEEWAY = timedelta(seconds=10)
"""A token that ends sooner than this is not used. The leeway is short, because each second of it is a second less
between two requests for tokens. A token that ends on its way to Zoho is refused and replaced."""

LOCK_SECONDS = 120.0
"""Longer than one request can take (connect, read and write time-outs together)."""

POLL_SECONDS = 0.2

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


@contextmanager
def refresh_lock(registry: Registry, name: str) -> Iterator[None]:
    """Hold the right to request tokens with a refresh token, against all other processes.

    Args:
        name: the refresh token's fingerprint.
    """
    try:
        with exclusive(registry.database, f"mint {name}", LOCK_SECONDS):  # earlier releases use the same lock name
            yield
    except LockTimeout:
        raise ConnectionFailed(
            f"another process has been waiting for an access token from Zoho for {LOCK_SECONDS:g} s. Try again.",
            sent=False,
        ) from None


def attempts() -> Iterator[None]:
    """Attempts without end, with a pause between them: a request in flight ends by itself."""
    yield None
    log.info("another process is requesting an access token for the same connection; waiting for the answer")
    while True:
        time.sleep(POLL_SECONDS)
        yield None


def request_access_token(
    registry: Registry,
    data_center: DataCenter,
    refresh_token: Secret,
    clock: Clock | None = None,
    zoho_now: Callable[[], datetime | None] = lambda: None,
    stored: Callable[[], AccessToken | None] = lambda: None,
    store: Callable[[AccessToken, datetime], None] | None = None,
    silence: float = Pacing.silence_seconds,
) -> AccessToken:
    """Request an access token from Zoho, within the budget. The caller holds `refresh_lock`.

    Args:
        clock: aware UTC now; None is the database's.
        zoho_now: Zoho's clock, None where it is unknown.
        stored: a usable token in the registry, if there is one. It is read after the request was counted: a process
            that lost its lock may have stored its token a moment before.
        silence: the longest time without a byte of the answer, in seconds.
        store: stores the token and the time of the request, before anybody else may send a request.

    Raises:
        RequestInFlight: another request has no answer yet. Nothing was sent.
        SettingsError: there is no client id or secret.
        TokenThrottled: the budget is spent, or Zoho says so (then nobody sends a request for ten minutes).
    """
    client_id, secret = registry.settings.require_client(data_center.name)
    clock = clock or registry.database.now
    name, started = fingerprint(refresh_token), clock()
    number = registry.token_budget.spend(name, started, zoho_now(), in_flight=True)
    try:
        if (found := stored()) is not None:
            registry.token_budget.refund(number)
            return found
        with oauth.new_http(timeout=silent_for(silence)) as http:
            token = oauth.refresh(http, data_center, client_id, secret, refresh_token)
        token = in_environment(end_by_clock(token, started), data_center, registry.settings.environment)
        if store is not None:
            store(token, started)
        return token
    except TokenThrottled as error:
        registry.token_budget.block(name, clock(), error.retry_after, zoho_now())
        raise
    except ConnectionFailed as error:
        if not error.sent:
            registry.token_budget.refund(number)
        raise
    finally:
        registry.token_budget.finish(number)


def is_live(token: AccessToken, now: datetime) -> bool:
    """Whether a token lasts longer than the leeway."""
    return token.expires_at - now > LEEWAY


def end_by_clock(token: AccessToken, started: datetime) -> AccessToken:
    """A token that has just arrived, with its end by the clock that gave `started`, the time of its request.

    Its life began at Zoho before the answer arrived here.
    """
    return replace(token, expires_at=started + (token.expires_at - datetime.now(UTC)))


def in_environment(token: AccessToken, data_center: DataCenter, environment: str) -> AccessToken:
    """The token with the API host of its environment: the host that Zoho names if it is a special one, else the
    setting's."""
    if token.api_domain != data_center.api_domain:
        return token
    return replace(token, api_domain=data_center.api_for(environment))

"""The token source of a channel: one access token an hour for all threads and processes together.

A token is looked for in memory, then in the registry, and minted only under the refresh token's lock
after a second look inside it. Threads that wait behind a failed mint share its failure instead of
trying on: ten waiting threads must not turn one outage into ten requests.

A process that loses the lock while its request is on the way cannot take the request back. The next one
sees it in the budget and waits for its answer, or until none can come any more (`mints.LONGEST`).
Whether a token lives is told by the database's clock, which all hosts share.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from zoho_pipeline.channels.database.clock import DatabaseClock
from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.token_budget import RequestUnderWay
from zoho_pipeline.settings import PipelineError, Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.errors import ConnectionFailed, ForeignApiDomain, ReconnectNeeded, TokenRefused, TokenThrottled

LEEWAY = timedelta(seconds=10)
"""A token this close to its end is not handed out. Short on purpose: each second of it is a second less
between two mints, and a token that ends on its way is refused by Zoho and replaced."""

LOCK_SECONDS = 120.0
"""Longer than one mint can take (connect, read and write time-outs together)."""

LOOK_SECONDS = 0.2

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class StoredTokenSource:
    """`zoho.auth.TokenSource` of a registered channel, shared by all processes through the registry.

    Args:
        clock: aware UTC now; decides when a token is too old and when the budget opens again. None is the
            database's.

    Raises (from `current` and `refused`):
        ReconnectNeeded: Zoho takes the refresh token no more; the channel's status says so from now on.
        TokenThrottled: the eleventh mint in ten minutes, or within ten minutes of an "Access Denied".
        ConnectionFailed and other Retryable: no token came, this time.
    """

    def __init__(self, registry: Registry, channel_id: str, *, clock: Clock | None = None) -> None:
        self._registry = registry
        self._channel_id = channel_id
        self._clock = clock or DatabaseClock(registry.database)
        self._exact = clock or registry.database.now
        self._guard = Lock()
        self._token: AccessToken | None = None
        self._failures = 0
        self._failure: PipelineError | None = None
        self.zoho_now: Callable[[], datetime | None] = lambda: None
        """Zoho's clock, once somebody has seen it: the budget counts by it."""
        self.minted = 0
        """Access tokens this object minted."""

    def current(self) -> AccessToken:
        token = self._token
        if token is not None and is_live(token, self._clock()):
            return token
        return self._single_flight(None)

    def refused(self, token: AccessToken) -> AccessToken:
        newer = self._token
        if newer is not None and newer.value != token.value and is_live(newer, self._clock()):
            return newer
        return self._single_flight(token.value)

    def _single_flight(self, refused: Secret | None) -> AccessToken:
        seen = self._failures
        with self._guard:
            if self._failures > seen and self._failure is not None:
                raise self._failure
            if self._fits(self._token, refused):
                assert self._token is not None
                return self._token
            try:
                self._token = self._stored(refused) or self._mint(refused)
            except PipelineError as error:
                self._failures, self._failure = self._failures + 1, error
                raise
            return self._token

    def _fits(self, token: AccessToken | None, refused: Secret | None) -> bool:
        return token is not None and token.value != refused and is_live(token, self._clock())

    def _stored(self, refused: Secret | None) -> AccessToken | None:
        token = self._registry.vault.access_token(self._channel_id)
        if token is None or not self._fits(token, refused):
            return None
        try:
            self._data_center().check_api_domain(token.api_domain)
        except ForeignApiDomain:
            return None  # an added centre has moved since
        return token

    def _data_center(self) -> DataCenter:
        name = self._registry.get(self._channel_id).data_center
        return DataCenters.with_added(self._registry.settings.data_centers).get(name)

    def _mint(self, refused: Secret | None) -> AccessToken:
        vault = self._registry.vault
        name = vault.fingerprint(self._channel_id)
        with mint_lock(self._registry, name):
            for _ in _turns():
                stored = self._stored(refused)
                if stored is not None:
                    return stored
                with suppress(RequestUnderWay):
                    token = self._ask(vault.refresh_token(self._channel_id))
                    break
        self.minted += 1
        self._registry.note_connected(self._channel_id)
        return token

    def _ask(self, refresh_token: Secret) -> AccessToken:
        def keep(token: AccessToken, started: datetime) -> None:
            self._registry.vault.keep_access(self._channel_id, token, started, fingerprint(refresh_token))

        try:
            return mint(self._registry, self._data_center(), refresh_token, self._exact, self.zoho_now, keep)
        except ReconnectNeeded as error:
            self._registry.note_reconnect(self._channel_id, str(error))
            raise


class PendingTokenSource:
    """`TokenSource` of a connection that is not registered yet: the token at hand, one more if Zoho refuses it.

    Args:
        token: an access token of the refresh token; None mints one at the first call.
    """

    def __init__(
        self, registry: Registry, data_center: DataCenter, refresh_token: Secret, token: AccessToken | None = None
    ) -> None:
        self._mint: Callable[[], AccessToken] = partial(_locked_mint, registry, data_center, refresh_token)
        self._replaced = token is None
        self.token = token

    def current(self) -> AccessToken:
        if self.token is None:
            self.token = self._mint()
        return self.token

    def refused(self, token: AccessToken) -> AccessToken:
        if self._replaced:
            raise TokenRefused(
                f"Zoho refuses an access token it gave a moment ago ({token.api_domain}). Check that the refresh token "
                "was made for this environment (production, sandbox, developer), and connect again."
            )
        self._replaced, self.token = True, self._mint()
        return self.token


def is_live(token: AccessToken, now: datetime) -> bool:
    """Whether a token lasts longer than the leeway."""
    return token.expires_at - now > LEEWAY


@contextmanager
def mint_lock(registry: Registry, name: str) -> Iterator[None]:
    """Hold the right to mint with a refresh token (named by its fingerprint) over all processes."""
    try:
        with exclusive(registry.database, f"mint {name}", LOCK_SECONDS):
            yield
    except LockTimeout:
        raise ConnectionFailed(
            f"another process has been asking Zoho for an access token for {LOCK_SECONDS:g} s. Try again.", sent=False
        ) from None


def _locked_mint(registry: Registry, data_center: DataCenter, refresh_token: Secret) -> AccessToken:
    with mint_lock(registry, fingerprint(refresh_token)):
        for _ in _turns():
            with suppress(RequestUnderWay):
                return mint(registry, data_center, refresh_token)
    raise AssertionError("unreachable")


def _turns() -> Iterator[None]:
    """Without end: a request that is under way ends by itself, in the budget at the latest."""
    yield None
    log.info("another process is asking Zoho for an access token of the same connection; waiting for its answer")
    while True:
        time.sleep(LOOK_SECONDS)
        yield None


def mint(
    registry: Registry,
    data_center: DataCenter,
    refresh_token: Secret,
    clock: Clock | None = None,
    zoho_now: Callable[[], datetime | None] = lambda: None,
    keep: Callable[[AccessToken, datetime], None] | None = None,
) -> AccessToken:
    """Ask Zoho for an access token, within the budget. The caller holds `mint_lock`.

    Args:
        clock: aware UTC now; None is the database's.
        keep: stores the token and when it was asked for, before anybody else may ask.

    Raises:
        RequestUnderWay: another request has no answer yet; nothing was sent.
        SettingsError: no client id or secret.
        TokenThrottled: the budget is spent, or Zoho says so (then nobody asks for ten minutes).
    """
    client_id, secret = registry.settings.require_client(data_center.name)
    clock = clock or registry.database.now
    name, started = fingerprint(refresh_token), clock()
    number = registry.mints.spend(name, started, zoho_now(), under_way=True)
    try:
        with oauth.new_http() as http:
            token = oauth.refresh(http, data_center, client_id, secret, refresh_token)
        token = in_environment(by_clock(token, started), data_center, registry.settings.environment)
        if keep is not None:
            keep(token, started)
        return token
    except TokenThrottled as error:
        registry.mints.block(name, clock(), error.retry_after, zoho_now())
        raise
    except ConnectionFailed as error:
        if not error.sent:
            registry.mints.refund(number)
        raise
    finally:
        registry.mints.end(number)


def by_clock(token: AccessToken, started: datetime) -> AccessToken:
    """A token that came just now, with its end by the clock that `started`, when it was asked for, was read from.

    Its life began at Zoho before the answer was here.
    """
    return replace(token, expires_at=started + (token.expires_at - utc_now()))


def in_environment(token: AccessToken, data_center: DataCenter, environment: str) -> AccessToken:
    """The token with the API host of its environment: the one Zoho names if it is a special one, else the setting's."""
    if token.api_domain != data_center.api_domain:
        return token
    return replace(token, api_domain=data_center.api_for(environment))

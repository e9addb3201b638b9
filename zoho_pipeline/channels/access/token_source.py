"""The sources of access tokens: one token per hour for all threads and processes together.

A source looks in memory first, then in the registry. It requests a token only under the refresh token's lock, after it
has looked in the registry again. Threads that wait for a request which fails get the same failure: ten waiting threads
must not send ten requests during one outage. The database's clock decides whether a token still lives, because all
hosts share it.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Lock

from zoho_pipeline.channels.access.token_request import Clock, attempts, is_live, refresh_lock, request_access_token
from zoho_pipeline.channels.database.clock import DatabaseClock
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.token_budget import RequestInFlight
from zoho_pipeline.settings import PipelineError, Secret
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import ForeignApiDomain, ReconnectNeeded, TokenRefused


class StoredTokenSource:
    """The `TokenSource` of a registered channel, shared by all processes through the registry.

    Args:
        clock: aware UTC now, which decides when a token is too old and when the budget opens again. None is the
            database's.
        silence: the seconds that a request waits for a byte of its answer.

    Raises (from `current` and `refused`):
        ReconnectNeeded: Zoho refuses the refresh token. The channel's status says so from now on.
        TokenThrottled: it would be the eleventh request in ten minutes, or Zoho answered "Access Denied" within the
            last ten minutes.
        ConnectionFailed and other Retryable: no token came this time.
    """

    def __init__(
        self,
        registry: Registry,
        channel_id: str,
        *,
        clock: Clock | None = None,
        silence: float = Pacing.silence_seconds,
    ) -> None:
        self._silence = silence
        self._registry = registry
        self._channel_id = channel_id
        self._clock = clock or DatabaseClock(registry.database)
        self._exact_clock = clock or registry.database.now
        self._guard = Lock()
        self._token: AccessToken | None = None
        self._failures = 0
        self._failure: PipelineError | None = None
        self.zoho_now: Callable[[], datetime | None] = lambda: None
        """Zoho's clock, where it is known: the budget counts by it."""

    def current(self) -> AccessToken:
        token = self._token
        if token is not None and is_live(token, self._clock()):
            return token
        return self._one_at_a_time(None)

    def refused(self, token: AccessToken) -> AccessToken:
        newer = self._token
        if newer is not None and newer.value != token.value and is_live(newer, self._clock()):
            return newer
        return self._one_at_a_time(token.value)

    def _one_at_a_time(self, refused: Secret | None) -> AccessToken:
        failures_before = self._failures
        with self._guard:
            if self._failures > failures_before and self._failure is not None:
                raise self._failure
            if self._usable(self._token, refused):
                assert self._token is not None
                return self._token
            try:
                self._token = self._stored(refused) or self._requested(refused)
            except PipelineError as error:
                self._failures, self._failure = self._failures + 1, error
                raise
            return self._token

    def _usable(self, token: AccessToken | None, refused: Secret | None) -> bool:
        return token is not None and token.value != refused and is_live(token, self._clock())

    def _stored(self, refused: Secret | None) -> AccessToken | None:
        token = self._registry.token_store.access_token(self._channel_id)
        if token is None or not self._usable(token, refused):
            return None
        try:
            self._data_center().check_api_domain(token.api_domain)
        except ForeignApiDomain:
            return None  # a data centre of the settings has moved since
        return token

    def _data_center(self) -> DataCenter:
        name = self._registry.token_store.data_center(self._channel_id)
        return DataCenters.with_added(self._registry.settings.data_centers).get(name)

    def _requested(self, refused: Secret | None) -> AccessToken:
        store = self._registry.token_store
        with refresh_lock(self._registry, store.fingerprint(self._channel_id)):
            for _ in attempts():
                stored = self._stored(refused)
                if stored is not None:
                    return stored
                with suppress(RequestInFlight):
                    token = self._request(store.refresh_token(self._channel_id), refused)
                    break
        self._registry.clear_reconnect_needed(self._channel_id)
        return token

    def _request(self, refresh_token: Secret, refused: Secret | None) -> AccessToken:
        def store(token: AccessToken, started: datetime) -> None:
            self._registry.token_store.store_access(self._channel_id, token, started, fingerprint(refresh_token))

        try:
            return request_access_token(
                self._registry,
                self._data_center(),
                refresh_token,
                self._exact_clock,
                self.zoho_now,
                partial(self._stored, refused),
                store,
                self._silence,
            )
        except ReconnectNeeded as error:
            self._registry.set_reconnect_needed(self._channel_id, str(error))
            raise


class PendingTokenSource:
    """The `TokenSource` of a connection that is not registered yet: a given token, and one more if Zoho refuses it.

    Args:
        token: an access token of the refresh token; with None, the first call requests one.
    """

    def __init__(
        self, registry: Registry, data_center: DataCenter, refresh_token: Secret, token: AccessToken | None = None
    ) -> None:
        self._request: Callable[[], AccessToken] = partial(_locked_request, registry, data_center, refresh_token)
        self._replaced = token is None
        self.token = token

    def current(self) -> AccessToken:
        if self.token is None:
            self.token = self._request()
        return self.token

    def refused(self, token: AccessToken) -> AccessToken:
        if self._replaced:
            raise TokenRefused(
                f"Zoho refuses an access token that it has just given ({token.api_domain}).",
                "Check that the refresh token was made for this environment (production, sandbox, developer), and "
                "connect again.",
            )
        self._replaced, self.token = True, self._request()
        return self.token


def _locked_request(registry: Registry, data_center: DataCenter, refresh_token: Secret) -> AccessToken:
    with refresh_lock(registry, fingerprint(refresh_token)):
        for _ in attempts():
            with suppress(RequestInFlight):
                return request_access_token(registry, data_center, refresh_token)
    raise AssertionError("unreachable")

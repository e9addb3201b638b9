"""The credentials of the source in dlt's terms, and access tokens that are kept in memory only.

A source has no registry. An access token lives for an hour, and all runs of a process share it. Zoho gives ten tokens
in ten minutes per refresh token, and a loop or a notebook can begin more runs than that. It is written nowhere, so a
new process requests a token of its own. Processes of one refresh token should begin at least two minutes apart.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import ClientRejected, ReconnectNeeded, ScopeMissing, TokenRefused

LEEWAY = timedelta(seconds=10)
PLACE = "under [sources.zoho_crm.credentials] in .dlt/secrets.toml (or where else dlt reads your credentials)"
NEW_TOKEN = (
    "Generate a code for your client in Zoho's API console, exchange it for a refresh token (docs/dlt-source.md has "
    f"the command), and write that to `refresh_token` {PLACE}."
)
CHECK_CLIENT = (
    f"Check `client_id` and `client_secret` {PLACE}, and check that Zoho's API console enables the client for the data "
    "center."
)
WITH_SCOPE = "Give the code that scope too."


@configspec
class ZohoCredentials(CredentialsConfiguration):
    """What dlt reads from `[sources.zoho_crm.credentials]`: an OAuth client, and a refresh token that it was given."""

    client_id: str = None  # type: ignore[assignment]  # dlt's way to say: required
    client_secret: TSecretStrValue = None  # type: ignore[assignment]
    refresh_token: TSecretStrValue = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "credentials of a Zoho CRM"

    __repr__ = __str__


class MemoryTokens:
    """The `TokenSource` of all runs of this process with the same credentials. Thread-safe."""

    def __init__(self, center: DataCenter, credentials: ZohoCredentials) -> None:
        self._center, self._credentials = center, credentials
        self._lock = Lock()
        self._token: AccessToken | None = None

    @property
    def has_expired(self) -> bool:
        """Whether there is no token that can still be used."""
        return self._token is None or self._token.expires_at - datetime.now(UTC) <= LEEWAY

    def current(self) -> AccessToken:
        with self._lock:
            if self._token is None or self.has_expired:
                self._token = self._request()
            return self._token

    def refused(self, token: AccessToken) -> AccessToken:
        with self._lock:
            if self._token is not None and self._token.value != token.value:
                return self._token
            newer = self._request()
            if newer.value == token.value:
                raise TokenRefused(
                    f"Zoho refuses an access token that it has just given ({token.api_domain}). The refresh token may "
                    "be of another data center or environment."
                )
            self._token = newer
            return newer

    def _request(self) -> AccessToken:
        given, started = self._credentials, datetime.now(UTC)
        with oauth.new_http() as http:
            secrets = (Secret(str(given.client_secret)), Secret(str(given.refresh_token)))
            token = oauth.refresh(http, self._center, given.client_id, *secrets)
        life = token.expires_at - datetime.now(UTC)
        return replace(token, expires_at=started + life)


_tokens: dict[str, MemoryTokens] = {}
_tokens_lock = Lock()


def _tokens_of(center: DataCenter, credentials: ZohoCredentials) -> MemoryTokens:
    """The tokens of these credentials. Those that nobody has used for an hour are forgotten."""
    given = (center.accounts_server, credentials.client_id, credentials.client_secret, credentials.refresh_token)
    key = sha256("\0".join(map(str, given)).encode()).hexdigest()
    with _tokens_lock:
        for other in [other for other, tokens in _tokens.items() if other != key and tokens.has_expired]:
            del _tokens[other]
        return _tokens.setdefault(key, MemoryTokens(center, credentials))


@contextmanager
def cures_for_dlt() -> Iterator[None]:
    """Errors of a refused connection that leave this block name dlt's credentials: a dlt pipeline has no channel."""
    try:
        yield
    except (ReconnectNeeded, ScopeMissing) as error:
        error.args = (words_for_dlt(error),)
        raise


def words_for_dlt(error: Exception) -> str:
    """What an error says to a person whose credentials are in dlt's places."""
    if isinstance(error, ClientRejected):
        return f"{error.said} {CHECK_CLIENT}"
    if isinstance(error, ScopeMissing):
        return f"{error.said} {NEW_TOKEN} {WITH_SCOPE}"
    return f"{error.said} {NEW_TOKEN}" if isinstance(error, ReconnectNeeded) else str(error)


def data_center(name: str, added: Mapping[str, str] | None) -> DataCenter:
    """The data centre of that name. UnknownDataCenter: there is none.

    Args:
        added: name → accounts server, for a Zoho that is not in the table, as a simulator.
    """
    return DataCenters.with_added(added or {}).get(name)


@contextmanager
def open_client(
    center: DataCenter, credentials: ZohoCredentials, pacing: Pacing
) -> Iterator[tuple[ZohoClient, tuple[str, ...] | None]]:
    """A client for one run, closed at the end, and the scopes of the connection (None: Zoho did not name them).

    Raises:
        ReconnectNeeded, TokenThrottled, Retryable: Zoho gives no token.
    """
    tokens = _tokens_of(center, credentials)
    first = tokens.current()
    with ZohoClient(first.api_domain, tokens, pacing=pacing, granted=first.scopes) as client:
        yield client, first.scopes

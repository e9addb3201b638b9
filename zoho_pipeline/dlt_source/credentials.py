"""The credentials of the source in dlt's terms, the client of a run, and what an error says to a user of dlt."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from zoho_pipeline.dlt_source.tokens import SharedTokens
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import ClientRejected, ReconnectNeeded, ScopeMissing

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
    center: DataCenter, credentials: ZohoCredentials, pacing: Pacing, folder: Path | None
) -> Iterator[tuple[ZohoClient, tuple[str, ...] | None]]:
    """A client for one run, closed at the end, and the scopes of the connection (None: Zoho did not name them).

    Args:
        folder: where the access token is kept for other processes. None: in memory only.

    Raises:
        ReconnectNeeded, TokenThrottled, Retryable: Zoho gives no token.
    """
    given = (Secret(str(credentials.client_secret)), Secret(str(credentials.refresh_token)))
    tokens = SharedTokens(center, credentials.client_id, *given, folder)
    first = tokens.current()
    with ZohoClient(first.api_domain, tokens, pacing=pacing, granted=first.scopes) as client:
        yield client, first.scopes

"""Access tokens that all runs with the same credentials share.

Zoho gives a refresh token ten access tokens in ten minutes, and each lives for an hour. So a token is kept in memory
for all sources of the process, and in a file for the processes that come after it. A machine that begins with an empty
folder requests its own.
"""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from zoho_pipeline.dlt_source.token_file import Block, Kept, TokenFile
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.errors import ForeignApiDomain, TokenRefused, TokenThrottled

LEEWAY = timedelta(seconds=10)


class _Shared:
    """What the sources of this process know of one connection. The lock is held during a request for a token."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.kept = Kept()


_of_process: dict[Secret, _Shared] = {}
"""Credentials as one text → what this process knows of the connection."""


class SharedTokens:
    """The `TokenSource` of a run. Thread-safe.

    Args:
        client_id, client_secret, refresh_token: the connection. A token is shared only if all of them are the same.
        folder: where the token is kept for other processes. None: in memory only.

    Raises (from `current` and `refused`):
        ReconnectNeeded: Zoho refuses the credentials.
        TokenThrottled: Zoho gives no token for now, or said so less than ten minutes ago. Nothing was sent then.
        Retryable: no token came this time.
    """

    def __init__(
        self, center: DataCenter, client_id: str, client_secret: Secret, refresh_token: Secret, folder: Path | None
    ) -> None:
        self._center, self._client = center, (client_id, client_secret, refresh_token)
        parts = (center.accounts_server, client_id, client_secret.reveal(), refresh_token.reveal())
        identity = Secret(json.dumps(parts))
        self._shared = _of_process.setdefault(identity, _Shared())
        self._file = TokenFile(folder, identity) if folder is not None else None

    def current(self) -> AccessToken:
        with self._shared.lock:
            return self._usable(self._shared.kept, None) or self._renewed(None)

    def refused(self, token: AccessToken) -> AccessToken:
        with self._shared.lock:
            return self._usable(self._shared.kept, token.value) or self._renewed(token.value)

    def _usable(self, kept: Kept, refused: Secret | None) -> AccessToken | None:
        token = kept.token
        if token is None or token.value == refused or token.expires_at - datetime.now(UTC) <= LEEWAY:
            return None
        try:
            self._center.check_api_domain(token.api_domain)
        except ForeignApiDomain:
            return None  # `data_centers` of the settings has changed since
        return token

    def _renewed(self, refused: Secret | None) -> AccessToken:
        """The token of another process, if there is a usable one, or a new one of Zoho's."""
        with self._file.locked() if self._file else nullcontext():
            stored = self._file.read() if self._file else Kept()
            if (found := self._usable(stored, refused)) is not None:
                self._shared.kept = replace(stored, block=stored.block or self._shared.kept.block)
                return found
            for block in (stored.block, self._shared.kept.block):
                if block is not None and block.left(datetime.now(UTC)) > timedelta(0):
                    raise _throttled(block)
            try:
                token = self._request()
            except TokenThrottled as error:
                block = Block(datetime.now(UTC), error.retry_after)
                self._keep(Kept(block=block))
                raise _throttled(block) from None
            if token.value == refused:
                raise TokenRefused(
                    f"Zoho refuses an access token that it has just given ({token.api_domain}). The refresh token may "
                    "be of another data center or environment."
                )
            self._keep(Kept(token))
            return token

    def _keep(self, kept: Kept) -> None:
        self._shared.kept = kept
        if self._file:
            self._file.write(kept)

    def _request(self) -> AccessToken:
        started = datetime.now(UTC)
        with oauth.new_http() as http:
            token = oauth.refresh(http, self._center, *self._client)
        life = token.expires_at - datetime.now(UTC)  # it began at Zoho before the answer arrived here
        return replace(token, expires_at=started + life)


def _throttled(block: Block) -> TokenThrottled:
    seconds = max(block.left(datetime.now(UTC)).total_seconds(), 1.0)
    end = block.at + timedelta(seconds=block.seconds)
    return TokenThrottled(
        "Zoho gives no access token for now, because more than ten were requested in ten minutes with this refresh "
        f"token. Run the pipeline again in {-(-seconds // 60):.0f} min (at {end:%H:%M:%S} UTC). An earlier request "
        "would make the wait longer, so none is sent. A token is kept for an hour in the folder of the pipelines "
        "(`pipelines_dir`). If each run begins with an empty folder, keep the folder, or let more than a minute pass "
        "between two runs.",
        retry_after=seconds,
    )

"""The access token of a connection in a file, so that runs of different processes share it.

The file is in the folder of the pipelines, beside their working folders: `drop`, `refresh` and `dev_mode` clear only
those. It is encrypted with a key that is derived from the credentials. Whoever can read it can request a token anyway.
Nothing of it is in dlt's state or in a destination.
"""

import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from filelock import FileLock, Timeout

from zoho_pipeline.channels.registry.encryption import derive
from zoho_pipeline.private_files import write_private
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.errors import ConnectionFailed

LOCK_SECONDS = 120.0
"""Longer than one request for a token can take (connect, read and write time-outs together)."""

_PREFIX = ".zoho_crm_token"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Block:
    """Zoho refused a token at an instant (UTC), and each request within so many seconds would make the wait longer."""

    at: datetime
    seconds: float

    def left(self, now: datetime) -> timedelta:
        """How long it still lasts; zero or less if it is over, or if the clock was set back."""
        return self.at + timedelta(seconds=self.seconds) - now if self.at <= now else timedelta(0)


@dataclass(frozen=True)
class Kept:
    """What is known of a connection: its newest token, and Zoho's last refusal to give one."""

    token: AccessToken | None = None
    block: Block | None = None


class TokenFile:
    """Reads and writes the file of one connection.

    Args:
        folder: the folder of the pipelines.
        identity: the credentials as one text. The key and the name of the file are derived from it.
    """

    def __init__(self, folder: Path, identity: Secret) -> None:
        self._fernet = Fernet(urlsafe_b64encode(derive(identity, "dlt source token")))
        self._path = folder / f"{_PREFIX}.{derive(identity, 'dlt source token name').hex()[:16]}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to request a token, against other processes. Where no lock can be made, there is none.

        Raises:
            ConnectionFailed: another process held it for `LOCK_SECONDS`.
        """
        lock = FileLock(f"{self._path}.lock", mode=0o600, thread_local=False)
        with ExitStack() as stack:
            try:
                lock.acquire(timeout=LOCK_SECONDS)
                stack.callback(lock.release)
            except Timeout:
                raise ConnectionFailed(
                    f"another process has been waiting for an access token from Zoho for {LOCK_SECONDS:g} s. "
                    "Run the pipeline again.",
                    sent=False,
                ) from None
            except (OSError, NotImplementedError) as error:
                log.info("zoho_crm: %s cannot be locked (%s)", self._path, error)
            yield

    def read(self) -> Kept:
        """What the file says; nothing, if there is none, or if it is damaged or of other credentials."""
        try:
            stored = json.loads(self._fernet.decrypt(self._path.read_bytes()))
            return Kept(_token(stored["token"]), _block(stored["block"]))
        except (OSError, InvalidToken, ValueError, TypeError, KeyError, AttributeError):
            return Kept()

    def write(self, kept: Kept) -> None:
        """Replace the file, which only its owner may read. If that fails, the next process requests its own token."""
        data = self._fernet.encrypt(json.dumps({"token": _plain(kept.token), "block": _times(kept.block)}).encode())
        try:
            write_private(self._path, data)
        except OSError as error:
            log.warning(
                "zoho_crm: the access token cannot be kept in %s (%s). Each process requests its own, and Zoho gives "
                "ten in ten minutes. Let this user write there.",
                self._path.parent,
                error.strerror,
            )


def _plain(token: AccessToken | None) -> dict[str, object] | None:
    if token is None:
        return None
    named = {"api_domain": token.api_domain, "scopes": token.scopes}
    return {"value": token.value.reveal(), "expires_at": token.expires_at.isoformat(), **named}


def _token(stored: dict[str, object] | None) -> AccessToken | None:
    if stored is None:
        return None
    scopes = stored["scopes"]
    return AccessToken(
        Secret(str(stored["value"])),
        datetime.fromisoformat(str(stored["expires_at"])).astimezone(UTC),
        str(stored["api_domain"]),
        tuple(map(str, scopes)) if isinstance(scopes, list) else None,
    )


def _times(block: Block | None) -> tuple[str, float] | None:
    return None if block is None else (block.at.isoformat(), block.seconds)


def _block(stored: tuple[str, float] | None) -> Block | None:
    return None if stored is None else Block(datetime.fromisoformat(stored[0]).astimezone(UTC), float(stored[1]))

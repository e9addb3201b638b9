"""Sealed tokens: what the registry stores of a secret.

A seal is `<key id>:<Fernet token>`. The sealed text carries whose it is and what for, so a seal that
is copied to another channel's row does not open there. Keys are given newest first: the first one
seals, all of them open, and `is_current` tells which seals still wait for the newest.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zoho_pipeline.channels.errors import SealError
from zoho_pipeline.settings import Secret


def derive(key: Secret, purpose: str) -> bytes:
    """32 bytes for one purpose from a sealing key of any text (HKDF-SHA256)."""
    info = f"zoho-pipeline {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.reveal().encode())


def fingerprint(token: Secret) -> str:
    """A name for a token that does not give it away: 128 bits of SHA-256, hex."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()[:32]


class Sealer:
    """Seals and opens with MultiFernet, newest key first.

    Args:
        keys: at least one; the first one seals.
    """

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._keys = tuple(keys)
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(derive(key, "seal"))) for key in self._keys])
        self.key_id = derive(self._keys[0], "key id").hex()[:8]

    @property
    def rotates(self) -> bool:
        """More than one key is given: older seals may wait for the newest."""
        return len(self._keys) > 1

    def seal(self, secret: Secret, channel_id: str, kind: str) -> str:
        text = json.dumps([channel_id, kind, secret.reveal()])
        return f"{self.key_id}:{self._fernet.encrypt(text.encode()).decode()}"

    def open(self, seal: str, channel_id: str, kind: str) -> Secret:
        """The secret under a seal.

        Raises:
            SealError: no key opens it, or it was sealed for another channel or purpose.
        """
        try:
            owner, purpose, value = json.loads(self._fernet.decrypt(seal.partition(":")[2].encode()))
        except (InvalidToken, ValueError) as error:
            raise SealError(
                f"the stored {kind} token of channel {channel_id} does not open with the keys at hand. Put the key it "
                "was sealed with back into ZOHO_PIPELINE_SECRET_KEY (after the newest, separated by a comma) or "
                "HOME/secret.key, or connect the channel anew: zoho-pipeline channels add / connect."
            ) from error
        if (owner, purpose) != (channel_id, kind):
            raise SealError(f"the stored {kind} token of channel {channel_id} was sealed for another. Connect it anew.")
        return Secret(value)

    def is_current(self, seal: str) -> bool:
        return seal.partition(":")[0] == self.key_id

    def sign(self, message: bytes) -> bytes:
        """HMAC-SHA256 of a message under the newest key."""
        return hmac.new(derive(self._keys[0], "sign"), message, hashlib.sha256).digest()

    def signed(self, message: bytes, signature: bytes) -> bool:
        """The signature is one of ours, under any of the keys."""
        signatures = (hmac.new(derive(key, "sign"), message, hashlib.sha256).digest() for key in self._keys)
        return any(hmac.compare_digest(own, signature) for own in signatures)

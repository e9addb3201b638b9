"""How the registry encrypts tokens and signs states.

A ciphertext is `<key id>:<Fernet token>`. The encrypted text also names the channel and the kind of token, so that a
ciphertext which somebody copies to another channel's row is refused. Keys are given newest first: the first one
encrypts, each of them decrypts, and `is_current` shows which ciphertexts an older key made.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.settings import Secret

# Purposes from which keys are derived. Stored ciphertexts and states depend on them, so they never change.
_ENCRYPT, _SIGN, _KEY_ID = "seal", "sign", "key id"


_RECONNECT = (
    "{} token of channel {}",
    "connect the channel again: zoho-pipeline connect {0} (or zoho-pipeline channels add {0} with a refresh token)",
)
_CURES = {
    "form salt": (
        "{} of channel {}",
        "make a new one: zoho-pipeline forms keys add {0} --new-salt. Forms that were sent before then match no lead",
    ),
    "form secret": (
        "{} of {}",
        "make another form key (zoho-pipeline forms keys add ID) and remove this one: zoho-pipeline forms keys remove "
        "{0}",
    ),
    "push": (
        "secrets of the notifications of channel {1}",
        "make new ones: zoho-pipeline push off {0}, then zoho-pipeline push on {0}",
    ),
}
"""Kind of a ciphertext → its name, and the cure that works without the key. A new consent replaces tokens alone."""


@lru_cache(maxsize=128)
def derive(key: Secret, purpose: str) -> bytes:
    """32 bytes for one purpose from a key of any text (HKDF-SHA256). They are kept, because each request needs some."""
    info = f"zoho-pipeline {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.reveal().encode())


def fingerprint(token: Secret) -> str:
    """A name for a token from which nobody can find the token: 128 bits of SHA-256, in hex."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()[:32]


class Encryptor:
    """Encrypts and decrypts with MultiFernet.

    Args:
        keys: at least one, newest first. The first one encrypts.
    """

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._keys = tuple(keys)
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(derive(key, _ENCRYPT))) for key in self._keys])
        self.key_id = derive(self._keys[0], _KEY_ID).hex()[:8]

    @property
    def rotates(self) -> bool:
        """Whether more than one key is given, so that ciphertexts of an older one may exist."""
        return len(self._keys) > 1

    def encrypt(self, secret: Secret, channel_id: str, kind: str) -> str:
        """The ciphertext of a channel's token. `kind` is `refresh` or `access`."""
        text = json.dumps([channel_id, kind, secret.reveal()])
        return f"{self.key_id}:{self._fernet.encrypt(text.encode()).decode()}"

    def decrypt(self, ciphertext: str, channel_id: str, kind: str) -> Secret:
        """The token in a ciphertext.

        Raises:
            DecryptionError: no key decrypts it, or it was made for another channel or kind.
        """
        try:
            owner, purpose, value = json.loads(self._fernet.decrypt(str(ciphertext).partition(":")[2].encode()))
        except (InvalidToken, ValueError, TypeError) as error:
            what, cure = _CURES.get(kind, _RECONNECT)
            raise DecryptionError(
                f"no key decrypts the stored {what.format(kind, channel_id)}. Put the key that encrypted it back "
                "into ZOHO_PIPELINE_SECRET_KEY (after the newest one, separated by a comma) or into HOME/secret.key. "
                f"Or {cure.format(channel_id)}."
            ) from error
        if (owner, purpose) != (channel_id, kind):
            raise DecryptionError(
                f"the stored {kind} token of channel {channel_id} was encrypted for another channel. Connect the "
                f"channel again: zoho-pipeline connect {channel_id}"
            )
        return Secret(value)

    def is_current(self, ciphertext: str) -> bool:
        """Whether the newest key made the ciphertext."""
        return str(ciphertext).partition(":")[0] == self.key_id

    def sign(self, message: bytes) -> bytes:
        """The HMAC-SHA256 of a message under the newest key."""
        return hmac.new(derive(self._keys[0], _SIGN), message, hashlib.sha256).digest()

    def is_signature(self, signature: bytes, message: bytes) -> bool:
        """Whether one of the keys made this signature of the message."""
        signatures = (hmac.new(derive(key, _SIGN), message, hashlib.sha256).digest() for key in self._keys)
        return any(hmac.compare_digest(own, signature) for own in signatures)

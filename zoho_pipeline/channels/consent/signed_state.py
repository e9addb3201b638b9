"""The `state` of a consent: the request itself, signed and with an expiry time, so that nothing needs to be stored.

Zoho sends it back unchanged. Everybody can read it, and it holds no secret. The signature proves that this
installation wrote it, the expiry time that it is recent, and the registry that it comes back for the first time.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, field

from zoho_pipeline.channels.errors import StateExpired, StateForged
from zoho_pipeline.channels.registry.encryption import Encryptor

LIFE_SECONDS = 600
"""Ten minutes to sign in and consent."""


@dataclass(frozen=True)
class ConsentRequest:
    """What a person is asked to consent to.

    `expires_at` is in epoch seconds. `again`: a new channel may have the org of another channel. `session` is the id of
    the session that a tenant began over HTTP; None is a consent of the command line.
    """

    channel_id: str
    data_center: str
    redirect_uri: str
    scopes: tuple[str, ...]
    expires_at: int
    tenant: str | None = None
    timezone: str | None = None
    again: bool = False
    session: str | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))


def write_state(encryptor: Encryptor, request: ConsentRequest) -> str:
    """The signed request, as text for a URL."""
    body = json.dumps(asdict(request), separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(encryptor.sign(body))}"


def read_state(encryptor: Encryptor, state: str, now: float) -> ConsentRequest:
    """The request in a state.

    Args:
        now: in epoch seconds.

    Raises:
        StateForged: none of this installation's keys signed it.
        StateExpired: the signature is good, but the state is too old.
    """
    body, _, given = state.partition(".")
    try:
        text, signature = _decode(body), _decode(given)
    except ValueError:
        text, signature = b"", b""
    if not text or not encryptor.is_signature(signature, text):
        raise StateForged(
            "this consent was not started here: its state is missing, or this installation did not sign it. Nothing "
            "was exchanged. Start again with: zoho-pipeline connect"
        )
    values = json.loads(text)
    request = ConsentRequest(**{**values, "scopes": tuple(values["scopes"])})
    if now > request.expires_at:
        raise StateExpired(
            f"the consent for channel {request.channel_id} took longer than {LIFE_SECONDS // 60} minutes. Nothing was "
            f"exchanged. Start again with: zoho-pipeline connect {request.channel_id}"
        )
    return request


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """The bytes of a text that `_encode` made. ValueError: it is another text, though the decoder would take it."""
    found = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _encode(found) != text:
        raise ValueError("not the text that we write")
    return found

"""The `state` of a consent: what was asked, signed and with an end, so that a callback needs no memory.

Zoho echoes it. It is readable by anyone and holds no secret; the signature says that this installation
wrote it, the end that it was lately, and the registry that it comes back for the first time.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, field

from zoho_pipeline.channels.errors import StateExpired, StateForged
from zoho_pipeline.channels.registry.encryption import Sealer

LIFE_SECONDS = 600
"""Ten minutes to sign in and consent."""


@dataclass(frozen=True)
class ConsentRequest:
    """What a person is asked to consent to; `expires_at` is epoch seconds."""

    channel_id: str
    data_center: str
    redirect_uri: str
    scopes: tuple[str, ...]
    expires_at: int
    tenant: str | None = None
    timezone: str | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))


def write_state(sealer: Sealer, request: ConsentRequest) -> str:
    """The request as text for a URL, signed."""
    body = json.dumps(asdict(request), separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(sealer.sign(body))}"


def read_state(sealer: Sealer, state: str, now: float) -> ConsentRequest:
    """The request behind a state.

    Args:
        now: epoch seconds.

    Raises:
        StateForged: not signed by one of this installation's keys.
        StateExpired: signed, but its time is over.
    """
    body, _, signature = state.partition(".")
    try:
        text, signed = _decode(body), _decode(signature)
    except ValueError:
        text, signed = b"", b""
    if not text or not sealer.signed(text, signed):
        raise StateForged(
            "this callback was not started here: its state is missing or not signed by this installation. Nothing was "
            "exchanged. Start again with: zoho-pipeline connect"
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
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))

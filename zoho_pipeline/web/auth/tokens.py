"""Tokens that this installation signs for browsers: session tokens, embed links, the operator's link and cookie.

Each is a JWT with HS256. The key is derived from the secret keys of the settings: all of them verify, the newest one
signs, and `kid` names it. Each kind has its own audience and its own key, so no token passes for another kind.
The time is that of the registry's clock, which all hosts share.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import jwt

from zoho_pipeline.channels.registry.encryption import derive
from zoho_pipeline.settings import Secret

ALGORITHM = "HS256"
Audience = Literal["zoho-pipeline", "embed", "login", "operator"]
SESSION: Audience = "zoho-pipeline"
EMBED: Audience = "embed"
LOGIN: Audience = "login"
OPERATOR: Audience = "operator"

LONGEST = {SESSION: 1800, EMBED: 600, LOGIN: 600, OPERATOR: 12 * 3600}
"""The longest life of each kind in seconds. A token that claims more is refused, whoever signed it."""

LEEWAY = 5.0
"""Seconds by which the clocks of two hosts may differ."""

LONGEST_TOKEN = 8_192
_CLAIMS = ("iss", "aud", "iat", "exp", "jti")


class BadToken(Exception):
    """The token is not good. Nobody outside learns why."""


@dataclass(frozen=True)
class Tokens:
    """Makes and reads tokens.

    Args:
        keys: the secret keys of the settings, newest first.
        issuer: the public URL; a token of another installation is refused.
        clock: aware UTC now.
    """

    keys: tuple[Secret, ...]
    issuer: str
    clock: Callable[[], datetime]

    def make(self, audience: Audience, seconds: int, **claims: Any) -> tuple[str, datetime]:
        """A token that lives for `seconds`, and when it ends."""
        now = int(self.clock().timestamp())
        end = now + min(seconds, LONGEST[audience])
        body = {"iss": self.issuer, "aud": audience, "iat": now, "exp": end, "jti": secrets.token_urlsafe(12)} | claims
        newest = self.keys[0]
        token = jwt.encode(body, _signing_key(newest, audience), ALGORITHM, headers={"kid": _key_id(newest)})
        return token, datetime.fromtimestamp(end, self.clock().tzinfo)

    def read(self, audience: Audience, token: str, *, ended_too: bool = False) -> dict[str, Any]:
        """The claims of a token.

        Args:
            ended_too: also those of one that has ended, to say so to the page around it. It proves nothing.

        Raises:
            BadToken: it was not signed here for this audience, has ended, lives too long, or lacks a claim.
        """
        if len(token) > LONGEST_TOKEN or not _is_canonical(token):
            raise BadToken
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            options: Any = {"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
            claims: dict[str, Any] = jwt.decode(
                token, _signing_key(key, audience), [ALGORITHM], options, audience=audience, issuer=self.issuer
            )
        except jwt.PyJWTError:
            raise BadToken from None
        self._check_times(claims["iat"], claims["exp"], LONGEST[audience], ended_too)
        if claims["aud"] != audience or not isinstance(claims["jti"], str):
            raise BadToken
        return claims

    def _key(self, key_id: object) -> Secret:
        found = next((key for key in self.keys if _key_id(key) == key_id), None)
        if found is None:
            raise BadToken
        return found

    def _check_times(self, begin: object, end: object, longest: int, ended_too: bool) -> None:
        if type(begin) is not int or type(end) is not int:
            raise BadToken
        now = self.clock().timestamp()
        if begin > now + LEEWAY or (end <= now and not ended_too) or end - begin > longest or end <= begin:
            raise BadToken


def texts(value: object) -> tuple[str, ...]:
    """A claim that must be a list of texts. BadToken: it is something else."""
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise BadToken
    return tuple(value)


def text(value: object) -> str:
    """A claim that must be a text. BadToken: it is something else."""
    if not isinstance(value, str) or not value:
        raise BadToken
    return value


def _is_canonical(token: str) -> bool:
    """Whether the signature is written as we write it: a decoder ignores the last bits, `=`, and other characters."""
    given = token.rpartition(".")[2]
    try:
        return urlsafe_b64encode(urlsafe_b64decode(given + "=" * (-len(given) % 4))).rstrip(b"=").decode() == given
    except ValueError:
        return False


def _signing_key(key: Secret, audience: Audience) -> bytes:
    return derive(key, f"token {audience}")


def _key_id(key: Secret) -> str:
    return derive(key, "key id").hex()[:8]

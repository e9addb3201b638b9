"""Everything that Zoho, or the way to it, can answer instead of data.

    ZohoError                       expected, with a message for a person
    ├── Retryable                   the same call may work later
    │   ├── ConnectionFailed        no answer, or not in time
    │   ├── ServerFault             HTTP 5xx
    │   ├── ConcurrencyLimit        429 that seconds cure
    │   ├── BadAnswer               cut off, not JSON, not the promised shape
    │   └── ClockJumped             a Date header that the time passed since another one does not explain
    ├── Permanent                   the same call can't work
    │   ├── ScopeMissing            401 OAUTH_SCOPE_MISMATCH: a new consent is needed
    │   ├── ModuleMissing           the org has no such module, or hides it from the user
    │   ├── NoPermission            the user's profile forbids it
    │   ├── NotSupported            the API does not do this (or only for administrators)
    │   ├── NotFound                the record or job is not there
    │   ├── InvalidRequest          any other 4xx, with Zoho's code and details
    │   ├── PageTokenExpired        older than 24 h, or of another user: restart the window
    │   ├── JobFailed               a bulk job ended in FAILURE, or not in time
    │   ├── CreditsExhausted        429 that lasts until credits of the last 24 h expire
    │   │   └── BudgetStop          our own stop before that point
    │   └── Refused                 we did not send it: the address is not Zoho's
    │       ├── UnknownDataCenter
    │       └── ForeignApiDomain
    ├── ReconnectNeeded             a person must connect the channel again
    │   ├── RefreshTokenRevoked     invalid_code on a refresh
    │   ├── RefreshTokenMissing     a consent without prompt=consent
    │   ├── CodeRejected            a grant code that is used, expired or of another centre
    │   ├── ClientRejected          client id, secret or redirect URI
    │   ├── TokenRefused            a fresh access token is refused too
    │   └── WrongDataCenter         INVALID_HOST
    └── TokenThrottled              more than ten mints in ten minutes: wait, a try prolongs it

`Retryable` and `Permanent` are two types so that a permanent failure stops retries at once.
"""

import re
from collections.abc import Mapping
from typing import Any

from zoho_pipeline.settings import PipelineError

_TOKEN = re.compile(r"1000\.[0-9A-Za-z]{6,}(?:\.[0-9A-Za-z]{6,})?")
_LONGEST = 300


def scrub(text: str, *secrets: str) -> str:
    """A foreign text made fit for a message: known secrets and anything shaped like a Zoho token become `***`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _TOKEN.sub("***", " ".join(text.split()))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


class ZohoError(PipelineError):
    """The root: its message names what was asked, what came back, and the cure where there is one."""


class Retryable(ZohoError):
    """The same call may work later."""


class ConnectionFailed(Retryable):
    """No answer. `sent` tells whether the request may have reached Zoho."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ServerFault(Retryable):
    """HTTP 5xx, or a body that says INTERNAL_ERROR."""


class ConcurrencyLimit(Retryable):
    """HTTP 429 for too many calls at once: seconds cure it. Zoho did not do what was asked."""


class BadAnswer(Retryable):
    """The answer is cut off, not JSON, or lacks what the protocol promises."""


class ClockJumped(Retryable):
    """The `Date` header jumped: one of two answers tells a wrong time, so neither may bound what was read."""

    def __init__(self, jump: str) -> None:
        super().__init__(
            f"the Date header of Zoho's answers jumped {jump}. Zoho's clock, or a proxy's on the way, is wrong or is "
            "being set, so nothing is believed. Run it again; if it stays so, look at the proxy's clock."
        )


class Permanent(ZohoError):
    """The same call cannot work, however often it is sent."""


class ScopeMissing(Permanent):
    """The grant lacks a scope. `scopes` are those the call needs, in Zoho's spelling."""

    def __init__(self, what: str, scopes: tuple[str, ...] = ()) -> None:
        self.scopes = scopes
        hint = f"scope {' and '.join(scopes)} is" if scopes else "a scope is"
        super().__init__(f"{what}: {hint} not granted. Connect the channel again and grant it.")


class ModuleMissing(Permanent):
    """The org has no such module, or the user's profile hides it."""

    def __init__(self, module: str, detail: str = "") -> None:
        self.module = module
        tail = f" ({detail})" if detail else ""
        super().__init__(f"module {module} is not there for this connection{tail}.")


class NoPermission(Permanent):
    """The profile of the connected user lacks `permissions` (Zoho's names)."""

    def __init__(self, what: str, permissions: tuple[str, ...] = ()) -> None:
        self.permissions = permissions
        named = f" ({', '.join(permissions)})" if permissions else ""
        super().__init__(f"{what}: the connected user's profile has no permission{named}.")


class NotSupported(Permanent):
    """The API does not offer this, or to administrators only."""


class NotFound(Permanent):
    """The record or job of that id is not there (any more)."""


class InvalidRequest(Permanent):
    """Zoho refuses the request itself: `code` and `details` are Zoho's."""

    def __init__(self, message: str, code: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details: Mapping[str, Any] = details or {}


class PageTokenExpired(Permanent):
    """The page token is older than 24 h or bound to something else: restart the window, not the sync."""


class JobFailed(Permanent):
    """A bulk job ended in FAILURE or did not end before its deadline."""


class CreditsExhausted(Permanent):
    """The org's API credits of the rolling 24 h are used up; they return bit by bit, not at midnight."""


class BudgetStop(CreditsExhausted):
    """Our share of the credits is used: the rest belongs to the customer's other tools."""


class Refused(Permanent):
    """Nothing was sent: the address is not one that may see a secret."""

    exit_code = 2


class UnknownDataCenter(Refused):
    """The data centre or accounts server is not in the table."""


class ForeignApiDomain(Refused):
    """The api_domain of a token answer does not belong to the data centre."""


class ReconnectNeeded(ZohoError):
    """Nothing helps but a person who connects the channel again."""


class RefreshTokenRevoked(ReconnectNeeded):
    """`invalid_code` on a refresh: revoked, deleted as the oldest of 20, or of another data centre."""


class RefreshTokenMissing(ReconnectNeeded):
    """The consent gave no refresh token: it was not the first one, and `prompt=consent` was absent."""


class CodeRejected(ReconnectNeeded):
    """The grant code is used, older than two minutes, or of another data centre."""


class ClientRejected(ReconnectNeeded):
    """Client id, client secret or redirect URI do not fit the app in this data centre."""


class TokenRefused(ReconnectNeeded):
    """Zoho refuses an access token minted a moment ago."""


class WrongDataCenter(ReconnectNeeded):
    """INVALID_HOST: the connection belongs to another data centre."""


class TokenThrottled(ZohoError):
    """Too many access tokens asked for; each further try prolongs it. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 600.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

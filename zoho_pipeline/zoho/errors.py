"""The errors of calls to Zoho.

    ZohoError                       expected, with a message for a person
    ├── Retryable                   the same call may work later
    │   ├── ConnectionFailed        no answer, or not in time
    │   ├── ServerFault             HTTP 5xx
    │   ├── ConcurrencyLimit        a 429 that ends after seconds
    │   ├── BadAnswer               cut off, not JSON, or not in the promised form
    │   │   ├── OddText             JSON with a value that is no valid text
    │   │   └── DamagedFile         a file that cannot be read
    │   └── ClockJumped             the Date header moved by more than the time that passed
    ├── Permanent                   the same call cannot work
    │   ├── ScopeMissing            401 OAUTH_SCOPE_MISMATCH: a new consent is needed
    │   ├── ModuleMissing           the org has no such module, or hides it from the user
    │   ├── NoPermission            the user's profile forbids it
    │   ├── NotSupported            the API does not offer this, or only to administrators
    │   ├── NotFound                the record or job does not exist
    │   ├── InvalidRequest          any other 4xx, with Zoho's code and details
    │   ├── PageTokenExpired        older than 24 h, or another user's: the window starts again
    │   ├── JobFailed               a bulk job ended in FAILURE, or not in time, or its file cannot be used
    │   ├── AnswerTooLarge          the answer has more bytes than an answer may have
    │   ├── CreditsExhausted        a 429 that lasts until credits return
    │   │   └── BudgetStop          our own stop before that
    │   └── Refused                 nothing was sent: the address is not Zoho's
    │       ├── UnknownDataCenter
    │       └── ForeignApiDomain
    ├── ReconnectNeeded             a person must connect the channel again
    │   ├── RefreshTokenRevoked     invalid_code on a refresh
    │   ├── RefreshTokenMissing     a consent without prompt=consent
    │   ├── CodeRejected            a grant code that is used, expired or another centre's
    │   ├── ClientRejected          a wrong client id, secret or redirect URI
    │   ├── TokenRefused            Zoho refuses a new access token too
    │   └── WrongDataCenter         INVALID_HOST
    └── TokenThrottled              more than ten tokens in ten minutes: each try makes the wait longer

`Retryable` and `Permanent` are two types, so that a permanent failure ends the retries at once.
"""

import re
from collections.abc import Mapping
from typing import Any

from zoho_pipeline.settings import PipelineError

_TOKEN = re.compile(r"1000\.[0-9A-Za-z]{6,}(?:\.[0-9A-Za-z]{6,})?")
_LONGEST = 300


def scrub(text: str, *secrets: str) -> str:
    """A foreign text that may be shown: known secrets and everything with the form of a Zoho token become `***`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _TOKEN.sub("***", " ".join(text.split()))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


class ZohoError(PipelineError):
    """The root. Its message names the call, the answer and, where there is one, the cure."""


class Retryable(ZohoError):
    """The same call may work later."""


class ConnectionFailed(Retryable):
    """No answer came. `sent` says whether the request may have reached Zoho."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ServerFault(Retryable):
    """HTTP 5xx, or a body that says INTERNAL_ERROR."""


class ConcurrencyLimit(Retryable):
    """HTTP 429 for too many simultaneous calls. It ends after seconds, and Zoho did not carry out the call."""


class BadAnswer(Retryable):
    """The answer is cut off, is not JSON, or lacks a part that the protocol promises."""


class OddText(BadAnswer):
    """The answer is JSON, but a value in it is half a surrogate pair, is not UTF-8, or is nested too deeply."""


class DamagedFile(BadAnswer):
    """A downloaded file is cut off or damaged, or has another form than Zoho's."""


class ClockJumped(Retryable):
    """The `Date` header jumped: one of two answers has a wrong time, so neither may be the bound of a window."""

    def __init__(self, jump: str) -> None:
        super().__init__(
            f"the Date header of Zoho's answers jumped {jump}. Zoho's clock, or the clock of a proxy, is wrong or was "
            "set, so the answer was not used. Run the command again. If it fails again, check the proxy's clock."
        )


class Permanent(ZohoError):
    """The same call cannot work, however often it is repeated."""


class ScopeMissing(Permanent):
    """The grant lacks a scope. `scopes` are those that the call needs, in Zoho's spelling; `said` lacks the cure."""

    def __init__(self, what: str, scopes: tuple[str, ...] = ()) -> None:
        self.scopes = scopes
        hint = f"scope {' and '.join(scopes)} is" if scopes else "a scope is"
        self.said = f"{what}: {hint} not granted."
        super().__init__(f"{self.said} Connect the channel again and grant it.")


class ModuleMissing(Permanent):
    """The org has no such module, or the user's profile hides it."""

    def __init__(self, module: str, detail: str = "") -> None:
        self.module = module
        tail = f" ({detail})" if detail else ""
        super().__init__(f"module {module} is not available to this connection{tail}.")


class NoPermission(Permanent):
    """The profile of the connected user lacks `permissions` (Zoho's names)."""

    def __init__(self, what: str, permissions: tuple[str, ...] = ()) -> None:
        self.permissions = permissions
        named = f" ({', '.join(permissions)})" if permissions else ""
        super().__init__(f"{what}: the connected user's profile has no permission{named}.")


class NotSupported(Permanent):
    """The API does not offer this, or only to administrators."""


class NotFound(Permanent):
    """The record or job does not exist, or no longer exists."""


class InvalidRequest(Permanent):
    """Zoho refuses the request itself. `code` and `details` are Zoho's."""

    def __init__(self, message: str, code: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details: Mapping[str, Any] = details or {}


class PageTokenExpired(Permanent):
    """The page token is older than 24 h or belongs to another query. The window starts again, not the sync."""


class JobFailed(Permanent):
    """A bulk job ended in FAILURE, did not end before its deadline, or has a file that cannot be used."""


class AnswerTooLarge(Permanent):
    """The answer has more bytes than an answer may have. It was read no further, and no second time."""


class CreditsExhausted(Permanent):
    """The org's API credits of the last 24 h are used up. Each returns 24 h after it was used, not at midnight."""


class BudgetStop(CreditsExhausted):
    """Our part of the credits is used. The rest is for the customer's other tools."""


class Refused(Permanent):
    """Nothing was sent: the address must not get a secret."""

    exit_code = 2


class UnknownDataCenter(Refused):
    """The data centre or accounts server is not in the table."""


class ForeignApiDomain(Refused):
    """The api_domain of a token answer does not belong to the data centre."""


class ReconnectNeeded(ZohoError):
    """A person must connect the channel again.

    Attributes:
        said: the message without the cure. A door with other places for credentials has another cure.
    """

    def __init__(self, said: str, cure: str = "") -> None:
        self.said = said
        super().__init__(f"{said} {cure}".rstrip())


class RefreshTokenRevoked(ReconnectNeeded):
    """`invalid_code` on a refresh: the token was revoked, was the oldest of 20, or belongs to another data centre."""


class RefreshTokenMissing(ReconnectNeeded):
    """The consent gave no refresh token: it was not the first one, and `prompt=consent` was missing."""


class CodeRejected(ReconnectNeeded):
    """The grant code is used, older than two minutes, or another data centre's."""


class ClientRejected(ReconnectNeeded):
    """The client id, client secret or redirect URI does not fit the app in this data centre."""


class TokenRefused(ReconnectNeeded):
    """Zoho refuses an access token that it has just given."""


class WrongDataCenter(ReconnectNeeded):
    """INVALID_HOST: the connection belongs to another data centre."""


class TokenThrottled(ZohoError):
    """Too many access tokens were requested. Each further try makes the wait longer. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 600.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

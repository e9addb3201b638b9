"""How a consent can end: one code per outcome, with a text for the person and none of an exception.

An exception may name another tenant's channel or repeat a secret. So its text goes to the log, which removes secrets,
and the page gets the fixed text of the code.
"""

from dataclasses import dataclass

from zoho_pipeline.channels import errors as ours
from zoho_pipeline.settings import SettingsError
from zoho_pipeline.zoho import errors as zoho

TEXTS = {
    "state_invalid": "This consent was not started here. Go back to the page where you began, and start again.",
    "state_expired": "The consent took too long. Go back to the page where you began, and start again.",
    "state_used": "This consent was finished before. Go back to the page where you began to see its result.",
    "browser_mismatch": "This consent began in another browser. Finish it there, or start again here.",
    "consent_denied": "Zoho was not connected, because the consent was refused. If you tried often, wait ten minutes.",
    "code_rejected": "Zoho did not accept the consent. Start again, and accept everything that is asked for.",
    "accounts_server_refused": "The answer does not come from an accounts server of Zoho, so it was not used.",
    "not_yours": "This connection cannot be made with this Zoho account. Choose the account that was connected before, "
    "or ask the people who run this service.",
    "conflict": "This id cannot be used now. Ask the people who run this service.",
    "throttled": "Zoho allows no more consents for now. Wait ten minutes, then start again.",
    "unavailable": "Zoho, or this service, does not answer now. Try again in a minute.",
    "internal": "This is a defect of this service. Its log has the reason.",
}

KINDS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((ours.StateForged,), "state_invalid"),
    ((ours.StateExpired,), "state_expired"),
    ((ours.StateUsed,), "state_used"),
    ((ours.BrowserMismatch,), "browser_mismatch"),
    ((ours.ConsentDenied,), "consent_denied"),
    # which of these it was, only the audit and the log know
    ((ours.OtherTenant, ours.OtherOrg, ours.OrgTaken), "not_yours"),
    ((ours.IdConflict, ours.RowsRemain), "conflict"),
    ((zoho.UnknownDataCenter, zoho.ForeignApiDomain), "accounts_server_refused"),
    ((zoho.TokenThrottled,), "throttled"),
    ((ours.NoCallback, ours.RegistryError, ours.ChannelBusy, ours.LockLost, SettingsError), "unavailable"),
    ((zoho.Retryable,), "unavailable"),
    ((zoho.ZohoError, ours.ConnectError), "code_rejected"),
)
"""The first kind that fits gives the code. Anything else is a defect."""

WAIT = {"throttled": "600", "unavailable": "30"}
"""Code → Retry-After in seconds."""

NO_RETRY = ("state_invalid", "state_expired", "state_used", "browser_mismatch", "conflict")
"""Codes after which the same session cannot begin again."""


@dataclass(frozen=True)
class Outcome:
    """The end of a consent. `code` is None when it connected a channel."""

    code: str | None
    title: str
    text: str
    session_id: str | None = None
    channel_id: str | None = None
    origin: str | None = None
    retry: str | None = None

    @property
    def type(self) -> str:
        """The type of the message to the page that opened the window."""
        return "connect.failed" if self.code else "connect.done"


def code_of(error: Exception) -> str:
    """The code of a failure."""
    return next((code for kinds, code in KINDS if isinstance(error, kinds)), "internal")

"""The errors of channels.

    PipelineError
    ├── ChannelError          the channel or the registry, not Zoho
    │   ├── UnknownChannel    no channel has the id
    │   ├── ChannelBusy       another process works on the channel
    │   ├── LockLost          the lock that kept other processes out is gone
    │   ├── OtherOrg          the token belongs to another org than the channel's
    │   ├── OtherTenant       the channel belongs to another tenant
    │   ├── RowsRemain        a channel of this id was removed, and its rows are not deleted yet
    │   ├── OrgTaken          another channel has this org already
    │   ├── SyncRefused       the channel takes no request for a sync
    │   │   ├── ChannelPaused
    │   │   ├── ReconnectFirst
    │   │   └── TooManySyncs
    │   ├── RegistryError     the registry's database cannot be used
    │   └── DecryptionError   no key decrypts a stored token
    ├── ConnectError          a consent did not connect the channel
    │   ├── ConsentDenied     the user, or Zoho, refused
    │   ├── StateForged       this installation did not start the consent
    │   ├── StateExpired      the consent took too long
    │   ├── StateUsed         the consent came back twice
    │   ├── BrowserMismatch   the consent came back in another browser
    │   ├── TooManyConsents   too many consents of the channel began
    │   └── NoCallback        nobody finished the consent in time
    └── UsageError            (settings)
        └── InvalidSetting    a setting of a channel has a wrong value
            └── IdConflict    another channel has the same id, except for upper and lower case

Refusals by Zoho itself (a used code, a consent without refresh token, a revoked token) are in `zoho.errors`.
"""

from zoho_pipeline.settings import PipelineError, UsageError


def of_channel(channel_id: str, message: str) -> str:
    """The message with the channel in front, once: many messages name it themselves."""
    subject = f"channel {channel_id}"
    return message if message.startswith((f"{subject} ", f"{subject}:")) else f"{subject}: {message}"


class ChannelError(PipelineError):
    """The channel or the registry cannot do this."""


class UnknownChannel(ChannelError):
    """No channel has this id."""

    def __init__(self, channel_id: str, known: tuple[str, ...] = ()) -> None:
        registered = f"Known channels: {', '.join(known)}." if known else "No channel is registered yet."
        super().__init__(f"there is no channel {channel_id!r}. {registered} Add one with: zoho-pipeline channels add")
        self.channel_id = channel_id


class ChannelBusy(ChannelError):
    """Another process holds the channel."""


class LockLost(ChannelError):
    """The lock was lost while it was needed, so its holder must stop."""


class OtherOrg(ChannelError):
    """The token belongs to another org than the channel."""


class OtherTenant(ChannelError):
    """The channel belongs to another tenant. The message names that tenant. Do not show it to a tenant."""


class RowsRemain(ChannelError):
    """A channel of this id was removed with its rows, and a worker has not deleted the rows yet."""


class OrgTaken(ChannelError):
    """Another channel has this org already, so each of its records would be counted twice.

    The message names the other channel, which may belong to another tenant. Do not show it to a tenant.
    """


class SyncRefused(ChannelError):
    """The channel takes no request for a sync now."""


class ChannelPaused(SyncRefused):
    """The channel is paused."""


class ReconnectFirst(SyncRefused):
    """A person must connect the channel again first."""


class TooManySyncs(SyncRefused):
    """The channel had its number of new requests. `retry_after`: the seconds until the next one is allowed."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RegistryError(ChannelError):
    """The registry's database cannot be opened, read or written."""


class DamagedChannel(RegistryError):
    """The rows of one channel cannot be read. Who works on many channels leaves it out."""


class DamagedValue(ValueError):
    """A value of the registry cannot be read. Whoever reads a channel's row tells whose it is; else it is a
    `RegistryError` at the end of the transaction."""


class DecryptionError(ChannelError):
    """None of the keys decrypts a stored token."""


class ConnectError(PipelineError):
    """A consent did not connect the channel."""


class ConsentDenied(ConnectError):
    """The callback has an error instead of a code."""


class StateForged(ConnectError):
    """This installation did not sign the callback's state."""


class StateExpired(ConnectError):
    """The callback's state is too old."""


class StateUsed(ConnectError):
    """The callback's state was used before."""


class BrowserMismatch(ConnectError):
    """The consent began in another browser. Nothing was exchanged."""


class TooManyConsents(ConnectError):
    """The channel had its number of new consents. `retry_after`: the seconds until the next one is allowed."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoCallback(ConnectError):
    """No callback arrived in time, or its port was in use."""


class InvalidSetting(UsageError):
    """A setting of a channel has a wrong value. Nothing was stored."""


class IdConflict(InvalidSetting):
    """The new id differs from the id of another channel only in upper and lower case.

    The message names the other channel, which may belong to another tenant. Do not show it to a tenant.
    """

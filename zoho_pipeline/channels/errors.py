"""What can go wrong with a channel.

    PipelineError
    ├── ChannelError          the channel or the registry, not Zoho
    │   ├── UnknownChannel    no such id
    │   ├── ChannelBusy       another process works on it
    │   ├── LockLost          the lock that kept others away is gone
    │   ├── OtherOrg          the token belongs to another org than the channel's
    │   ├── RegistryError     the registry's database cannot be used
    │   └── SealError         no key opens a sealed token
    ├── ConnectError          the browser flow
    │   ├── ConsentDenied     the user, or Zoho, said no
    │   ├── StateForged       the callback was not started here
    │   ├── StateExpired      … or too long ago
    │   ├── StateUsed         … or came twice
    │   └── NoCallback        nobody finished the consent in time
    └── UsageError            (settings)
        └── InvalidSetting    `channels set` or `channels add` was given a value it cannot take

What Zoho itself refuses (a used code, a consent without refresh token, a revoked token) is in
`zoho.errors`.
"""

from zoho_pipeline.settings import PipelineError, UsageError


class ChannelError(PipelineError):
    """A channel or the registry cannot do what was asked."""


class UnknownChannel(ChannelError):
    """No channel has this id."""

    def __init__(self, channel_id: str, known: tuple[str, ...] = ()) -> None:
        there = f"Known channels: {', '.join(known)}." if known else "No channel is registered yet."
        super().__init__(f"there is no channel {channel_id!r}. {there} Add one with: zoho-pipeline channels add")
        self.channel_id = channel_id


class ChannelBusy(ChannelError):
    """Another process holds the channel."""


class LockLost(ChannelError):
    """The lock that kept others away was lost while it was needed; whoever held it must stop."""


class OtherOrg(ChannelError):
    """The token belongs to another org than the channel is connected to."""


class RegistryError(ChannelError):
    """The registry's database cannot be opened, read or written."""


class SealError(ChannelError):
    """A stored token cannot be opened with the keys at hand."""


class ConnectError(PipelineError):
    """A consent did not lead to a connection."""


class ConsentDenied(ConnectError):
    """The callback carries an error instead of a code."""


class StateForged(ConnectError):
    """The callback's state was not signed by this installation."""


class StateExpired(ConnectError):
    """The callback's state is too old."""


class StateUsed(ConnectError):
    """The callback's state has been used before."""


class NoCallback(ConnectError):
    """No callback arrived in time, or there was no port to receive it on."""


class InvalidSetting(UsageError):
    """A per-channel setting has a value it cannot take; nothing was stored."""

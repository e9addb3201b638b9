"""The caller of a request, and what the caller may do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zoho_pipeline.channels.registry.model import Channel

SCOPES = ("connect", "read", "pii", "sync", "write", "agent", "forms", "admin", "metrics")
"""No scope implies another one."""

Kind = Literal["key", "session", "embed", "operator"]


@dataclass(frozen=True)
class Principal:
    """The caller.

    Attributes:
        kind: how the caller proved who they are.
        id: a name for logs, rate limits and the audit; no secret.
        tenant: the tenant in which this call acts; None only for an operator, who acts in all.
        scopes: what the caller may do.
        channels: the channel ids that a session token or a link names; None means all of the tenant.
        origin: the page around an iframe; it may frame the answer and receive messages.
        expires_at: when the proof ends; None is a key without an end.
        key_id: the API key that the caller has, or that made the caller's token: the proof ends with it.
    """

    kind: Kind
    id: str
    tenant: str | None
    scopes: frozenset[str]
    channels: frozenset[str] | None = None
    origin: str | None = None
    expires_at: datetime | None = None
    key_id: str | None = None

    def sees(self, channel: Channel) -> bool:
        """Whether the channel belongs to the caller's tenant and to the caller's channels."""
        if self.kind == "operator":
            return True
        of_tenant = self.tenant is not None and channel.tenant == self.tenant
        return of_tenant and (self.channels is None or channel.id in self.channels)

"""Who asks, and which channels that caller may see."""

from dataclasses import dataclass

from zoho_pipeline.channels.registry.model import Channel


@dataclass(frozen=True)
class Caller:
    """An agent, as far as its rights go.

    Attributes:
        name: for the audit and the limits, such as `key:1a2b3c`; no secret, and no name of a person.
        tenant: whose channels it sees; None means those of all tenants (an operator, or an agent on this machine).
        channels: the only channel ids that it sees; None means all of the tenant.
        sees_initials: whether the initials of leads may be shown to it.
    """

    name: str
    tenant: str | None
    channels: frozenset[str] | None = None
    sees_initials: bool = False

    def sees(self, channel: Channel) -> bool:
        """Whether the caller may know that this channel exists."""
        of_tenant = self.tenant is None or channel.tenant == self.tenant
        return of_tenant and (self.channels is None or channel.id in self.channels)

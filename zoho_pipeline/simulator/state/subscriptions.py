"""Who is told of changes, and what waits to be told (docs/zoho-facts.md, section 9).

A change of rows calls `announce` of the org's board. It writes one notice per subscription that wants it, and the
courier sends them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from zoho_pipeline.simulator.state.shared import Shared
from zoho_pipeline.simulator.state.users import User

Operation = Literal["insert", "update", "delete"]
EVENTS: dict[Operation, str] = {"insert": "create", "update": "edit", "delete": "delete"}


@dataclass
class Subscription:
    """A channel of `/actions/watch`. `expires` is in seconds since 1970; from then on, nothing is sent."""

    channel_id: str
    user_id: str
    client_id: str
    events: list[str]  # Leads.create, Deals.all
    notify_url: str
    expires: int
    token: str | None = None
    with_values: bool = False
    on_related: bool = True

    def wants(self, module: str, operation: Operation) -> bool:
        return f"{module}.{EVENTS[operation]}" in self.events or f"{module}.all" in self.events


@dataclass
class Notice:
    """A delivery that waits: what changed, for one subscription as it was at that moment."""

    subscription: Subscription
    module: str
    operation: Operation
    ids: list[str]
    at_ms: int
    fields: dict[str, list[str]] = field(default_factory=dict)  # id → the changed fields
    values: dict[str, dict[str, Any]] = field(default_factory=dict)


def is_live(subscription: Subscription, users: Mapping[str, User], now: float) -> bool:
    """Whether a subscription still sends: it has not ended, and its user is still active."""
    user = users.get(subscription.user_id)
    return now < subscription.expires and user is not None and user.status == "active" and not user.deleted


@dataclass
class NoticeBoard:
    """The subscriptions of an org by channel id, and the notices that wait to be sent."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    waiting: list[Notice] = field(default_factory=list)

    def announce(
        self,
        shared: Shared,
        users: Mapping[str, User],
        api_name: str,
        operation: Operation,
        changed: Mapping[str, Sequence[str]],
        *,
        by_client: str | None = None,
    ) -> None:
        """Write the notices of one change.

        Args:
            changed: the id of each row → the names of its changed fields.
            by_client: the OAuth client that made the change; None for a person in Zoho's pages.
        """
        name = shared.switches.meetings_event if api_name == "Events" else api_name
        now, size, ids = shared.clock.seconds(), shared.switches.push_ids, list(changed)
        for subscription in self.subscriptions.values():
            is_own = by_client is not None and by_client == subscription.client_id
            is_told = shared.switches.push_own_changes or not is_own
            if is_told and is_live(subscription, users, now) and subscription.wants(name, operation):
                for start in range(0, len(ids), size):
                    fields = {row_id: list(changed[row_id]) for row_id in ids[start : start + size]}
                    notice = Notice(subscription, api_name, operation, list(fields), int(now * 1000), fields)
                    self.waiting.append(notice)
        if self.waiting:
            shared.announced.set()

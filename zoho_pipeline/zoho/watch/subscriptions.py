"""`/actions/watch`: one entry per subscription (docs/zoho-facts.md, section 9).

Each call may be repeated: a second POST or PUT with the same id leaves the same subscription, and a second DELETE finds
none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.connection.answer import Answer
from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time, time_or_none
from zoho_pipeline.zoho.errors import BadAnswer, scrub
from zoho_pipeline.zoho.read.pages import Row, rows_of

PATH = f"/crm/{VERSION}/actions/watch"
KEY = "watch"
NOT_SUBSCRIBED = "NOT_SUBSCRIBED"


@dataclass(frozen=True)
class Entry:
    """What is subscribed to.

    Attributes:
        channel_id: our number for the subscription; not the id of a channel of ours.
        events: `Leads.all`, `Deals.create` …
        expiry: when it ends; a week from now at the latest, or Zoho makes it one hour.
    """

    channel_id: str
    events: tuple[str, ...]
    notify_url: Secret
    token: Secret
    expiry: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "channel_id": self.channel_id,
            "events": list(self.events),
            "channel_expiry": format_time(self.expiry),
            "token": self.token.reveal(),
            "notify_url": self.notify_url.reveal(),
            "return_affected_field_values": False,  # no personal data in transit
            "notify_on_related_action": False,  # Zoho's default is true: edits of contacts would tell of accounts
        }


@dataclass(frozen=True)
class Result:
    """What Zoho answered for one entry.

    Attributes:
        code: `SUCCESS`, or why the entry was refused.
        details: Zoho's details of a refusal, such as `{"api_name": "events", "value": "Events.all"}`.
        expiries: module → when its events end, as Zoho keeps it. Empty if the answer does not say it.
    """

    code: str
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    expiries: Mapping[str, datetime | None] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.code == "SUCCESS"


def subscribe(client: ZohoClient, entry: Entry) -> Result:
    """POST: a new subscription, or a new one in the place of the one with this id.

    Raises:
        ScopeMissing, ReconnectNeeded, Retryable: see `zoho.errors`. It is then unknown whether it exists.
    """
    answer = client.post(PATH, json={KEY: [entry.to_json()]}, repeatable=True, rows=KEY)
    return _only(answer, "POST", entry)


def replace(client: ZohoClient, entry: Entry) -> Result:
    """PUT: all details of a subscription that is alive. Code NOT_SUBSCRIBED: it is not. Raises as `subscribe` does."""
    answer = client.change("PUT", PATH, json={KEY: [entry.to_json()]}, rows=KEY)
    return _only(answer, "PUT", entry)


def read(client: ZohoClient, channel_id: str) -> dict[str, datetime | None]:
    """Module → when its events end, of one subscription; empty: there is none."""
    answer = client.get(PATH, {"channel_id": channel_id})
    return {} if answer.data is None else _expiries(rows_of(answer.data, KEY, f"GET {PATH}"), channel_id)


def end(client: ZohoClient, channel_ids: Iterable[str]) -> bool:
    """DELETE: end subscriptions. False: there was none."""
    answer = client.change("DELETE", PATH, params={"channel_ids": ",".join(channel_ids)}, rows=KEY)
    if answer.data is None:
        return False
    return any(row.get("status") == "success" for row in rows_of(answer.data, KEY, f"DELETE {PATH}"))


def _only(answer: Answer, method: str, entry: Entry) -> Result:
    what = f"{method} {PATH}"
    rows = rows_of(answer.data or {}, KEY, what)
    if len(rows) != 1:
        raise BadAnswer(f"{what}: the answer has {len(rows)} results for one entry.")
    row = rows[0]
    details = row.get("details")
    details = details if isinstance(details, dict) else {}
    if row.get("status") == "success":
        events = details.get("events")
        return Result("SUCCESS", expiries=_expiries(events, entry.channel_id) if isinstance(events, list) else {})
    hidden = (entry.token.reveal(), entry.notify_url.reveal())
    message = scrub(str(row.get("message") or ""), *hidden)
    shown = {name: scrub(str(value), *hidden) for name, value in details.items() if not isinstance(value, list | dict)}
    return Result(scrub(str(row.get("code") or "unknown"), *hidden), message, shown)


def _expiries(rows: Sequence[Any], channel_id: str) -> dict[str, datetime | None]:
    found: dict[str, datetime | None] = {}
    for row in rows:
        mine: Row = row if isinstance(row, dict) else {}
        if str(mine.get("channel_id", channel_id)) == channel_id and isinstance(mine.get("resource_name"), str):
            found[mine["resource_name"]] = time_or_none(mine.get("channel_expiry"))
    return found

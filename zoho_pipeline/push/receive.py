"""What a notification says, and whether it may be believed.

A notification is a hint, never a fact: only the ids count, and each record is read again. Zoho signs nothing, so two
secrets decide: the hook in the URL, and the token in the body. A real deletion was seen without a token, so a delivery
with the right hook and no token is `doubtful`: it makes us read again, and never delete.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.remembered import Remembered
from zoho_pipeline.channels.platform.push_queue import DELETE, Hint
from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.push import hooks
from zoho_pipeline.push.agree import OTHER_NAME
from zoho_pipeline.push.hooks import Heard
from zoho_pipeline.zoho.connection.server_clock import YEARS
from zoho_pipeline.zoho.parsing import is_digits

MOST_IDS = 10_000
LONGEST_ID = 32
LONGEST_NAME = 64
OPERATIONS = ("insert", "update", DELETE)
Trust = Literal["trusted", "doubtful", "refused"]


class Malformed(Exception):
    """The body is no notification. The message says why, without its content."""


@dataclass(frozen=True)
class Delivery:
    """One notification.

    Attributes:
        token: None if the body has none.
        has_token: whether the body has a token at all. One that is no text counts as a wrong one.
        channel_id: Zoho's number of the subscription; None if the body has none.
    """

    module: str
    operation: str
    ids: tuple[str, ...]
    zoho_at: datetime | None
    channel_id: str | None
    token: str | None
    has_token: bool

    def trust(self, found: Heard | None) -> Trust:
        """How far a delivery on this hook may be believed."""
        is_right = hooks.is_token(found, self.token or "")
        if found is None or (self.has_token and not is_right):
            return "refused"
        return "trusted" if self.has_token else "doubtful"

    def hints(self, channel_id: str, trust: Trust) -> list[Hint]:
        """One hint per record; none for a module that has no table."""
        names = {other: name for name, other in OTHER_NAME.items()}
        module = names.get(self.module, self.module)
        if module not in BY_MODULE:
            return []
        trusted = trust == "trusted"
        return [Hint(channel_id, module, id_, self.operation, trusted, self.zoho_at) for id_ in self.ids]


def parse(body: bytes) -> Delivery:
    """The notification in a body, whatever its content type says.

    Raises:
        Malformed: it is no JSON object, lacks the module or the ids, or has too many of them.
    """
    found = json_object(body)
    ids = found.get("ids")
    if not isinstance(ids, list) or len(ids) > MOST_IDS:
        raise Malformed(f"`ids` must be a list with at most {MOST_IDS:,} ids")
    operation = found.get("operation")
    token = found.get("token")
    number = found.get("channel_id")
    return Delivery(
        module=_name(found.get("module")),
        operation=operation if operation in OPERATIONS else "update",
        ids=tuple(dict.fromkeys(_id(value, "an id") for value in ids)),
        zoho_at=_instant(found.get("server_time")),
        channel_id=None if number is None else _id(number, "`channel_id`"),
        token=token if isinstance(token, str) else None,
        has_token=token is not None,
    )


def from_workflow(fields: Mapping[str, Any]) -> Delivery:
    """The notification that a workflow sends: `module`, `id` and `secret`, as a person typed them into Zoho.

    Raises:
        Malformed: one of them is missing, or cannot be what it says.
    """
    secret = fields.get("secret")
    if not isinstance(secret, str):
        raise Malformed("`secret` is missing")
    module, id_ = _name(fields.get("module")), _id(fields.get("id"), "`id`")
    return Delivery(module, "update", (id_,), None, None, secret, True)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Malformed: it is none."""
    try:
        found = orjson.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Malformed("the body is no JSON object")
    return found


def _id(value: Any, what: str) -> str:
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not is_digits(text) or len(text) > LONGEST_ID:
        raise Malformed(f"{what} is no id of a record")
    return text


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise Malformed("`module` is missing")
    return value.strip()


def _instant(value: Any) -> datetime | None:
    """`server_time` in milliseconds since 1970; None where it is none. Only measurements use it."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not is_digits(text) or len(text) > 15:
        return None
    try:
        found = datetime.fromtimestamp(int(text) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year in YEARS else None


class Hearing:
    """Looks up hooks, and remembers the known ones. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Remembered[tuple[str, str], Heard] = Remembered()

    def remembered(self, kind: str, hook: str) -> Heard | None:
        """The hook if it was looked up a moment ago. It waits for nothing."""
        return self._known.get((kind, hook))

    def by_hook(self, hook: str) -> Heard | None:
        """Whose hook this is; None: nobody's."""
        read_at = time.monotonic()
        with self._database.read() as transaction:
            found = hooks.heard(transaction, hook, self._database.now_in(transaction))
        return self._known.keep(("webhook", hook), found, read_at)

    def by_number(self, delivery: Delivery) -> Heard | None:
        """The subscription with the number and the token of this delivery; None: there is none."""
        number, token = delivery.channel_id or "", delivery.token or ""
        kept = self.remembered("number", number)
        if kept is not None and hooks.is_token(kept, token):
            return kept
        read_at = time.monotonic()
        with self._database.read() as transaction:
            rows = hooks.heard_by_id(transaction, number, self._database.now_in(transaction))
        found = next((heard for heard in rows if hooks.is_token(heard, token)), None)
        return found and self._known.keep(("number", number), found, read_at)

    def by_workflow(self, hook: str) -> Heard | None:
        """Whose workflow URL this is; None: nobody's."""
        read_at = time.monotonic()
        with self._database.read() as transaction:
            found = hooks.heard_workflow(transaction, hook)
        return self._known.keep(("workflow", hook), found, read_at)

    def forget(self, gone: Heard) -> None:
        """Look this hook up again when it comes the next time."""
        self._known.forget(gone)

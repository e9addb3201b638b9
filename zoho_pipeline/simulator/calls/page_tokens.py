"""Page tokens: opaque, bound to a user and to every parameter, valid for 24 hours.

By default a token counts rows from the start, so a row that moves while a client pages is skipped or read
twice (drift). Nobody knows whether Zoho's tokens do so. The switch `page_tokens` makes a token continue after
the last row read (`keyset`), or page over the rows that existed at the first page (`snapshot`).
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.state.index import id_of
from zoho_pipeline.simulator.wire import Refusal

TOKEN_SECONDS = 86_400


@dataclass
class Place:
    """Where a page begins: after `offset` rows, after the key `after`, or in the kept order named `snapshot`."""

    offset: int
    after: int | None = None
    snapshot: str | None = None


def binding(call: Call, *ignored: str) -> str:
    """A hash of everything that must stay the same while a token is used."""
    params = {k: v for k, v in sorted(call.query.items()) if k not in ("page", "page_token", *ignored)}
    since = call.request.headers.get("if-modified-since", "")
    return hashlib.sha256(orjson.dumps([call.parts.get("module"), params, since])).hexdigest()[:16]


def make_token(call: Call, place: Place, bound: str) -> str:
    """Make the token of a place; `bound` is the hash from `binding`."""
    key = None if place.after is None else str(place.after)
    issued = call.hub.clock.epoch()
    if call.hub.switches.page_tokens == "circle":
        issued -= issued % TOKEN_SECONDS  # the same place has the same token
    fields = [place.offset, key, place.snapshot, call.user.id, call.org.id, bound, issued]
    return base64.urlsafe_b64encode(orjson.dumps(fields)).decode().rstrip("=")


def read_token(call: Call, token: str, bound: str) -> Place:
    """The place of a token; raises Refusal when it is expired, unreadable or bound to another user or parameters."""
    try:
        fields: list[Any] = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        offset, after, snapshot, user_id, org_id, was_bound, issued = fields
    except ValueError:
        raise Refusal(400, "INVALID_DATA", "the page_token is invalid", {"param_name": "page_token"}) from None
    if issued + TOKEN_SECONDS <= call.hub.clock.epoch():
        details = {"api_name": "page_token", "json_path": "$.query.page_token"}
        raise Refusal(400, "EXPIRED_VALUE", "the page_token has expired", details)
    if was_bound != bound or (user_id, org_id) != (call.user.id, call.org.id):
        message = "the page_token belongs to other parameters or another user"
        raise Refusal(400, "TOKEN_BOUND_DATA_MISMATCH", message, {"param_name": "page_token"})
    return Place(offset, None if after is None else int(after), snapshot)


def following(
    call: Call, place: Place, last_key: int | None, count: int, order: Sequence[int], *, descending: bool
) -> Place:
    """Where the next page begins, by the switch `page_tokens`; `order` holds the keys that were just paged."""
    mode = call.hub.switches.page_tokens
    if mode == "circle":
        return Place(0 if place.offset else 1)
    following_place = Place(place.offset + count)
    if mode == "keyset":
        following_place.after = last_key
    elif mode == "snapshot":
        following_place.snapshot = place.snapshot or _remember(call, reversed(order) if descending else order)
    return following_place


def _remember(call: Call, order: Iterable[int]) -> str:
    name = secrets.token_hex(8)
    call.hub.page_snapshots[name] = [id_of(key) for key in order]
    return name

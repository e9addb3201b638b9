"""Cursors of lists: where the next page begins, as a text that only this installation can write.

A cursor holds the position of the last row (keyset paging), and an HMAC over the position and over what it is bound
to: the tenant, the channel and the filters. A cursor that somebody edits, or brings from another list, is refused.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence

from zoho_pipeline.channels.registry.encryption import derive
from zoho_pipeline.settings import Secret
from zoho_pipeline.web.http.problems import Problem

LONGEST = 1_000
"""The longest cursor that is read, in characters. A position holds a few short values."""

_PURPOSE = "cursor"

Value = str | int | float | bool | None


def encode(keys: Iterable[Secret], binding: Mapping[str, Value], position: Sequence[Value]) -> str:
    """The cursor of a position.

    Args:
        keys: the secret keys of the settings, newest first; the newest one signs.
        binding: what the cursor belongs to, such as {"tenant": …, "channel": …, "status": …}.
        position: the sort values of the last row of the page; JSON values alone.
    """
    body = urlsafe_b64encode(json.dumps(list(position), separators=(",", ":")).encode()).rstrip(b"=").decode()
    newest = next(iter(keys))
    return f"{body}.{_signature(newest, binding, body)}"


def decode(keys: Iterable[Secret], binding: Mapping[str, Value], cursor: str) -> list[Value]:
    """The position of a cursor.

    Raises:
        Problem: `invalid`; none of the keys signed it for this binding.
    """
    body, _, given = cursor.partition(".")
    # each key is tried, so that a cursor outlives a change of the keys
    known = (
        len(cursor) <= LONGEST
        and cursor.isascii()
        and any(hmac.compare_digest(_signature(key, binding, body), given) for key in keys)
    )
    if not known:
        message = "It is not a cursor of this list. Take `next_cursor` of a page with the same filters."
        raise Problem("invalid", "The cursor is wrong; see errors.", errors=[{"field": "cursor", "message": message}])
    position: list[Value] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return position


def _signature(key: Secret, binding: Mapping[str, Value], body: str) -> str:
    # the body is base64 and the binding is JSON: the line break cannot be in either
    message = json.dumps(dict(binding), sort_keys=True, separators=(",", ":")) + "\n" + body
    digest = hmac.new(derive(key, _PURPOSE), message.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()

"""Answers that are kept until something changed: the marts, the registry, or the rights of the caller.

A page that many people look at asks for the same numbers again and again. An answer is kept under all that it depends
on, so no caller gets an answer that was made for other rights.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from fastapi import Request, Response
from pydantic import BaseModel

from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.kept_answers import Note, keep
from zoho_pipeline.web.services import WebServices, services

SECONDS = 10.0
"""How long an answer is kept when nothing changed: credits come back and data becomes stale as time passes."""

MOST_BYTES = 32 * 2**20


class AnswerCache:
    """Bodies of answers by key; those that were not used for the longest time leave first. Threads share it."""

    def __init__(self, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> None:
        self._most, self._seconds, self._size = most_bytes, seconds, 0
        self._guard = Lock()
        self._kept: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The body that is kept under this key; None if there is none, or if it is too old."""
        with self._guard:
            found = self._kept.get(key)
            if found is None:
                return None
            if time.monotonic() - found[0] > self._seconds:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, body: bytes) -> None:
        """Keep a body. One that is larger than the whole cache is not kept."""
        if len(body) > self._most:
            return
        with self._guard:
            if key in self._kept:
                self._drop(key)
            self._kept[key] = (time.monotonic(), body)
            self._size += len(body)
            while self._size > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        self._size -= len(self._kept.pop(key)[1])


def answered(
    request: Request,
    principal: Principal,
    make: Callable[[WebServices], BaseModel | bytes],
    *,
    media_type: str = "application/json",
    extra: Hashable = None,
) -> Response:
    """The answer of a route that only reads: the kept one, or what `make` returns.

    Args:
        make: its answer may depend on the registry, the published marts, the URL, the caller's rights and `extra`, and
            on nothing else. An error that it raises is not kept.
        extra: what the answer depends on besides.

    Raises:
        WarehouseError: the marts cannot be read; the caller gets `unavailable`.
    """
    found = services(request)
    # the stamps come before the reading: what changes meanwhile makes the answer old, never new
    where = (request.url.path, request.scope["query_string"])
    publication, stamp = found.published.publication(), found.stamp()
    key = (publication, stamp, _rights(principal), where, extra)
    cache: AnswerCache = request.app.state.answers
    body = cache.get(key)
    if body is None:
        made = make(found)
        body = made if isinstance(made, bytes) else made.model_dump_json().encode()
        cache.put(key, body)
    if principal.kind != "operator":  # a cookie is no part of the key of whole answers
        ends_at = principal.expires_at.timestamp() if principal.expires_at else math.inf
        keep(request, Note(publication, stamp, principal.id, principal.tenant, ends_at))
    return Response(body, media_type=media_type)


def _rights(principal: Principal) -> Hashable:
    return principal.kind == "operator", principal.tenant, principal.scopes, principal.channels

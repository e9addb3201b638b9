"""Answers that are kept until something changed: the marts, the registry, or the rights of the caller.

A page that many people look at asks for the same numbers again and again. An answer is kept under all that it depends
on, so no caller gets an answer that was made for other rights.
"""

import math
from collections.abc import Callable, Hashable

from fastapi import Request, Response
from pydantic import BaseModel

from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.kept_answers import Note, keep, wants_new
from zoho_pipeline.web.http.sized_cache import SizedCache
from zoho_pipeline.web.services import WebServices, services


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
    cache: SizedCache[bytes] = request.app.state.answers
    body = None if wants_new(request.scope) else cache.get(key)
    if body is None:
        made = make(found)
        body = made if isinstance(made, bytes) else made.model_dump_json().encode()
        cache.put(key, body, len(body))
    if principal.kind != "operator":  # a cookie is no part of the key of whole answers
        ends_at = principal.expires_at.timestamp() if principal.expires_at else math.inf
        keep(request, Note(publication, stamp, principal.id, principal.tenant, ends_at))
    return Response(body, media_type=media_type)


def _rights(principal: Principal) -> Hashable:
    return principal.kind == "operator", principal.tenant, principal.scopes, principal.channels

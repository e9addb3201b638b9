"""`GET /v1/channels`, `/v1/channels/{id}` and `/v1/channels/{id}/insight`."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from zoho_pipeline.channels.registry.channel_rows import read_channel_page
from zoho_pipeline.reading.channel_numbers import read_numbers
from zoho_pipeline.reading.insight import read_from
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.web.api.answers import answered
from zoho_pipeline.web.api.channel_model import ChannelPage, ChannelState
from zoho_pipeline.web.api.channel_state import Known, read_known
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import require, visible_channel, visible_in
from zoho_pipeline.web.http import cursors
from zoho_pipeline.web.http.problems import Problem, problem_responses
from zoho_pipeline.web.services import WebServices

router = APIRouter(prefix="/v1", tags=["channels"])

reader = require("read")
"""The caller of a reading route. Routes call it themselves: FastAPI would run a dependency in a thread of its own
before the route's, which costs as much as the answer."""
Limit = Annotated[int, Query(ge=1, le=100, description="The most rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")]
WHO = ("tenant_required", "unauthenticated", "forbidden", "invalid", "rate_limited", "unavailable")


@router.get("/channels", response_model=ChannelPage, responses=problem_responses(*WHO))
def list_channels(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The channels that the caller may see, by id, with the fields of `GET /v1/channels/{id}`."""
    principal = reader(request)

    def make(found: WebServices) -> ChannelPage:
        page, _, following = page_of_channels(found, principal, limit, cursor)
        return ChannelPage(data=page, next_cursor=following)

    return answered(request, principal, make)


@router.get("/channels/{id}", response_model=ChannelState, responses=problem_responses(*WHO, "not_found"))
def get_channel(request: Request, id: str) -> Response:
    """A channel: its connection, its syncs and its main numbers. Numbers are null where there is no data."""
    principal = reader(request)

    def make(found: WebServices) -> ChannelState:
        with found.reading.read() as transaction:
            channel = visible_in(found, transaction, principal, id, damaged_too=True)
            known = read_known(found, transaction, [channel])
        with found.published.reading() as marts:
            return known.states(read_numbers(marts, [id]) if marts else {})[0]

    return answered(request, principal, make)


@router.get(
    "/channels/{id}/insight",
    response_model=dict[str, Any],
    responses=problem_responses(*WHO, "not_found", "not_published"),
)
def get_insight(request: Request, id: str) -> Response:
    """All numbers of a channel: what `zoho-pipeline insight ID --format json` prints."""
    principal = reader(request)

    def make(found: WebServices) -> bytes:
        visible_channel(found, principal, id, damaged_too=True)
        with found.published.reading() as marts:
            return json.dumps(insight_of(marts, id), ensure_ascii=False, separators=(",", ":")).encode()

    return answered(request, principal, make)


def page_of_channels(
    found: WebServices, principal: Principal, limit: int, cursor: str | None, search: str = ""
) -> tuple[list[ChannelState], Known, str | None]:
    """A page of the channels that a caller may see, what is known of them, and the cursor of the next page.

    Problem `invalid`: the cursor.
    """
    keys, binding = found.settings.secret_keys, {"list": "channels", "tenant": principal.tenant, "search": search}
    binding |= {"channels": None if principal.channels is None else " ".join(sorted(principal.channels))}
    after = "" if cursor is None else str(cursors.decode(keys, binding, cursor)[0])
    database = found.reading
    with database.read() as transaction:
        tenant = None if principal.kind == "operator" else principal.tenant
        ids = principal.channels
        rows = read_channel_page(
            database, transaction, limit=limit + 1, after=after, tenant=tenant, ids=ids, search=search
        )
        known = read_known(found, transaction, (channel for channel in rows[:limit] if principal.sees(channel)))
    following = cursors.encode(keys, binding, [rows[limit - 1].id]) if len(rows) > limit else None
    with found.published.reading() as marts:
        numbers = read_numbers(marts, [channel.id for channel in known.channels]) if marts else {}
    return known.states(numbers), known, following


def insight_of(marts: Connection | None, channel_id: str) -> dict[str, Any]:
    """The insight of a channel that the caller may see.

    Raises:
        Problem: `not_published`; the channel never had a complete sync, or none was published.
    """
    try:
        insight = read_from(marts, channel_id) if marts else None
    except NotPublished:
        insight = None
    if insight is None or insight["data_status"] == "never_synced":
        raise Problem("not_published", "There is no insight yet: no complete sync of the channel was published.")
    return insight

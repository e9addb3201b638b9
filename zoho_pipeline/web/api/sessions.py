"""`POST /v1/sessions`: the platform's backend gets a token for a browser of one of its users."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.tenants import Tenants, check_origin
from zoho_pipeline.web.auth.browser_tokens import session_token
from zoho_pipeline.web.auth.principal import SCOPES, Principal
from zoho_pipeline.web.auth.require import check_scopes, require, visible_channel
from zoho_pipeline.web.auth.tokens import EMBED, SESSION
from zoho_pipeline.web.http.bodies import RequestBody
from zoho_pipeline.web.http.idempotency import answer_is_secret
from zoho_pipeline.web.http.problems import Problem, problem_responses
from zoho_pipeline.web.services import services

router = APIRouter(prefix="/v1", tags=["sessions"])

Caller = Annotated[Principal, Depends(require())]


class SessionRequest(RequestBody):
    """What a session token may do, and for whom."""

    channel_ids: list[Annotated[str, Field(max_length=64)]] = Field(
        min_length=1, max_length=100, description="The channels that the browser may see. One unknown id is a 404."
    )
    scopes: list[str] = Field(min_length=1, max_length=len(SCOPES), description="A part of the scopes of the key.")
    end_user: str = Field(min_length=1, max_length=200, description="Your own name for the user. It is not logged.")
    origin: str = Field(max_length=300, description="The origin of your page, from the list of the tenant.")


class Session(BaseModel):
    """A session token and the links that it comes with."""

    token: str = Field(description="The session token: `Authorization: Bearer …` in the browser.")
    expires_at: datetime = Field(description="When the session token ends.")
    embed_url: str = Field(description="The page of the first channel, for an iframe. It ends after ten minutes.")
    connect_url: str | None = Field(
        default=None, description="Where the browser begins a consent; null without the scope `connect`."
    )


@router.post(
    "/sessions",
    status_code=201,
    responses=problem_responses(
        "tenant_required",
        "unauthenticated",
        "forbidden",
        "not_found",
        "idempotency_expired",
        "conflict",
        "too_large",
        "unsupported_media",
        "invalid",
        "idempotency_mismatch",
        "rate_limited",
    ),
)
def create_session(request: Request, body: SessionRequest, principal: Caller) -> Session:
    """Make a session token for a browser. It may never do more than the API key that asks for it."""
    found = services(request)
    if principal.kind != "key" or principal.tenant is None:
        raise Problem("forbidden", "Only an API key can make a session token.")
    if wrong := [scope for scope in body.scopes if scope not in SCOPES]:
        raise _invalid("scopes", f"There is no scope {wrong[0][:40]!r}. The scopes are {', '.join(SCOPES)}.")
    check_scopes(principal, tuple(body.scopes))
    channels = list(dict.fromkeys(body.channel_ids))
    for channel_id in channels:
        visible_channel(found, principal, channel_id, damaged_too=True)
    origin = _origin(body.origin, Tenants(found.registry.database).origins(principal.tenant))
    (token, ends), (link, _) = (
        session_token(
            found,
            principal,
            audience=audience,
            end_user=body.end_user,
            channels=channels,
            scopes=body.scopes,
            origin=origin,
        )
        for audience in (SESSION, EMBED)
    )
    Audit(found.registry.database).record(principal.id, "session.created", tenant=principal.tenant)
    answer_is_secret(request)
    public = found.service.public_url
    return Session(
        token=token,
        expires_at=ends,
        embed_url=f"{public}/embed/channels/{channels[0]}?t={link}",
        connect_url=f"{public}/zohoCrm/connect?channel_id={channels[0]}" if "connect" in body.scopes else None,
    )


def _origin(given: str, known: tuple[str, ...]) -> str:
    try:
        found = check_origin(given)
    except InvalidSetting:
        found = ""
    if found not in known:
        raise _invalid("origin", "It is not in the list of the tenant. Add it: zoho-pipeline web origins set")
    return found


def _invalid(field: str, message: str) -> Problem:
    return Problem(
        "invalid", "A value of the request is wrong; see errors.", errors=[{"field": field, "message": message}]
    )

"""`GET /v1/channels/{id}/leads`: the leads of a channel, the newest first."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from zoho_pipeline.reading.leads import HIDDEN, LeadFilter, initials, page
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.web.api.answers import answered
from zoho_pipeline.web.api.channel_model import Lead, LeadPage
from zoho_pipeline.web.api.channels import WHO, Cursor, Limit, reader
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import visible_channel
from zoho_pipeline.web.http import cursors
from zoho_pipeline.web.http.problems import problem_responses
from zoho_pipeline.web.services import WebServices

router = APIRouter(prefix="/v1", tags=["channels"])


def _filter(text: str) -> Any:
    return Query(max_length=300, description=f"Only leads with this {text}, in its spelling.")


@router.get("/channels/{id}/leads", response_model=LeadPage, responses=problem_responses(*WHO, "not_found"))
def list_leads(
    request: Request,
    id: str,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: Annotated[str | None, _filter("status")] = None,
    source: Annotated[str | None, _filter("source")] = None,
    content_id: Annotated[str | None, _filter("content item")] = None,
) -> Response:
    """The leads of a channel, the newest first. The first page without a filter also has leads newer than `as_of`.

    Names, addresses and phone numbers need the scope `pii`; without it they are masked.
    """
    principal = reader(request)

    def make(found: WebServices) -> LeadPage:
        visible_channel(found, principal, id, damaged_too=True)
        with found.published.reading() as marts:
            return page_of_leads(found, principal, marts, id, limit, cursor, LeadFilter(status, source, content_id))

    return answered(request, principal, make)


def page_of_leads(
    found: WebServices,
    principal: Principal,
    marts: Connection | None,
    channel_id: str,
    limit: int,
    cursor: str | None = None,
    only: LeadFilter | None = None,
) -> LeadPage:
    """A page of leads of a channel that the caller may see. Problem `invalid`: the cursor is of another list."""
    keys, only = found.settings.secret_keys, only or LeadFilter()
    binding = {"list": "leads", "tenant": principal.tenant, "channel": channel_id}
    binding |= {"status": only.status, "source": only.source, "content_id": only.content_id}
    after = None
    if cursor is not None:
        moment, last = cursors.decode(keys, binding, cursor)
        after = (None if moment is None else str(moment), str(last))
    if marts is None:
        return LeadPage(data=[], next_cursor=None)
    rows, following = page(marts, channel_id, limit, after, only)
    shown = [_lead(row, with_names="pii" in principal.scopes) for row in rows]
    return LeadPage(data=shown, next_cursor=None if following is None else cursors.encode(keys, binding, following))


def _lead(row: dict[str, Any], *, with_names: bool) -> Lead:
    values = dict(row)
    name, email, phone = values.pop("full_name"), values["email"], values["phone"]
    if not with_names:
        name, email, phone = initials(name), masked_email(email), masked_phone(phone)
    return Lead(**values | {"name": name, "email": email, "phone": phone})


def masked_email(email: str | None) -> str | None:
    """`asha@example.com` → `a***@example.com`; None stays None."""
    if not (email or "").strip():
        return None
    local, at, domain = str(email).strip().rpartition("@")
    return f"{local[:1]}{HIDDEN}@{domain}" if at and local else HIDDEN


def masked_phone(phone: str | None) -> str | None:
    """`+91 98765 43210` → `***10`; None stays None."""
    if not (phone or "").strip():
        return None
    digits = re.sub(r"\D", "", str(phone))
    return HIDDEN + (digits[-2:] if len(digits) > 4 else "")

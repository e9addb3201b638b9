"""The page of a channel, put together from what the API answers."""

from dataclasses import dataclass
from typing import Any, Literal

from zoho_pipeline.channels.forms import salts
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.reading.channel_numbers import HAS_DATA, read_contents
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.web.api.channel_model import ChannelState
from zoho_pipeline.web.api.channel_state import channel_states
from zoho_pipeline.web.api.channels import insight_of
from zoho_pipeline.web.api.leads import page_of_leads
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import check_scopes, visible_channel
from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.pages.channel_view import (
    InsightView,
    history_rows,
    insight_view,
    lead_rows,
    numbers,
    read_modules,
    wish_rows,
)
from zoho_pipeline.web.pages.renderer import render
from zoho_pipeline.web.pages.status_line import BUTTONS, NOTES, form_line, push_line, status_line
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.writeback import wishes

LEADS = 20
CONTENTS = 5
SYNCS = 10
WISHES = 20
PATHS = {"sync": "syncs", "resume": "resume"}


@dataclass(frozen=True)
class Viewer:
    """Who looks at the page, and how its forms prove that.

    Attributes:
        frame: `embed` for the page in a frame, `operator` for the one under /ui.
        path: of the page itself; its forms post below it.
        proof: name and value of the hidden field of each form.
        note: the name of a sentence of `NOTES`; another text is ignored.
        bearer: a session token for the module of the page; None where the cookie does it.
    """

    principal: Principal
    frame: Literal["embed", "operator"]
    path: str
    proof: tuple[str, str]
    note: str
    bearer: str | None
    reconnect_url: str


def channel_page(found: WebServices, channel_id: str, viewer: Viewer) -> bytes:
    """The page as HTML. Problem: `forbidden` without the scope `read`; `not_found`."""
    check_scopes(viewer.principal, ("read",))
    channel = visible_channel(found, viewer.principal, channel_id)
    with found.published.reading() as marts:  # all numbers of a page are of one publication
        (state,) = channel_states(found, [channel], marts)
        leads = page_of_leads(found, viewer.principal, marts, channel_id, LEADS).data
        found_insight = _answer(marts, state)
        insight = _insight(marts, state, found_insight)
    scopes = viewer.principal.scopes
    status = status_line(state, scopes)
    waiting = wishes.page(found.registry, channel_id, WISHES, waiting=True) if state.write_back.open is not None else []
    history = queue.history(found.registry, channel_id, SYNCS)
    return render(
        "channel.html",
        state=state,
        status=status,
        title=state.org.name or state.id,
        frame=viewer.frame,
        origin=viewer.principal.origin,
        bearer=viewer.bearer,
        note=NOTES.get(viewer.note),
        base=viewer.path,
        proof_name=viewer.proof[0],
        proof=viewer.proof[1],
        reconnect_url=viewer.reconnect_url,
        buttons=BUTTONS,
        paths=PATHS,
        numbers=numbers(state, found_insight),
        leads=lead_rows(leads, state.as_of.year if state.as_of else None),
        history=history_rows(history, state.timezone, state.currency),
        wishes=wish_rows(waiting, state.timezone),
        can_decide=viewer.frame == "operator" and "write" in scopes,
        read=read_modules(state),
        push=push_line(state),
        forms=_forms(found, channel_id),
        can_pause="admin" in scopes and state.status in ("connected", "never_synced"),
        **insight,
    )


def _answer(marts: Connection | None, state: ChannelState) -> dict[str, Any]:
    try:
        return insight_of(marts, state.id)
    except Problem:
        return {"data_status": "never_synced"}


def _insight(marts: Connection | None, state: ChannelState, insight: dict[str, Any]) -> dict[str, Any]:
    """The insight with its content, or why there is none."""
    view: InsightView | None = None
    contents: list[dict[str, Any]] = []
    if marts and insight["data_status"] in HAS_DATA:
        view = insight_view(insight, state.currency)
        contents = read_contents(marts, state.id, CONTENTS)
    missing = "The insight appears here after the first sync."
    if insight["data_status"] == "module_missing":
        missing = "There is no insight, because leads cannot be read."
    return {"insight": view, "contents": contents, "no_insight": missing}


def _forms(found: WebServices, channel_id: str) -> str | None:
    """What the forms of this channel store; None: it never had a form key."""
    if channel_id not in salts.channels_with_forms(found.registry):
        return None
    return form_line(salts.has_form_key(found.registry, channel_id), found.settings.forms_retention_days)

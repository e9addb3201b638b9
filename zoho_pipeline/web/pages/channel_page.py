"""The page of a channel, put together from what the API answers."""

from dataclasses import dataclass
from typing import Literal

from zoho_pipeline.channels.forms import salts
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.web.api.channel_state import read_known
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import check_scopes, visible_in
from zoho_pipeline.web.http.sized_cache import SizedCache
from zoho_pipeline.web.pages.channel_lists import history_rows, lead_rows, read_modules, wish_rows
from zoho_pipeline.web.pages.channel_view import insight_view, numbers
from zoho_pipeline.web.pages.page_numbers import PageNumbers, read_page_numbers
from zoho_pipeline.web.pages.renderer import render
from zoho_pipeline.web.pages.status_line import BUTTONS, NOTES, form_line, in_known_zone, push_line, status_line
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.writeback import wishes

SYNCS = 10
WISHES = 20
NUMBERS_BYTES, NUMBERS_SECONDS = 16 * 2**20, 600.0
"""The numbers of some 500 pages. A page is made anew whenever the registry changes, which on a busy installation is
many times per second. Its numbers change with a publication alone."""

PATHS = {"sync": "syncs", "resume": "resume"}
KeptNumbers = SizedCache[PageNumbers]
"""(publication, channel id) → the numbers of its page. The key names all that they depend on."""

_NO_SYNC = "The insight appears here after the first sync."
_NO_LEADS = "There is no insight, because leads cannot be read."


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


def kept_numbers() -> KeptNumbers:
    """An empty place for the numbers of pages. One process has one."""
    return SizedCache(NUMBERS_BYTES, NUMBERS_SECONDS)


def channel_page(found: WebServices, kept: KeptNumbers, channel_id: str, viewer: Viewer) -> bytes:
    """The page as HTML. Problem: `forbidden` without the scope `read`; `not_found`."""
    scopes = viewer.principal.scopes
    check_scopes(viewer.principal, ("read",))
    with found.reading.read() as transaction:
        # before all that the page shows: what happens later comes as an event of a larger number
        last_event = channel_events.newest_number(transaction, channel_id) if channel_id.isprintable() else 0
        channel = visible_in(found, transaction, viewer.principal, channel_id, damaged_too=True)
        known = read_known(found, transaction, [channel])
        history = queue.newest_of(transaction, channel_id, SYNCS)
        takes_forms = salts.takes_forms(transaction, channel_id)
        is_written = channel_id in known.written
        waiting, damaged = wishes.unfinished(transaction, channel_id, WISHES) if is_written else ([], [])
    read = _numbers(found, kept, channel_id)
    (state,) = known.states({channel_id: read.numbers} if read.numbers else {})
    state = in_known_zone(state)
    hindrance = known.hindered.get(channel_id)
    status = status_line(state, scopes, can_reconnect=known.can_reconnect(channel_id))
    return render(
        "channel.html",
        state=state,
        status=status,
        cure=hindrance.cure if hindrance and viewer.frame == "operator" else None,
        title=state.org.name or state.id,
        frame=viewer.frame,
        origin=viewer.principal.origin,
        bearer=viewer.bearer,
        last_event=last_event,
        note=NOTES.get(viewer.note),
        base=viewer.path,
        proof_name=viewer.proof[0],
        proof=viewer.proof[1],
        reconnect_url=viewer.reconnect_url,
        buttons=BUTTONS,
        paths=PATHS,
        numbers=numbers(state, read.insight or {}),
        leads=lead_rows(read.leads, state.as_of.year if state.as_of else None, with_names="pii" in scopes),
        history=history_rows(history, state.timezone, state.currency),
        wishes=wish_rows(waiting, state.timezone),
        damaged_wishes=damaged,
        can_decide=viewer.frame == "operator" and "write" in scopes,
        modules=read_modules(state),
        push=push_line(state),
        forms=form_line(takes_forms, found.settings.forms_retention_days),
        can_pause="admin" in scopes and state.status in ("connected", "never_synced"),
        insight=None if read.insight is None else insight_view(read.insight, state.currency),
        contents=read.contents,
        no_insight=_NO_LEADS if state.data_status == "module_missing" else _NO_SYNC,
    )


def _numbers(found: WebServices, kept: KeptNumbers, channel_id: str) -> PageNumbers:
    """The numbers of a channel that the viewer may see, all of one publication."""
    # before the reading: another publication that comes meanwhile is never kept under the name of a later one
    key = (found.published.publication(), channel_id)
    numbers = kept.get(key)
    if numbers is None:
        with found.published.reading() as marts:
            numbers = read_page_numbers(marts, channel_id) if marts else PageNumbers()
        kept.put(key, numbers, numbers.size)
    return numbers

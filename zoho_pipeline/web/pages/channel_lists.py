"""The lists of a channel's page: its newest leads, its syncs, its wishes for a status, and what is read from Zoho."""

from collections.abc import Mapping, Sequence
from typing import Any

from zoho_pipeline.channels.sync_requests.model import SyncRequest
from zoho_pipeline.reading.leads import initials
from zoho_pipeline.web.api.channel_model import ChannelState
from zoho_pipeline.web.pages.formats import NONE, hours, short_moment, shown, whole
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.wishes import question_of

READ = {
    "Leads": "leads",
    "Contacts": "contacts",
    "Accounts": "companies",
    "Deals": "deals and their stages",
    "Calls": "calls",
    "Events": "meetings",
    "Tasks": "tasks",
    "Notes": "notes",
    "Campaigns": "campaigns",
}
"""Zoho's modules in the words of the page."""


def lead_rows(leads: Sequence[Mapping[str, Any]], year: int | None, *, with_names: bool) -> list[dict[str, Any]]:
    """The rows of the table of leads. A time of this `year` is written without the year.

    Without the scope `pii`, names are initials.
    """
    return [
        {
            "created": short_moment(lead["created_local"], year=year),
            "name": shown(lead["full_name"] if with_names else initials(lead["full_name"]), 80),
            "company": shown(lead["company"], 80),
            "source": shown(lead["lead_source"], 60),
            "status": shown(lead["lead_status"], 60),
            "content": shown(lead["content_title"] or lead["content_id"], 90),
            "is_by_form": lead["captured_by"] == "landing_page",
            "is_converted": lead["is_converted"],
            "is_new": lead["is_newer_than_as_of"],
        }
        for lead in leads
    ]


_REASONS = {
    "user": "requested",
    "push": "changes in Zoho",
    "connect": "first sync",
    "gap": "catch-up",
    "run": "schedule",
}
_STATES = {"queued": "Waiting", "running": "Running", "done": "Done", "failed": "Failed"}


def history_rows(requests: Sequence[SyncRequest], zone: str, currency: str | None) -> list[dict[str, str]]:
    """The rows of the table of syncs, the newest first."""
    rows = []
    for request in requests:
        read = sum((request.progress or {}).values())
        began, ended = request.started_at, request.finished_at
        seconds = (ended - began).total_seconds() if began and ended else None
        rows.append(
            {
                "asked": short_moment(request.asked_at, zone),
                "why": _REASONS.get(request.reason, request.reason),
                "state": _STATES.get(request.state, request.state),
                "is_failed": "yes" if request.state == "failed" else "",
                "rows": whole(read, currency) if request.progress else NONE,
                "took": hours(seconds / 3600) if seconds and seconds >= 60 else f"{seconds:.0f} s" if seconds else NONE,
            }
        )
    return rows


_WISHES = {"queued": "Waits for its turn", "sending": "On its way", "conflict": "Waits for a decision"}


def wish_rows(found: Sequence[Writeback], zone: str) -> list[dict[str, str]]:
    """The rows of the table of wishes that are not at their end, the newest first."""
    return [
        {
            "id": wish.id,
            "lead": wish.lead_id,
            "asked": short_moment(wish.created_at, zone),
            "wanted": shown(wish.desired, 60),
            "found": shown(wish.zoho_status, 60),
            "state": _WISHES.get(wish.state, wish.state),
            "decides": "yes" if wish.waits_for_a_person else "",
            "question": question_of(wish.zoho_status),
        }
        for wish in found
    ]


def read_modules(state: ChannelState) -> list[str]:
    """What is read from Zoho, in the words of the page."""
    known = [READ[module.module] for module in state.modules if module.module in READ and module.outcome != "skipped"]
    return known or list(READ.values())

"""The sentences of a channel's page: its state with one button, a banner where numbers are old, and what is stored."""

from dataclasses import dataclass
from typing import Literal

from zoho_pipeline.setting_checks import known_zone
from zoho_pipeline.web.api.channel_model import ChannelState
from zoho_pipeline.web.pages.formats import moment, plural, shown, whole

Tone = Literal["good", "busy", "idle", "bad"]
Action = Literal["reconnect", "sync", "resume"]

BUTTONS: dict[Action, str] = {"reconnect": "Reconnect", "sync": "Sync Now", "resume": "Resume"}
NEEDS: dict[Action, str] = {"reconnect": "connect", "sync": "sync", "resume": "admin"}
"""The scope of each action."""

NOTES = {
    "asked": "The sync was requested. This page shows its progress.",
    "joined": "A sync was requested before; it goes on.",
    "limit": "There were many requests for a sync within an hour. Please wait for some minutes.",
    "paused": "The channel is paused now.",
    "resumed": "The channel is active again.",
    "refused": "A sync is not possible now.",
    "kept": "Zoho’s status stays.",
    "forced": "The status of the wish is written to Zoho in a moment.",
    "undecided": "This wish does not wait any more, Zoho has another status by now, or write-back is off.",
}
"""What a form did → the sentence that the page shows after it."""


@dataclass(frozen=True)
class StatusLine:
    """Attributes:
    word: the state in one or two words.
    sentence: what it means for the reader.
    action: what the one button does; None: there is no button.
    banner: why the numbers are old, with their date.
    """

    tone: Tone
    word: str
    sentence: str
    action: Action | None
    banner: str | None


def in_known_zone(state: ChannelState) -> ChannelState:
    """The state as a page shows it: in UTC where this host does not know the channel's time zone."""
    return state if known_zone(state.timezone) else state.model_copy(update={"timezone": "UTC"})


def status_line(state: ChannelState, scopes: frozenset[str], *, can_reconnect: bool = True) -> StatusLine:
    """The state of a channel for somebody with these scopes.

    Args:
        can_reconnect: False: no consent helps this channel.
    """
    tone, word, sentence, action = _state(state)
    if action == "reconnect" and not can_reconnect:
        tone, word, sentence, action = _hindered(state)
    allowed = action if action is not None and NEEDS[action] in scopes else None
    if action == "reconnect" and allowed is None:
        sentence += " Somebody who may connect must do this."
    return StatusLine(tone, word, sentence, allowed, _banner(state))


def _is_hindered(state: ChannelState) -> bool:
    """Whether no sync can work, although Zoho refuses nothing: then only whoever runs the service can help."""
    return state.status in ("connected", "never_synced") and state.status_detail is not None


def _hindered(state: ChannelState) -> tuple[Tone, str, str, Action | None]:
    org = shown(state.org.name) if state.org.name else "Zoho CRM"
    return "bad", "No sync possible", f"Nothing can be read from {org} now.", None


def _state(state: ChannelState) -> tuple[Tone, str, str, Action | None]:
    org = shown(state.org.name) if state.org.name else "Zoho CRM"
    running = state.sync.state in ("queued", "running")
    if state.status == "reconnect_needed":
        return "bad", "Reconnect needed", f"Nothing can be read from {org} now. Connect again to go on.", "reconnect"
    if state.status == "paused":
        return "idle", "Paused", f"Nothing is read from {org} until somebody resumes it.", "resume"
    if _is_hindered(state):
        return _hindered(state)
    if running:
        rows = sum(state.sync.progress.values())
        so_far = f"{whole(rows, state.currency)} {plural(rows, 'row')} so far" if rows else "it begins soon"
        return "busy", "Syncing", f"Changes are read from {org}: {so_far}.", None
    if state.status == "never_synced":
        failed = state.last_sync.tried_at is not None
        words = "The first sync did not finish." if failed else "The first sync has not begun."
        return "bad" if failed else "idle", "Never synced", f"{org} is connected. {words}", "sync"
    until = moment(state.last_sync.complete_at, state.timezone)
    done = f"Everything in {org} up to {until} is imported."
    if state.sync.state == "failed":
        why = f" The newest sync failed: {shown(state.sync.error, 300)}" if state.sync.error else ""
        return "bad", "Last sync failed", done + why, "sync"
    return "good", "Connected", done, "sync"


def push_line(state: ChannelState) -> str | None:
    """How changes arrive, in sentences for a marketer; None: by syncs alone."""
    push = state.push
    if push.state == "off":
        return None
    if push.state in ("stopped", "failed"):
        return "Zoho’s notifications have stopped. Changes appear after the next sync."
    if push.is_catching_up:
        return "Notifications of Zoho may have been lost. A sync reads everything that changed meanwhile."
    words = "Zoho tells of each change, so a new lead appears here within seconds."
    if push.last_event_at is not None:
        words += f" The last notification came {moment(push.last_event_at, state.timezone)}."
    if push.p95_seconds is not None:
        words += f" Of the last day’s changes, 95 % were read within {push.p95_seconds:.0f} s."
    if push.missed or push.idle:
        missed, idle = push.missed or 0, push.idle or 0
        words += f" The last sync found {missed} {plural(missed, 'change')} without a notification, and {idle} "
        words += f"{plural(idle, 'notification')} without a change."
    if push.is_hourly:
        words += " Notifications have used their share of the API credits, so the numbers change once per hour."
    return words


def form_line(can_post: bool | None, days: int) -> str | None:
    """What the forms of a channel store; None: it never had a form key.

    Args:
        can_post: see `salts.takes_forms`. False: it had a key, and what came by it may still be stored.
        days: how long a submission without a lead is kept.
    """
    if can_post is None:
        return None
    began = "Your landing page’s form also sends" if can_post else "No form can send anything now. Before, a form sent"
    return (
        f"{began} where a visit came from, if the visitor agreed. The e-mail address and the phone number are stored "
        "as a hash only, and neither the IP address nor cookies are stored. A submission that belongs to no lead is "
        f"deleted after {days} {plural(days, 'day')}."
    )


def _banner(state: ChannelState) -> str | None:
    if state.leads.total is None:
        if state.data_status == "module_missing":
            return "Leads cannot be read: check what the connected user may see."
        return None
    date = moment(state.as_of, state.timezone)
    if state.status == "reconnect_needed":
        return f"These are the numbers of {date}. They stay until the channel is connected again."
    if _is_hindered(state):
        return f"These are the numbers of {date}. They stay until a sync can run again."
    if state.data_status == "stale":
        why = "the channel is paused" if state.status == "paused" else "no newer sync has finished"
        return f"These are the numbers of {date}: {why}."
    return None

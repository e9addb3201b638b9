"""How the fields of a channel are filled: from the registry, from its sync requests, and from the published marts."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from zoho_pipeline.channels.access.hindrances import Hindrance, hindrances
from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.channels.registry.sync_records import org_credits
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.channels.sync_requests.model import SyncRequest
from zoho_pipeline.push.status import PushStatus, push_status
from zoho_pipeline.reading.channel_numbers import ChannelNumbers, data_status
from zoho_pipeline.setting_checks import known_zone
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.api import channel_model as model
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.writeback.wishes import summaries
from zoho_pipeline.zoho.connection.credits import known_edition

log = logging.getLogger(__name__)

_DAMAGED = "What this service knows of the switch is damaged. Whoever runs it must switch write-back on again."
_WORST_FIRST: tuple[Literal["failed", "stopped", "complete", "skipped"], ...] = (
    "failed",
    "stopped",
    "complete",
    "skipped",
)


@dataclass(frozen=True)
class Known:
    """What the registry says of channels that the caller may see, as of one transaction. Keys are channel ids.

    Attributes:
        written: only channels whose write-back was ever on.
        hindered: only channels of which no sync can work.
    """

    channels: tuple[Channel, ...]
    requests: Mapping[str, SyncRequest]
    credits: Mapping[str, model.Credits]
    pushes: Mapping[str, model.Push]
    written: Mapping[str, model.WriteBack]
    hindered: Mapping[str, Hindrance]
    now: datetime

    def can_reconnect(self, channel_id: str) -> bool:
        """Whether a consent can help the channel, if it needs help."""
        hindrance = self.hindered.get(channel_id)
        return hindrance is None or hindrance.ends_by_consent

    def states(self, numbers: Mapping[str, ChannelNumbers]) -> list[model.ChannelState]:
        """The fields of the channels, with their numbers of the marts."""
        return [
            _state(
                channel,
                numbers.get(channel.id),
                self.requests.get(channel.id),
                self.credits[channel.id],
                self.pushes[channel.id],
                self.written.get(channel.id, model.WriteBack(state="off")),
                self.hindered.get(channel.id),
                self.now,
            )
            for channel in self.channels
        ]


def read_known(found: WebServices, transaction: Connection, channels: Iterable[Channel]) -> Known:
    """What an open transaction of the registry says of channels that the caller may see."""
    listed = tuple(channels)
    written = {channel.id: _write_back(transaction, channel.id) for channel in listed}
    ids, now = [channel.id for channel in listed], found.reading.now_in(transaction)
    share = found.service.push_credit_share
    return Known(
        channels=listed,
        requests=queue.newest(transaction, ids),
        credits={channel.id: _credits(transaction, channel, found.settings, now) for channel in listed},
        pushes={channel.id: _push(push_status(transaction, channel, share, now)) for channel in listed},
        written={channel_id: shown for channel_id, shown in written.items() if shown is not None},
        hindered=hindrances(found.registry, transaction, listed),
        now=now,
    )


def for_browser(text: str) -> str | None:
    """A sentence of the pipeline without the parts that name a command: who reads a page has no command line.

    None: nothing is left.
    """
    parts = re.split(r"(?<=[.;])\s+", text)
    kept = " ".join(part for part in parts if "zoho-pipeline" not in part and "ZOHO_" not in part).strip()
    return kept.rstrip(";:, ") or None


def _state(
    channel: Channel,
    numbers: ChannelNumbers | None,
    request: SyncRequest | None,
    credits: model.Credits,
    push: model.Push,
    write_back: model.WriteBack,
    hindrance: Hindrance | None,
    now: datetime,
) -> model.ChannelState:
    return model.ChannelState(
        id=channel.id,
        tenant=channel.tenant,
        timezone=channel.timezone,
        currency=channel.currency,
        status=_status(channel, hindrance),
        status_detail=hindrance.sentence if hindrance else for_browser(channel.status_detail or ""),
        org=model.Org(name=channel.org_name, edition=channel.edition),
        connected_user=model.ConnectedUser(name=channel.user_name, is_admin=channel.is_admin),
        data_center=channel.data_center,
        scopes=None if channel.scopes is None else list(channel.scopes),
        missing_scopes=list(channel.missing_scopes),
        hints=_sentences(channel.hints),
        problems=_problems(channel, hindrance),
        connected_at=channel.connected_at,
        last_sync=_last_sync(channel),
        sync=_sync(request),
        as_of=numbers.as_of if numbers else None,
        data_status=data_status(numbers, channel.parameters.get("stale_after_hours"), now),
        leads=_leads(numbers),
        credits=credits,
        modules=[_module(channel, name) for name in channel.modules],
        chosen_modules=channel.module_choices,
        push=push,
        write_back=write_back,
    )


def _write_back(transaction: Connection, channel_id: str) -> model.WriteBack | None:
    """The write-back of a channel; None: it was never on. A damaged row must not hide the other channels of a list."""
    try:
        found = summaries(transaction, [channel_id]).get(channel_id)
        values = {} if found is None else {name: getattr(found, name) for name in model.WriteBack.model_fields}
        return model.WriteBack.model_validate(values) if values else None
    except ValueError:
        log.error("what the registry stores of the write-back of channel %s is damaged", channel_id)
        return model.WriteBack(state="broken", detail=_DAMAGED)


def _status(channel: Channel, hindrance: Hindrance | None) -> model.Status:
    if channel.status == PAUSED:
        return "paused"
    if channel.status == RECONNECT_NEEDED or (hindrance is not None and hindrance.ends_by_consent):
        return "reconnect_needed"
    return "connected" if channel.last_complete_sync_at else "never_synced"


def _problems(channel: Channel, hindrance: Hindrance | None) -> list[str]:
    found = [hindrance.sentence] if hindrance else []
    if known_zone(channel.timezone) is None:
        found.append(
            f"The time zone {channel.timezone!r} is not known here, so times are shown in UTC. Whoever runs this "
            "service can set another one."
        )
    return found + [text for text in _sentences(channel.problems) if not channel.is_damaged]


def _sentences(texts: Iterable[str]) -> list[str]:
    return [kept for text in texts if (kept := for_browser(text))]


def _last_sync(channel: Channel) -> model.LastSync:
    outcomes = {module.outcome for module in channel.modules.values()}
    worst = next((outcome for outcome in _WORST_FIRST if outcome in outcomes), None)
    return model.LastSync(complete_at=channel.last_complete_sync_at, tried_at=channel.last_tried_at, outcome=worst)


def _sync(request: SyncRequest | None) -> model.SyncState:
    if request is None:
        return model.SyncState(state="idle", request_id=None, progress={})
    progress: Mapping[str, int] = request.progress or {}
    return model.SyncState.model_validate(
        {
            "state": request.state,
            "request_id": request.id,
            "progress": dict(progress),
            "error": for_browser(request.error or ""),
        }
    )


def _leads(numbers: ChannelNumbers | None) -> model.LeadCounts:
    names = model.LeadCounts.model_fields
    return model.LeadCounts(**{name: getattr(numbers, name, None) for name in names})


def _module(channel: Channel, name: str) -> model.Module:
    status = channel.modules[name]
    return model.Module(
        module=name,
        outcome=status.outcome,
        complete_at=status.upper_bound,
        synced_at=status.synced_at,
        rows=status.rows,
        credits=status.credits,
        detail=for_browser(status.detail or ""),
    )


def _push(found: PushStatus) -> model.Push:
    names = model.Push.model_fields
    values = {name: getattr(found, name) for name in names} | {"detail": for_browser(found.detail or "")}
    return model.Push.model_validate(values)


def _credits(transaction: Connection, channel: Channel, settings: Settings, now: datetime) -> model.Credits:
    edition = known_edition(channel.edition)
    limit = edition.credits(channel.users_licensed or 0) if edition else None
    budget = None if limit is None else int(limit * settings.credit_budget)
    return model.Credits(used_24h=org_credits(transaction, channel, now), limit=limit, budget=budget)

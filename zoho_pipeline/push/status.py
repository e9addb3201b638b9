"""What people see of a subscription: its state, how quick it is, what it missed, and the URL for a workflow."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform import push_subscriptions as subscriptions
from zoho_pipeline.channels.platform.push_subscriptions import FAILED, Subscription
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.push.hooks import WORKFLOW, open_secrets
from zoho_pipeline.push.insight_lane import is_limited
from zoho_pipeline.service_settings import ServiceSettings

log = logging.getLogger(__name__)

OFF = "off"
DAMAGED = "What this service knows of the notifications is damaged. Whoever runs it must switch them off and on again."


@dataclass(frozen=True)
class PushStatus:
    """The notifications of one channel.

    Attributes:
        state: off, on, short, stopped or failed.
        detail: why, in a sentence for a person.
        expires_at: when Zoho ends the subscription, by its clock.
        p95_seconds: of the records of the last 24 hours, 95 % were loaded within this time after their change.
        p95_insight_seconds: the same until the numbers counted them.
        is_catching_up: notifications may have been lost, and the sync for it has not ended.
        is_hourly: the share of the day's credits is used up, so whole syncs come once per hour.
        missed, idle: of the last whole sync: changed rows that no notification named; named records that had not
            changed.
        waiting: records that are not read yet.
        credits: lane → API credits of the last 24 hours.
    """

    channel_id: str
    state: str = OFF
    detail: str | None = None
    events: dict[str, str] | None = None
    expires_at: datetime | None = None
    asked_expiry: datetime | None = None
    renewed_at: datetime | None = None
    last_event_at: datetime | None = None
    p95_seconds: float | None = None
    p95_insight_seconds: float | None = None
    is_catching_up: bool = False
    is_hourly: bool = False
    deliveries: int = 0
    doubtful: int = 0
    missed: int | None = None
    idle: int | None = None
    missed_total: int = 0
    waiting: int = 0
    credits: dict[str, float] | None = None


def push_status(transaction: Connection, channel: Channel, share: float, now: datetime) -> PushStatus:
    """The status of a channel's notifications, inside an open transaction. With a damaged row, it is `failed`."""
    try:
        found = subscriptions.get(transaction, channel.id)
    except DamagedValue:
        log.error("what the registry stores of the notifications of channel %s is damaged", channel.id)
        return PushStatus(channel.id, state=FAILED, detail=DAMAGED)
    if found is None:
        return PushStatus(channel.id)
    seconds = push_queue.seconds_of(transaction, now, channel.id)
    return PushStatus(
        channel_id=channel.id,
        state=found.state,
        detail=_detail(found),
        events=dict(found.events),
        expires_at=found.expires_at,
        asked_expiry=found.asked_expiry,
        renewed_at=found.renewed_at,
        last_event_at=found.last_delivery_at,
        p95_seconds=_p95(seconds["raw"]),
        p95_insight_seconds=_p95(seconds["insight"]),
        is_catching_up=found.gap_since is not None,
        is_hourly=is_limited(transaction, channel, share, now),
        deliveries=found.deliveries,
        doubtful=found.doubtful,
        missed=found.missed if found.compared_at else None,
        idle=found.idle if found.compared_at else None,
        missed_total=found.missed_total,
        waiting=push_queue.count_new(transaction, channel.id),
        credits=subscriptions.credits_by_lane(transaction, channel.id, now),
    )


def _p95(seconds: Sequence[float]) -> float | None:
    """In tenths of a second: Zoho gives the time of a change in whole seconds."""
    found = push_queue.percentile(seconds, 0.95)
    return None if found is None else round(found, 1)


def read_status(registry: Registry, service: ServiceSettings, channel: Channel) -> PushStatus:
    """`push_status` in a transaction of its own."""
    with registry.database.read() as transaction:
        return push_status(transaction, channel, service.push_credit_share, registry.database.now_in(transaction))


def workflow_fields(registry: Registry, service: ServiceSettings, channel_id: str) -> dict[str, Any] | None:
    """The URL and the fields that a person pastes into a webhook of a Zoho workflow; None: push is off.

    The secrets stay the same until push is switched off. DecryptionError: no key decrypts them.
    """
    with registry.database.read() as transaction:
        found = open_secrets(transaction, registry.encryptor, channel_id)
    if found is None:
        return None
    url = f"{service.public_url}{WORKFLOW}/{found['workflow'].reveal()}"
    fields = {"module": "Leads", "id": "${!Leads.Id}", "secret": found["secret"].reveal()}
    return {"url": url, "fields": fields}


def _detail(found: Subscription) -> str | None:
    if found.gap_since is not None and found.detail is None:
        return "notifications may have been lost; a whole sync is asked for"
    return found.detail

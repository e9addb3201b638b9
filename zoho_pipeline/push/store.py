"""What a subscription leaves in the registry: its secrets before a call, and what Zoho answered after it."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from zoho_pipeline.channels.errors import DamagedChannel, DecryptionError, SyncRefused
from zoho_pipeline.channels.platform import push_subscriptions as rows
from zoho_pipeline.channels.platform.push_subscriptions import FAILED, ON, SHORT, STOPPED, Subscription
from zoho_pipeline.channels.registry.platform_tables import push_old_hooks, push_subscriptions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.model import GAP
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.logs import redact
from zoho_pipeline.push import hooks
from zoho_pipeline.push.agree import UNCONFIRMED
from zoho_pipeline.settings import Secret

log = logging.getLogger(__name__)

SHORTER = timedelta(hours=1)
"""A subscription that ends this much earlier than asked counts as short."""

ASKED_AGAIN = timedelta(hours=1)
"""After this time, Zoho is asked again for a module that it did not confirm. Each renewal costs three credits."""

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
LONGEST_DETAIL = 500


class SubscriptionStore:
    """The rows of one registry. The caller holds the lock of the channel's subscription."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._database, self._encryptor = registry, registry.database, registry.encryptor

    def read(self, channel_id: str) -> Subscription | None:
        """The subscription of a channel; None: it has none."""
        with self._database.read() as transaction:
            return rows.get(transaction, channel_id)

    def insert(self, channel_id: str, number: str, given: Mapping[str, Secret], zoho_now: datetime) -> None:
        """Store a new subscription before the call: a notification may come before its answer."""
        every = {**given, "workflow": hooks.new_secret(), "secret": hooks.new_secret()}
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            values: dict[str, Any] = hooks.sealed(self._encryptor, channel_id, **every)
            values |= {"channel_id": channel_id, "zoho_channel_id": number, "events": {}, "asked_expiry": zoho_now}
            values |= {"skew_seconds": 0.0, "state": ON, "detail": "it is being switched on", "created_at": now}
            values |= dict.fromkeys(("tries", "deliveries", "doubtful", "missed", "idle", "missed_total"), 0)
            transaction.execute(insert(push_subscriptions).values(**values, renewed_at=now))

    def change_hook(self, channel_id: str, given: Mapping[str, Secret]) -> None:
        """Store a new hook and token before a POST. The present ones are heard for 24 hours more."""
        with self._database.write() as transaction:
            values = hooks.sealed(self._encryptor, channel_id, **given)
            hooks.change_hook(transaction, channel_id, self._database.now_in(transaction), **values)

    def replace_hook(self, channel_id: str, number: str, given: Mapping[str, Secret]) -> None:
        """Store another id, hook and token in the place of those that Zoho has just refused."""
        with self._database.write() as transaction:
            values = hooks.sealed(self._encryptor, channel_id, **given)
            rows.store(transaction, channel_id, zoho_channel_id=number, **values)

    def secrets(self, channel_id: str) -> dict[str, Secret] | None:
        """The stored secrets; None if no key decrypts them."""
        try:
            with self._database.read() as transaction:
                return hooks.open_secrets(transaction, self._encryptor, channel_id)
        except DecryptionError:
            return None

    def numbers(self, known: Subscription) -> list[str]:
        """The ids of the subscription at Zoho, with earlier ones that may still be alive."""
        old = select(push_old_hooks.c.zoho_channel_id).where(push_old_hooks.c.channel_id == known.channel_id)
        with self._database.read() as transaction:
            return list(dict.fromkeys([known.zoho_channel_id, *transaction.scalars(old)]))

    def succeeded(
        self,
        channel_id: str,
        outcomes: Mapping[str, str],
        zoho_now: datetime,
        life: tuple[datetime, datetime],
        *,
        anew: bool,
    ) -> None:
        """Store what Zoho keeps.

        Args:
            life: the expiry that was asked for, and the one that Zoho keeps.
            anew: by a POST, after which a subscription that was silent may speak again.
        """
        asked, ends = life
        state = SHORT if asked - ends > SHORTER else ON
        detail = None if state == ON else f"Zoho keeps it for {_hours(ends - zoho_now)} and not for a week"
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            before = rows.get(transaction, channel_id)
            if before is None:
                return
            if before.state == STOPPED and not anew:
                state, detail = STOPPED, before.detail
            values: dict[str, Any] = {"events": {**before.events, **outcomes}, "asked_expiry": asked}
            wait = max((ends - zoho_now) / 2, timedelta(0))
            if unconfirmed := [event for event, outcome in outcomes.items() if outcome == UNCONFIRMED]:
                wait = min(wait, ASKED_AGAIN)
                detail = detail or f"Zoho does not confirm {', '.join(unconfirmed)}, and is asked again within an hour"
            values |= {"renew_at": zoho_now + wait, "expires_at": ends}
            values |= {"skew_seconds": (zoho_now - now).total_seconds(), "renewed_at": now}
            values |= {"tries": 0, "next_try_at": None, **({"silent_since": None} if anew else {})}
            rows.change_state(transaction, channel_id, state, detail, now, **values)

    def failed(self, known: Subscription, why: str, *, lasting: bool) -> None:
        """Store a failed try, and when the next one comes.

        Args:
            lasting: Zoho refused. Else the subscription counts as failed only when its life is over.
        """
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            is_over = known.expires_at is None or known.expires_at <= known.zoho_now(now)
            wait = min(FIRST_WAIT * 2 ** min(known.tries, 10), LONGEST_WAIT)
            values: dict[str, Any] = {"tries": known.tries + 1, "next_try_at": now + wait}
            state = FAILED if lasting or is_over else known.state
            rows.change_state(transaction, known.channel_id, state, redact(why)[:LONGEST_DETAIL], now, **values)

    def mark_gap(self, channel_id: str) -> None:
        """Notifications may be lost: ask for a whole sync. Until it has ended, nothing counts as real time."""
        with self._database.write() as transaction:
            rows.store(transaction, channel_id, gap_since=self._database.now_in(transaction))
        try:
            request_sync(self._registry, channel_id, reason=GAP, requested_by="push")
        except (SyncRefused, DamagedChannel) as refused:
            log.info("channel %s: no sync for the gap now: %s", channel_id, refused)

    def forget(self, channel_id: str) -> None:
        """Delete the subscription: its hooks are refused from now on."""
        with self._database.write() as transaction:
            for table in (push_subscriptions, push_old_hooks):
                transaction.execute(delete(table).where(table.c.channel_id == channel_id))


def _hours(life: timedelta) -> str:
    return f"{max(life.total_seconds(), 0) / 3600:.1f} hours"

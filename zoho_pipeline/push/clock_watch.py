"""Sees when the clock of the registry moved against Zoho's, so that no renewal comes too late.

The end of a subscription is a time of Zoho's clock. We know how far that clock is ahead of ours from the last answer of
Zoho. If our clock is set, that is wrong until the next answer, which may come after the end. The worker's steady clock
shows such a jump. Then one call to Zoho gives the difference for all subscriptions.
"""

import logging
import time
from collections.abc import Callable

from sqlalchemy import Float, cast, func, select, update

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.platform.push_subscriptions import hold
from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.watch import subscriptions as watch

log = logging.getLogger(__name__)

JUMP_SECONDS = 60.0
"""A smaller move does not matter to a renewal: days are left of a subscription at that time."""

RETRY_SECONDS = 300.0

MOST_ASKED = 3
"""Channels that are asked, if the first ones cannot be reached."""


class ClockWatch:
    """Compares the registry's clock with a steady one. It belongs to one thread.

    Args:
        pacing: of the call to Zoho; None is the product's.
        steady: seconds of a clock that nobody sets.
        retry_seconds: after a look at which Zoho did not answer.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        pacing: Pacing | None = None,
        steady: Callable[[], float] = time.monotonic,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._settings, self._registry, self._pacing, self._steady = settings, registry, pacing, steady
        self._offset: float | None = None
        self._retry_seconds, self._not_before = retry_seconds, float("-inf")

    def look(self) -> bool:
        """Ask Zoho for its time if this is the first look, or if our clock jumped. Returns whether it was asked.

        A failure is tried again some minutes later: renewals must not wait for an org that does not answer.
        """
        offset = self._registry.database.now().timestamp() - self._steady()
        if self._offset is not None and abs(offset - self._offset) < JUMP_SECONDS:
            return False
        if self._steady() < self._not_before:
            return False
        if self._offset is not None:
            log.warning(
                "the clock of the registry jumped by %.0f s. Zoho is asked for its time.", offset - self._offset
            )
        if self._measure():
            self._offset = offset
        else:
            self._not_before = self._steady() + self._retry_seconds
        return True

    def _measure(self) -> bool:
        """Store Zoho's clock less ours for every subscription. Returns whether it is known, or nobody needs it."""
        own, database = push_subscriptions.c, self._registry.database
        with database.read() as transaction:
            joined = select(own.channel_id, own.zoho_channel_id).join(channels, channels.c.channel_id == own.channel_id)
            found = transaction.execute(
                joined.where(channels.c.status == ACTIVE).order_by(own.expires_at).limit(MOST_ASKED)
            ).all()
        for channel_id, number in found:
            try:
                with open_client(self._settings, self._registry, channel_id, pacing=self._pacing) as client:
                    watch.read(client, number)
                    skew = (client.server_time - database.now()).total_seconds()
                self._registry.add_credits(channel_id, client.meter.credits)
            except PipelineError as error:
                log.warning("channel %s: Zoho's time cannot be asked: %s", channel_id, error)
                continue
            with database.write() as transaction:
                moved = func.abs(own.skew_seconds - cast(skew, Float)) >= JUMP_SECONDS
                hold(transaction, transaction.scalars(select(own.channel_id).where(moved)).all())
                transaction.execute(update(push_subscriptions).where(moved).values(skew_seconds=skew))
            return True
        return not found

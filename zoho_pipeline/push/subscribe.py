"""The subscription of a channel at Zoho: switch it on, renew it, end it.

A subscription lives for a week at most, and Zoho makes a wrong expiry one hour without an error. So the answer is read
back, and a renewal comes when half of the life is over: PUT; if Zoho refuses it, POST with the same id; then POST with
a new id. Each POST gets a new hook and a new token, stored before the call, so that no notification is refused.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from sqlalchemy import select

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.database.whole_rows import whole_rows
from zoho_pipeline.channels.errors import ChannelBusy, DamagedValue, UnknownChannel
from zoho_pipeline.channels.platform import push_subscriptions as rows
from zoho_pipeline.channels.platform.push_subscriptions import Subscription
from zoho_pipeline.channels.registry.model import RECONNECT_NEEDED, Channel
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.push import hooks
from zoho_pipeline.push.agree import OTHER_NAME, SUBSCRIBED, UNCONFIRMED, Agreement, agree, compare
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import PipelineError, Secret, Settings, UsageError
from zoho_pipeline.zoho.accounts import scopes
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import Permanent, ReconnectNeeded, ScopeMissing, ZohoError
from zoho_pipeline.zoho.watch import subscriptions as watch
from zoho_pipeline.zoho.watch.subscriptions import Entry

log = logging.getLogger(__name__)

LIFE = timedelta(days=6, hours=23)
"""Zoho allows a week; an hour less keeps clear of its edge."""

FALLBACK = timedelta(hours=1)
"""What Zoho gives when it does not take an expiry: assumed where no answer shows the expiry."""

NO_NOTIFICATIONS = frozenset({"Notes"})
LOCK_SECONDS = 30.0


def known_modules() -> tuple[str, ...]:
    """The modules that have a raw table and send notifications."""
    return tuple(name for name in BY_MODULE if name and name not in NO_NOTIFICATIONS)


class Subscriber:
    """Switches subscriptions on and off, and renews them. Each channel by one process at a time.

    Args:
        pacing: of the calls to Zoho; None is the product's.
    """

    def __init__(
        self, settings: Settings, registry: Registry, service: ServiceSettings, pacing: Pacing | None = None
    ) -> None:
        self._settings, self._registry, self._service, self._pacing = settings, registry, service, pacing
        self._store = SubscriptionStore(registry)

    def turn_on(self, channel_id: str, modules: Sequence[str] = ()) -> Subscription:
        """Subscribe to the changes of these modules (none: all that the connection may read).

        A channel that is subscribed gets a new subscription in the place of the old one.

        Raises:
            UnknownChannel, ChannelBusy, UsageError (an unknown module): nothing was sent.
            PipelineError: the scopes or the public URL do not allow it, or Zoho refuses. The message names the cure.
        """
        with self._alone(channel_id), self._refusals(channel_id):
            channel = self._registry.get(channel_id)
            events = [f"{module}.all" for module in self._modules(channel, modules)]
            self._check(channel)
            known = self._store.read(channel_id)
            try:
                with self._client(channel) as client:
                    self._begin(client, channel_id, known, events)
            except BaseException:
                if known is None:
                    self._store.forget(channel_id)
                raise
        return self.get(channel_id)

    def turn_off(self, channel_id: str) -> str | None:
        """End the subscription at Zoho, then forget it. Returns what a person should know; None: it was off before.

        Raises:
            UnknownChannel, ChannelBusy, ZohoError: nothing was changed; try again.
        """
        with self._alone(channel_id):
            channel = self._registry.get(channel_id)
            known, is_damaged = self._known(channel_id)
            if is_damaged:
                self._store.forget(channel_id)
                return "what the registry stored of it was damaged. At Zoho, the subscription ends within a week"
            if known is None:
                return None
            try:
                with self._client(channel) as client:
                    ended = watch.end(client, self._store.numbers(known))
                said = "Zoho ended the subscription" if ended else "Zoho had ended the subscription before"
            except (ReconnectNeeded, ScopeMissing) as error:
                said = f"Zoho could not be told, and the subscription ends by itself within a week: {error}"
            self._store.forget(channel_id)
            return said

    def renew(self, channel_id: str, *, only_if_due: bool = False, wait: float = LOCK_SECONDS) -> Subscription:
        """Renew the subscription now.

        Raises:
            UnknownChannel, ChannelBusy: nothing was sent.
            PipelineError: push is off, or Zoho did not renew it. The row says why, and the worker tries again.
        """
        with self._alone(channel_id, wait):
            channel, (known, is_damaged) = self._registry.get(channel_id), self._known(channel_id)
            if is_damaged:
                raise PipelineError(
                    f"what the registry stores of the subscription is damaged. Make a new one: zoho-pipeline push off "
                    f"{channel_id}, then zoho-pipeline push on {channel_id}"
                )
            if known is None:
                raise PipelineError(
                    f"channel {channel_id} has no subscription. Switch it on: zoho-pipeline push on {channel_id}"
                )
            if only_if_due and not known.is_due(self._registry.database.now()):
                return known
            try:
                with self._client(channel) as client:
                    self._renewed(client, known)
            except ZohoError as error:
                lasting = isinstance(error, ReconnectNeeded | Permanent)
                self._store.failed(known, str(error), lasting=lasting)
                raise
        return self.get(channel_id)

    def due(self) -> list[str]:
        """The channels whose subscription must be renewed now, the one that ends first before the others.

        It is one query, whatever their number. Damaged rows are left out: they must not keep the others waiting.
        """
        database, own = self._registry.database, push_subscriptions.c
        with database.read() as transaction:
            now = database.now_in(transaction)
            query = select(own.channel_id, own.renew_at, own.skew_seconds, own.next_try_at)
            query = query.order_by(own.expires_at, own.channel_id)
            found, _ = whole_rows(transaction, query, own.channel_id, tuple)
        return [
            channel_id
            for channel_id, renew_at, skew, next_try_at in found
            if isinstance(skew, int | float)
            and not (next_try_at is not None and next_try_at > now)
            and (renew_at is None or renew_at <= now + timedelta(seconds=skew))
        ]

    def get(self, channel_id: str) -> Subscription:
        """The subscription of a channel. PipelineError: it has none."""
        found = self._store.read(channel_id)
        if found is None:
            raise PipelineError(f"channel {channel_id} has no subscription.")
        return found

    # What follows runs inside the lock of the channel's subscription.

    def _known(self, channel_id: str) -> tuple[Subscription | None, bool]:
        """The subscription of a channel, and whether there is one that cannot be read."""
        with self._registry.database.read() as transaction:
            try:
                return rows.get(transaction, channel_id), False
            except DamagedValue:
                return None, True

    def _begin(self, client: ZohoClient, channel_id: str, known: Subscription | None, events: Sequence[str]) -> None:
        number = known.zoho_channel_id if known else hooks.new_channel_id()
        watch.read(client, number)  # its answer shows Zoho's clock
        given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
        if known:
            self._store.change_hook(channel_id, given)
        else:
            self._store.insert(channel_id, number, given, client.server_time)
        try:
            agreement = self._post(client, channel_id, number, given, events)
            if not agreement.accepted:
                if known:
                    self._store.failed(known, _refusal(agreement), lasting=True)
                raise PipelineError(f"Zoho does not subscribe channel {channel_id}: {_refusal(agreement)}.")
            left = {event: "switched off" for event in (known.events if known else {}) if event not in events}
            self._succeeded(client, channel_id, number, agreement, anew=True, left=left)
        except BaseException:  # also Ctrl-C, while a person waits for an answer
            if known is None:  # Zoho may have it although no answer said so, and would deliver for a week
                with suppress(PipelineError):
                    watch.end(client, [number])
            raise

    def _renewed(self, client: ZohoClient, known: Subscription) -> None:
        channel_id, number = known.channel_id, known.zoho_channel_id
        there = watch.read(client, number)  # its answer shows Zoho's clock too
        # a PUT may wake what was dead, and what happened meanwhile was told to nobody
        was_dead = _has_ended(known, there, client.server_time)
        events = [event for event, outcome in known.events.items() if outcome in (SUBSCRIBED, UNCONFIRMED)]
        events = events or [f"{module}.all" for module in self._modules(self._registry.get(channel_id), ())]
        given = self._store.secrets(channel_id)
        if given is not None:
            entry = self._entry(client, number, given, events)
            agreement = agree(lambda asked: watch.replace(client, asked), entry)
            if agreement.accepted:
                outcomes = self._succeeded(client, channel_id, number, agreement, anew=was_dead)
                if was_dead or any(known.events.get(e) == UNCONFIRMED and outcomes[e] == SUBSCRIBED for e in outcomes):
                    self._store.mark_gap(channel_id)
                return
        given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
        self._store.change_hook(channel_id, given)
        agreement = self._post(client, channel_id, number, given, events)
        if not agreement.accepted:
            number, given = hooks.new_channel_id(), {"hook": hooks.new_secret(), "token": hooks.new_secret()}
            self._store.replace_hook(channel_id, number, given)
            agreement = self._post(client, channel_id, number, given, events)
        if not agreement.accepted:
            self._store.failed(known, _refusal(agreement), lasting=True)
            raise PipelineError(f"Zoho does not renew the subscription of {channel_id}: {_refusal(agreement)}.")
        self._succeeded(client, channel_id, number, agreement, anew=True)
        self._store.mark_gap(channel_id)

    def _succeeded(
        self,
        client: ZohoClient,
        channel_id: str,
        number: str,
        agreement: Agreement,
        *,
        anew: bool,
        left: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Read back what Zoho keeps, and store it. Returns the outcomes of events.

        The answer to the change and a reading may differ. The earlier end counts, and the modules of the reading.

        Args:
            left: the outcomes of events that are not asked for any more.
        """
        there = watch.read(client, number)
        kept = [at for expiries in (agreement.result.expiries, there) for at in expiries.values() if at is not None]
        zoho_now = client.server_time
        ends = min(kept, default=zoho_now + FALLBACK)
        outcomes = {**(left or {}), **compare(agreement.outcomes, there)}
        self._store.succeeded(channel_id, outcomes, zoho_now, (zoho_now + LIFE, ends), anew=anew)
        return outcomes

    def _post(
        self, client: ZohoClient, channel_id: str, number: str, given: dict[str, Secret], events: Sequence[str]
    ) -> Agreement:
        log.info("channel %s: a new subscription at Zoho.", channel_id)
        return agree(lambda asked: watch.subscribe(client, asked), self._entry(client, number, given, events))

    def _entry(self, client: ZohoClient, number: str, given: dict[str, Secret], events: Sequence[str]) -> Entry:
        url = Secret(f"{self._service.public_url}{hooks.WEBHOOK}/{given['hook'].reveal()}")
        return Entry(number, tuple(events), url, given["token"], client.server_time + LIFE)

    @contextmanager
    def _client(self, channel: Channel) -> Iterator[ZohoClient]:
        """The channel's client. What its calls cost is counted, also if one of them fails."""
        with open_client(self._settings, self._registry, channel, pacing=self._pacing) as client:
            try:
                yield client
            finally:
                self._registry.add_credits(channel.id, client.meter.credits)

    @contextmanager
    def _alone(self, channel_id: str, wait: float = LOCK_SECONDS) -> Iterator[None]:
        try:
            with exclusive(self._registry.database, f"push {channel_id}", wait):
                yield
        except LockTimeout:
            raise ChannelBusy(
                f"the subscription of channel {channel_id} is being changed by another process. Try again."
            ) from None

    @contextmanager
    def _refusals(self, channel_id: str) -> Iterator[None]:
        """A scope that Zoho did not name, and that is missing, is told with its cure."""
        try:
            yield
        except ScopeMissing as error:
            self._registry.add_missing_scopes(channel_id, error.scopes)
            raise PipelineError(_no_scope(channel_id, error.scopes)) from error

    def _check(self, channel: Channel) -> None:
        if channel.status == RECONNECT_NEEDED:
            raise PipelineError(
                f"channel {channel.id} must be connected again first. Run: zoho-pipeline connect {channel.id} --push"
            )
        if not channel.allows("notifications"):
            lacking = scopes.missing(channel.scopes, "notifications") or channel.missing_scopes
            raise PipelineError(_no_scope(channel.id, lacking))
        if not (self._service.is_https or self._service.is_loopback):
            raise PipelineError(
                f"Zoho cannot reach {self._service.public_url}. Set ZOHO_PIPELINE_PUBLIC_URL to the https origin of "
                "the web server, then run the command again."
            )

    def _modules(self, channel: Channel, wanted: Sequence[str]) -> list[str]:
        possible = known_modules()
        if unknown := [name for name in wanted if name not in possible]:
            raise UsageError(f"no notifications for module {', '.join(unknown)}. There are: {', '.join(possible)}.")
        return list(dict.fromkeys(wanted)) or [name for name in possible if channel.allows("records", name)]


def end_for_removal(settings: Settings, registry: Registry, service: ServiceSettings, channel_id: str) -> None:
    """End the subscription of a channel that is about to be removed. A failure does not keep it from being removed:
    the hook is refused from then on, and Zoho ends the subscription within a week. A removal is also the cure where a
    row of the registry cannot be read, or no key decrypts the token. So these do not keep the channel either."""
    try:
        Subscriber(settings, registry, service, Pacing(attempts=2)).turn_off(channel_id)
    except UnknownChannel:
        return
    except PipelineError as error:
        log.warning("channel %s: its subscription at Zoho was not ended: %s", channel_id, error)


def _has_ended(known: Subscription, there: Mapping[str, datetime | None], zoho_now: datetime) -> bool:
    """Whether a subscription, or the events of one of its modules, had ended before this renewal.

    Args:
        there: module → when its events end, as Zoho shows it now.
    """
    alive = {module for module, at in there.items() if at is None or at > zoho_now}
    alive |= {name for name, other in OTHER_NAME.items() if other in alive}
    is_over = known.expires_at is not None and known.expires_at <= zoho_now
    return is_over or not alive or not alive.issuperset(known.modules)


def _refusal(agreement: Agreement) -> str:
    why = "; ".join(f"{event} {outcome}" for event, outcome in agreement.outcomes.items() if outcome != SUBSCRIBED)
    return why or f"{agreement.result.code} {agreement.result.message}".strip()


def _no_scope(channel_id: str, lacking: Sequence[str]) -> str:
    named = ", ".join(lacking) or "of notifications"
    return (
        f"channel {channel_id} may not subscribe to notifications: the scope {named} is not granted. Connect it again "
        f"with: zoho-pipeline connect {channel_id} --push"
    )

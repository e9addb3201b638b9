"""A client for a channel: tokens come from the registry, and all clients of an org in this process share its limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from zoho_pipeline.channels.access.token_request import Clock
from zoho_pipeline.channels.access.token_source import StoredTokenSource
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.credits import known_edition
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.rate_limits import LimitsPerOrg, OrgLimits
from zoho_pipeline.zoho.errors import BadAnswer

_limits_per_org = LimitsPerOrg()


@contextmanager
def open_client(
    settings: Settings,
    registry: Registry,
    channel: Channel | str,
    *,
    clock: Clock | None = None,
    pacing: Pacing | None = None,
) -> Iterator[ZohoClient]:
    """A `ZohoClient` for a channel, closed at the end.

    Its first call requests an access token if none lives. That request is part of the call's own tries, so that a
    short failure of the accounts server does not end a sync. If Zoho refuses a call because a scope is missing, the
    scope is stored, and no later call needs it.

    Args:
        channel: the channel as the registry has it now, or its id.
        clock: aware UTC now, which decides whether a token still lives; None is the database's.
        pacing: tries, waits and deadlines; None is the product's.

    Raises:
        UnknownChannel, UnknownDataCenter: nothing was sent. The client's calls raise what the token source raises.
    """
    known = registry.get(channel) if isinstance(channel, str) else channel
    silence = (pacing or Pacing()).silence_seconds
    tokens = StoredTokenSource(registry, known.id, clock=clock, silence=silence)
    center = DataCenters.with_added(settings.data_centers).get(known.data_center)
    # a data centre of the settings may have moved since: a new token names its address
    api_domain = known.api_domain if known.api_domain in center.api_origins else tokens.current().api_domain
    with ZohoClient(
        api_domain,
        tokens,
        limits=org_limits_of(settings, registry, known),
        pacing=pacing,
        granted=known.scopes,
        lacking=known.missing_scopes,
        on_lacking=lambda scope: registry.add_missing_scopes(known.id, (scope,)),
    ) as client:
        tokens.zoho_now = lambda: _zoho_now(client)
        yield client


def _zoho_now(client: ZohoClient) -> datetime | None:
    try:
        return client.server_time
    except BadAnswer:
        return None  # no answer has arrived yet


def org_limits_of(settings: Settings, registry: Registry, channel: Channel) -> OrgLimits:
    """The limits of the channel's org: the same object for all its channels in this HOME and process.

    Where the scopes do not show the org, or the edition is unknown, the smallest edition's number of simultaneous
    calls holds, and the daily credits are unknown until Zoho says how many are left.
    """
    licences = channel.users_licensed or 0
    org = (channel.api_domain, channel.org_id or channel.id, channel.edition, licences)
    # HOME is a part of the key, because `used` counts what the registry of this HOME knows.
    known = (str(settings.home), *org, settings.credit_budget)

    def make() -> OrgLimits:
        used = int(registry.credits_used(channel.id))
        edition = known_edition(channel.edition)
        if edition is None:
            return OrgLimits(budget=settings.credit_budget, used=used)
        return OrgLimits.for_edition(edition, licences, settings.credit_budget, used)

    return _limits_per_org.of(repr(known), make)

"""Which ids a channel may have, the rule that a channel stays with its org, and which channels have the same org."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoho_pipeline.channels.errors import IdConflict, InvalidSetting, OrgTaken, OtherOrg, OtherTenant
from zoho_pipeline.channels.registry.model import Channel, OrgConnection

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Owner:
    """The org and the user of a channel, as far as its scopes show them."""

    channel_id: str
    api_domain: str
    org_id: str | None
    user_id: str | None


def check_id(channel_id: str) -> str:
    """The id, if it can be used: it names files, dlt pipelines and Dagster partitions.

    Raises:
        InvalidSetting: it has more than 64 characters, a character that is not allowed, or a wrong first one.
    """
    if not _ID.fullmatch(channel_id) or ".." in channel_id:
        raise InvalidSetting(
            f"{channel_id!r} cannot be a channel id. Use up to 64 letters, digits, '_', '-' and '.', "
            "and begin with a letter or a digit."
        )
    return channel_id


def check_free_id(channel_id: str, known: Iterable[str]) -> None:
    """Do nothing if the id is one of `known`, or differs from each of them in more than upper and lower case.

    People mix up `Acme` and `acme`, and file systems that ignore case give both the same files.

    Raises:
        IdConflict: a known id is the same except for case.
    """
    ids = set(known)
    same = [other for other in sorted(ids) if other.lower() == channel_id.lower()]
    if same and channel_id not in ids:
        raise IdConflict(
            f"there is a channel {same[0]} already, and {channel_id} differs from it only in upper and lower case. "
            f"Nothing was stored. Write {same[0]} to connect that channel again, or choose another id."
        )


def check_free_org(channel_id: str, connection: OrgConnection, others: Sequence[Owner]) -> None:
    """Do nothing if no channel has the org of the connection.

    Raises:
        OrgTaken: the message names these channels.
    """
    new = Owner(channel_id, connection.api_domain, connection.org_id, connection.user_id)
    taken = channels_of_one_org([*others, new])[channel_id]
    if not taken:
        return
    org = _org(connection) if connection.org_id else f"the org of user {connection.user_id}"
    raise OrgTaken(
        f"{org} is connected already, as channel {', '.join(taken)}. A second channel would read every record again, "
        f"and sums over both channels would count it twice. Nothing was registered. To connect the known channel "
        f"again, use its id: {taken[0]}. If you want a second channel of this org, run the same command with --again."
    )


def channels_of_one_org(owners: Sequence[Owner]) -> Mapping[str, tuple[str, ...]]:
    """Channel id → the ids of the other channels that have the same org, sorted.

    Two channels have the same org if their API server and their org id are equal (a sandbox has a server of its own).
    If the scopes of one of them hide the org, the same user shows it, because a user of Zoho CRM belongs to one org.
    """
    by_org: dict[tuple[str, str | None], list[Owner]] = {}
    by_user: dict[tuple[str, str | None], list[Owner]] = {}
    for owner in owners:
        by_org.setdefault((owner.api_domain, owner.org_id), []).append(owner)
        by_user.setdefault((owner.api_domain, owner.user_id), []).append(owner)
    found = {}
    for owner in owners:
        same = set() if owner.org_id is None else set(by_org[owner.api_domain, owner.org_id])
        if owner.user_id is not None:
            users = by_user[owner.api_domain, owner.user_id]
            same |= {other for other in users if owner.org_id is None or other.org_id is None}
        found[owner.channel_id] = tuple(sorted(other.channel_id for other in same - {owner}))
    return found


def check_same_tenant(channel: Channel, tenant: str | None, *, exact: bool) -> None:
    """Do nothing if a connection for this tenant may be the channel's. A connection never moves a channel.

    Args:
        tenant: of the connection; None says nothing about the tenant.
        exact: a channel without a tenant, too, is not this tenant's. So it is for a consent that a tenant began.

    Raises:
        OtherTenant: the channel belongs to another tenant.
    """
    if tenant == channel.tenant or (not exact and (tenant is None or channel.tenant is None)):
        return
    raise OtherTenant(
        f"channel {channel.id} belongs to {'tenant ' + channel.tenant if channel.tenant else 'no tenant'}, and a new "
        f"connection never changes that. Nothing was changed. Leave the tenant out, or change it first: "
        f"zoho-pipeline channels set {channel.id} --tenant {tenant or 'T'}"
    )


def check_same_org(channel: Channel, connection: OrgConnection) -> None:
    """Do nothing if the connection is to the channel's org. Rows of two orgs under one id could never be separated.

    Raises:
        OtherOrg: it is another org, or the scopes hide the org and the user is another one.
    """
    if channel.org_id and connection.org_id:
        same = channel.org_id == connection.org_id
        known, found = _org(channel), _org(connection)
    else:
        same = channel.user_id == connection.user_id
        known, found = f"user {channel.user_id}", f"user {connection.user_id}, and its scopes do not show the org"
    # each data centre is a separate Zoho: equal ids in two of them mean nothing
    if not same or channel.data_center != connection.data_center:
        raise OtherOrg(
            f"channel {channel.id} is connected to {known} in data center {channel.data_center}. This token is for "
            f"{found} in {connection.data_center}. Nothing was changed. Use another channel id, or remove the channel "
            f"first: zoho-pipeline channels remove {channel.id} --purge"
        )


def _org(owner: Channel | OrgConnection) -> str:
    return f"org {owner.org_name or 'without a name'} ({owner.org_id})"

"""Which ids a channel may have, and the rule that a channel stays with its org."""

import re

from zoho_pipeline.channels.errors import InvalidSetting, OtherOrg
from zoho_pipeline.channels.registry.model import Channel, OrgConnection

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


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

"""Why no sync of a channel can work, as far as the settings and the registry show it without a call to Zoho.

Zoho refuses none of these channels, so their status says nothing of it. Without a look, a page would say "Connected"
until the numbers are stale, one and a half days later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, select

from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels as rows
from zoho_pipeline.channels.registry.token_store import REFRESH
from zoho_pipeline.settings import Settings, SettingsError
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.errors import UnknownDataCenter

_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_SEALS = select(rows.c.channel_id, rows.c.refresh_seal).where(rows.c.channel_id.in_(_IDS))


@dataclass(frozen=True)
class Hindrance:
    """Why no sync of a channel can work on this host.

    Attributes:
        sentence: for everybody who may see the channel. It names the cure and no setting.
        cure: for whoever runs this service: which setting or command ends it.
        ends_by_consent: whether connecting the channel again ends it too.
    """

    sentence: str
    cure: str
    ends_by_consent: bool = False


def hindrances(registry: Registry, transaction: Connection, channels: Iterable[Channel]) -> Mapping[str, Hindrance]:
    """Channel id → its hindrance, for the channels that have one. It reads an open transaction of the registry."""
    listed = list(channels)
    ids = [channel.id for channel in listed]
    seals = {row.channel_id: str(row.refresh_seal) for row in transaction.execute(_SEALS, {"ids": ids})}
    centers = DataCenters.with_added(registry.settings.data_centers)
    found = {}
    for channel in listed:
        seal = seals.get(channel.id, "")
        if (
            hindrance := _damage(channel)
            or _access(registry.settings, centers, channel)
            or _token(registry, channel, seal)
        ):
            found[channel.id] = hindrance
    return found


def _damage(channel: Channel) -> Hindrance | None:
    if not channel.is_damaged:
        return None
    words = "What this service knows of the connection is damaged. Whoever runs it must remove and connect the channel."
    return Hindrance(words, str(channel.status_detail))


def _access(settings: Settings, centers: DataCenters, channel: Channel) -> Hindrance | None:
    """A host without any client at Zoho only shows channels, and others read them: it cannot judge."""
    name = channel.data_center
    try:
        centers.get(name)
    except UnknownDataCenter:
        return Hindrance(
            f"This service does not know Zoho’s data centre {name} any more. Whoever runs it must add the data centre "
            "again.",
            f'Put "{name}": "{channel.accounts_server}" back into ZOHO_PIPELINE_DATA_CENTERS, then restart it.',
        )
    if settings.client_id is None:
        return None
    try:
        settings.secret_for(name)
    except SettingsError:
        return Hindrance(
            f"This service has no client at Zoho for the data centre {name} any more. Whoever runs it must set the "
            "client again.",
            f"Set ZOHO_CLIENT_SECRET_{name.upper()} (or ZOHO_CLIENT_SECRET for every data centre), then restart the "
            "service.",
        )
    return None


def _token(registry: Registry, channel: Channel, seal: str) -> Hindrance | None:
    encryptor: Encryptor = registry.encryptor
    try:
        encryptor.decrypt(seal, channel.id, REFRESH)
    except DecryptionError as error:
        words = "The stored access to Zoho cannot be decrypted. Connect the channel again to go on."
        return Hindrance(words, str(error), ends_by_consent=True)
    return None

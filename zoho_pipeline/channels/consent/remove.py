"""Removal: revoke a channel's token at Zoho, and delete the channel from the registry."""

from dataclasses import dataclass

from zoho_pipeline.channels.consent.register import data_centers
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.errors import UnknownDataCenter


@dataclass(frozen=True)
class Removal:
    """The result of a removal: whether the token was revoked, and a sentence about it for a person."""

    channel_id: str
    revoked: bool
    detail: str
    is_shared: bool = False
    """Another channel uses the token too. `detail` names it, so a tenant must not see the detail."""


def remove(registry: Registry, channel_id: str, *, purge_for: str | None = None) -> Removal:
    """Revoke the channel's refresh token at Zoho and delete the channel. Its rows in the warehouse stay.

    Args:
        purge_for: who wants the rows deleted too. A worker does that later. Until then no channel can have the id.

    Raises:
        UnknownChannel, ChannelBusy: nothing was done.
        ZohoError: Zoho did not answer the revocation. Nothing was done; try again.
    """
    with channel_lock(registry.settings, channel_id) as lock:
        channel = registry.get(channel_id, damaged_too=True)
        lock.ensure_held()  # a revocation cannot be undone
        revoked, detail, is_shared = _revoke(registry, channel)
        lock.ensure_held()
        registry.remove(channel_id, purge_for=purge_for)
    return Removal(channel_id, revoked, detail, is_shared)


def _revoke(registry: Registry, channel: Channel) -> tuple[bool, str, bool]:
    try:
        token = registry.token_store.refresh_token(channel.id)
    except DecryptionError:
        why = "its token was not revoked, because no key decrypts it: remove the app from the connected apps of the "
        return False, why + "Zoho account", False
    try:
        center = data_centers(registry).get(channel.data_center)
    except UnknownDataCenter:
        why = f"its token was not revoked, because the data centre {channel.data_center} left the settings: remove the "
        return False, f"{why}app from the connected apps of the Zoho account", False
    others = registry.token_store.channels_with(fingerprint(token), except_for=channel.id)
    if others:
        use = "use" if len(others) > 1 else "uses"
        return False, f"its token was not revoked: {', '.join(others)} {use} it too", True
    with oauth.new_http() as http:
        known = oauth.revoke(http, center, token)
    return known, "its token was revoked" if known else "its token had been revoked before", False

"""Removal: revoke a channel's token at Zoho, and delete the channel from the registry."""

from dataclasses import dataclass

from zoho_pipeline.channels.consent.register import data_centers
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.zoho.accounts import oauth


@dataclass(frozen=True)
class Removal:
    """The result of a removal: whether the token was revoked, and a sentence about it for a person."""

    channel_id: str
    revoked: bool
    detail: str


def remove(registry: Registry, channel_id: str) -> Removal:
    """Revoke the channel's refresh token at Zoho and delete the channel. Its rows in the warehouse stay.

    Raises:
        UnknownChannel, ChannelBusy: nothing was done.
        ZohoError: Zoho did not answer the revocation. Nothing was done; try again.
    """
    with channel_lock(registry.settings, channel_id) as lock:
        channel = registry.get(channel_id, damaged_too=True)
        lock.ensure_held()  # a revocation cannot be undone
        revoked, detail = _revoke(registry, channel)
        lock.ensure_held()
        registry.remove(channel_id)
    return Removal(channel_id, revoked, detail)


def _revoke(registry: Registry, channel: Channel) -> tuple[bool, str]:
    try:
        token = registry.token_store.refresh_token(channel.id)
    except DecryptionError:
        return False, (
            "its token was not revoked, because no key decrypts it: remove the app from the connected apps of the "
            "Zoho account"
        )
    others = registry.token_store.channels_with(fingerprint(token), except_for=channel.id)
    if others:
        return False, f"its token was not revoked: {', '.join(others)} {'use' if len(others) > 1 else 'uses'} it too"
    with oauth.new_http() as http:
        known = oauth.revoke(http, data_centers(registry).get(channel.data_center), token)
    return known, "its token was revoked" if known else "its token had been revoked before"

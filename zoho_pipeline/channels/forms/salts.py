"""The salt of each channel with forms. It is made with the first form key, and deleted by a purge alone."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels, form_channels, form_keys, form_submissions
from zoho_pipeline.channels.registry.token_store import FORM_SALT
from zoho_pipeline.settings import Secret

WAITING = "waiting"
"""The state of a submission that is not loaded yet."""


def ensure_salt(
    transaction: Connection, encryptor: Encryptor, channel_id: str, now: datetime, *, anew: bool = False
) -> None:
    """Make the salt of a channel that has none. `anew`: also in the place of one that no key decrypts.

    Raises:
        DecryptionError: the channel has a salt that no key decrypts, and `anew` is False. With a form key, its forms
            would be refused all the same.
    """
    seal = encryptor.encrypt(Secret(secrets.token_hex(32)), channel_id, FORM_SALT)
    row = {"channel_id": channel_id, "salt_seal": seal, "created_at": now}
    transaction.execute(insert_or(transaction, form_channels).values(**row).on_conflict_do_nothing())
    own = form_channels.c.channel_id == channel_id
    try:
        encryptor.decrypt(str(transaction.scalar(select(form_channels.c.salt_seal).where(own))), channel_id, FORM_SALT)
    except DecryptionError:
        if not anew:
            raise
        # never tidied means: the keys of the leads are made anew, under this salt
        transaction.execute(update(form_channels).where(own).values(salt_seal=seal, tidied_at=None))


def salt_of(registry: Registry, channel_id: str) -> Secret | None:
    """The salt of a channel: 64 hex digits. None: it never had a form key.

    Raises:
        DecryptionError: no key decrypts it.
    """
    own = select(form_channels.c.salt_seal).where(form_channels.c.channel_id == channel_id)
    with registry.database.read() as transaction:
        seal = transaction.scalar(own)
    return None if seal is None else registry.encryptor.decrypt(seal, channel_id, FORM_SALT)


def channels_with_forms(registry: Registry) -> list[str]:
    """The ids of the connected channels that have, or had, a form key."""
    own = select(form_channels.c.channel_id).join(channels, channels.c.channel_id == form_channels.c.channel_id)
    with registry.database.read() as transaction:
        return list(transaction.scalars(own.order_by(form_channels.c.channel_id)))


def channels_with_salts(registry: Registry) -> list[str]:
    """The ids of the channels that have, or had, a form key; also of removed ones whose rows stayed."""
    with registry.database.read() as transaction:
        return list(transaction.scalars(select(form_channels.c.channel_id).order_by(form_channels.c.channel_id)))


def channels_to_load(registry: Registry) -> list[str]:
    """Those of them whose submissions wait, or which were never loaded: their leads may lack keys."""
    never = form_channels.c.tidied_at.is_(None)
    waits = select(form_submissions.c.channel_id).where(form_submissions.c.state == WAITING)
    own = select(form_channels.c.channel_id).join(channels, channels.c.channel_id == form_channels.c.channel_id)
    with registry.database.read() as transaction:
        found = transaction.scalars(own.where(or_(never, form_channels.c.channel_id.in_(waits))))
        return sorted(found)


def takes_forms(transaction: Connection, channel_id: str) -> bool | None:
    """Whether a form can post to this channel now. None: it never had a form key."""
    has_key = select(form_keys.c.form_key).where(form_keys.c.channel_id == channel_id).exists()
    return transaction.scalar(select(has_key).where(form_channels.c.channel_id == channel_id))


def has_form_key(registry: Registry, channel_id: str) -> bool:
    """Whether a form can post to this channel now."""
    with registry.database.read() as transaction:
        return bool(takes_forms(transaction, channel_id))


def tidied_at(registry: Registry, channel_id: str) -> datetime | None:
    """When submissions of this channel that are too old were last looked for; None: never."""
    own = select(form_channels.c.tidied_at).where(form_channels.c.channel_id == channel_id)
    with registry.database.read() as transaction:
        found: datetime | None = transaction.scalar(own)
    return found


def note_tidied(transaction: Connection, channel_id: str, now: datetime) -> None:
    """Remember that submissions that are too old are deleted."""
    transaction.execute(update(form_channels).where(form_channels.c.channel_id == channel_id).values(tidied_at=now))

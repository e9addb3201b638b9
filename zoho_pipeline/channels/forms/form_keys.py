"""The form keys of channels: public names by which a page posts to a channel, each with the origins that may do it."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from zoho_pipeline.channels.errors import ChannelError
from zoho_pipeline.channels.forms.salts import ensure_salt
from zoho_pipeline.channels.platform.tenants import check_origin
from zoho_pipeline.channels.platform.webhook_endpoints import new_signing_secret
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import form_channels, form_keys
from zoho_pipeline.channels.registry.token_store import FORM_SALT, FORM_SECRET
from zoho_pipeline.settings import Secret


@dataclass(frozen=True)
class FormKey:
    """A form key, and how much came by it.

    Attributes:
        origins: the pages that may post from a browser.
        stored: submissions that were stored; `suspect` of them are never matched.
        no_consent: submissions without consent, of which nothing is kept.
        last_at: when the last one was stored.
    """

    form_key: str
    channel_id: str
    origins: tuple[str, ...]
    created_at: datetime
    stored: int
    suspect: int
    no_consent: int
    last_at: datetime | None


@dataclass(frozen=True)
class OpenForm:
    """What a submission needs of its key: whose it is, who may post, and the secrets."""

    form_key: str
    channel_id: str
    origins: frozenset[str]
    salt: Secret = field(repr=False)
    secret: Secret = field(repr=False)


class FormKeys:
    """The form keys of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._database, self._encryptor = registry, registry.database, registry.encryptor

    def add(self, channel_id: str, origins: Iterable[str], *, new_salt: bool = False) -> tuple[FormKey, Secret]:
        """Make a key for a channel. The secret (`whsec_…`) is for a server that signs its posts; it is shown once.

        Args:
            origins: exact origins of pages: https, or http on loopback. Without one, only servers can post.
            new_salt: make a new salt if no key decrypts that of the channel.

        Raises:
            UnknownChannel. InvalidSetting: a text is no origin. DecryptionError: no key decrypts the salt.
        """
        self._registry.get(channel_id)
        allowed = sorted({check_origin(text) for text in origins})
        form_key, secret = f"fk_{secrets.token_hex(12)}", new_signing_secret()
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            ensure_salt(transaction, self._encryptor, channel_id, now, anew=new_salt)
            values: dict[str, Any] = {"form_key": form_key, "channel_id": channel_id, "origins": allowed}
            values |= {"secret_seal": self._encryptor.encrypt(secret, form_key, FORM_SECRET), "created_at": now}
            values |= dict.fromkeys(("stored", "suspect", "no_consent"), 0)
            transaction.execute(insert(form_keys).values(values))
        return self.get(form_key), secret

    def get(self, form_key: str) -> FormKey:
        """One key. ChannelError: there is no such key."""
        with self._database.read() as transaction:
            row = transaction.execute(select(form_keys).where(form_keys.c.form_key == form_key)).one_or_none()
        if row is None:
            raise ChannelError(f"there is no form key {form_key!r}. List the keys with: zoho-pipeline forms list ID")
        return _key(row)

    def list(self, channel_id: str) -> list[FormKey]:
        """The keys of a channel, the oldest first."""
        own = select(form_keys).where(form_keys.c.channel_id == channel_id)
        with self._database.read() as transaction:
            rows = transaction.execute(own.order_by(form_keys.c.created_at, form_keys.c.form_key)).all()
        return [_key(row) for row in rows]

    def remove(self, form_key: str) -> FormKey:
        """Delete a key: nobody can post by it any more. What it brought stays. ChannelError: there is no such key."""
        found = self.get(form_key)
        with self._database.write() as transaction:
            transaction.execute(delete(form_keys).where(form_keys.c.form_key == form_key))
        return found

    def open(self, form_key: str) -> OpenForm | None:
        """A key with its secrets; None: there is no such key.

        Raises:
            DecryptionError: no key decrypts a secret.
        """
        wanted = select(form_keys.c.channel_id, form_keys.c.origins, form_keys.c.secret_seal, form_channels.c.salt_seal)
        wanted = wanted.join(form_channels, form_channels.c.channel_id == form_keys.c.channel_id)
        with self._database.read() as transaction:
            row = transaction.execute(wanted.where(form_keys.c.form_key == form_key)).one_or_none()
        if row is None:
            return None
        salt = self._encryptor.decrypt(row.salt_seal, row.channel_id, FORM_SALT)
        secret = self._encryptor.decrypt(row.secret_seal, form_key, FORM_SECRET)
        return OpenForm(form_key, row.channel_id, frozenset(row.origins), salt, secret)


def _key(row: Row[Any]) -> FormKey:
    values = dict(row._mapping)
    del values["secret_seal"]
    return FormKey(**values | {"origins": tuple(values["origins"])})

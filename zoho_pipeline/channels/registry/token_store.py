"""The encrypted tokens in the registry: one refresh token and at most one access token per channel."""

import logging
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import DamagedValue, DecryptionError, UnknownChannel
from zoho_pipeline.channels.registry.encryption import Encryptor, fingerprint
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions, webhook_endpoints
from zoho_pipeline.channels.registry.tables import (
    access_tokens,
    channels,
    form_channels,
    form_keys,
    require_types,
    types_of,
)
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.oauth import AccessToken

log = logging.getLogger(__name__)

_ACCESS_TYPES = types_of(access_tokens)
REFRESH, ACCESS, WEBHOOK, PUSH = "refresh", "access", "webhook", "push"
FORM_SALT, FORM_SECRET = "form salt", "form secret"


class TokenStore:
    """Stores tokens encrypted with the newest key, and reads them."""

    def __init__(self, database: Database, encryptor: Encryptor) -> None:
        self._database = database
        self._encryptor = encryptor

    def refresh_token(self, channel_id: str) -> Secret:
        """The refresh token of a channel.

        Raises:
            UnknownChannel: no channel has this id.
            DecryptionError: no key decrypts the token.
        """
        with self._database.read() as connection:
            found = connection.scalar(select(channels.c.refresh_seal).where(channels.c.channel_id == channel_id))
        if found is None:
            raise UnknownChannel(channel_id)
        return self._encryptor.decrypt(found, channel_id, REFRESH)

    def encrypted_refresh(self, channel_id: str, token: Secret) -> dict[str, str]:
        """The columns of a channel's row that hold a refresh token."""
        return {
            "refresh_seal": self._encryptor.encrypt(token, channel_id, REFRESH),
            "refresh_fingerprint": fingerprint(token),
        }

    def fingerprint(self, channel_id: str) -> str:
        """The fingerprint of the channel's refresh token, by which requests for access tokens are counted."""
        with self._database.read() as connection:
            found = connection.scalar(select(channels.c.refresh_fingerprint).where(channels.c.channel_id == channel_id))
        if found is None:
            raise UnknownChannel(channel_id)
        return str(found)

    def data_center(self, channel_id: str) -> str:
        """The name of the channel's data centre. UnknownChannel: no channel has this id."""
        with self._database.read() as connection:
            found = connection.scalar(select(channels.c.data_center).where(channels.c.channel_id == channel_id))
        if found is None:
            raise UnknownChannel(channel_id)
        return str(found)

    def channels_with(self, refresh_fingerprint: str, except_for: str | None = None) -> tuple[str, ...]:
        """The ids of the channels that have this refresh token."""
        ids = select(channels.c.channel_id).where(channels.c.refresh_fingerprint == refresh_fingerprint)
        with self._database.read() as connection:
            found = connection.scalars(ids.order_by(channels.c.channel_id))
            return tuple(channel_id for channel_id in found if channel_id != except_for)

    def access_token(self, channel_id: str) -> AccessToken | None:
        """The stored access token, expired or not, if it was made with the channel's present refresh token.

        One that no key decrypts, or whose row is damaged, is as good as none: the refresh token gives another one.
        """
        query = (
            select(access_tokens)
            .join(channels, channels.c.channel_id == access_tokens.c.channel_id)
            .where(access_tokens.c.channel_id == channel_id)
            .where(access_tokens.c.refresh_fingerprint == channels.c.refresh_fingerprint)
        )
        with self._database.read() as connection:
            try:
                row = connection.execute(query).one_or_none()
                return None if row is None else self._access_token(row)
            except (DecryptionError, DamagedValue) as error:
                log.info("the access token of channel %s is not used: %s", channel_id, error)
                return None

    def store_access(self, channel_id: str, token: AccessToken, asked_at: datetime, refresh_fingerprint: str) -> None:
        """Replace the channel's access token. It is used only while its refresh token is the channel's."""
        with self._database.write() as connection:
            row = channels.c.channel_id == channel_id
            if connection.execute(update(channels).where(row).values(api_domain=token.api_domain)).rowcount == 0:
                raise UnknownChannel(channel_id)
            self.store_access_in(connection, channel_id, token, asked_at, refresh_fingerprint)

    def store_access_in(
        self, connection: Connection, channel_id: str, token: AccessToken, asked_at: datetime, refresh_fingerprint: str
    ) -> None:
        """`store_access` inside an open transaction."""
        connection.execute(delete(access_tokens).where(access_tokens.c.channel_id == channel_id))
        connection.execute(
            insert(access_tokens).values(
                channel_id=channel_id,
                seal=self._encryptor.encrypt(token.value, channel_id, ACCESS),
                api_domain=token.api_domain,
                refresh_fingerprint=refresh_fingerprint,
                scopes=token.scopes,
                minted_at=asked_at,
                expires_at=token.expires_at,
            )
        )

    def encrypt_again(self) -> int:
        """Encrypt with the newest key what an older one encrypted; the number of secrets that changed.

        A token that no key decrypts stays as it is: it stops only the channel whose token it is. So does the secret of
        an endpoint, a subscription or a form: whoever uses it says so, and syncs go on.
        """
        if not self._encryptor.rotates:
            return 0
        changed = 0
        with self._database.write() as connection:
            for table, column, kind in ((channels, "refresh_seal", REFRESH), (access_tokens, "seal", ACCESS)):
                for channel_id, ciphertext in connection.execute(select(table.c.channel_id, table.c[column])).all():
                    if not self._encryptor.is_current(ciphertext):
                        try:
                            secret = self._encryptor.decrypt(ciphertext, channel_id, kind)
                        except DecryptionError as error:
                            log.info("%s", error)
                            continue
                        values = {column: self._encryptor.encrypt(secret, channel_id, kind)}
                        connection.execute(update(table).where(table.c.channel_id == channel_id).values(values))
                        changed += 1
            changed += self._encrypt_column(connection, webhook_endpoints, "id", "secret_seal", WEBHOOK)
            changed += self._encrypt_subscriptions(connection)
            changed += self._encrypt_column(connection, form_channels, "channel_id", "salt_seal", FORM_SALT)
            changed += self._encrypt_column(connection, form_keys, "form_key", "secret_seal", FORM_SECRET)
        return changed

    def _encrypt_column(self, connection: Connection, table: Table, key: str, column: str, kind: str) -> int:
        """A secret that no key decrypts stays as it is: whoever needs it says so."""
        changed, rows = 0, select(table.c[key], table.c[column])
        for owner, ciphertext in connection.execute(rows).all():
            if self._encryptor.is_current(ciphertext):
                continue
            with suppress(DecryptionError):
                seal = self._encryptor.encrypt(self._encryptor.decrypt(ciphertext, owner, kind), owner, kind)
                own = update(table).where(table.c[key] == owner)
                changed += connection.execute(own.values({column: seal})).rowcount
        return changed

    def _encrypt_subscriptions(self, connection: Connection) -> int:
        """A secret that no key decrypts stays as it is: the next renewal replaces it."""
        changed = 0
        for row in connection.execute(select(push_subscriptions)).mappings().all():
            channel_id, values = row["channel_id"], {}
            for name in ("hook_seal", "token_seal", "workflow_seal", "secret_seal"):
                if not self._encryptor.is_current(row[name]):
                    with suppress(DecryptionError):
                        secret = self._encryptor.decrypt(row[name], channel_id, PUSH)
                        values[name] = self._encryptor.encrypt(secret, channel_id, PUSH)
            if values:
                own = update(push_subscriptions).where(push_subscriptions.c.channel_id == channel_id)
                connection.execute(own.values(values))
                changed += len(values)
        return changed

    def _access_token(self, row: Row[tuple[object, ...]]) -> AccessToken:
        values = row._mapping
        require_types(values, _ACCESS_TYPES)
        scopes = values["scopes"]
        if not isinstance(scopes, list | None):
            raise DamagedValue("the scopes are no list")
        return AccessToken(
            value=self._encryptor.decrypt(values["seal"], values["channel_id"], ACCESS),
            expires_at=values["expires_at"],
            api_domain=values["api_domain"],
            scopes=None if scopes is None else tuple(scopes),
        )

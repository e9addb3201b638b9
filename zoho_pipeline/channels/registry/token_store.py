"""The sealed tokens in the registry: one refresh token a channel, and the access token of the hour."""

from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import UnknownChannel
from zoho_pipeline.channels.registry.encryption import Sealer, fingerprint
from zoho_pipeline.channels.registry.tables import access_tokens, channels
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.oauth import AccessToken

REFRESH, ACCESS = "refresh", "access"


class Vault:
    """Puts tokens away and takes them out, sealed with the newest key."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def refresh_token(self, channel_id: str) -> Secret:
        """The refresh token of a channel.

        Raises:
            UnknownChannel: no such id.
            SealError: no key opens it.
        """
        with self._database.read() as connection:
            seal = connection.scalar(select(channels.c.refresh_seal).where(channels.c.channel_id == channel_id))
        if seal is None:
            raise UnknownChannel(channel_id)
        return self._sealer.open(seal, channel_id, REFRESH)

    def sealed_refresh(self, channel_id: str, token: Secret) -> dict[str, str]:
        """The columns that hold a refresh token."""
        return {
            "refresh_seal": self._sealer.seal(token, channel_id, REFRESH),
            "refresh_fingerprint": fingerprint(token),
        }

    def fingerprint(self, channel_id: str) -> str:
        """The name under which Zoho's limits are counted for this channel's refresh token."""
        with self._database.read() as connection:
            found = connection.scalar(select(channels.c.refresh_fingerprint).where(channels.c.channel_id == channel_id))
        if found is None:
            raise UnknownChannel(channel_id)
        return str(found)

    def sharers(self, refresh_fingerprint: str, besides: str | None = None) -> tuple[str, ...]:
        """The channels that hold this refresh token."""
        ids = select(channels.c.channel_id).where(channels.c.refresh_fingerprint == refresh_fingerprint)
        with self._database.read() as connection:
            return tuple(found for found in connection.scalars(ids.order_by(channels.c.channel_id)) if found != besides)

    def access_token(self, channel_id: str) -> AccessToken | None:
        """The newest access token that was minted with the channel's present refresh token, expired or not."""
        query = (
            select(access_tokens)
            .join(channels, channels.c.channel_id == access_tokens.c.channel_id)
            .where(access_tokens.c.channel_id == channel_id)
            .where(access_tokens.c.refresh_fingerprint == channels.c.refresh_fingerprint)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._open_access(row)

    def keep_access(self, channel_id: str, token: AccessToken, minted_at: datetime, refresh_fingerprint: str) -> None:
        """Replace the channel's access token; it is handed out while its refresh token is the channel's."""
        with self._database.write() as connection:
            ours = channels.c.channel_id == channel_id
            if connection.execute(update(channels).where(ours).values(api_domain=token.api_domain)).rowcount == 0:
                raise UnknownChannel(channel_id)
            self.keep_access_in(connection, channel_id, token, minted_at, refresh_fingerprint)

    def keep_access_in(
        self, connection: Connection, channel_id: str, token: AccessToken, minted_at: datetime, refresh_fingerprint: str
    ) -> None:
        """`keep_access` inside a transaction that is under way."""
        connection.execute(delete(access_tokens).where(access_tokens.c.channel_id == channel_id))
        connection.execute(
            insert(access_tokens).values(
                channel_id=channel_id,
                seal=self._sealer.seal(token.value, channel_id, ACCESS),
                api_domain=token.api_domain,
                refresh_fingerprint=refresh_fingerprint,
                scopes=token.scopes,
                minted_at=minted_at,
                expires_at=token.expires_at,
            )
        )

    def reseal(self) -> int:
        """Seal again, with the newest key, what an older one sealed; the number of seals that changed.

        Raises:
            SealError: no key opens one of them.
        """
        if not self._sealer.rotates:
            return 0
        changed = 0
        with self._database.write() as connection:
            for table, column, kind in ((channels, "refresh_seal", REFRESH), (access_tokens, "seal", ACCESS)):
                for channel_id, seal in connection.execute(select(table.c.channel_id, table.c[column])).all():
                    if not self._sealer.is_current(seal):
                        secret = self._sealer.open(seal, channel_id, kind)
                        anew = {column: self._sealer.seal(secret, channel_id, kind)}
                        connection.execute(update(table).where(table.c.channel_id == channel_id).values(anew))
                        changed += 1
        return changed

    def _open_access(self, row: Row[tuple[object, ...]]) -> AccessToken:
        values = row._mapping
        scopes = values["scopes"]
        return AccessToken(
            value=self._sealer.open(values["seal"], values["channel_id"], ACCESS),
            expires_at=values["expires_at"],
            api_domain=values["api_domain"],
            scopes=None if scopes is None else tuple(scopes),
        )

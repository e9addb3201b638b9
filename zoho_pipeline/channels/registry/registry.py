"""The registry: which channels there are, how they stand, and what was set for them.

Opening it makes the database where there is none, brings its tables up to date and seals anew what an
older key sealed. Every method is one transaction; any number of processes may work at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import ChannelError, InvalidSetting, OtherOrg, UnknownChannel
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.encryption import Sealer
from zoho_pipeline.channels.registry.migrate import migrate
from zoho_pipeline.channels.registry.model import (
    ACTIVE,
    OUTCOMES,
    PAUSED,
    RECONNECT_NEEDED,
    STATUSES,
    Channel,
    Connection,
    ModuleStatus,
    ModuleSync,
)
from zoho_pipeline.channels.registry.token_budget import MintBudget
from zoho_pipeline.channels.registry.token_store import Vault
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.zoho.accounts.oauth import AccessToken

CREDIT_WINDOW = timedelta(hours=24)
"""Zoho's credits come back one by one, 24 h after each was spent."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SETTABLE = ("field_map", "lead_source_map", "business_hours", "parameters", "set_timezone", "set_currency", "tenant")


class Registry:
    """The channels of one installation.

    Args:
        settings: `registry_url`, HOME and the sealing keys.

    Raises:
        RegistryError: the database cannot be used, or a newer release wrote it.
        SealError: a key is missing that an older seal needs.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.sealer = Sealer(settings.secret_keys)
        migrate(self.database)
        self.vault = Vault(self.database, self.sealer)
        self.mints = MintBudget(self.database)
        self.vault.reseal()

    def add(
        self,
        channel_id: str,
        refresh_token: Secret,
        connection: Connection,
        *,
        access: AccessToken | None = None,
        tenant: str | None = None,
        timezone: str | None = None,
    ) -> Channel:
        """Register a channel, or connect a known one anew: its settings, module states and pause stay.

        Args:
            access: an access token of that refresh token, if one was minted on the way: kept for the next call.
            timezone: set by hand; wins over what Zoho says.

        Raises:
            OtherOrg: the channel is known and connected to another org; nothing was changed.
            InvalidSetting: the id cannot be used as one.
        """
        check_id(channel_id)
        values = _connection_columns(connection) | self.vault.sealed_refresh(channel_id, refresh_token)
        values |= {"status_detail": None}
        values |= {"set_timezone": timezone} if timezone else {}
        values |= {"tenant": tenant} if tenant else {}
        with self.database.write() as transaction:
            known = self._load(transaction, channel_id)
            values["connected_at"] = now = self.database.now_in(transaction)
            if known:
                check_same_org(known[0], connection)
                values["status"] = PAUSED if known[0].status == PAUSED else ACTIVE
                transaction.execute(_update(channel_id).values(values))
            else:
                fresh: dict[str, Any] = {"field_map": {}, "lead_source_map": {}, "parameters": {}}
                fresh |= {"channel_id": channel_id, "status": ACTIVE, "created_at": now}
                transaction.execute(insert(tables.channels).values(fresh | values))
            if access is not None:
                self.vault.keep_access_in(transaction, channel_id, access, now, values["refresh_fingerprint"])
        return self.get(channel_id)

    def refresh_connection(self, channel_id: str, connection: Connection) -> Channel:
        """Store what a verification found: names, scopes, zone, currency; a needed reconnect is over.

        Raises:
            OtherOrg: the token answers for another org.
        """
        with self.database.write() as transaction:
            channel = self._one(transaction, channel_id)
            check_same_org(channel, connection)
            values = _connection_columns(connection)
            values["scopes"] = connection.scopes or channel.scopes
            values["missing_scopes"] = sorted({*channel.missing_scopes, *connection.missing_scopes})
            if channel.status == RECONNECT_NEEDED:
                values |= {"status": ACTIVE, "status_detail": None}
            transaction.execute(_update(channel_id).values(values))
        return self.get(channel_id)

    def get(self, channel_id: str) -> Channel:
        """One channel.

        Raises:
            UnknownChannel: no such id; the message names those there are.
        """
        with self.database.read() as transaction:
            return self._one(transaction, channel_id)

    def list(self) -> tuple[Channel, ...]:
        """All channels, by id."""
        with self.database.read() as transaction:
            return self._load(transaction)

    def set_status(self, channel_id: str, status: str, detail: str | None = None) -> None:
        """`active`, `paused` or `reconnect_needed`, and a sentence that says why."""
        if status not in STATUSES:
            raise ValueError(f"unknown status {status!r}")
        with self.database.write() as transaction:
            self._one(transaction, channel_id)
            transaction.execute(_update(channel_id).values(status=status, status_detail=detail))

    def pause(self, channel_id: str) -> None:
        """Leave the channel out of syncs until it is resumed."""
        self.set_status(channel_id, PAUSED)

    def resume(self, channel_id: str) -> None:
        """Take a paused channel into the syncs again.

        Raises:
            ChannelError: it waits for a reconnect, which only a person can give.
        """
        channel = self.get(channel_id)
        if channel.status == RECONNECT_NEEDED:
            raise ChannelError(
                f"channel {channel_id} must be connected again first (zoho-pipeline connect, or channels add with "
                f"a new refresh token): {channel.status_detail or 'its token is refused.'}"
            )
        self.set_status(channel_id, ACTIVE)

    def note_reconnect(self, channel_id: str, detail: str) -> None:
        """A person must connect the channel again; a pause stays a pause and only gains the reason."""
        paused = self.get(channel_id).status == PAUSED
        self.set_status(channel_id, PAUSED if paused else RECONNECT_NEEDED, detail)

    def note_connected(self, channel_id: str) -> None:
        """A token was given again after all: the reconnect is not needed (any more)."""
        with self.database.write() as transaction:
            wanted = _update(channel_id).where(tables.channels.c.status == RECONNECT_NEEDED)
            transaction.execute(wanted.values(status=ACTIVE, status_detail=None))

    def add_missing_scopes(self, channel_id: str, scopes: tuple[str, ...]) -> None:
        """Remember scopes that a call was refused for: a grant never gains any, only a new connection does."""
        with self.database.write() as transaction:
            missing = sorted({*self._one(transaction, channel_id).missing_scopes, *scopes})
            transaction.execute(_update(channel_id).values(missing_scopes=missing))

    def forget_missing_scopes(self, channel_id: str) -> None:
        """Find out anew what is refused."""
        with self.database.write() as transaction:
            self._one(transaction, channel_id)
            transaction.execute(_update(channel_id).values(missing_scopes=[]))

    def store(self, channel_id: str, **values: Any) -> Channel:
        """Write checked per-channel settings (see `channel_settings.set_settings`) in one go."""
        if unknown := set(values) - set(_SETTABLE):
            raise ValueError(f"not a setting: {unknown}")
        with self.database.write() as transaction:
            self._one(transaction, channel_id)
            if values:
                transaction.execute(_update(channel_id).values(values))
        return self.get(channel_id)

    def remove(self, channel_id: str) -> None:
        """Forget a channel and its tokens. Revoking is `connect.remove`; rows in the warehouse stay."""
        with self.database.write() as transaction:
            self._one(transaction, channel_id)
            transaction.execute(delete(tables.channels).where(tables.channels.c.channel_id == channel_id))

    def record_sync(
        self,
        channel_id: str,
        module: str,
        upper_bound: datetime | None,
        outcome: str,
        rows: int = 0,
        credits: float = 0.0,
        detail: str | None = None,
        route: str | None = None,
    ) -> None:
        """Note how a module's part of a sync went, and the credits it spent (they count for 24 h).

        Args:
            upper_bound: all changes before this instant are in; kept only from a complete sync, and moved back
                only by a part whose `not_after` shows that it came of a wrong clock.
            outcome: one of `model.OUTCOMES`.
        """
        self.record_syncs(channel_id, [ModuleSync(module, upper_bound, outcome, rows, credits, detail, route)])

    def record_syncs(self, channel_id: str, parts: Iterable[ModuleSync]) -> None:
        """Note how the modules of one sync went, all at once: each commit is a write to disk."""
        with self.database.write() as transaction:
            before = self._one(transaction, channel_id, lock=True).modules
            now, spent = self.database.now_in(transaction), 0.0
            for part in parts:
                if part.outcome not in OUTCOMES:
                    raise ValueError(f"unknown outcome {part.outcome!r}")
                known = before.get(part.module)
                bounds = [known.upper_bound] if known and known.upper_bound else []
                if part.not_after is not None:
                    bounds = [min(bound, part.not_after) for bound in bounds]
                bounds += [part.upper_bound] if part.upper_bound and part.outcome == "complete" else []
                values: dict[str, Any] = {"upper_bound": max(bounds, default=None), "synced_at": now}
                values |= {"outcome": part.outcome, "detail": part.detail, "route": part.route}
                values |= {"rows": part.rows, "credits": part.credits}
                self._upsert_module(transaction, channel_id, part.module, values)
                spent += part.credits
            self._spend(transaction, channel_id, spent)

    def forget_sync(self, channel_id: str) -> None:
        """Forget all module states: after a purge nothing has been synced."""
        with self.database.write() as transaction:
            transaction.execute(delete(tables.modules).where(tables.modules.c.channel_id == channel_id))

    def add_credits(self, channel_id: str, credits: float) -> None:
        """Count credits that no module's sync spent: verification, metadata, reconciliation."""
        with self.database.write() as transaction:
            self._spend(transaction, channel_id, credits)

    def credits_used(self, channel_id: str) -> float:
        """Credits of the last 24 h over all channels of the same org: the org is what Zoho counts by."""
        with self.database.read() as transaction:
            channel = self._one(transaction, channel_id)
            if channel.org_id is None:
                return channel.credits_used
            same = (tables.channels.c.org_id == channel.org_id, tables.channels.c.api_domain == channel.api_domain)
            of_org = select(tables.channels.c.channel_id).where(*same)
            since = self.database.now_in(transaction) - CREDIT_WINDOW
            spent = select(func.sum(tables.credits.c.credits)).where(
                tables.credits.c.channel_id.in_(of_org), tables.credits.c.spent_at > since
            )
            return float(transaction.scalar(spent) or 0.0)

    def use_state(self, nonce: str) -> bool:
        """Mark a consent as come back; False if it already was. Kept for a day: no state is valid that long."""
        dialect = postgresql if self.database.is_postgres else sqlite
        with self.database.write() as transaction:
            now = self.database.now_in(transaction)
            first = dialect.insert(tables.states).values(nonce=nonce, used_at=now).on_conflict_do_nothing()
            transaction.execute(delete(tables.states).where(tables.states.c.used_at < now - timedelta(days=1)))
            return transaction.execute(first).rowcount == 1

    def _one(self, transaction: Transaction, channel_id: str, *, lock: bool = False) -> Channel:
        if lock and self.database.is_postgres:
            row = select(tables.channels.c.channel_id).where(tables.channels.c.channel_id == channel_id)
            transaction.execute(row.with_for_update())
        found = self._load(transaction, channel_id)
        if not found:
            known = transaction.scalars(select(tables.channels.c.channel_id).order_by(tables.channels.c.channel_id))
            raise UnknownChannel(channel_id, tuple(known))
        return found[0]

    def _load(self, transaction: Transaction, channel_id: str | None = None) -> tuple[Channel, ...]:
        def only(query: Select[Any], table: Any) -> Select[Any]:
            return query if channel_id is None else query.where(table.c.channel_id == channel_id)

        since = self.database.now_in(transaction) - CREDIT_WINDOW
        spent = select(tables.credits.c.channel_id, func.sum(tables.credits.c.credits))
        spent = spent.where(tables.credits.c.spent_at > since).group_by(tables.credits.c.channel_id)
        credits = {row[0]: float(row[1]) for row in transaction.execute(only(spent, tables.credits))}
        modules: dict[str, dict[str, ModuleStatus]] = {}
        by_name = select(tables.modules).order_by(tables.modules.c.module)
        for row in transaction.execute(only(by_name, tables.modules)).mappings():
            values = dict(row)
            owner = values.pop("channel_id")
            modules.setdefault(owner, {})[values["module"]] = ModuleStatus(**values)
        ordered = select(tables.channels).order_by(tables.channels.c.channel_id)
        rows = transaction.execute(only(ordered, tables.channels)).mappings()
        channels = (_channel(dict(row)) for row in rows)
        return tuple(replace(c, modules=modules.get(c.id, {}), credits_used=credits.get(c.id, 0.0)) for c in channels)

    def _upsert_module(self, transaction: Transaction, channel_id: str, module: str, values: Mapping[str, Any]) -> None:
        ours = (tables.modules.c.channel_id == channel_id, tables.modules.c.module == module)
        if transaction.execute(update(tables.modules).where(*ours).values(values)).rowcount == 0:
            transaction.execute(insert(tables.modules).values(channel_id=channel_id, module=module, **values))

    def _spend(self, transaction: Transaction, channel_id: str, credits: float) -> None:
        now = self.database.now_in(transaction)
        transaction.execute(delete(tables.credits).where(tables.credits.c.spent_at <= now - CREDIT_WINDOW))
        if credits:
            transaction.execute(insert(tables.credits).values(channel_id=channel_id, spent_at=now, credits=credits))


def check_id(channel_id: str) -> str:
    """A channel id names files, dlt pipelines and Dagster partitions.

    Raises:
        InvalidSetting: letters, digits, `_`, `-` and `.` only, at most 64, not led by a sign.
    """
    if not _ID.fullmatch(channel_id) or ".." in channel_id:
        raise InvalidSetting(
            f"{channel_id!r} cannot be a channel id. It takes up to 64 letters, digits, '_', '-' and '.', "
            "beginning with a letter or digit."
        )
    return channel_id


def check_same_org(channel: Channel, connection: Connection) -> None:
    """A channel stays with its org: rows of two orgs under one id could never be told apart again.

    Raises:
        OtherOrg: another org, or one that cannot be told because the scopes hide it and the user differs.
    """
    if channel.org_id and connection.org_id:
        same = channel.org_id == connection.org_id
        there, here = _org(channel), _org(connection)
    else:
        same = channel.user_id == connection.user_id
        there, here = f"user {channel.user_id}", f"user {connection.user_id}, without the scope that shows the org"
    # a data centre is a Zoho of its own: equal ids there are chance
    if not same or channel.data_center != connection.data_center:
        raise OtherOrg(
            f"channel {channel.id} is connected to {there} in data center {channel.data_center}; this token is for "
            f"{here} in {connection.data_center}. Nothing was changed. Use another channel id for it, or remove "
            f"the channel first: zoho-pipeline channels remove {channel.id} --purge"
        )


def _org(whose: Channel | Connection) -> str:
    return f"org {whose.org_name or 'without a name'} ({whose.org_id})"


def _update(channel_id: str) -> Any:
    return update(tables.channels).where(tables.channels.c.channel_id == channel_id)


_OF_ORG = ("org_id", "org_name", "edition", "users_licensed", "currency")


def _connection_columns(connection: Connection) -> dict[str, Any]:
    # a connection that may not see the org leaves what an earlier one saw
    return {name: value for name, value in asdict(connection).items() if value is not None or name not in _OF_ORG}


def _channel(row: dict[str, Any]) -> Channel:
    for secret in ("refresh_seal", "refresh_fingerprint"):
        del row[secret]
    by_hand, currency = row.pop("set_timezone"), row.pop("set_currency")
    row |= {"timezone": by_hand or row["timezone"], "currency": currency or row["currency"]}
    row["scopes"] = None if row["scopes"] is None else tuple(row["scopes"])
    row["missing_scopes"] = tuple(row["missing_scopes"])
    return Channel(id=row.pop("channel_id"), timezone_is_set=by_hand is not None, **row)

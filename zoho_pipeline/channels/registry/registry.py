"""The registry: which channels exist, their status, and their settings.

Opening the registry creates the database if there is none, brings its tables up to date, and encrypts again what an
older key encrypted. Each method is one transaction. Any number of processes may use the registry at once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.errors import ChannelError, RegistryError
from zoho_pipeline.channels.registry import channel_events, sync_records, tables
from zoho_pipeline.channels.registry.channel_rows import (
    connection_columns,
    is_stored,
    read_channel,
    read_channel_page,
    read_channels,
    read_owners,
    refuse_while_rows_remain,
    update_channel,
    verified_columns,
    write_settings,
)
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.identity import (
    check_free_id,
    check_free_org,
    check_id,
    check_same_org,
    check_same_tenant,
)
from zoho_pipeline.channels.registry.migrate import migrate
from zoho_pipeline.channels.registry.model import (
    ACTIVE,
    PAUSED,
    RECONNECT_NEEDED,
    STATUSES,
    Channel,
    ModuleSync,
    OrgConnection,
)
from zoho_pipeline.channels.registry.platform_tables import purges
from zoho_pipeline.channels.registry.sync_records import Run
from zoho_pipeline.channels.registry.token_budget import TokenBudget
from zoho_pipeline.channels.registry.token_store import TokenStore
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.zoho.accounts.oauth import AccessToken

_NONCES_KEPT = timedelta(days=1)
_PER_TRANSACTION = 200
"""Channels whose events one transaction writes, so that nobody waits long for it."""


class Registry:
    """The channels of one installation.

    Args:
        settings: gives `registry_url`, HOME and the encryption keys.

    Raises:
        RegistryError: the database cannot be used, or a newer release wrote it.
        PipelineError: the key file is damaged. A token that no key decrypts stops only its channel.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.encryptor = Encryptor(settings.secret_keys)
        migrate(self.database)
        self.token_store = TokenStore(self.database, self.encryptor)
        self.token_budget = TokenBudget(self.database)
        self.token_store.encrypt_again()

    def add(
        self,
        channel_id: str,
        refresh_token: Secret,
        connection: OrgConnection,
        *,
        access: AccessToken | None = None,
        tenant: str | None = None,
        timezone: str | None = None,
        again: bool = False,
        exact_tenant: bool = False,
    ) -> Channel:
        """Register a channel, or connect a known one again. A known one keeps its settings, module states and pause.

        Args:
            access: an access token of that refresh token, if there is one: it is stored for the next call.
            timezone: set by a person; it wins over what Zoho says.
            again: a new channel may have the org of another channel.
            exact_tenant: a known channel must have exactly this tenant.

        Raises:
            OtherTenant: the channel belongs to another tenant. Nothing was changed.
            RowsRemain: a channel of this id was removed, and its rows are not deleted yet. Nothing was stored.
            OtherOrg: the channel is connected to another org. Nothing was changed.
            OrgTaken: another channel has this org. Nothing was stored.
            IdConflict: another channel has this id, except for upper and lower case.
            InvalidSetting: the id cannot be used.
        """
        check_id(channel_id)
        values = connection_columns(connection) | self.token_store.encrypted_refresh(channel_id, refresh_token)
        values |= {"status_detail": None}
        values |= {"set_timezone": timezone} if timezone else {}
        values |= {"tenant": tenant} if tenant else {}
        with self.database.write() as transaction:
            # two registrations at once must not both find the org and the id free
            self.database.one_at_a_time(transaction, "registration")
            known = read_channels(self.database, transaction, channel_id)
            before = known[0].status if known else None
            values["connected_at"] = now = self.database.now_in(transaction)
            if known and known[0].is_damaged:
                raise RegistryError(str(known[0].status_detail))
            if known:
                check_same_tenant(known[0], tenant, exact=exact_tenant)
                check_same_org(known[0], connection)
                values["status"] = PAUSED if known[0].status == PAUSED else ACTIVE
                transaction.execute(update_channel(channel_id).values(values))
            else:
                refuse_while_rows_remain(transaction, channel_id)
                owners = read_owners(transaction)
                check_free_id(channel_id, (owner.channel_id for owner in owners))
                if not again:
                    check_free_org(channel_id, connection, owners)
                fresh: dict[str, Any] = {"field_map": {}, "lead_source_map": {}, "parameters": {}, "chosen_modules": {}}
                fresh |= {"channel_id": channel_id, "status": ACTIVE, "created_at": now}
                transaction.execute(insert(tables.channels).values(fresh | values))
            if access is not None:
                self.token_store.store_access_in(transaction, channel_id, access, now, values["refresh_fingerprint"])
            after = read_channel(self.database, transaction, channel_id)
            change = (before, after.status)
            channel_events.record_status(transaction, channel_id, after.tenant, change, after.status_detail, now)
        return self.get(channel_id)

    def refresh_connection(self, channel_id: str, connection: OrgConnection) -> Channel:
        """Store what a verification found, where it differs: names, scopes, zone, currency. It ends a needed reconnect.

        Each sync verifies, and mostly nothing differs. Then nothing is written.

        Raises:
            OtherOrg: the token belongs to another org.
        """
        with self.database.read() as transaction:
            channel = read_channel(self.database, transaction, channel_id)
            check_same_org(channel, connection)
            if channel.status != RECONNECT_NEEDED and is_stored(transaction, channel, connection):
                return channel
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            check_same_org(channel, connection)
            transaction.execute(update_channel(channel_id).values(verified_columns(channel, connection)))
            if channel.status == RECONNECT_NEEDED:
                self._change_status(transaction, channel, ACTIVE, None)
        return self.get(channel_id)

    def get(self, channel_id: str, *, damaged_too: bool = False) -> Channel:
        """One channel. `damaged_too`: return one whose row is damaged, for its removal.

        Raises:
            UnknownChannel: no channel has this id. The message names the known ones.
            RegistryError: the row of the channel is damaged.
        """
        with self.database.read() as transaction:
            return read_channel(self.database, transaction, channel_id, damaged_too=damaged_too)

    def list(self) -> tuple[Channel, ...]:
        """All channels, by id."""
        with self.database.read() as transaction:
            return read_channels(self.database, transaction)

    def set_status(self, channel_id: str, status: str, detail: str | None = None) -> None:
        """Set `active`, `paused` or `reconnect_needed`, and a sentence that says why."""
        if status not in STATUSES:
            raise ValueError(f"unknown status {status!r}")
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            self._change_status(transaction, channel, status, detail)

    def pause(self, channel_id: str) -> None:
        """Leave the channel out of syncs until it is resumed."""
        self.set_status(channel_id, PAUSED)

    def resume(self, channel_id: str) -> None:
        """Include a paused channel in syncs again.

        Raises:
            ChannelError: a person must connect it again first.
        """
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            if channel.status != RECONNECT_NEEDED:
                self._change_status(transaction, channel, ACTIVE, None)
                return
        raise ChannelError(
            f"channel {channel_id} must be connected again first. Run zoho-pipeline connect {channel_id}, or "
            f"zoho-pipeline channels add {channel_id} with a new refresh token. The reason: "
            f"{channel.status_detail or 'Zoho refuses its token.'}"
        )

    def set_reconnect_needed(self, channel_id: str, detail: str) -> None:
        """A person must connect the channel again. A paused channel stays paused and gets the reason only."""
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            status = PAUSED if channel.status == PAUSED else RECONNECT_NEEDED
            self._change_status(transaction, channel, status, detail)

    def clear_reconnect_needed(self, channel_id: str) -> None:
        """Zoho gave a token, so nobody needs to connect the channel again."""
        status = select(tables.channels.c.status).where(tables.channels.c.channel_id == channel_id)
        with self.database.read() as transaction:  # each new token asks, and it is nearly never so
            if transaction.scalar(status) != RECONNECT_NEEDED:
                return
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            if channel.status == RECONNECT_NEEDED:
                self._change_status(transaction, channel, ACTIVE, None)

    def add_missing_scopes(self, channel_id: str, scopes: tuple[str, ...]) -> None:
        """Remember scopes for which Zoho refused a call: a grant never gains scopes, only a new connection does."""
        with self.database.write() as transaction:
            missing = sorted({*read_channel(self.database, transaction, channel_id).missing_scopes, *scopes})
            transaction.execute(update_channel(channel_id).values(missing_scopes=missing))

    def clear_missing_scopes(self, channel_id: str) -> None:
        """Forget which scopes are missing, so that the next calls show it again."""
        with self.database.write() as transaction:
            read_channel(self.database, transaction, channel_id)
            transaction.execute(update_channel(channel_id).values(missing_scopes=[]))

    def store_settings(
        self, channel_id: str, change: Callable[[Channel], Mapping[str, Any]] | None = None, **values: Any
    ) -> Channel:
        """Write checked settings in one transaction. `change` gives those that depend on the ones of the moment."""
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True)
            write_settings(transaction, channel, {**values, **(change(channel) if change else {})})
        return self.get(channel_id)

    def remove(self, channel_id: str, *, purge_for: str | None = None) -> None:
        """Delete a channel and its tokens. Its rows in the warehouse stay, and `connect.remove` revokes the token.

        Args:
            purge_for: who wants the rows deleted too: a worker does it, because it is told in the same transaction.
        """
        with self.database.write() as transaction:
            channel = read_channel(self.database, transaction, channel_id, lock=True, damaged_too=True)
            transaction.execute(delete(tables.channels).where(tables.channels.c.channel_id == channel_id))
            now = self.database.now_in(transaction)
            channel_events.record(transaction, channel_id, channel.tenant, "connection.removed", {}, now)
            if purge_for is not None:
                row = {"channel_id": channel_id, "tenant": channel.tenant, "requested_by": purge_for, "asked_at": now}
                transaction.execute(insert(purges).values(row))

    def record_syncs(
        self, channel_id: str, parts: Iterable[ModuleSync], *, run_id: str | None = None, whole: bool = False
    ) -> None:
        """`record_runs` for one sync of one channel."""
        self.record_runs({channel_id: Run(run_id, whole, list(parts))})

    def record_runs(self, runs: Mapping[str, Run]) -> None:
        """Store the results of one sync per channel, and its credits, in one transaction. Only complete syncs move the
        upper bound of a module, and back only from a time that `not_after` shows as wrong."""
        with self.database.write() as transaction:
            sync_records.forget_old_credits(transaction, self.database.now_in(transaction))
            for channel_id, run in sorted(runs.items()):
                channel = read_channel(self.database, transaction, channel_id, lock=True)
                now = self.database.now_in(transaction)
                after = sync_records.statuses(channel.modules, run.parts, now)
                sync_records.write_module_syncs(transaction, channel_id, after)
                sync_records.write_credits(transaction, channel_id, run.credits + run.other_credits, now)
                if run.whole:
                    sync_records.write_history(transaction, channel_id, run, now)
                sync_records.tell_outcome(transaction, channel, run, now)

    def after_runs(self, runs: Mapping[str, Run]) -> dict[str, Channel]:
        """The channels as they are once `record_runs` has stored these results. It raises what `get` raises."""
        now = self.database.now()
        with self.database.read() as connection:
            found = read_channel_page(self.database, connection, limit=len(runs), ids=runs.keys())
        known = {channel.id: channel for channel in found if not channel.is_damaged}
        known |= {i: self.get(i) for i in runs.keys() - known.keys()}
        after = {i: {**c.modules, **sync_records.statuses(c.modules, runs[i].parts, now)} for i, c in known.items()}
        return {i: replace(channel, modules=after[i]) for i, channel in known.items()}

    def record_published(self, channel_ids: Iterable[str], built_at: datetime) -> None:
        """Tell that the marts of these channels were published: whoever publishes calls it, right after it.

        Args:
            built_at: when the build began; UTC where it has no zone. The marts show what was loaded before.
        """
        at = built_at.replace(tzinfo=UTC) if built_at.tzinfo is None else built_at
        data = {"built_at": at.isoformat(timespec="milliseconds")}
        waiting = sorted(set(channel_ids))
        for start in range(0, len(waiting), _PER_TRANSACTION):
            part = waiting[start : start + _PER_TRANSACTION]
            with self.database.write() as transaction:
                now = self.database.now_in(transaction)
                own = select(tables.channels.c.channel_id, tables.channels.c.tenant)
                found = transaction.execute(own.where(tables.channels.c.channel_id.in_(part)))
                for row in sorted(found, key=lambda row: str(row.channel_id)):
                    channel_events.record(transaction, row.channel_id, row.tenant, "insight.published", data, now)

    def add_credits(self, channel_id: str, credits: float) -> None:
        """Count credits that no sync counts at its end: a check by a person, subscriptions, a sync that was stopped.

        Those of a channel that was removed meanwhile are not counted.
        """
        own = select(tables.channels.c.channel_id).where(tables.channels.c.channel_id == channel_id)
        with self.database.write() as transaction:
            if transaction.scalar(own.with_for_update(read=True, key_share=True)) is None:
                return
            now = self.database.now_in(transaction)
            sync_records.forget_old_credits(transaction, now)
            sync_records.write_credits(transaction, channel_id, credits, now)

    def credits_used(self, channel_id: str) -> float:
        """The credits of the last 24 hours over all channels of the same org; Zoho counts per org."""
        with self.database.read() as transaction:
            channel = read_channel(self.database, transaction, channel_id)
            return sync_records.org_credits(transaction, channel, self.database.now_in(transaction))

    def claim_nonce(self, nonce: str) -> bool:
        """Mark the nonce of a consent as used; False if it was used before. It is kept for a day, longer than any
        state is valid."""
        with self.database.write() as transaction:
            now = self.database.now_in(transaction)
            first = insert_or(transaction, tables.states).values(nonce=nonce, used_at=now).on_conflict_do_nothing()
            transaction.execute(delete(tables.states).where(tables.states.c.used_at < now - _NONCES_KEPT))
            return transaction.execute(first).rowcount == 1

    def nonce_is_used(self, nonce: str) -> bool:
        """Whether the nonce of a consent was claimed before."""
        with self.database.read() as transaction:
            used = select(tables.states.c.nonce).where(tables.states.c.nonce == nonce)
            return transaction.scalar(used) is not None

    def _change_status(self, transaction: Connection, channel: Channel, status: str, detail: str | None) -> None:
        """Write a channel's status and record its events. A status that stays, with its reason, is no event."""
        transaction.execute(update_channel(channel.id).values(status=status, status_detail=detail))
        if (status, detail) != (channel.status, channel.status_detail):
            now, change = self.database.now_in(transaction), (channel.status, status)
            channel_events.record_status(transaction, channel.id, channel.tenant, change, detail, now)

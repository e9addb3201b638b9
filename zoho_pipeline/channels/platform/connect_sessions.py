"""Sessions of consents: who began one, for which channel, and how it ended. What a page waits for is here.

A session is `pending` until its consent ends as `connected` or `failed`; a pending one whose time is over is shown as
`expired`. `connected` never changes again.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import TooManyConsents
from zoho_pipeline.channels.registry.platform_tables import connect_sessions as table

MOST, WINDOW = 8, timedelta(minutes=10)
"""New consents of a channel. Zoho gives ten codes in ten minutes, and two are left for a person at the console."""

KEPT = timedelta(days=1)
Status = Literal["pending", "connected", "failed", "expired"]
PENDING: Status = "pending"
CONNECTED: Status = "connected"
FAILED: Status = "failed"
EXPIRED: Status = "expired"


@dataclass(frozen=True)
class ConnectSession:
    """A session as it is stored. `request` holds data_center, scopes and timezone of the consent."""

    id: str
    tenant: str | None
    channel_id: str
    principal: str
    origin: str | None
    status: Status
    code: str | None
    request: dict[str, Any]
    binding_hash: str | None
    started_at: datetime | None
    created_at: datetime
    expires_at: datetime

    def status_at(self, now: datetime) -> Status:
        """The status as a page sees it."""
        return EXPIRED if self.status == PENDING and now >= self.expires_at else self.status


class ConnectSessions:
    """The sessions of a registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def new_id() -> str:
        return secrets.token_urlsafe(24)

    def begin(
        self,
        session_id: str,
        *,
        tenant: str | None,
        channel_id: str,
        principal: str,
        origin: str | None,
        request: dict[str, Any],
        life_seconds: int,
    ) -> ConnectSession:
        """Store a new session.

        Raises:
            TooManyConsents: the tenant began `MOST` consents of this channel within `WINDOW`. What another tenant
                asks for under the same id does not count.
        """
        mine = (table.c.channel_id == channel_id, table.c.tenant.is_not_distinct_from(tenant))
        with self._database.write() as transaction:
            self._database.one_at_a_time(transaction, f"consents of {channel_id} in {tenant}")
            now = self._database.now_in(transaction)
            transaction.execute(delete(table).where(table.c.created_at < now - KEPT))
            lately = select(table.c.created_at).where(*mine, table.c.created_at > now - WINDOW)
            times = list(transaction.scalars(lately.order_by(table.c.created_at.desc()).limit(MOST)))
            if len(times) >= MOST:
                wait = (times[-1] + WINDOW - now).total_seconds()
                raise TooManyConsents(f"channel {channel_id} had {MOST} consents within ten minutes", wait)
            values: dict[str, Any] = {"id": session_id, "tenant": tenant, "channel_id": channel_id}
            values |= {"principal": principal, "origin": origin, "status": PENDING, "request": request}
            ends = now + timedelta(seconds=life_seconds)
            transaction.execute(insert(table).values(**values, created_at=now, expires_at=ends))
            row = transaction.execute(select(table).where(table.c.id == session_id)).mappings().one()
            return ConnectSession(**row)

    def get(self, session_id: str) -> ConnectSession | None:
        """One session; None if there is none."""
        with self._database.read() as transaction:
            row = transaction.execute(select(table).where(table.c.id == session_id)).mappings().one_or_none()
        return None if row is None else ConnectSession(**row)

    def ended(self, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions that do not wait any more."""
        waiting = select(table.c.id).where(table.c.id.in_(session_ids), table.c.status == PENDING)
        with self._database.read() as transaction:
            return set(session_ids) - set(transaction.scalars(waiting))

    def start(
        self, session_id: str, *, new_binding: str, own_binding: str | None, life_seconds: int
    ) -> ConnectSession | None:
        """Bind a session to a browser; None if it cannot begin (again).

        It begins once. After a failure it may begin again in the same browser.

        Args:
            new_binding: the hash of the new secret of the browser.
            own_binding: the hash of the secret that the browser has from before.
        """
        with self._database.write() as transaction:
            self._database.one_at_a_time(transaction, f"start of consent {session_id}")
            now = self._database.now_in(transaction)
            row = transaction.execute(select(table).where(table.c.id == session_id)).mappings().one_or_none()
            if row is None or now >= row["expires_at"] or row["status"] == CONNECTED:
                return None
            is_retry = row["status"] == FAILED and own_binding is not None and own_binding == row["binding_hash"]
            if row["started_at"] is not None and not is_retry:
                return None
            values = {"status": PENDING, "code": None, "binding_hash": new_binding, "started_at": now}
            values["expires_at"] = now + timedelta(seconds=life_seconds)
            transaction.execute(update(table).where(table.c.id == session_id).values(values))
            return ConnectSession(**{**row, **values})

    def settle(self, session_id: str, status: Status, code: str | None) -> None:
        """Store how a consent ended. A session that is connected stays so."""
        with self._database.write() as transaction:
            open_one = (table.c.id == session_id, table.c.status != CONNECTED)
            transaction.execute(update(table).where(*open_one).values(status=status, code=code))

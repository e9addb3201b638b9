"""The budget of mints: Zoho gives a refresh token ten access tokens in ten minutes, and sulks at more.

Every request is written down before it is sent, so a crash in between counts too. The count is kept
by the refresh token's fingerprint: it outlives the channel, and two channels on one token share it.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from zoho_pipeline.channels.database import Database
from zoho_pipeline.channels.tables import mints
from zoho_pipeline.zoho.errors import TokenThrottled

LIMIT = 10
WINDOW = timedelta(minutes=10, seconds=5)
"""Zoho's ten minutes by Zoho's clock; the seconds are for the way there and back."""

BLOCK = timedelta(minutes=10)
_KEPT = timedelta(days=1)


class MintBudget:
    """Permission to ask for an access token, kept in the registry for all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, fingerprint: str, now: datetime) -> int:
        """Count one request that is about to be sent; its number. Call it under the refresh token's lock.

        Raises:
            TokenThrottled: it would be the eleventh in ten minutes, or Zoho has refused lately; nothing was counted.
        """
        with self._database.write() as connection:
            wait = self._wait(connection, fingerprint, now)
            if wait is None:
                connection.execute(delete(mints).where(mints.c.requested_at < now - _KEPT))
                spent = insert(mints).values(refresh_fingerprint=fingerprint, requested_at=now).returning(mints.c.id)
                return int(connection.execute(spent).scalar_one())
        reason, until = wait
        seconds = max((until - now).total_seconds(), 1.0)
        raise TokenThrottled(
            f"no access token can be asked for now: {reason}. Try again in {-(-seconds // 60):.0f} min "
            f"(at {until:%H:%M:%S} UTC); an earlier request would prolong the wait.",
            retry_after=seconds,
        )

    def refund(self, number: int) -> None:
        """The request never left this machine: it does not count."""
        with self._database.write() as connection:
            connection.execute(delete(mints).where(mints.c.id == number))

    def block(self, fingerprint: str, now: datetime, seconds: float = 0.0) -> None:
        """Zoho answered "Access Denied": nobody asks again for ten minutes, or for `seconds` if that is longer."""
        until = now + max(BLOCK, timedelta(seconds=seconds))
        with self._database.write() as connection:
            connection.execute(
                insert(mints).values(refresh_fingerprint=fingerprint, requested_at=now, blocked_until=until)
            )

    def requests(self, fingerprint: str, since: datetime) -> int:
        """Requests sent since an instant (inclusive)."""
        query = select(func.count()).where(
            mints.c.refresh_fingerprint == fingerprint, mints.c.requested_at >= since, mints.c.blocked_until.is_(None)
        )
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def _wait(self, connection: Connection, fingerprint: str, now: datetime) -> tuple[str, datetime] | None:
        """Why, and until when, no request may be sent; None if one may."""
        ours = mints.c.refresh_fingerprint == fingerprint
        blocked = connection.scalar(select(func.max(mints.c.blocked_until)).where(ours))
        if blocked is not None and blocked > now:
            return "Zoho refused the last one for too many", blocked
        recent = connection.scalars(
            select(mints.c.requested_at)
            .where(ours, mints.c.requested_at > now - WINDOW, mints.c.blocked_until.is_(None))
            .order_by(mints.c.requested_at.desc())
            .limit(LIMIT)
        ).all()
        if len(recent) < LIMIT:
            return None
        return f"{LIMIT} were asked for in ten minutes, which is Zoho's limit", recent[-1] + WINDOW

"""The budget of mints: Zoho gives a refresh token ten access tokens in ten minutes, and sulks at more.

Every request is written down before it is sent, so a crash in between counts too. The count is kept
by the refresh token's fingerprint: it outlives the channel, and two channels on one token share it.

Zoho counts by its own clock. A request is written down with that time too where it is known (from the
`Date` header of an answer), and is over once ten minutes have passed by either clock: a machine that
slept, or a Zoho whose clock is moved, must not make us wait for nothing.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from zoho_pipeline.channels.registry.database import Database
from zoho_pipeline.channels.registry.tables import mints
from zoho_pipeline.zoho.errors import TokenThrottled

LIMIT = 10
WINDOW = timedelta(minutes=10, seconds=5)
"""Zoho's ten minutes; the seconds are for the way there and back."""

BLOCK = timedelta(minutes=10)
_KEPT = timedelta(days=1)


class MintBudget:
    """Permission to ask for an access token, kept in the registry for all processes.

    `now` is our clock, `zoho_now` Zoho's where it is known; both aware.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, fingerprint: str, now: datetime, zoho_now: datetime | None = None) -> int:
        """Count one request that is about to be sent; its number. Call it under the refresh token's lock.

        Raises:
            TokenThrottled: it would be the eleventh in ten minutes, or Zoho has refused lately; nothing was counted.
        """
        with self._database.write() as connection:
            wait = self._wait(connection, fingerprint, now, zoho_now)
            if wait is None:
                connection.execute(delete(mints).where(mints.c.requested_at < now - _KEPT))
                row = {"refresh_fingerprint": fingerprint, "requested_at": now, "zoho_at": zoho_now}
                return int(connection.execute(insert(mints).values(row).returning(mints.c.id)).scalar_one())
        reason, left = wait
        seconds = max(left.total_seconds(), 1.0)
        raise TokenThrottled(
            f"no access token can be asked for now: {reason}. Try again in {-(-seconds // 60):.0f} min "
            f"(at {now + left:%H:%M:%S} UTC); an earlier request would prolong the wait.",
            retry_after=seconds,
        )

    def refund(self, number: int) -> None:
        """The request never left this machine: it does not count."""
        with self._database.write() as connection:
            connection.execute(delete(mints).where(mints.c.id == number))

    def block(self, fingerprint: str, now: datetime, seconds: float = 0.0, zoho_now: datetime | None = None) -> None:
        """Zoho answered "Access Denied": nobody asks again for ten minutes, or for `seconds` if that is longer."""
        length = min(max(BLOCK, timedelta(seconds=seconds)), _KEPT)
        row = {"refresh_fingerprint": fingerprint, "requested_at": now, "zoho_at": zoho_now}
        with self._database.write() as connection:
            connection.execute(insert(mints).values(row | {"blocked_seconds": length.total_seconds()}))

    def requests(self, fingerprint: str, since: datetime) -> int:
        """Requests sent since an instant of our clock (inclusive)."""
        query = select(func.count()).where(
            mints.c.refresh_fingerprint == fingerprint, mints.c.requested_at >= since, mints.c.blocked_seconds.is_(None)
        )
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def _wait(
        self, connection: Connection, fingerprint: str, now: datetime, zoho_now: datetime | None
    ) -> tuple[str, timedelta] | None:
        """Why, and for how long, no request may be sent; None if one may."""
        ours = mints.c.refresh_fingerprint == fingerprint
        blocks, requests = [], []
        for row in connection.execute(select(mints).where(ours, mints.c.requested_at > now - _KEPT)).mappings():
            age = now - row["requested_at"]
            if zoho_now is not None and row["zoho_at"] is not None:
                age = max(age, zoho_now - row["zoho_at"])
            if row["blocked_seconds"] is not None:
                blocks.append(timedelta(seconds=row["blocked_seconds"]) - age)
            elif age < WINDOW:
                requests.append(WINDOW - age)
        if blocks and max(blocks) > timedelta(0):
            return "Zoho refused the last one for too many", max(blocks)
        if len(requests) < LIMIT:
            return None
        return f"{LIMIT} were asked for in ten minutes, which is Zoho's limit", sorted(requests)[len(requests) - LIMIT]

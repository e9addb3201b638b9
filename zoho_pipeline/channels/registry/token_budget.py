"""The budget of mints: Zoho gives a refresh token ten access tokens in ten minutes, and sulks at more.

Every request is written down before it is sent, so a crash in between counts too. The count is kept
by the refresh token's fingerprint: it outlives the channel, and two channels on one token share it.

Zoho counts by its own clock. A request is written down with that time too where it is known (from the
`Date` header of an answer), and is over once ten minutes have passed by either clock: a machine that
slept, or a Zoho whose clock is moved, must not make us wait for nothing.

The lock that keeps two requests apart can be lost while one is on its way. Then the row says that it is
under way, and the next one waits for its answer. The count itself is made in a transaction of its own
kind, one after another, whoever holds the lock.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.registry.tables import mints
from zoho_pipeline.zoho.errors import TokenThrottled

LIMIT = 10
WINDOW = timedelta(minutes=10, seconds=5)
"""Zoho's ten minutes; the seconds are for the way there and back."""

BLOCK = timedelta(minutes=10)
_KEPT = timedelta(days=1)
LONGEST = timedelta(seconds=100)
"""A request that had no answer for so long (connect, write and read time-outs together) has none to come."""


class RequestUnderWay(Exception):
    """Another request with this refresh token has no answer yet: look for its token, and ask again."""


class MintBudget:
    """Permission to ask for an access token, kept in the registry for all processes.

    `now` is the database's clock, which is asked where none is given; `zoho_now` Zoho's where it is known. Both aware.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(
        self,
        fingerprint: str,
        now: datetime | None = None,
        zoho_now: datetime | None = None,
        *,
        under_way: bool = False,
    ) -> int:
        """Count one request that is about to be sent; its number. Call it under the refresh token's lock.

        Args:
            under_way: nobody else may ask until `end` is called, or `LONGEST` has passed.

        Raises:
            RequestUnderWay: another one has no answer yet; nothing was counted.
            TokenThrottled: it would be the eleventh in ten minutes, or Zoho has refused lately; nothing was counted.
        """
        with self._database.write() as connection:
            self._database.one_at_a_time(connection, f"mints {fingerprint}")
            now = now or self._database.now_in(connection)
            self._let_end(connection, fingerprint, now)
            wait = self._wait(connection, fingerprint, now, zoho_now)
            if wait is None:
                connection.execute(delete(mints).where(mints.c.requested_at < now - _KEPT))
                row = {"refresh_fingerprint": fingerprint, "requested_at": now, "zoho_at": zoho_now}
                row |= {"under_way": under_way or None}
                return int(connection.execute(insert(mints).values(row).returning(mints.c.id)).scalar_one())
        reason, left = wait
        seconds = max(left.total_seconds(), 1.0)
        raise TokenThrottled(
            f"no access token can be asked for now: {reason}. Try again in {-(-seconds // 60):.0f} min "
            f"(at {now + left:%H:%M:%S} UTC); an earlier request would prolong the wait.",
            retry_after=seconds,
        )

    def end(self, number: int) -> None:
        """The answer of a request is in, good or bad, and its token is stored: the next one may be sent."""
        with self._database.write() as connection:
            connection.execute(update(mints).where(mints.c.id == number).values(under_way=None))

    def refund(self, number: int) -> None:
        """The request never left this machine: it does not count."""
        with self._database.write() as connection:
            connection.execute(delete(mints).where(mints.c.id == number))

    def block(
        self, fingerprint: str, now: datetime | None = None, seconds: float = 0.0, zoho_now: datetime | None = None
    ) -> None:
        """Zoho answered "Access Denied": nobody asks again for ten minutes, or for `seconds` if that is longer."""
        length = min(max(BLOCK, timedelta(seconds=seconds)), _KEPT)
        with self._database.write() as connection:
            row = {"refresh_fingerprint": fingerprint, "zoho_at": zoho_now}
            row |= {"requested_at": now or self._database.now_in(connection)}
            connection.execute(insert(mints).values(row | {"blocked_seconds": length.total_seconds()}))

    def requests(self, fingerprint: str, since: datetime) -> int:
        """Requests sent since an instant of the database's clock (inclusive)."""
        query = select(func.count()).where(
            mints.c.refresh_fingerprint == fingerprint, mints.c.requested_at >= since, mints.c.blocked_seconds.is_(None)
        )
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def _let_end(self, connection: Connection, fingerprint: str, now: datetime) -> None:
        sent = select(mints.c.id).where(
            mints.c.refresh_fingerprint == fingerprint, mints.c.under_way, mints.c.requested_at > now - LONGEST
        )
        if connection.execute(sent).first() is not None:
            raise RequestUnderWay(fingerprint)

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

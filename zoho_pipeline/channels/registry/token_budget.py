"""The budget of token requests: Zoho gives a refresh token ten access tokens in ten minutes, and then locks it.

Each request is counted before it is sent, so that a request counts even if the process crashes. The count belongs to
the refresh token's fingerprint: it outlives the channel, and two channels with the same token share it.

Zoho counts by its own clock. Where that time is known (from the `Date` header of an answer), it is stored with the
request. A request no longer counts when ten minutes have passed by either clock, so that a machine that slept, or a
Zoho clock that was set, causes no needless wait.

A process can lose the lock that keeps requests apart while its request is in flight. So the row says that the request
is in flight, and the next process waits for its answer. Counting itself happens in transactions that run one after
another, whoever holds the lock.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.registry.tables import channels, require_types, token_requests, types_of
from zoho_pipeline.zoho.errors import TokenThrottled

_TYPES = types_of(token_requests)
LIMIT = 10
WINDOW = timedelta(minutes=10, seconds=5)
"""Zoho's ten minutes, and five seconds for the time that a request and its answer travel."""

BLOCK = timedelta(minutes=10)
_ROWS_KEPT = timedelta(days=1)
LONGEST_REQUEST = timedelta(seconds=100)
"""The connect, write and read time-outs together: after this time no answer can come."""


class RequestInFlight(Exception):
    """Another request with this refresh token has no answer yet. Look for its token, then try again."""


class TokenBudget:
    """Permission to request an access token, shared by all processes through the registry.

    All times are aware. `now` is the database's clock, which is read if no time is given; `zoho_now` is Zoho's clock
    where it is known.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(
        self,
        fingerprint: str,
        now: datetime | None = None,
        zoho_now: datetime | None = None,
        *,
        in_flight: bool = False,
    ) -> int:
        """Count a request that is about to be sent; its number. The caller holds the refresh token's lock.

        Args:
            in_flight: nobody else may send a request until `finish` is called or `LONGEST_REQUEST` has passed.

        Raises:
            RequestInFlight: another request has no answer yet. Nothing was counted.
            TokenThrottled: it would be the eleventh in ten minutes, or Zoho refused a request lately. Nothing was
                counted.
        """
        with self._database.write() as connection:
            # processes of earlier releases use the same lock name
            self._database.one_at_a_time(connection, f"mints {fingerprint}")
            now = now or self._database.now_in(connection)
            self._refuse_second(connection, fingerprint, now)
            wait = self._wait(connection, fingerprint, now, zoho_now)
            if wait is None:
                connection.execute(delete(token_requests).where(token_requests.c.requested_at < now - _ROWS_KEPT))
                row = {"refresh_fingerprint": fingerprint, "requested_at": now, "zoho_at": zoho_now}
                row |= {"under_way": in_flight or None}
                added = insert(token_requests).values(row).returning(token_requests.c.id)
                return int(connection.execute(added).scalar_one())
        reason, left = wait
        seconds = max(left.total_seconds(), 1.0)
        raise TokenThrottled(
            f"Zoho gives no access token for now: {reason}. Try again in {-(-seconds // 60):.0f} min "
            f"(at {now + left:%H:%M:%S} UTC). An earlier try would make the wait longer.",
            retry_after=seconds,
        )

    def finish(self, number: int) -> None:
        """The request has its answer, and its token is stored: the next request may be sent."""
        with self._database.write() as connection:
            connection.execute(update(token_requests).where(token_requests.c.id == number).values(under_way=None))

    def refund(self, number: int) -> None:
        """The request never left this machine, so it does not count."""
        with self._database.write() as connection:
            connection.execute(delete(token_requests).where(token_requests.c.id == number))

    def block(
        self, fingerprint: str, now: datetime | None = None, seconds: float = 0.0, zoho_now: datetime | None = None
    ) -> None:
        """Zoho answered "Access Denied": nobody sends a request for ten minutes, or for `seconds` if that is longer."""
        length = min(max(BLOCK, timedelta(seconds=seconds)), _ROWS_KEPT)
        with self._database.write() as connection:
            row = {"refresh_fingerprint": fingerprint, "zoho_at": zoho_now}
            row |= {"requested_at": now or self._database.now_in(connection)}
            connection.execute(insert(token_requests).values(row | {"blocked_seconds": length.total_seconds()}))

    def requests(self, fingerprint: str, since: datetime) -> int:
        """The number of requests sent since an instant of the database's clock (inclusive)."""
        return self._count(token_requests.c.refresh_fingerprint == fingerprint, since)

    def requests_of(self, channel_id: str, since: datetime) -> int:
        """`requests` with the present refresh token of a channel."""
        own = select(channels.c.refresh_fingerprint).where(channels.c.channel_id == channel_id).scalar_subquery()
        return self._count(token_requests.c.refresh_fingerprint == own, since)

    def _count(self, own: ColumnElement[bool], since: datetime) -> int:
        query = select(func.count()).where(
            own, token_requests.c.requested_at >= since, token_requests.c.blocked_seconds.is_(None)
        )
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def _refuse_second(self, connection: Connection, fingerprint: str, now: datetime) -> None:
        in_flight = select(token_requests.c.id).where(
            token_requests.c.refresh_fingerprint == fingerprint,
            token_requests.c.under_way,
            token_requests.c.requested_at > now - LONGEST_REQUEST,
        )
        if connection.execute(in_flight).first() is not None:
            raise RequestInFlight(fingerprint)

    def _wait(
        self, connection: Connection, fingerprint: str, now: datetime, zoho_now: datetime | None
    ) -> tuple[str, timedelta] | None:
        """Why no request may be sent, and for how long; None if one may be sent."""
        own = token_requests.c.refresh_fingerprint == fingerprint
        recent = select(token_requests).where(own, token_requests.c.requested_at > now - _ROWS_KEPT)
        try:
            rows = [dict(row) for row in connection.execute(recent).mappings()]
            for row in rows:
                require_types(row, _TYPES)
        except DamagedValue:  # nobody knows how many there were; with this row, the count is right in ten minutes
            connection.execute(delete(token_requests).where(own))
            block = {"refresh_fingerprint": fingerprint, "requested_at": now, "zoho_at": zoho_now}
            connection.execute(insert(token_requests).values(block | {"blocked_seconds": WINDOW.total_seconds()}))
            return "the registry's count of requests was damaged, and begins anew", WINDOW
        blocks, requests = [], []
        for row in rows:
            age = now - row["requested_at"]
            if zoho_now is not None and row["zoho_at"] is not None:
                age = max(age, zoho_now - row["zoho_at"])
            if row["blocked_seconds"] is not None:
                blocks.append(timedelta(seconds=row["blocked_seconds"]) - age)
            elif age < WINDOW:
                requests.append(WINDOW - age)
        if blocks and max(blocks) > timedelta(0):
            return "it refused the last request, because there were too many", max(blocks)
        if len(requests) < LIMIT:
            return None
        return f"{LIMIT} were requested in ten minutes, which is its limit", sorted(requests)[len(requests) - LIMIT]

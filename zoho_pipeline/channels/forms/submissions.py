"""The queue of submissions: what a form sent waits here, hashed, until somebody loads it into the raw table.

A submission is known by the hash of its id for as long as it is kept. So a client may send it again: the same content
is a replay, another content is a conflict, and an id that was forgotten stays forgotten.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, delete, or_, select, tuple_, update

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.forms.salts import WAITING
from zoho_pipeline.channels.registry.tables import form_submissions as table

LOADED, FORGOTTEN = "loaded", "forgotten"

OLDEST, MOST_AHEAD = timedelta(days=7), timedelta(minutes=5)
"""A form may be sent later than it was filled in (a phone without a network), and clocks differ a little."""

IDS_PER_QUERY = 400
"""SQLite takes at most 999 parameters in old builds."""

Outcome = Literal["stored", "replay", "conflict", "gone", "bad_time"]


@dataclass(frozen=True)
class Submission:
    """What is kept of one submission: no value of it names a person.

    Attributes:
        submission_id: a UUID in its usual form. `id_hash`: its hash under the salt of the channel.
        submitted_at: as the client says; None: when it is received.
        touch: the texts of the other columns of the raw table, by column.
        suspect_reason: why it is never matched; None: it may be.
    """

    submission_id: str
    id_hash: str
    submitted_at: datetime | None
    email_key: str | None
    phone_key: str | None
    elapsed_ms: int | None
    touch: Mapping[str, str]
    suspect_reason: str | None = None

    @property
    def content_hash(self) -> str:
        """Two submissions with one id are the same if their contents are. What we think of them does not count."""
        at = self.submitted_at and self.submitted_at.isoformat()
        content = [self.submission_id, at, self.email_key, self.phone_key, self.elapsed_ms, dict(self.touch)]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def is_late(self, now: datetime) -> bool:
        """Whether its time cannot be: older than seven days, or more than five minutes ahead."""
        return self.submitted_at is not None and not now - OLDEST <= self.submitted_at <= now + MOST_AHEAD

    def row(self, now: datetime) -> dict[str, Any]:
        """The columns of the raw table, without the key of the channel; times are texts of ISO 8601."""
        found: dict[str, Any] = {"submission_id": self.submission_id, "received_at": now.isoformat()}
        found |= {"submitted_at": (self.submitted_at or now).isoformat(), "elapsed_ms": self.elapsed_ms}
        found |= {"email_key": self.email_key, "phone_key": self.phone_key, **self.touch}
        return found | {"is_suspect": self.suspect_reason is not None, "suspect_reason": self.suspect_reason}


def store(transaction: Connection, arrived: Sequence[tuple[str, Submission]], now: datetime) -> list[Outcome]:
    """Store what is new of these (channel, submission), and say for each one what became of it, in their order."""
    known = _known(transaction, {(channel_id, one.id_hash) for channel_id, one in arrived})
    fresh: dict[tuple[str, str], dict[str, Any]] = {}
    for channel_id, one in arrived:
        key = (channel_id, one.id_hash)
        if key not in known and key not in fresh and not one.is_late(now):
            row: dict[str, Any] = {"channel_id": channel_id, "id_hash": one.id_hash, "state": WAITING}
            row |= {"submission_id": one.submission_id, "content_hash": one.content_hash, "row": one.row(now)}
            row |= {"email_key": one.email_key, "phone_key": one.phone_key, "received_at": now, "kept_from": now}
            fresh[key] = row
    added = _insert(transaction, list(fresh.values()))
    if len(added) < len(fresh):  # another process has stored some of them at the same moment
        known |= _known(transaction, fresh.keys() - added)
    outcomes: list[Outcome] = []
    for channel_id, one in arrived:
        key = (channel_id, one.id_hash)
        if key in added:
            outcomes.append("stored")
            added.remove(key)
            known[key] = (WAITING, fresh[key]["content_hash"])
        elif key in known:
            state, content = known[key]
            outcomes.append("gone" if state == FORGOTTEN else "replay" if content == one.content_hash else "conflict")
        else:
            outcomes.append("bad_time")
    return outcomes


def waiting(transaction: Connection, channel_id: str, most: int, *, newest: bool = False) -> list[dict[str, Any]]:
    """The rows of up to `most` submissions of a channel that are not loaded yet, the oldest or the newest first; see
    `Submission.row`."""
    own = select(table.c.row).where(table.c.state == WAITING, table.c.channel_id == channel_id)
    at = table.c.received_at.desc() if newest else table.c.received_at
    return list(transaction.scalars(own.order_by(at, table.c.id_hash).limit(most)))


def note_loaded(transaction: Connection, channel_id: str, submission_ids: Sequence[str]) -> None:
    """The raw table holds these submissions now, so the queue drops what it kept of them but their ids."""
    empty = dict.fromkeys(("row", "email_key", "phone_key"))
    for part in _parts(submission_ids):
        own = (table.c.channel_id == channel_id, table.c.state == WAITING, table.c.submission_id.in_(part))
        transaction.execute(update(table).where(*own).values(state=LOADED, **empty))


def waiting_of_person(transaction: Connection, channel_id: str, keys: Collection[str]) -> list[str]:
    """The ids of submissions that wait and have one of these e-mail or phone keys."""
    person = or_(table.c.email_key.in_(keys), table.c.phone_key.in_(keys))
    own = select(table.c.submission_id).where(table.c.channel_id == channel_id, table.c.state == WAITING, person)
    return [str(found) for found in transaction.scalars(own)]


def forget(transaction: Connection, channel_id: str, hashes: Iterable[str], now: datetime) -> None:
    """Keep nothing of these submissions but the hashes of their ids."""
    gone: dict[str, Any] = dict.fromkeys(("submission_id", "content_hash", "row", "email_key", "phone_key"))
    gone |= {"state": FORGOTTEN, "kept_from": now}
    for found in hashes:
        new = insert_or(transaction, table).values(channel_id=channel_id, id_hash=found, received_at=now, **gone)
        transaction.execute(new.on_conflict_do_update(index_elements=["channel_id", "id_hash"], set_=gone))


def kept_again(transaction: Connection, channel_id: str, submission_ids: Sequence[str], now: datetime) -> None:
    """These submissions belong to live leads now, so their time begins again."""
    for part in _parts(submission_ids):
        own = (table.c.channel_id == channel_id, table.c.submission_id.in_(part))
        transaction.execute(update(table).where(*own).values(kept_from=now))


def kept_since(transaction: Connection, channel_id: str, submission_ids: Sequence[str], since: datetime) -> set[str]:
    """Those of these submissions that came, or belonged to a live lead, at this instant or later."""
    found: set[str] = set()
    for part in _parts(submission_ids):
        own = (table.c.channel_id == channel_id, table.c.submission_id.in_(part), table.c.kept_from >= since)
        found.update(transaction.scalars(select(table.c.submission_id).where(*own)))
    return found


def expire(transaction: Connection, channel_id: str, before: datetime) -> None:
    """Delete what is known of submissions, also forgotten ones, that nobody needed since then."""
    transaction.execute(delete(table).where(table.c.channel_id == channel_id, table.c.kept_from < before))


def _known(transaction: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str | None]]:
    """(channel, id hash) → (state, content hash) of the submissions that are known."""
    found = {}
    columns = (table.c.channel_id, table.c.id_hash, table.c.state, table.c.content_hash)
    for part in _parts(sorted(keys)):
        own = select(*columns).where(tuple_(table.c.channel_id, table.c.id_hash).in_(part))
        found.update({(row[0], row[1]): (row[2], row[3]) for row in transaction.execute(own)})
    return found


def _insert(transaction: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Insert the rows whose key is free; their keys."""
    found: set[tuple[str, str]] = set()
    for part in _parts(rows, 80):
        new = insert_or(transaction, table).values([dict(row) for row in part]).on_conflict_do_nothing()
        found.update(
            (row[0], row[1]) for row in transaction.execute(new.returning(table.c.channel_id, table.c.id_hash))
        )
    return found


def _parts(items: Sequence[Any], size: int = IDS_PER_QUERY) -> Iterable[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])

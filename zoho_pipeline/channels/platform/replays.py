"""Answers that are kept for `Idempotency-Key`: a repeated request gets the first one's answer and does nothing.

A request claims its key before it begins, and stores its answer at its end. A process that dies in between leaves a
claim without an answer. After `CLAIM_SECONDS` the next request may take such a claim over.

An answer with a secret is stored encrypted, and only for `SECRET_SECONDS`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, and_, delete, insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.platform_tables import idempotency as table
from zoho_pipeline.settings import Secret

KEPT = timedelta(hours=24)
SECRET_SECONDS = 600
CLAIM_SECONDS = 300
"""Longer than any request takes: the calls to Zoho in one request end after about two minutes."""


@dataclass(frozen=True)
class StoredAnswer:
    """The answer of the first request."""

    status: int
    headers: dict[str, str]
    body: bytes


Refusal = Literal["running", "mismatch", "expired"]


class Replays:
    """The kept answers of a registry."""

    def __init__(self, database: Database, encryptor: Encryptor) -> None:
        self._database, self._encryptor = database, encryptor

    def claim(self, principal: str, key: str, request_hash: str) -> StoredAnswer | Refusal | None:
        """Begin a request. None: it is the first one, and it must end with `store` or `release`.

        Args:
            principal: who asks, with the tenant; two principals may use the same key.
            request_hash: SHA-256 of method, path and body, in hex.
        """
        owner = _name(principal)
        mine = and_(table.c.principal == owner, table.c.key == key)
        with self._database.write() as transaction:
            self._database.one_at_a_time(transaction, f"replay {owner} {key}")
            now = self._database.now_in(transaction)
            self._forget(transaction, now)
            row = transaction.execute(select(table).where(mine)).mappings().one_or_none()
            if row is not None and row["request_hash"] != request_hash:
                return "mismatch"
            if row is not None and row["status"] is None:
                if now - row["created_at"] < timedelta(seconds=CLAIM_SECONDS):
                    return "running"
                transaction.execute(update(table).where(mine).values(created_at=now))
                return None
            if row is None:
                values = {"principal": owner, "key": key, "request_hash": request_hash, "is_sealed": False}
                transaction.execute(insert(table).values(**values, created_at=now))
                return None
        if row["body"] is None:
            return "expired"
        try:
            body = self._opened(owner, row["body"]) if row["is_sealed"] else row["body"]
        except DecryptionError:
            return "expired"  # its key is gone
        return StoredAnswer(row["status"], dict(row["headers"] or {}), body.encode("latin-1"))

    def store(self, principal: str, key: str, answer: StoredAnswer, *, is_secret: bool) -> None:
        """Keep the answer of a claimed request. `is_secret`: it is stored encrypted, for ten minutes."""
        owner, text = _name(principal), answer.body.decode("latin-1")
        body = self._encryptor.encrypt(Secret(text), owner, "replay") if is_secret else text
        values = {"status": answer.status, "headers": answer.headers, "body": body, "is_sealed": is_secret}
        with self._database.write() as transaction:
            mine = and_(table.c.principal == owner, table.c.key == key)
            transaction.execute(update(table).where(mine).values(values))

    def release(self, principal: str, key: str) -> None:
        """Give up a claim: the request failed in a way that may succeed when it is repeated."""
        with self._database.write() as transaction:
            mine = and_(table.c.principal == _name(principal), table.c.key == key, table.c.status.is_(None))
            transaction.execute(delete(table).where(mine))

    def _opened(self, owner: str, sealed: str) -> str:
        return self._encryptor.decrypt(sealed, owner, "replay").reveal()

    def _forget(self, transaction: Connection, now: datetime) -> None:
        transaction.execute(delete(table).where(table.c.created_at < now - KEPT))
        old = and_(table.c.is_sealed, table.c.created_at < now - timedelta(seconds=SECRET_SECONDS))
        transaction.execute(update(table).where(old, table.c.body.is_not(None)).values(body=None))


def _name(principal: str) -> str:
    """A name of fixed length for a principal, whose parts have none."""
    return hashlib.sha256(principal.encode()).hexdigest()

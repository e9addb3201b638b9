"""API keys of the platform's backend: `zpk_<id>_<43 characters>`, shown once and stored as SHA-256."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.stamp import StampedCache
from zoho_pipeline.channels.errors import ChannelError
from zoho_pipeline.channels.registry.platform_tables import web_keys
from zoho_pipeline.settings import Secret

_FORM = re.compile(r"zpk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_USE_STORED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret. `tenants` is None where the key acts in all tenants."""

    id: str
    name: str
    tenants: tuple[str, ...] | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it is neither revoked nor ended."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class ApiKeys:
    """The keys of a registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, *, tenants: Iterable[str] | None, scopes: Iterable[str], days: int | None = None
    ) -> tuple[ApiKey, Secret]:
        """Make a key; the secret is returned once and stored nowhere.

        Args:
            tenants: whose channels the key sees; None means those of all tenants.
            days: the life of the key; None means that it does not end.
        """
        key_id = secrets.token_hex(6)
        key = Secret(f"zpk_{key_id}_{secrets.token_urlsafe(32)}")
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            values: dict[str, Any] = {"id": key_id, "name": name}
            values |= {"tenants": None if tenants is None else sorted(set(tenants))}
            values |= {"hash": _hash(key.reveal()), "scopes": sorted(set(scopes)), "created_at": now}
            values |= {"expires_at": None if days is None else now + timedelta(days=days)}
            transaction.execute(insert(web_keys).values(values))
        return self._get(key_id), key

    def list(self) -> list[ApiKey]:
        """All keys, the oldest first, with those that ended or were revoked."""
        with self._database.read() as transaction:
            rows = transaction.execute(select(web_keys).order_by(web_keys.c.created_at, web_keys.c.id)).mappings()
            return [_key(dict(row)) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """End a key at once. ChannelError: there is no such key."""
        self._get(key_id)
        with self._database.write() as transaction:
            now = self._database.now_in(transaction)
            only = web_keys.c.id == key_id
            transaction.execute(update(web_keys).where(only, web_keys.c.revoked_at.is_(None)).values(revoked_at=now))
        return self._get(key_id)

    def find(self, presented: str) -> ApiKey | None:
        """The key that somebody presents; None where it is unknown, revoked or ended. The use is stored."""
        form = _FORM.fullmatch(presented)
        with self._database.read() as transaction:
            now = self._database.now_in(transaction)
            wanted = select(web_keys).where(web_keys.c.id == (form.group(1) if form else ""))
            row = transaction.execute(wanted).mappings().one_or_none()
        stored = row["hash"] if row else _hash("")  # the comparison takes as long for an unknown key
        if not hmac.compare_digest(stored, _hash(presented)) or row is None:
            return None
        key = _key(dict(row))
        if not key.is_good(now):
            return None
        if key.last_used_at is None or now - key.last_used_at > _USE_STORED_EVERY:
            self.store_use(key.id, now)
        return key

    def is_good(self, key_id: str) -> bool:
        """Whether a key exists, is not revoked and has not ended: so what it made may still be used."""
        with self._database.read() as transaction:
            now = self._database.now_in(transaction)
            row = transaction.execute(select(web_keys).where(web_keys.c.id == key_id)).mappings().one_or_none()
        return row is not None and _key(dict(row)).is_good(now)

    def store_use(self, key_id: str, now: datetime) -> None:
        """Remember when a key was used last."""
        with self._database.write() as transaction:
            transaction.execute(update(web_keys).where(web_keys.c.id == key_id).values(last_used_at=now))

    def _get(self, key_id: str) -> ApiKey:
        with self._database.read() as transaction:
            row = transaction.execute(select(web_keys).where(web_keys.c.id == key_id)).mappings().one_or_none()
        if row is None:
            raise ChannelError(f"there is no API key {key_id!r}. List the keys with: zoho-pipeline web keys list")
        return _key(dict(row))


class CachedKeys:
    """The keys for a long-lived process: a known key costs no query while the registry does not change.

    A revocation changes the registry, so it holds from the next request on (on Postgres: within a second).

    Args:
        stamp: see `RegistryStamp`.
        clock: aware UTC now, by the clock of the registry.
    """

    def __init__(self, keys: ApiKeys, stamp: Callable[[], Hashable], clock: Callable[[], datetime]) -> None:
        self._keys, self._clock = keys, clock
        self._found: StampedCache[str, ApiKey | None] = StampedCache(stamp)
        self._good: StampedCache[str, bool] = StampedCache(stamp)
        self._uses: dict[str, datetime] = {}

    def find(self, presented: str) -> ApiKey | None:
        """`ApiKeys.find`. The use is stored once per minute."""
        if not _FORM.fullmatch(presented):
            return None
        key = self._found.get(_hash(presented), lambda: self._keys.find(presented))
        now = self._clock()
        if key is None or not key.is_good(now):
            return None
        before = self._uses.get(key.id) or key.last_used_at
        if before is None or now - before > _USE_STORED_EVERY:
            self._uses[key.id] = now
            if key.last_used_at is not None:  # else `find` has just stored the first use
                self._keys.store_use(key.id, now)
        return key

    def is_good(self, key_id: str) -> bool:
        """`ApiKeys.is_good`."""
        return self._good.get(key_id, lambda: self._keys.is_good(key_id))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _key(row: dict[str, object]) -> ApiKey:
    row.pop("hash")
    tenants, scopes = row.pop("tenants"), row.pop("scopes")
    return ApiKey(**row, tenants=None if tenants is None else tuple(tenants), scopes=tuple(scopes))  # type: ignore[arg-type]

"""The secrets of a subscription: the secret part of the URL (the hook), the token that Zoho repeats, and their digests.

A digest decides who may deliver, so the registry needs no secret in clear. The secrets themselves are stored encrypted,
because a renewal sends them to Zoho again.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.platform.push_subscriptions import store
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.platform_tables import push_old_hooks, push_subscriptions
from zoho_pipeline.channels.registry.token_store import PUSH
from zoho_pipeline.settings import Secret

OLD_HEARD = timedelta(hours=24)
"""A notification may be under way when a hook changes."""

WEBHOOK = "/tenant/v1/zoho-crm/webhook"
WORKFLOW = "/tenant/v1/zoho-crm/workflow"

_NOBODY = hashlib.sha256(b"nobody").hexdigest()
"""What an unknown hook is compared with, so that it takes as long as a known one."""


@dataclass(frozen=True)
class Heard:
    """A hook that is heard: whose it is, and the digests of the hook and of its token.

    The two digests belong together for ever: a hook never gets another token.
    """

    channel_id: str
    hook_hash: str
    token_hash: str


def digest(secret: str) -> str:
    """SHA-256 of a secret of 256 bits, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> Secret:
    """43 characters of a URL with 256 random bits. Zoho takes a token of less than 50."""
    return Secret(secrets.token_urlsafe(32))


def new_channel_id() -> str:
    """A random number of 62 bits, without a leading zero: Zoho takes a long."""
    return str(secrets.randbits(61) + 2**61)


def sealed(encryptor: Encryptor, channel_id: str, **given: Secret) -> dict[str, str]:
    """The columns `<name>_hash` and `<name>_seal` of secrets."""
    found = {}
    for name, secret in given.items():
        found[f"{name}_hash"] = digest(secret.reveal())
        found[f"{name}_seal"] = encryptor.encrypt(secret, channel_id, PUSH)
    return found


def open_secrets(transaction: Connection, encryptor: Encryptor, channel_id: str) -> dict[str, Secret] | None:
    """`hook`, `token`, `workflow` and `secret` of a channel; None: it has no subscription.

    Raises:
        DecryptionError: no key decrypts them.
    """
    row = transaction.execute(select(push_subscriptions).where(push_subscriptions.c.channel_id == channel_id))
    found = row.mappings().one_or_none()
    if found is None:
        return None
    names = ("hook", "token", "workflow", "secret")
    return {name: encryptor.decrypt(found[f"{name}_seal"], channel_id, PUSH) for name in names}


def change_hook(transaction: Connection, channel_id: str, now: datetime, **values: Any) -> None:
    """Give a subscription another hook, token or id. The present one is heard for 24 hours more.

    A renewal is due from now on: if Zoho does not take the new hook, it delivers to the present one, and nobody would
    hear that one after these hours.
    """
    own = push_subscriptions.c
    columns = (own.hook_hash, own.token_hash, own.zoho_channel_id, own.skew_seconds)
    row = transaction.execute(select(*columns).where(own.channel_id == channel_id)).one_or_none()
    if row is None:
        return
    values["renew_at"] = now + timedelta(seconds=row.skew_seconds)
    old = {"hook_hash": row[0], "channel_id": channel_id, "token_hash": row[1], "zoho_channel_id": row[2]}
    added = insert_or(transaction, push_old_hooks).values(**old, until=now + OLD_HEARD).on_conflict_do_nothing()
    transaction.execute(delete(push_old_hooks).where(push_old_hooks.c.until <= now))
    transaction.execute(added)
    store(transaction, channel_id, **values)


_OWN = (push_subscriptions.c.channel_id, push_subscriptions.c.hook_hash, push_subscriptions.c.token_hash)
_WORKFLOW = (push_subscriptions.c.channel_id, push_subscriptions.c.workflow_hash, push_subscriptions.c.secret_hash)
_OLD = (push_old_hooks.c.channel_id, push_old_hooks.c.hook_hash, push_old_hooks.c.token_hash)


def heard(transaction: Connection, hook: str, now: datetime) -> Heard | None:
    """Whose hook this is; None: nobody's. It compares digests, in a time that does not tell."""
    wanted = digest(hook)
    row = (
        transaction.execute(select(*_OWN).where(push_subscriptions.c.hook_hash == wanted)).first()
        or transaction.execute(
            select(*_OLD).where(push_old_hooks.c.hook_hash == wanted, push_old_hooks.c.until > now)
        ).first()
    )
    return _same(row, wanted)


def heard_by_id(transaction: Connection, zoho_channel_id: str, now: datetime) -> list[Heard]:
    """The present and the earlier subscriptions with this id."""
    old = select(*_OLD).where(push_old_hooks.c.zoho_channel_id == zoho_channel_id, push_old_hooks.c.until > now)
    rows = [
        *transaction.execute(select(*_OWN).where(push_subscriptions.c.zoho_channel_id == zoho_channel_id)),
        *transaction.execute(old),
    ]
    return [Heard(*row) for row in rows]


def heard_workflow(transaction: Connection, hook: str) -> Heard | None:
    """Whose workflow URL this is, with the digest of its secret; None: nobody's."""
    wanted = digest(hook)
    row = transaction.execute(select(*_WORKFLOW).where(push_subscriptions.c.workflow_hash == wanted)).first()
    return _same(row, wanted)


def still_heard(transaction: Connection, asked: Collection[Heard], now: datetime) -> set[Heard]:
    """Those of these hooks that are heard now, and stay so until the transaction ends: their subscriptions are locked,
    in one order. It is one query, or two where a hook is no present one."""
    ids = sorted({one.channel_id for one in asked})
    own = select(*_OWN, *_WORKFLOW[1:]).where(push_subscriptions.c.channel_id.in_(ids))
    rows = transaction.execute(own.order_by(push_subscriptions.c.channel_id).with_for_update()).all()
    found = {Heard(row[0], *pair) for row in rows for pair in (row[1:3], row[3:5])}
    if not found.issuperset(asked):
        old = select(*_OLD).where(push_old_hooks.c.channel_id.in_(ids), push_old_hooks.c.until > now)
        found |= {Heard(*row) for row in transaction.execute(old)}
    return found & set(asked)


def _same(row: Any, wanted: str) -> Heard | None:
    known = hmac.compare_digest(row[1] if row else _NOBODY, wanted)
    return Heard(*row) if row and known else None


def is_token(found: Heard | None, token: str) -> bool:
    """Whether this is the token of the hook. An unknown hook is compared with a dummy."""
    same = hmac.compare_digest(found.token_hash if found else _NOBODY, digest(token))
    return same and found is not None

"""Bring the form capture of a channel up to date in the raw tables: submissions, keys of leads, and what is too old.

Whoever loads or builds calls it: the end of a sync, the step before a transform, the worker. Each step can be repeated
and finds by itself what is left to do, so a process that was killed loses nothing and loads nothing twice.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from zoho_pipeline.channels.database.locks import WAIT_SECONDS, channel_lock
from zoho_pipeline.channels.errors import LockLost, UnknownChannel
from zoho_pipeline.channels.forms import salts, submissions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import FORM_SUBMISSIONS, PERSON_KEYS
from zoho_pipeline.ingest.forms import lead_keys
from zoho_pipeline.ingest.raw.small_tables import insert_rows
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)

LOCK_KIND = "forms"
"""The lock of a channel's submissions. Who holds the channel itself may take it; never the other way round."""

ROWS_AT_ONCE = 2_000
TIDIED_EVERY = timedelta(days=1)
_TIMES = ("submitted_at", "received_at")
_TABLE = f"{RAW_SCHEMA}.{FORM_SUBMISSIONS.name}"
_MATCHED = (
    f"select s.submission_id from {_TABLE} as s inner join {RAW_SCHEMA}.{PERSON_KEYS.name} as k"  # noqa: S608
    " on k.channel_id = s.channel_id and k.key = s.{key} and k.kind in ({kinds})"
    f" inner join {RAW_SCHEMA}.leads as l on l.channel_id = k.channel_id and l.id = k.id"
    " where s.channel_id = ? and not coalesce(s.is_suspect, false)"
    " and l.created_time <= s.submitted_at + {days} * interval '1 day'"
    " and lower(trim(coalesce(l.record_status, ''))) not in ('trash', 'draft')"
)
"""The submissions that a live lead can have sent, as `int_form_matches` says it."""
_KINDS = {"email_key": "'email', 'secondary_email'", "phone_key": "'phone', 'mobile'"}
_OLD = f"select submission_id from {_TABLE} where channel_id = ? and received_at < ?"  # noqa: S608


def load_forms(registry: Registry, warehouse: Warehouse, channel_id: str, *, wait: float = WAIT_SECONDS) -> int:
    """Load the submissions that wait, refresh the keys of the leads, and once per day delete what is too old.

    A channel that never had a form key costs one query of the registry. Raw tables that do not exist are left to the
    first sync. For a channel that was removed without a purge, only what is too old is deleted.

    Args:
        wait: seconds to wait for another process that does the same.

    Returns:
        The number of loaded submissions.

    Raises:
        ChannelBusy: another process does it. DecryptionError: no key decrypts the salt. WarehouseError.
    """
    if salts.salt_of(registry, channel_id) is None or not _has_tables(warehouse):
        return 0
    with channel_lock(registry.settings, channel_id, wait=wait, kind=LOCK_KIND):
        salt = salts.salt_of(registry, channel_id)  # again: a purge may have ended meanwhile
        if salt is None:
            return 0
        if channel_id not in salts.channels_with_forms(registry):  # its rows stay, and what is too old still goes
            _tidy(registry, warehouse, channel_id)
            return 0
        loaded = _load_waiting(registry, warehouse, channel_id)
        with warehouse.connect(read_only=False) as connection:
            if salts.tidied_at(registry, channel_id) is None:  # the salt is new, and so are all hashes
                lead_keys.remove_all(connection, channel_id)
            if salts.has_form_key(registry, channel_id) or has_submissions(connection, channel_id):
                lead_keys.refresh(connection, channel_id, salt)
            else:
                lead_keys.remove_all(connection, channel_id)
        _tidy(registry, warehouse, channel_id)
    return loaded


def try_to_load(registry: Registry, warehouse: Warehouse, channel_ids: Sequence[str]) -> None:
    """`load_forms` for several channels, beside work that matters more: a failure is a line in the log.

    Raises:
        LockLost: the caller's own work must stop.
    """
    for channel_id in channel_ids:
        try:
            load_forms(registry, warehouse, channel_id)
        except LockLost:
            raise
        except PipelineError as error:
            log.warning("channel %s: form submissions wait: %s", channel_id, error)


def has_submissions(connection: Connection, channel_id: str) -> bool:
    """Whether the raw table holds a submission of the channel."""
    return bool(connection.fetch(f"select 1 from {_TABLE} where channel_id = ? limit 1", (channel_id,))[1])  # noqa: S608


def delete_submissions(connection: Connection, channel_id: str, submission_ids: Sequence[str]) -> int:
    """Delete these submissions; how many there were."""
    if not submission_ids:
        return 0
    sql = f"delete from {_TABLE} where channel_id = ? and submission_id = any(?)"  # noqa: S608
    return max(connection.execute(sql, (channel_id, list(submission_ids))), 0)


def _has_tables(warehouse: Warehouse) -> bool:
    with warehouse.connect() as connection:
        there = connection.tables(RAW_SCHEMA)
    return {FORM_SUBMISSIONS.name, PERSON_KEYS.name, "leads", "deleted_records"} <= there.keys()


def _load_waiting(registry: Registry, warehouse: Warehouse, channel_id: str) -> int:
    """Load what waits. A row that was loaded before a crash is loaded again over itself."""
    loaded = 0
    while True:
        with registry.database.read() as transaction:
            rows = submissions.waiting(transaction, channel_id, ROWS_AT_ONCE)
        if not rows:
            return loaded
        ids = [row["submission_id"] for row in rows]
        now = datetime.now(UTC)
        with warehouse.connect(read_only=False) as connection:
            delete_submissions(connection, channel_id, ids)
            insert_rows(connection, FORM_SUBMISSIONS, [_raw_row(channel_id, row, now) for row in rows])
        with registry.database.write() as transaction:
            submissions.note_loaded(transaction, channel_id, ids)
        loaded += len(rows)


def _raw_row(channel_id: str, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(row[name]) for name in _TIMES}
    return {**row, **times, "channel_id": channel_id, "synced_at": now}


def _tidy(registry: Registry, warehouse: Warehouse, channel_id: str) -> None:
    """Delete the submissions that belonged to no live lead for longer than the setting allows.

    A lead that was created later than `forms_window_days` after a submission is another one, and keeps nothing.
    """
    now, kept_for = registry.database.now(), timedelta(days=registry.settings.forms_retention_days)
    last = salts.tidied_at(registry, channel_id)
    if last is not None and now - TIDIED_EVERY < last <= now:
        return
    with warehouse.connect() as connection:
        days = _window_days(registry, channel_id)
        matched: set[str] = set()
        for key, kinds in _KINDS.items():
            matched |= _ids(connection, _MATCHED.format(key=key, kinds=kinds, days=days), channel_id)
        old = _ids(connection, _OLD, channel_id, now - kept_for) - matched
    with registry.database.write() as transaction:
        submissions.kept_again(transaction, channel_id, sorted(matched), now)
        old -= submissions.kept_since(transaction, channel_id, sorted(old), now - kept_for)
    if old:
        with warehouse.connect(read_only=False) as connection:
            delete_submissions(connection, channel_id, sorted(old))
        log.info("channel %s: %d form submissions without a lead were deleted.", channel_id, len(old))
    with registry.database.write() as transaction:
        submissions.expire(transaction, channel_id, now - kept_for)
        salts.note_tidied(transaction, channel_id, now)


def _window_days(registry: Registry, channel_id: str) -> int:
    """How many days after a form its lead may be created. A removed channel has no parameters of its own any more."""
    try:
        own = registry.get(channel_id).parameters.get("forms_window_days")
    except UnknownChannel:
        own = None
    return int(registry.settings.forms_window_days if own is None else own)


def _ids(connection: Connection, sql: str, *params: Any) -> set[str]:
    return {row[0] for row in connection.fetch(sql, params)[1]}

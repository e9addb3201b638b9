"""The keys of leads: who a lead is, hashed as the people in submissions are.

They are made from the raw rows, so a channel that gets its first form key needs no call to Zoho. Each key carries the
`synced_at` of the row that it was made of. So the keys that do not fit their lead any more are found by one comparison,
whoever loaded the lead, and a process that was killed in between leaves nothing wrong behind.
"""

from collections.abc import Mapping
from typing import Any

from zoho_pipeline.channels.forms.person_keys import email_key, phone_key
from zoho_pipeline.ingest.catalog.tables import PERSON_KEYS
from zoho_pipeline.settings import Secret
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

LEADS_AT_ONCE = 20_000
"""Read, hashed and written together: some 20 MB."""

KINDS = {"email": email_key, "secondary_email": email_key, "phone": phone_key, "mobile": phone_key}
"""Kind of a key, which is the column of the lead → how it is hashed."""

_MODULE = "Leads"
_COLUMNS = (
    *((name, "varchar") for name in ("channel_id", "module", "id", "kind", "key")),
    ("synced_at", "timestamp with time zone"),
)
_LIVE = (
    f" from {RAW_SCHEMA}.leads as l left join {RAW_SCHEMA}.deleted_records as d on d.channel_id = l.channel_id"
    f" and d.module = '{_MODULE}' and d.id = l.id and d.restored_at is null"
)
_STALE = (
    f"select k.id from {RAW_SCHEMA}.person_keys as k left join {RAW_SCHEMA}.leads as l on l.channel_id = k.channel_id"  # noqa: S608
    f" and l.id = k.id and l.synced_at = k.synced_at left join {RAW_SCHEMA}.deleted_records as d"
    f" on d.channel_id = k.channel_id and d.module = '{_MODULE}' and d.id = k.id and d.restored_at is null"
    f" where k.channel_id = ? and k.module = '{_MODULE}' and (l.id is null or d.id is not null)"
)
_WITHOUT = (
    f"select l.id, l.{', l.'.join(KINDS)}, cast(l.synced_at as varchar) as synced_at{_LIVE}"
    f" left join {RAW_SCHEMA}.person_keys as k on k.channel_id = l.channel_id and k.module = '{_MODULE}'"
    " and k.id = l.id"
    f" where l.channel_id = ? and d.id is null and k.id is null and l.id > ?"
    f" and coalesce(l.{', l.'.join(KINDS)}) is not null order by l.id limit {LEADS_AT_ONCE}"
)


def refresh(connection: Connection, channel_id: str, salt: Secret) -> int:
    """Bring the keys of a channel's leads up to date: changed leads get new ones, deleted leads lose theirs.

    Returns:
        The number of keys that were written.
    """
    connection.execute(
        f"delete from {RAW_SCHEMA}.person_keys where channel_id = ? and module = '{_MODULE}' and id in ({_STALE})",  # noqa: S608
        (channel_id, channel_id),
    )
    written, after = 0, ""
    while leads := connection.rows(_WITHOUT, (channel_id, after)):
        written += _append(connection, channel_id, salt, leads)
        after = leads[-1]["id"]
    return written


def remove_all(connection: Connection, channel_id: str) -> None:
    """Delete the keys of a channel that has no form and no submission, or another salt than before."""
    connection.execute(f"delete from {RAW_SCHEMA}.person_keys where channel_id = ?", (channel_id,))  # noqa: S608


def _append(connection: Connection, channel_id: str, salt: Secret, leads: list[dict[str, Any]]) -> int:
    rows = [
        [channel_id, _MODULE, lead["id"], kind, key, lead["synced_at"]]
        for lead in leads
        for kind, key in _keys(salt, lead).items()
    ]
    if rows:
        connection.append(f"{RAW_SCHEMA}.{PERSON_KEYS.name}", _COLUMNS, rows)
    return len(rows)


def _keys(salt: Secret, lead: Mapping[str, Any]) -> dict[str, str]:
    found = {kind: made(salt, lead[kind]) for kind, made in KINDS.items()}
    return {kind: key for kind, key in found.items() if key is not None}

"""Deletions: they have their own list and their own cursor on `deleted_time`. Restored records are found too.

A restored record leaves Zoho's list of deletions, and Zoho may leave its Modified_Time unchanged. So the list is read
from the oldest stored deletion that is still in the recycle bin, if that fits on a page. A record that is missing from
the list was restored or permanently deleted, and a single GET shows which of the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import Converted, to_arrow
from zoho_pipeline.ingest.routes.window import EVER, OVERLAP, SECOND
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.errors import BadAnswer, InvalidRequest
from zoho_pipeline.zoho.read import deleted, records
from zoho_pipeline.zoho.read.pages import Page, Row

PAGE_ROOM = 150
"""The number of known deletions that are listed again beside new ones, to find restores: one page, one call."""

MOST_WALKS = 10
MOST_GETS = 200


@dataclass(frozen=True)
class Known:
    """A stored deletion that has not been undone."""

    deleted_time: datetime | None
    deletion_type: str | None


@dataclass
class Deletions:
    """The content of the list of deletions.

    Attributes:
        listed: id → Zoho's newest entry of this id.
        since: everything deleted at or after it is in `listed`.
        whole: False if Zoho did not show the whole list (a cap on pages): ids must be compared.
        restored: id → the record, for records that are live again although no other call showed it.
        asked_at: Zoho's clock as the last answer showed it.
    """

    listed: dict[str, Row] = field(default_factory=dict)
    since: datetime | None = None
    whole: bool = True
    restored: dict[str, Row] = field(default_factory=dict)
    asked_at: datetime | None = None


def since_of(
    cursor: datetime, known: Mapping[str, Known], now: datetime, strangers: Mapping[str, str] | None = None
) -> datetime:
    """The instant from which the list is read: cursor less overlap, or the oldest deletion that can be undone.

    `strangers`: see `strangers_of`. They take room on the page, as known deletions do.
    """
    base = cursor - OVERLAP
    horizon = _horizon(now)
    in_bin = [
        entry.deleted_time
        for entry in known.values()
        if entry.deletion_type == "recycle" and entry.deleted_time is not None and entry.deleted_time > horizon
    ]
    oldest = min([base, *in_bin])
    beside = sum(1 for text in (strangers or {}).values() if (time_or_none(text) or base) >= oldest)
    return oldest if len(in_bin) + beside <= PAGE_ROOM else base


def strangers_of(
    before: Mapping[str, str] | None, listed: Mapping[str, Row], new: Iterable[str], now: datetime
) -> dict[str, str] | None:
    """The deletions of records that were never stored: id → deleted_time. They were looked up once, and are no news.

    At most one more than fit beside known deletions, the newest ones. Older ones than the recycle bin are forgotten,
    and so are those without a readable time that are not listed any more.
    """
    kept = {id_: text for id_, text in (before or {}).items() if id_ in listed or time_or_none(text)}
    texts = kept | {id_: str(listed[id_].get("deleted_time")) for id_ in new}
    times = {id_: time_or_none(text) or now for id_, text in texts.items()}
    newest = sorted((id_ for id_ in texts if times[id_] > _horizon(now)), key=lambda id_: times[id_], reverse=True)
    return {id_: texts[id_] for id_ in sorted(newest[: PAGE_ROOM + 1])} or None


def _horizon(now: datetime) -> datetime:
    """The instant before which no deletion can be undone any more."""
    return now - deleted.RECYCLE_BIN_DAYS + timedelta(days=1)


def read(client: ZohoClient, module: str, since: datetime, known: Mapping[str, Known]) -> Deletions:
    """Read the list from `since` on, and find the known deletions that were undone."""
    found = Deletions(since=since)
    before: set[str] | None = None
    for _ in range(MOST_WALKS):
        listed, pages, found.whole, found.asked_at = _walk(client, module, since)
        found.listed |= listed
        # a restore between two pages moves rows forward: one page is one instant, several pages are read again
        if pages == 1 or not found.whole or set(listed) == before:
            found.listed = listed
            break
        before = set(listed)
    _look_for_restored(client, module, found, known)
    return found


def _walk(client: ZohoClient, module: str, since: datetime) -> tuple[dict[str, Row], int, bool, datetime | None]:
    listed: dict[str, Row] = {}
    asked_at: datetime | None = None
    number = 0
    while True:
        number += 1
        try:
            page = _page(client, module, since, number)
        except InvalidRequest as error:
            if number > 1 and "LIMIT" in error.code:
                return listed, number, False, asked_at
            raise
        asked_at = page.server_time
        fresh = 0
        for row in page.rows:
            other = listed.get(row["id"])
            if other is None or (deleted_at(row) or EVER) > (deleted_at(other) or EVER):
                fresh += other is None
                listed[row["id"]] = row
        if not page.more:
            return listed, number, True, asked_at
        if not page.rows or (number > 1 and not fresh):
            raise BadAnswer(f"{module}/deleted: more deletions follow, but page {number} has none.")


def _page(client: ZohoClient, module: str, since: datetime, number: int) -> Page:
    return deleted.get_page(client, module, modified_since=since - SECOND, page=number)


def _look_for_restored(client: ZohoClient, module: str, found: Deletions, known: Mapping[str, Known]) -> None:
    assert found.since is not None
    # what has left the bin is not listed either, and would cost a call each night
    since = max(found.since, _horizon(found.asked_at)) if found.asked_at else found.since
    missing = [
        id_
        for id_, entry in known.items()
        if entry.deletion_type == "recycle"
        and entry.deleted_time is not None
        and entry.deleted_time >= since
        and id_ not in found.listed
    ]
    for id_ in missing[:MOST_GETS] if found.whole else ():
        row = records.get_one(client, module, id_)
        if row is not None and row["id"] == id_:  # with another id, the next sync asks again
            found.restored[id_] = row


def deleted_at(row: Row) -> datetime | None:
    """The time of the deletion of an entry; None if it cannot be read."""
    return time_or_none(row.get("deleted_time"))


def entries(module: str, listed: Sequence[Row], synced_at: datetime, channel_id: str) -> Converted:
    """Rows of `deleted_records` for entries of Zoho's list, and the values that did not fit."""
    constants = {"module": module, "restored_at": None}
    return to_arrow(DELETED_RECORDS, listed, channel_id=channel_id, synced_at=synced_at, constants=constants)


def is_stranger(id_: str, row: Row, strangers: Mapping[str, str] | None) -> bool:
    """Whether an earlier sync looked this entry up, and its record was never stored."""
    return (strangers or {}).get(id_) == str(row.get("deleted_time"))


def is_news(row: Row, known: Known | None) -> bool:
    """Whether an entry differs from the stored deletion."""
    return known is None or known.deleted_time != deleted_at(row) or known.deletion_type != row.get("type")

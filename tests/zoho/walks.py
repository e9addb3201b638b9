"""Reads whole modules for tests. The product has its own routes (`zoho_pipeline/ingest/routes`)."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.coql import Keyset
from zoho_pipeline.zoho.read.pages import Page, module_path
from zoho_pipeline.zoho.read.records import Converted, SortBy, SortOrder, get_page

PAGE_SIZES = (200, 1_000, 2_000)
"""Rows per call: first, second, all later ones. Most runs find few rows, and 200 rows cost one credit, not three."""


def walk_records(
    client: ZohoClient,
    module: str,
    fields: Sequence[str],
    *,
    modified_since: datetime | None = None,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    converted: Converted | None = None,
) -> Iterator[Page]:
    """Yield all pages by page tokens (100,000 rows at most, then InvalidRequest).

    Rows that change during the walk may move. So limit the window, and read the overlap again.
    """
    token: str | None = None
    while True:
        page = get_page(
            client,
            module,
            fields,
            modified_since=modified_since,
            sort_by=sort_by,
            sort_order=sort_order,
            converted=converted,
            page_token=token,
        )
        yield page
        if not page.more:
            return
        if page.next_page_token is None or page.next_page_token == token:
            raise BadAnswer(f"GET {module}: more records follow, but the answer has no token to reach them.")
        token = page.next_page_token


def walk_changes(
    client: ZohoClient, module: str, fields: Sequence[str], *, since: datetime | None, until: datetime
) -> Iterator[Page]:
    """Yield all pages of a window, small ones first. Rows that change during the walk belong to the next window."""
    after: Keyset | None = None
    turn = 0
    while True:
        limit = PAGE_SIZES[min(turn, len(PAGE_SIZES) - 1)]
        page = coql.changes(client, module, fields, since=since, until=until, after=after, limit=limit)
        yield page
        if not page.more:
            return
        last = coql.last_of(page)
        if last is None or (after is not None and not _is_after(last, after)):
            raise BadAnswer(f"COQL on {module}: more records follow, but the page has no new row.")
        after, turn = last, turn + 1


def _is_after(row: Keyset, other: Keyset) -> bool:
    return (row.modified_time, int(row.id)) > (other.modified_time, int(other.id))


def count_records(client: ZohoClient, module: str, *, criteria: str | None = None, cvid: str | None = None) -> int:
    """Count the records that match `criteria` (`(Created_Time:greater_than:…)`) or the view, but not both.

    Needs ZohoSearch.securesearch.READ, which the default scopes leave out. The number lags by 1 to 10 minutes.
    """
    params = {name: value for name, value in (("criteria", criteria), ("cvid", cvid)) if value is not None}
    path = module_path(module, "actions", "count")
    answer = client.get(path, params)
    value = None if answer.data is None else answer.data.get("count")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadAnswer(f"GET {path}: the answer holds no count.")

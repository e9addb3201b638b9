"""Reads related lists of a record, such as the notes and tasks of a lead. The product does not read them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import MOST_PER_PAGE, Page, Row, module_path, page_of, record_id, with_text_ids
from zoho_pipeline.zoho.read.records import since_header

NOTE_FIELDS = (
    "Note_Title",
    "Note_Content",
    "Parent_Id",
    "Owner",
    "Created_By",
    "Modified_By",
    "Created_Time",
    "Modified_Time",
)


def get_page(
    client: ZohoClient,
    module: str,
    id: str,
    related: str,
    fields: Sequence[str],
    *,
    modified_since: datetime | None = None,
    page_token: str | None = None,
    per_page: int = MOST_PER_PAGE,
) -> Page:
    """Return one page of a related list. `fields` are mandatory here too."""
    path = module_path(module, record_id(id), module_path(related).rpartition("/")[2])
    params: dict[str, Any] = {"fields": ",".join(fields), "per_page": per_page}
    if page_token is not None:
        params["page_token"] = page_token
    page = page_of(client.get(path, params, since_header(modified_since)), f"GET {path}", per_page=per_page)
    with_text_ids(page.rows)
    return page


def list(
    client: ZohoClient,
    module: str,
    id: str,
    related: str,
    fields: Sequence[str],
    *,
    modified_since: datetime | None = None,
) -> Iterator[Row]:
    """Return all rows of a related list, from all pages."""
    token: str | None = None
    while True:
        page = get_page(client, module, id, related, fields, modified_since=modified_since, page_token=token)
        yield from page.rows
        if not page.more:
            return
        if page.next_page_token is None or page.next_page_token == token:
            raise BadAnswer(f"GET {module}/{id}/{related}: more records follow, but there is no token to reach them.")
        token = page.next_page_token


def notes(client: ZohoClient, module: str, id: str, *, modified_since: datetime | None = None) -> Iterator[Row]:
    """Return the notes of a record. Every user may read them; only administrators may list all notes."""
    return list(client, module, id, "Notes", NOTE_FIELDS, modified_since=modified_since)

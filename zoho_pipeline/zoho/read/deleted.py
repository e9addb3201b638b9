"""Deleted records: the recycle bin shows 60 days, permanent deletions show 120 days."""

from datetime import datetime, timedelta
from typing import Literal

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.read.pages import Page, module_path, page_of, with_text_ids
from zoho_pipeline.zoho.read.records import since_header

RECYCLE_BIN_DAYS = timedelta(days=60)
PER_PAGE = 200

DeletionType = Literal["all", "recycle", "permanent"]


def get_page(
    client: ZohoClient,
    module: str,
    *,
    type: DeletionType = "all",
    modified_since: datetime | None = None,
    page: int = 1,
    per_page: int = PER_PAGE,
) -> Page:
    """One page of deletions: id, deleted_time, type, deleted_by, created_by, display_name.

    There are no page tokens here, and it is unknown whether pages end at 2,000 rows: keep windows small with
    `modified_since` (of deleted_time, inclusive). The list does not have restored records.
    """
    path = module_path(module, "deleted")
    params = {"type": type, "page": page, "per_page": per_page}
    result = page_of(client.get(path, params, since_header(modified_since)), f"GET {path}", per_page=per_page)
    with_text_ids(result.rows)
    return result

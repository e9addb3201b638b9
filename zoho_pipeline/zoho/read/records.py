"""Get Records: the route every connection has, 200 rows a call, and a single record by id."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from zoho_pipeline.zoho.connection.client import Answer, ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import InvalidRequest, NotFound
from zoho_pipeline.zoho.read.pages import (
    MOST_PER_PAGE,
    Page,
    Row,
    module_path,
    page_of,
    record_id,
    require_ids,
    rows_of,
)

MOST_FIELDS = 50
MOST_BY_PAGE_NUMBER = 2_000
MOST_BY_PAGE_TOKEN = 100_000

SortBy = Literal["id", "Created_Time", "Modified_Time"]
SortOrder = Literal["asc", "desc"]
Converted = Literal["true", "false", "both"]


def get_page(
    client: ZohoClient,
    module: str,
    fields: Sequence[str],
    *,
    modified_since: datetime | None = None,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    converted: Converted | None = None,
    page: int | None = None,
    page_token: str | None = None,
    per_page: int = MOST_PER_PAGE,
) -> Page:
    """One page of a module, `id` and the named fields.

    Args:
        fields: API names, 50 at most; unknown ones are left out.
        modified_since: `Modified_Time` not before this instant (inclusive, cut to the second).
        converted: Leads only; Zoho hides converted leads unless 'both' or 'true' is asked for.
        page: 1-based, for the first 2,000 rows; `page_token` reaches 100,000 and must come with the very
            parameters it was given for.

    Raises:
        PageTokenExpired: start the window again. ScopeMissing, ModuleMissing, NoPermission, Retryable.
    """
    params: dict[str, Any] = {"fields": "", "per_page": per_page}
    optional = {"sort_by": sort_by, "sort_order": sort_order, "converted": converted}
    params.update({name: value for name, value in optional.items() if value is not None})
    if page_token is not None:
        params["page_token"] = page_token
    elif page is not None:
        params["page"] = page
    path = module_path(module)
    answer = _get_known(client, module, path, params, fields, since_header(modified_since))
    result = page_of(answer, f"GET {path}", per_page=per_page)
    require_ids(result.rows, f"GET {path}")
    return result


def _get_known(
    client: ZohoClient,
    module: str,
    path: str,
    params: dict[str, Any],
    fields: Sequence[str],
    headers: dict[str, str] | None,
) -> Answer:
    """The call without the fields that Zoho refuses by name; it mostly leaves unknown ones out without a word."""
    unknown: set[str] = client.learned.setdefault(f"fields {module}", set())
    while True:
        names = [name for name in fields if name not in unknown] or (["id"] if fields else [])
        try:
            return client.get(path, {**params, "fields": ",".join(names)}, headers)
        except InvalidRequest as error:
            said = set(re.findall(r"[$\w]+", f"{error} {error.details}"))
            refused = said & set(names)
            if not refused or refused >= set(names):
                raise
            unknown |= refused


def get_one(client: ZohoClient, module: str, id: str, *, converted: Converted | None = None) -> Row | None:
    """The whole record: uncut rich text, subforms and multi-lookups included. None where it is not there.

    `converted='both'` is sent for Leads unless given: whether a converted lead shows without it is unknown.
    """
    wanted = converted or ("both" if module == "Leads" else None)
    try:
        path = module_path(module, record_id(id))
        answer = client.get(path, {"converted": wanted} if wanted else None)
    except NotFound:
        return None
    except InvalidRequest as error:
        if error.code in ("INVALID_DATA", "INVALID_ID") and "param_name" not in error.details:
            return None
        raise
    if answer.data is None:
        return None
    rows = rows_of(answer.data, "data", f"GET {path}")
    require_ids(rows, f"GET {path}")
    return rows[0] if rows else None


def since_header(instant: datetime | None) -> dict[str, str] | None:
    """`If-Modified-Since` in the form Zoho takes: ISO 8601 with offset, not the form of the HTTP standard."""
    return None if instant is None else {"If-Modified-Since": format_time(instant)}

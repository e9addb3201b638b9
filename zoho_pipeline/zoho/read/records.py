"""Get Records: the route that each connection has, with 200 rows per call, and a single record by id."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from zoho_pipeline.zoho.connection.answer import Answer
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import InvalidRequest, NotFound
from zoho_pipeline.zoho.read.pages import (
    MOST_PER_PAGE,
    Page,
    Row,
    module_path,
    page_of,
    record_id,
    rows_of,
    with_text_ids,
)

MOST_FIELDS = 50
"""How many field names Zoho accepts in one list call. With 51 it answers LIMIT_EXCEEDED."""

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
    """One page of a module: `id` and the named fields.

    Args:
        fields: API names, at most 50. Zoho leaves unknown ones out.
        modified_since: the earliest `Modified_Time` (inclusive, cut to the second).
        converted: for Leads only. Zoho hides converted leads unless this is 'both' or 'true'.
        page: from 1, for the first 2,000 rows. A `page_token` reaches 100,000 rows and needs the same parameters as the
            call that gave it.

    Raises:
        PageTokenExpired: the window must start again.
        ScopeMissing, ModuleMissing, NoPermission, Retryable.
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
    with_text_ids(result.rows)
    return result


def _get_known(
    client: ZohoClient,
    module: str,
    path: str,
    params: dict[str, Any],
    fields: Sequence[str],
    headers: dict[str, str] | None,
) -> Answer:
    """The call without the fields that Zoho refuses by name. Mostly it leaves unknown ones out without an error."""
    unknown: set[str] = client.learned.setdefault(f"fields {module}", set())
    while True:
        names = [name for name in fields if name not in unknown] or (["id"] if fields else [])
        try:
            return client.get(path, {**params, "fields": ",".join(names)}, headers)
        except InvalidRequest as error:
            named = set(re.findall(r"[$\w]+", f"{error} {error.details}"))
            refused = named & set(names)
            if not refused or refused >= set(names):
                raise
            unknown |= refused


def get_one(
    client: ZohoClient, module: str, id: str, *, converted: Converted | None = None, fields: Sequence[str] = ()
) -> Row | None:
    """One record; None if it does not exist. Without `fields` it is whole: complete rich text, subforms, multi-lookups.

    For Leads, `converted='both'` is sent by default: it is unknown whether a converted lead shows without it.
    """
    wanted = converted or ("both" if module == "Leads" else None)
    try:
        path = module_path(module, record_id(id))
        params = ({"fields": ",".join(fields)} if fields else {}) | ({"converted": wanted} if wanted else {})
        answer = client.get(path, params or None)
    except NotFound:
        return None
    except InvalidRequest as error:
        if error.code in ("INVALID_DATA", "INVALID_ID") and "param_name" not in error.details:
            return None
        raise
    if answer.data is None:
        return None
    rows = with_text_ids(rows_of(answer.data, "data", f"GET {path}"))
    return rows[0] if rows else None


def since_header(instant: datetime | None) -> dict[str, str] | None:
    """`If-Modified-Since` in Zoho's form: ISO 8601 with an offset, not the form of the HTTP standard."""
    return None if instant is None else {"If-Modified-Since": format_time(instant)}

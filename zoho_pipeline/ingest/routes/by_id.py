"""Whole records by id, for the few that no other call gave: up to 100 per call."""

from collections.abc import Iterable

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer, InvalidRequest
from zoho_pipeline.zoho.parsing import is_digits, joined
from zoho_pipeline.zoho.read import records
from zoho_pipeline.zoho.read.pages import Row, module_path, page_of, with_text_ids

IDS_PER_CALL = 100


def fetch(client: ZohoClient, module: str, plan: FieldPlan, ids: Iterable[str]) -> dict[str, Row]:
    """Id → record, for the records that this user sees. All fields of a record are of one version.

    A record whose answer has no usable id is under the name that `with_text_ids` gave it, and not under the id that was
    asked for: it may be another record.
    """
    wanted = sorted(set(ids))
    found: dict[str, Row] = {}
    for start in range(0, len(wanted), IDS_PER_CALL):
        found |= _some(client, module, plan, wanted[start : start + IDS_PER_CALL])
    return found


def _some(client: ZohoClient, module: str, plan: FieldPlan, ids: list[str]) -> dict[str, Row]:
    slices = [_slice(client, module, names, ids) for names in plan.slices]
    if any(part is None for part in slices):
        return _alone(client, module, ids)
    is_odd = any(not is_digits(id_) for part in slices if part is not None for id_ in part)
    found: dict[str, Row] = {}
    again: list[str] = []
    for id_ in ids:
        parts = [part[id_] for part in slices if part is not None and id_ in part]
        if len(parts) == len(slices) and len({part.get("Modified_Time") for part in parts}) == 1:
            found[id_] = joined(*parts)
        elif parts or is_odd:  # it was edited between two slices, or its id cannot be read
            again.append(id_)
    return found | _alone(client, module, again)


def _alone(client: ZohoClient, module: str, ids: list[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for id_ in ids:
        row = records.get_one(client, module, id_)
        if row is None:
            continue
        if is_digits(row["id"]) and row["id"] != id_:  # a cache between us and Zoho mixed up two answers
            raise BadAnswer(f"GET {module}/{id_}: the answer is about another record.")
        found[row["id"]] = row
    return found


def _slice(client: ZohoClient, module: str, names: Iterable[str], ids: list[str]) -> dict[str, Row] | None:
    """One slice of fields of these records. None if the list call refuses ids; then each record is read alone."""
    params = {"fields": ",".join(names), "ids": ",".join(ids)}
    if module == "Leads":
        params["converted"] = "both"
    path = module_path(module)
    try:
        page = page_of(client.get(path, params), f"GET {path}")
    except InvalidRequest:
        return None
    found = {row["id"]: row for row in with_text_ids(page.rows)}
    return found if {id_ for id_ in found if is_digits(id_)} <= set(ids) and not page.more else None

"""GET /{module}: pages of records, and GET /{module}/{id} (docs/zoho-facts.md, section 3)."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.calls.page_tokens import TOKEN_SECONDS, Place, binding, following, make_token, read_token
from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.query.render import Renderer, envelope
from zoho_pipeline.simulator.query.views import rows_at, visible_keys
from zoho_pipeline.simulator.state.index import key_of
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.wire import (
    Answer,
    Refusal,
    ambiguous,
    as_json,
    bad_value,
    missing_param,
    no_content,
    not_modified,
    over_limit,
    page_info,
    page_size,
    whole_number,
)

FIELD_LIMIT = 50
PAGE_WALL = 2_000
IDS_LIMIT = 100
SORTABLE = ("id", "Created_Time", "Modified_Time")
PARAMS = (
    "fields ids page per_page page_token sort_by sort_order converted cvid territory_id include_child approved uid "
    "startDateTime endDateTime"
)


def asked_fields(call: Call, store: ModuleStore) -> list[str]:
    """The fields of a list call, without unknown and hidden ones. Version 2 gives all fields when none is named."""
    names = [name for name in call.query.get("fields", "").split(",") if name]
    if not names and "/crm/v2/" in call.request.path:
        return [name for name, field in store.fields.items() if field.listed and call.readable(store, name)]
    if not names:
        raise missing_param("fields")
    if len(names) > FIELD_LIMIT:
        raise over_limit("fields", FIELD_LIMIT)
    if call.hub.switches.unknown_fields == "reject":
        unknown = [name for name in names if name != "id" and not call.readable(store, name.strip())]
        if unknown:
            raise bad_value("fields", unknown=unknown)
    return [name for name in dict.fromkeys(n.strip() for n in names) if call.readable(store, name)]


def choice(call: Call, param: str, values: Sequence[str]) -> str:
    """The value of a parameter that takes one of `values`; the first one is the default."""
    chosen = call.query.get(param, values[0])
    if chosen not in values:
        raise bad_value(param, supported_values=list(values))
    return chosen


def modified_since(call: Call) -> int | None:
    """The lowest Modified_Time that `If-Modified-Since` allows; raises Refusal when it is not an ISO instant."""
    text = call.request.headers.get("if-modified-since")
    if text is None:
        return None
    try:
        return to_epoch(text) + (not call.hub.switches.modified_since_inclusive)
    except ValueError:
        raise bad_value("If-Modified-Since", expected_data_type="datetime") from None


def is_sorted(call: Call) -> bool:
    """True for lists that the sub-limit of simultaneous calls counts."""
    return "sort_by" in call.query or "cvid" in call.query


def price(call: Call) -> int:
    """3 credits with a custom view, the switch `sorted_read_credits` with an order, else 1."""
    if "cvid" in call.query:
        return 3
    return call.hub.switches.sorted_read_credits if is_sorted(call) else 1


def list_records(call: Call) -> Answer:
    """A page of a module. `page` reaches 2,000 rows, `page_token` reaches 100,000."""
    store = call.module()
    if store.api_name == "Notes" and not call.user.is_admin:
        raise Refusal(403, "NOT_SUPPORTED", "the feature is not supported for this user")
    fields = asked_fields(call, store)
    size = page_size(call.query)
    sort_by = choice(call, "sort_by", SORTABLE)
    descending = choice(call, "sort_order", ("desc", "asc")) == "desc"
    converted = choice(call, "converted", ("false", "true", "both"))
    since = modified_since(call)
    if "cvid" in call.query and "sort_by" in call.query:
        raise ambiguous("cvid", "sort_by")
    if "ids" in call.query:
        return _by_ids(call, store, fields)
    bound = binding(call)
    place = _place(call, size, bound)
    order = visible_keys(store, call.user, sort_by=sort_by, converted=converted, since=since)
    rows, more = _read(call, store, order, place, size, descending=descending)
    if not rows:
        first = place.offset == 0
        stale = since is not None and (first or call.hub.switches.empty_later_page == 304)
        return not_modified() if stale else no_content()
    more = more or call.hub.switches.page_tokens == "circle"
    place_after = following(call, place, _key(rows[-1], sort_by), size, order, descending=descending)
    info = _info(call, size, len(rows), place, sort_by, descending, more)
    info["next_page_token"] = make_token(call, place_after, bound) if more else None
    return Answer(200, envelope("data", call.rendered(store, rows, fields), info))


def _place(call: Call, size: int, bound: str) -> Place:
    token = call.query.get("page_token")
    page = whole_number(call.query, "page", 1)
    if token is None:
        if page * size > PAGE_WALL:
            message = "you have reached the limit of discrete pagination; use page_token"
            raise Refusal(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, {"limit": PAGE_WALL})
        return Place((page - 1) * size)
    if "page" in call.query:
        raise ambiguous("page", "page_token")
    place = read_token(call, token, bound)
    if place.offset >= call.hub.switches.token_rows:
        message = "you have reached the limit of pagination by page_token"
        raise Refusal(400, "PAGINATION_LIMIT_EXCEEDED", message, {"param_name": "page_token"})
    return place


def _key(row: Row, sort_by: str) -> int:
    return int(row["id"]) if sort_by == "id" else key_of(row[sort_by], row["id"])


def _read(
    call: Call, store: ModuleStore, order: Sequence[int], place: Place, size: int, *, descending: bool
) -> tuple[list[Row], bool]:
    """The rows of the page at `place`, and whether more follow."""
    if place.snapshot is not None:
        frozen = call.hub.page_snapshots.get(place.snapshot, [])
        ids = frozen[place.offset : place.offset + size]
        seen = [store.rows[i] for i in ids if i in store.rows and call.user.sees(store.api_name, store.rows[i])]
        return seen, len(frozen) > place.offset + size
    offset = place.offset
    if place.after is not None:
        offset = len(order) - bisect_left(order, place.after) if descending else bisect_right(order, place.after)
    return rows_at(store, order, offset, size, descending=descending), len(order) > offset + size


def _info(
    call: Call, size: int, count: int, place: Place, sort_by: str, descending: bool, more: bool
) -> dict[str, Any]:
    return {
        "per_page": size,
        "count": count,
        "page": place.offset // size + 1,
        "sort_by": sort_by,
        "sort_order": "desc" if descending else "asc",
        "more_records": more,
        "next_page_token": None,
        "previous_page_token": None,
        "page_token_expiry": call.zone(call.hub.clock.epoch() + TOKEN_SECONDS) if more else None,
        "call": False,
        "email": False,
    }


def _by_ids(call: Call, store: ModuleStore, fields: list[str]) -> Answer:
    ids = call.query["ids"].split(",")
    if len(ids) > IDS_LIMIT:
        raise over_limit("ids", IDS_LIMIT)
    rows = [row for i in ids if (row := store.rows.get(i)) and call.user.sees(store.api_name, row)]
    if not rows:
        return no_content()
    info = page_info(200, len(rows), 1, more=False)
    return Answer(200, envelope("data", call.rendered(store, rows, fields), info))


def get_record(call: Call) -> Answer:
    """One record with all fields, with subforms and the full rich text."""
    store = call.module()
    row = visible_row(call, store)
    hiding = call.hub.switches.single_get_hides_converted and row.get("Converted__s")
    if hiding and choice(call, "converted", ("false", "true", "both")) == "false":
        return no_content()
    wanted = [n for n in call.query.get("fields", "").split(",") if n] or list(store.fields)
    names = [name for name in wanted if call.readable(store, name)]
    renderer = Renderer(call.org, call.hub.switches, store, names, call.user.time_zone, single=True)
    shown = renderer.as_dict(row)
    if any(store.fields[name].type == "subform" for name in names):
        shown["$has_more"] = {name: False for name in names if store.fields[name].type == "subform"}
    return as_json({"data": [shown]})


def visible_row(call: Call, store: ModuleStore) -> Row:
    """The row whose id is in the path; raises Refusal when it is deleted or hidden."""
    row = store.rows.get(call.parts["id"])
    if row is None or not call.user.sees(store.api_name, row):
        message = "the id given seems to be invalid"
        raise Refusal(400, "INVALID_DATA", message, {"resource_path_index": 1})
    return row

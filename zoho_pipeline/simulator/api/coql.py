"""POST /coql: queries over the same rows (docs/zoho-facts.md, section 5)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.calls.scopes import require_module
from zoho_pipeline.simulator.query.columns import Column, UnknownColumn, resolve
from zoho_pipeline.simulator.query.coql_parser import CoqlSyntaxError, Query, Selected, parse
from zoho_pipeline.simulator.query.criteria import INDEXED, NUMBERS, BadCriteria, Group, Tree, candidates, count_tests
from zoho_pipeline.simulator.query.render import bare_lookup, envelope
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.wire import Answer, Refusal, as_json, no_content

DEFAULT_ROWS = 200
SELECT_LIMIT, IN_LIMIT, CRITERIA_LIMIT, ORDER_LIMIT, GROUP_LIMIT, AGGREGATE_LIMIT = 500, 100, 25, 10, 4, 5


def query_text(call: Call) -> str:
    """The `select_query` of the body; raises Refusal when there is none."""
    body = call.request.json()
    text = body.get("select_query") if isinstance(body, dict) else None
    if not isinstance(text, str):
        details = {"api_name": "select_query", "json_path": "$.select_query"}
        raise Refusal(400, "MANDATORY_NOT_FOUND", "required field not found", details)
    return text


def price(call: Call) -> int:
    """1 credit for a limit of up to 200 rows, 2 for up to 1 000, 3 for more."""
    try:
        rows = parse(query_text(call)).limit or DEFAULT_ROWS
    except (CoqlSyntaxError, Refusal):
        return 1
    return 1 if rows <= 200 else 2 if rows <= 1_000 else 3


def run(call: Call) -> Answer:
    """Answer a query; 204 when no row matches."""
    try:
        query = parse(query_text(call))
    except CoqlSyntaxError as error:
        raise Refusal(400, "SYNTAX_ERROR", str(error), {"near": error.near}) from None
    if call.hub.switches.coql_clamps and query.limit is not None:
        query = replace(query, limit=min(query.limit, call.hub.switches.coql_row_limit))
    store = _module(call, query)
    _check_limits(call, query)
    try:
        if any(item.function for item in query.select) or query.group_by:
            return _aggregated(call, store, query)
        return _rows(call, store, query)
    except UnknownColumn as error:
        raise _invalid(str(error), column=error.name) from None
    except BadCriteria as error:
        raise _invalid(str(error)) from None


def _invalid(reason: str, column: str = "") -> Refusal:
    details = {"reason": reason} | ({"column_name": column} if column else {})
    return Refusal(400, "INVALID_QUERY", reason, details)


def _module(call: Call, query: Query) -> ModuleStore:
    store = call.org.modules.get(query.module)
    switches = call.hub.switches
    tracker = store is not None and store.generated_type == "field_tracker"
    unreadable = (tracker and not switches.coql_trackers) or (query.module == "Notes" and not switches.coql_notes)
    if store is None or not store.api_supported or unreadable or not call.user.may_open(query.module):
        raise _invalid(f"invalid module: {query.module}")
    require_module(call, store)
    return store


def _check_limits(call: Call, query: Query) -> None:
    switches = call.hub.switches
    aggregates = sum(1 for item in query.select if item.function)
    for name, count, most in (
        ("limit", _rows_asked(query), switches.coql_row_limit),
        ("offset", query.offset, switches.coql_offset_cap),
        ("select", len(query.select), SELECT_LIMIT),
        ("in", _longest_list(query.where), IN_LIMIT),
        ("where", count_tests(query.where), CRITERIA_LIMIT),
        ("order by", len(query.order_by), ORDER_LIMIT),
        ("group by", len(query.group_by), GROUP_LIMIT),
        ("aggregate", aggregates, AGGREGATE_LIMIT),
    ):
        if count > most:
            raise Refusal(400, "LIMIT_EXCEEDED", f"{name} goes over its limit", {"clause": name, "limit": most})
    keys = [item.key for item in query.select]
    if len(set(keys)) < len(keys):
        raise Refusal(400, "DUPLICATE_DATA", "a column is selected twice")


def _rows_asked(query: Query) -> int:
    return DEFAULT_ROWS if query.limit is None else query.limit


def _longest_list(tree: Tree) -> int:
    if isinstance(tree, Group):
        return max(_longest_list(part) for part in tree.parts)
    return len(tree.values)


def _index_for(query: Query) -> tuple[str, bool | None]:
    """The index that has the order of the query, and whether it must be read backwards.

    An index orders by its field, then by id. None in place of the direction: the matching rows must be sorted.
    """
    names = [path for path, _ in query.order_by]
    directions = {descending for _, descending in query.order_by}
    if len(directions) == 1 and names and names[0] in INDEXED and names[1:] in ([], ["id"]):
        return names[0], directions.pop()
    return "Modified_Time", None if names else False


def _rows(call: Call, store: ModuleStore, query: Query) -> Answer:
    columns = [resolve(call.org, store, call.user, item.path) for item in query.select]
    limit = _rows_asked(query)
    found = _found(call, store, query, query.offset + limit + 1)
    page = found[query.offset : query.offset + limit]
    if not page:
        return no_content()
    info = _info(len(page), len(found) > query.offset + limit)
    if all(item.key == item.path and item.path in store.fields for item in query.select if item.path != "id"):
        names = [item.path for item in query.select if item.path != "id"]
        shown = call.rendered(store, page, names, bare_lookups=True)
    else:
        show = _shower(call, query.select, columns)
        shown = [orjson.dumps(show(row)) for row in page]
    return Answer(200, envelope("data", shown, info))


def _found(call: Call, store: ModuleStore, query: Query, enough: int) -> list[Row]:
    """Matching rows in order, at most `enough` of them when an index gives the order."""
    index, backwards = _index_for(query)
    matching = candidates(call.org, call.hub.switches, store, call.user, query.where, index)
    if backwards is None:
        return _sorted(call, store, query, list(matching.found()))
    return list(islice(matching.found(backwards=backwards), enough))


def _sorted(call: Call, store: ModuleStore, query: Query, rows: list[Row]) -> list[Row]:
    """Sort rows by the order of the query. Empty values come last when ascending, first when descending."""
    for path, descending in reversed(query.order_by):
        get = resolve(call.org, store, call.user, path).comparable()
        rows.sort(key=_null_last(get), reverse=descending)
    return rows


def _null_last(get: Callable[[Row], Any]) -> Callable[[Row], tuple[bool, Any]]:
    def key(row: Row) -> tuple[bool, Any]:
        value = get(row)
        return (True, "") if value is None else (False, value)

    return key


def _shower(call: Call, select: Sequence[Selected], columns: Sequence[Column]) -> Callable[[Row], dict[str, Any]]:
    parts = [(item.key, column.get, _wire_value(call, column)) for item, column in zip(select, columns, strict=True)]

    def show(row: Row) -> dict[str, Any]:
        shown = {key: get(row) if wire is None else wire(get(row)) for key, get, wire in parts}
        shown["id"] = row["id"]
        return shown

    return show


def _wire_value(call: Call, column: Column) -> Callable[[Any], Any] | None:
    """The function that gives a stored value its wire form; None when it needs no conversion."""
    if column.is_lookup:
        return lambda value: None if value is None else bare_lookup(value)
    if column.field.type == "datetime":
        zone = call.zone
        return lambda value: None if value is None else zone(value)
    if column.field.type in ("tag", "multiselectpicklist"):
        return lambda value: value or []
    return None


def _aggregated(call: Call, store: ModuleStore, query: Query) -> Answer:
    plain = [item for item in query.select if item.function is None]
    for item in plain:
        if item.path not in query.group_by:
            raise _invalid(f"{item.path} must be aggregated or named in group by")
    index = next((name for name in INDEXED if _only_on(query.where, name)), "Modified_Time")
    matching = candidates(call.org, call.hub.switches, store, call.user, query.where, index)
    if matching.matches is None and not query.group_by and all(_counts_rows(item) for item in query.select):
        return as_json({"data": [{item.key: len(matching) for item in query.select}], "info": _info(1, False)})
    groups = _grouped(call, store, query, list(matching.found()))
    limit = _rows_asked(query)
    data = [_group_json(call, store, query, members) for members in groups]
    page = data[query.offset : query.offset + limit]
    if not page:
        return no_content()
    return as_json({"data": page, "info": _info(len(page), len(data) > query.offset + limit)})


def _only_on(tree: Tree, name: str) -> bool:
    if isinstance(tree, Group):
        return all(_only_on(part, name) for part in tree.parts)
    return tree.path == name


def _counts_rows(item: Selected) -> bool:
    return item.function == "count" and item.path == "id"


def _info(count: int, more: bool) -> dict[str, Any]:
    return {"count": count, "more_records": more}


def _grouped(call: Call, store: ModuleStore, query: Query, rows: list[Row]) -> Iterable[list[Row]]:
    if not query.group_by:
        return [rows]
    getters = [resolve(call.org, store, call.user, path).comparable() for path in query.group_by]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in _sorted(call, store, query, rows):
        groups.setdefault(tuple(get(row) for get in getters), []).append(row)
    return groups.values()


def _group_json(call: Call, store: ModuleStore, query: Query, members: list[Row]) -> dict[str, Any]:
    shown = {}
    for item in query.select:
        column = resolve(call.org, store, call.user, item.path)
        wire = _wire_value(call, column)
        if item.function is None:
            value = column.get(members[0])
        else:
            value = _aggregate(item.function, column, members)
            if item.function in ("count", "sum", "avg"):
                wire = None
        shown[item.key] = value if wire is None else wire(value)
    return shown


def _aggregate(function: str, column: Column, members: list[Row]) -> Any:
    get = column.comparable()
    values = [value for row in members if (value := get(row)) is not None]
    if function == "count":
        return len(values)
    if function in ("sum", "avg") and column.field.type not in NUMBERS:
        raise BadCriteria(f"{function} needs numbers, but {column.path} holds none")
    if not values:
        return None
    if function == "sum":
        return sum(values)
    if function == "avg":
        return sum(values) / len(values)
    return min(values) if function == "min" else max(values)

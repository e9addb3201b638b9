"""Conditions of COQL, Bulk Read and count: one tree, from which a predicate and index bounds are made."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.query.columns import Column, resolve
from zoho_pipeline.simulator.state.index import ID_SPAN, id_of
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.switches import Switches

Predicate = Callable[[Row], bool]
INDEXED = ("id", "Created_Time", "Modified_Time")
VALUE_LIMIT = 100
NUMBERS = frozenset({"integer", "double", "currency", "percent"})


@dataclass(frozen=True)
class Comparison:
    """One comparison. `values` holds one value, two for between, many for in, none for is_null."""

    path: str
    comparator: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Group:
    """Conditions joined by `and` or `or`."""

    operator: str
    parts: tuple["Comparison | Group", ...]


Tree = Comparison | Group


class BadCriteria(Exception):
    """A comparison with a value of the wrong type or with an unknown comparator."""


COMPARATORS: dict[str, Callable[[Any, tuple[Any, ...]], bool]] = {
    "equal": lambda v, w: v == w[0],
    "not_equal": lambda v, w: v != w[0],
    "less_than": lambda v, w: v < w[0],
    "less_equal": lambda v, w: v <= w[0],
    "greater_than": lambda v, w: v > w[0],
    "greater_equal": lambda v, w: v >= w[0],
    "in": lambda v, w: v in w,
    "not_in": lambda v, w: v not in w,
    "between": lambda v, w: w[0] <= v <= w[1],
    "not_between": lambda v, w: not w[0] <= v <= w[1],
    "contains": lambda v, w: w[0].lower() in v.lower(),
    "not_contains": lambda v, w: w[0].lower() not in v.lower(),
    "starts_with": lambda v, w: v.lower().startswith(w[0].lower()),
    "ends_with": lambda v, w: v.lower().endswith(w[0].lower()),
    "like": lambda v, w: w[0].fullmatch(v) is not None,
    "not_like": lambda v, w: w[0].fullmatch(v) is None,
}
_TEXTUAL = frozenset({"contains", "not_contains", "starts_with", "ends_with", "like", "not_like"})


def count_tests(tree: Tree) -> int:
    """The number of comparisons in a tree."""
    return 1 if isinstance(tree, Comparison) else sum(count_tests(part) for part in tree.parts)


def compile_tree(org: Org, store: ModuleStore, user: User, tree: Tree) -> Predicate:
    """Make a predicate over stored rows; raises UnknownColumn or BadCriteria."""
    if isinstance(tree, Group):
        parts = [compile_tree(org, store, user, part) for part in tree.parts]
        if tree.operator == "and":
            return lambda row: all(part(row) for part in parts)
        return lambda row: any(part(row) for part in parts)
    column = resolve(org, store, user, tree.path)
    get = column.comparable()
    if tree.comparator == "is_null":
        return lambda row: get(row) in (None, [])
    if tree.comparator == "is_not_null":
        return lambda row: get(row) not in (None, [])
    compare = COMPARATORS.get(tree.comparator)
    if compare is None:
        raise BadCriteria(f"unknown comparator {tree.comparator}")
    values = wanted_values(column, tree)
    if column.field.type in ("tag", "multiselectpicklist"):
        return lambda row: any(compare(item, values) for item in get(row) or ())
    if column.field.type == "bigint":  # an id is text on the wire and a number in comparisons
        return lambda row: (value := get(row)) is not None and compare(int(value), values)
    return lambda row: (value := get(row)) is not None and compare(value, values)


def wanted_values(column: Column, test: Comparison) -> tuple[Any, ...]:
    """The values of a test, in the type that the column stores; raises BadCriteria."""
    try:
        if test.comparator in ("like", "not_like"):
            pattern = "".join(".*" if c == "%" else re.escape(c) for c in str(test.values[0]))
            return (re.compile(pattern, re.IGNORECASE | re.DOTALL),)
        return tuple(_typed(column, value, test.comparator) for value in test.values)
    except (ValueError, TypeError) as error:
        raise BadCriteria(f"{test.path} cannot be compared with {test.values}: {error}") from None


def _typed(column: Column, value: Any, comparator: str) -> Any:
    kind = column.field.type
    if comparator in _TEXTUAL or column.is_lookup:
        return str(value)
    if kind == "datetime":
        return to_epoch(str(value))
    if kind == "date":
        return date.fromisoformat(str(value)).isoformat()
    if kind == "boolean":
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{value!r} is not a boolean")
        return str(value).lower() == "true"
    if kind in NUMBERS:
        return float(value)
    return int(value) if kind == "bigint" else str(value)


Bounds = dict[str, tuple[int | None, int | None]]
"""[low, high) of each indexed field, in seconds or ids; an absent field has no bounds."""


def bounds_of(tree: Tree) -> Bounds:
    """Bounds of indexed fields that every matching row keeps; other rows may keep them too."""
    if isinstance(tree, Comparison):
        return _test_bounds(tree)
    sides = [bounds_of(part) for part in tree.parts]
    if tree.operator == "and":
        found: Bounds = {}
        for side in sides:
            for name, (low, high) in side.items():
                old_low, old_high = found.get(name, (None, None))
                found[name] = (_tighter(old_low, low, max), _tighter(old_high, high, min))
        return found
    shared = set.intersection(*(set(side) for side in sides))
    return {name: _hull([side[name] for side in sides]) for name in sorted(shared)}


def _tighter(a: int | None, b: int | None, pick: Callable[[int, int], int]) -> int | None:
    return b if a is None else a if b is None else pick(a, b)


def _hull(spans: list[tuple[int | None, int | None]]) -> tuple[int | None, int | None]:
    lows, highs = [low for low, _ in spans], [high for _, high in spans]
    low = None if None in lows else min(x for x in lows if x is not None)
    return low, None if None in highs else max(x for x in highs if x is not None)


def _test_bounds(test: Comparison) -> Bounds:
    if test.path not in INDEXED:
        return {}
    try:
        values = [int(v) if test.path == "id" else to_epoch(str(v)) for v in test.values]
    except ValueError:
        return {}
    first = values[0] if values else 0
    spans: dict[str, tuple[int | None, int | None]] = {
        "equal": (first, first + 1),
        "greater_than": (first + 1, None),
        "greater_equal": (first, None),
        "less_than": (None, first),
        "less_equal": (None, first + 1),
    }
    if test.comparator == "between" and len(values) == 2:
        return {test.path: (values[0], values[1] + 1)}
    return {test.path: spans[test.comparator]} if test.comparator in spans else {}


def only_bounds(tree: Tree, name: str) -> bool:
    """True when the tree only bounds one indexed field, so that the index alone answers it."""
    if isinstance(tree, Group):
        return tree.operator == "and" and all(only_bounds(part, name) for part in tree.parts)
    return tree.path == name and bool(_test_bounds(tree))


def from_json(criteria: Any) -> Tree:
    """Read the tree of a Bulk Read body: `{"group_operator", "group"}` or `{"field", "comparator", "value"}`."""
    if not isinstance(criteria, dict):
        raise BadCriteria("criteria must be an object")
    if "group_operator" in criteria:
        operator = str(criteria["group_operator"]).lower()
        parts = tuple(from_json(part) for part in criteria.get("group", ()))
        if operator not in ("and", "or") or not parts:
            raise BadCriteria("group_operator must be and | or, and group a list that is not empty")
        return Group(operator, parts)
    try:
        path, comparator, value = criteria["field"]["api_name"], criteria["comparator"], criteria["value"]
    except (KeyError, TypeError):
        raise BadCriteria("a criterion needs field.api_name, comparator and value") from None
    if value == "${EMPTY}":
        return Comparison(path, "is_null" if comparator == "equal" else "is_not_null")
    values = tuple(value) if isinstance(value, list) else (value,)
    if len(values) > VALUE_LIMIT:
        raise BadCriteria(f"more than {VALUE_LIMIT} values")
    return Comparison(path, str(comparator), values)


@dataclass(frozen=True)
class Candidates:
    """Rows within the bounds of a tree in the order of an index, and the predicate that remains to test."""

    keys: Sequence[int]
    span: range
    matches: Predicate | None  # None: every candidate matches
    rows: Mapping[str, Row]

    def __len__(self) -> int:
        return len(self.span)

    def found(self, *, backwards: bool = False) -> Iterator[Row]:
        """The matching rows in order; the index is not copied."""
        keys, rows, matches = self.keys, self.rows, self.matches
        for position in reversed(self.span) if backwards else self.span:
            row = rows[id_of(keys[position])]
            if matches is None or matches(row):
                yield row


def candidates(
    org: Org, switches: Switches, store: ModuleStore, user: User, tree: Tree | None, order: str
) -> Candidates:
    """The rows of a module that may match; raises UnknownColumn or BadCriteria."""
    index = store.ordered(order)
    low, high = bounds_of(tree).get(order, (None, None)) if tree is not None else (None, None)
    scale = 1 if order == "id" else ID_SPAN
    start, stop = index.span(None if low is None else low * scale, None if high is None else high * scale)
    # Compiled even when the index alone answers: a wrong query must fail in any case.
    matches = None if tree is None else compile_tree(org, store, user, tree)
    if tree is not None and only_bounds(tree, order):
        matches = None
    shown, hidden = (ids.split(",") for ids in (switches.queries_show, switches.queries_hide))
    if not user.sees_all(store.api_name) or hidden != [""]:
        name, asked = store.api_name, matches

        def matches(row: Row) -> bool:
            fits = asked is None or asked(row)
            return fits and row["id"] not in hidden and (row["id"] in shown or user.sees(name, row))

    return Candidates(index.keys, range(start, stop), matches, store.rows)

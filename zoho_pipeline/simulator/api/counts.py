"""GET /{module}/actions/count, with the criteria of searches: `((Last_Name:equals:Rao)and(City:starts_with:Pu))`."""

import re

from zoho_pipeline.simulator.api.records import choice
from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.query.columns import UnknownColumn
from zoho_pipeline.simulator.query.criteria import BadCriteria, Comparison, Group, Tree, candidates
from zoho_pipeline.simulator.state.store import Row
from zoho_pipeline.simulator.wire import Answer, ambiguous, as_json, bad_value

PARAMS = "cvid criteria email phone word converted approved"
_COMPARATORS = {"equals": "equal", "not_equal": "not_equal"}
_PART = re.compile(r"\(([\w$.]+):(\w+):((?:[^()\\]|\\.)*)\)")
_ONE_OF = ("criteria", "email", "phone", "word")


def price(_: Call) -> int:
    """50 credits for a count."""
    return 50


def count(call: Call) -> Answer:
    """`{"count": n}` of the matching rows. Of leads only unconverted ones count, unless `converted` is given."""
    store = call.module()
    given = [name for name in _ONE_OF if name in call.query]
    if len(given) > 1 or ("cvid" in call.query and given):
        raise ambiguous(*given)
    converted = choice(call, "converted", ("false", "true", "both"))
    try:
        tree = parse(call.query["criteria"]) if "criteria" in call.query else None
        matching = candidates(call.org, call.hub.switches, store, call.user, tree, "id")
    except (UnknownColumn, BadCriteria):
        raise bad_value("criteria") from None
    found = [row for row in matching.found() if _fits(call, row)]
    if store.api_name == "Leads" and converted != "both":
        found = [row for row in found if row.get("Converted__s", False) is (converted == "true")]
    return as_json({"count": len(found)})


def _fits(call: Call, row: Row) -> bool:
    for name in ("email", "phone"):
        if name in call.query:
            held = [v for k, v in row.items() if name in k.lower() and isinstance(v, str)]
            return call.query[name] in held
    word = call.query.get("word")
    return word is None or any(isinstance(v, str) and word.lower() in v.lower() for v in row.values())


def parse(text: str) -> Tree:
    """Parse the text of search criteria; raises BadCriteria."""
    tree, rest = _primary(text.strip())
    while rest:
        match = re.match(r"\s*(and|or)\s*", rest, re.IGNORECASE)
        if match is None:
            raise BadCriteria(f"cannot be read from {rest[:20]!r} on")
        right, rest = _primary(rest[match.end() :])
        tree = Group(match.group(1).lower(), (tree, right))
    return tree


def _primary(text: str) -> tuple[Tree, str]:
    match = _PART.match(text)
    if match is not None:
        path, comparator, value = match.groups()
        value = re.sub(r"\\(.)", r"\1", value)
        values = tuple(value.split(",")) if comparator in ("in", "between") else (value,)
        return Comparison(path, _COMPARATORS.get(comparator, comparator), values), text[match.end() :]
    if not text.startswith("("):
        raise BadCriteria(f"cannot be read from {text[:20]!r} on")
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return parse(text[1:at]), text[at + 1 :]
    raise BadCriteria("a bracket is not closed")

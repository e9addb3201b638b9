"""Rows → JSON bytes, each row rendered once for a list of fields, a zone and a reader.

A page of 200 rows × 45 fields is 9 000 values; what was rendered stays until the row changes or
the cache outgrows its budget.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from .clock import ZoneFormat
from .fields import LIST_HIDDEN, Field
from .store import ModuleStore, Row

if TYPE_CHECKING:
    from .org import Org

CACHED_ROWS = 60_000
"""Rendered rows kept a module, about 1 kB each."""
RICH_TEXT_CUT = 500

Part = tuple[str, Callable[[Row], Any]]


class Renderer:
    """Renders rows of one module for one list of fields and one zone."""

    def __init__(self, org: "Org", module: ModuleStore, fields: Sequence[str], zone: str, *, single: bool) -> None:
        self._org, self._module, self._zone, self._single = org, module, ZoneFormat.of(zone), single
        self._plain: list[str] = []
        self._flags: list[str] = []
        self._parts: list[Part] = []
        for name in fields:
            self._add(module.fields[name])

    def _add(self, field: Field) -> None:
        if field.type in LIST_HIDDEN and not self._single:
            return
        part = special_part(self._org, field, self._zone, whole=self._single)
        if part is not None:
            self._parts.append((field.api_name, part))
        elif field.type == "boolean":
            self._flags.append(field.api_name)
        else:
            self._plain.append(field.api_name)

    def as_dict(self, row: Row) -> dict[str, Any]:
        get = row.get
        shown = {name: get(name) for name in self._plain}
        for name in self._flags:
            shown[name] = get(name, False)
        for name, part in self._parts:
            shown[name] = part(row)
        shown["id"] = row["id"]
        return shown

    def as_bytes(self, row: Row) -> bytes:
        return orjson.dumps(self.as_dict(row))


def special_part(org: "Org", field: Field, zone: ZoneFormat, *, whole: bool) -> Callable[[Row], Any] | None:
    """How to render a field that is not simply its value; None for those that are."""
    name = field.api_name
    if field.type == "datetime":
        return lambda row: None if (value := row.get(name)) is None else zone(value)
    if field.type == "ownerlookup":
        return lambda row: None if (value := row.get(name)) is None else org.user_brief(value)
    if field.type in ("lookup", "parentlookup"):
        hide = name.startswith("Converted_") and field.read_only
        return lambda row: lookup_json(org, row, name, hide_converted=hide)
    if name == "$converted":
        return lambda row: row.get("Converted__s", False)
    if name == "$converted_detail":
        return lambda row: converted_detail(row, zone)
    if name in ("$approved", "$editable"):
        return lambda row: row.get(name, True)
    if field.type == "richtext" and not whole:
        return lambda row: None if (value := row.get(name)) is None else value[:RICH_TEXT_CUT]
    if field.type in ("tag", "multiselectpicklist"):
        return lambda row: row.get(name, [])
    return None


def lookup_json(org: "Org", row: Row, name: str, *, hide_converted: bool) -> dict[str, Any] | None:
    value = row.get(name)
    if value is None or (hide_converted and org.switches.converted_detail_only):
        return None
    shown: dict[str, Any] = {"name": org.lookup_name(value), "id": value[0]}
    if len(value) == 3:  # a note's parent
        shown["module"] = {"api_name": value[2], "id": org.module_ids().get(value[2])}
    return shown


def converted_detail(row: Row, zone: ZoneFormat) -> dict[str, Any]:
    """`{}` before conversion; after it the legacy shape: bare ids, when and by whom."""
    if not row.get("Converted__s"):
        return {}
    detail: dict[str, Any] = {}
    for key in ("account", "contact", "deal"):
        if (value := row.get(f"Converted_{key.title()}")) is not None:
            detail[key] = value[0]
    detail["convert_date"] = zone(row["Converted_Date_Time"])
    if (by := row.get("Modified_By")) is not None:
        detail["converted_by"] = by[0]
    return detail


def render_page(org: "Org", module: ModuleStore, rows: Iterable[Row], fields: Sequence[str], zone: str) -> list[bytes]:
    """Each row as JSON, taken from the cache where the row has not changed since."""
    key = (tuple(fields), zone, org.names_version, org.switches.converted_detail_only)
    known = module.rendered.get(key)
    if known is None:
        if len(module.rendered) >= 8:
            module.rendered.clear()
        known = module.rendered[key] = {}
    renderer = None
    page = []
    for row in rows:
        rendered = known.get(row["id"])
        if rendered is None:
            renderer = renderer or Renderer(org, module, fields, zone, single=False)
            rendered = known[row["id"]] = renderer.as_bytes(row)
            org.rows_rendered += 1
        page.append(rendered)
    if len(known) > CACHED_ROWS:
        known.clear()
    return page


def envelope(key: str, rows: Sequence[bytes], info: dict[str, Any]) -> bytes:
    """`{"data": [rows], "info": {…}}` from rows already rendered."""
    return b'{"%b":[%b],"info":%b}' % (key.encode(), b",".join(rows), orjson.dumps(info))

"""Rows to JSON. Each row is rendered once for a list of fields and a time zone.

A page of 200 rows × 45 fields holds 9 000 values. A rendered row stays in the cache until the row changes or
the cache holds more than `CACHED_ROWS`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from zoho_pipeline.simulator.clock import ZoneFormat
from zoho_pipeline.simulator.state.fields import LIST_HIDDEN, LOOKUPS, Field
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row, computed
from zoho_pipeline.simulator.switches import Switches

CACHED_ROWS = 60_000
"""Rendered rows that the cache of a module keeps, about 1 kB each."""
RICH_TEXT_CUT = 500

Convert = Callable[[Any], Any]


class Renderer:
    """Renders rows of one module for one list of fields and one zone.

    A stored row holds only values that are not empty, so its JSON is a template with these values put in.
    """

    def __init__(
        self,
        org: Org,
        switches: Switches,
        module: ModuleStore,
        fields: Sequence[str],
        zone: str,
        *,
        single: bool,
        bare_lookups: bool = False,
    ) -> None:
        self._template: dict[str, Any] = {}
        self._how: dict[str, Convert | None] = {}  # None: the stored value needs no conversion
        self.garbled = module.garbled
        self._computed: list[tuple[str, Callable[[Row], Any]]] = []
        zone_format = ZoneFormat.of(zone)
        for name in fields:
            field = module.fields[name]
            if field.type in LIST_HIDDEN and not single:
                continue
            self._template[name] = [] if field.type in ("tag", "multiselectpicklist") else field.default
            compute = computed_value(name, zone_format)
            if compute is not None:
                self._computed.append((name, compute))
            else:
                bare = bare_lookups and field.type in LOOKUPS
                convert = converter(org, switches, field, zone_format, whole=single)
                self._how[name] = bare_lookup if bare else convert

    def as_dict(self, row: Row) -> dict[str, Any]:
        """The row in Zoho's shape; an owner is a ready piece of JSON that orjson inserts."""
        shown = self._template.copy()
        how = self._how
        for name, value in row.items():
            if name in how:
                convert = how[name]
                shown[name] = value if convert is None else convert(value)
        for name, compute in self._computed:
            shown[name] = compute(row)
        shown["id"] = row["id"]
        if row["id"] in self.garbled:
            raw = self.garbled[row["id"]].items()
            shown |= {name: orjson.Fragment(value) for name, value in raw if name in shown}
        return shown

    def as_bytes(self, row: Row) -> bytes:
        return orjson.dumps(self.as_dict(row))


def computed_value(name: str, zone: ZoneFormat) -> Callable[[Row], Any] | None:
    """The reader of a `$`-key that is not stored; None for a stored field."""
    if name == "$converted_detail":
        return lambda row: converted_detail(row, zone)
    return computed(name)


def converter(org: Org, switches: Switches, field: Field, zone: ZoneFormat, *, whole: bool) -> Convert | None:
    """The function that gives a stored value its wire form; None when it needs no conversion."""
    if field.type == "datetime":
        return zone
    if field.type == "ownerlookup":
        return org.user_json
    if field.type in ("lookup", "parentlookup"):
        if field.read_only and field.api_name.startswith("Converted_") and switches.converted_detail_only:
            return lambda _: None
        return lambda value: lookup_json(org, switches, value)
    if field.type == "richtext" and not whole:
        return lambda value: value[:RICH_TEXT_CUT]
    return None


def bare_lookup(value: tuple[Any, ...]) -> dict[str, str]:
    """A lookup without a name, as COQL shows it."""
    return {"id": value[0]}


def lookup_json(org: Org, switches: Switches, value: tuple[Any, ...]) -> dict[str, Any]:
    """A lookup with the present name of its record, or the stored name (switch `live_lookup_names`)."""
    live = org.name_of(value[0]) if switches.live_lookup_names else None
    shown: dict[str, Any] = {"name": value[1] if live is None else live, "id": value[0]}
    if len(value) == 3:  # the parent of a note
        shown["module"] = {"api_name": value[2], "id": org.module_ids().get(value[2])}
    return shown


def converted_detail(row: Row, zone: ZoneFormat) -> dict[str, Any]:
    """`{}` before the conversion; after it the legacy shape: ids, the time, and the id of the user."""
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


def render_page(
    org: Org,
    switches: Switches,
    module: ModuleStore,
    rows: Iterable[Row],
    fields: Sequence[str],
    zone: str,
    *,
    bare_lookups: bool = False,
) -> list[bytes]:
    """Each row as JSON, from the cache when the row has not changed since.

    `bare_lookups` gives COQL's form: lookups without names, rich text in full.
    """
    key = (tuple(fields), zone, bare_lookups, org.names_version, switches.converted_detail_only)
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
            if renderer is None:
                renderer = Renderer(org, switches, module, fields, zone, single=bare_lookups, bare_lookups=bare_lookups)
            rendered = known[row["id"]] = renderer.as_bytes(row)
            org.rows_rendered += 1
        page.append(rendered)
    if len(known) > CACHED_ROWS:
        known.clear()
    return page


def envelope(key: str, rows: Sequence[bytes], info: dict[str, Any]) -> bytes:
    """`{"data": [rows], "info": {…}}` from rendered rows; `key` stands for `data`."""
    return b'{"%b":[%b],"info":%b}' % (key.encode(), b",".join(rows), orjson.dumps(info))

"""Rows at rest: one store per module, one dict per row with the values that are not empty.

A stored instant is an integer (seconds since 1970, UTC), a lookup is the tuple (id, name), a parent lookup is
(id, name, module). A changed row is a new dict, so a reader that holds the old one is not disturbed.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.state.fields import NAME_FIELDS, Field
from zoho_pipeline.simulator.state.index import SortedKeys, key_of
from zoho_pipeline.simulator.wire import SimulatorError

Row = dict[str, Any]


@dataclass
class Deletion:
    """An entry of GET /{module}/deleted."""

    id: str
    time: int
    type: str  # recycle | permanent
    by: tuple[str, str] | None
    created_by: tuple[str, str] | None
    display_name: str | None


def person_json(ref: tuple[str, str] | None) -> dict[str, str] | None:
    """A user of a deletion as answers show it."""
    return None if ref is None else {"name": ref[1], "id": ref[0]}


@dataclass
class ModuleStore:
    """A module: its fields, its live rows and their sorted keys, its recycle bin, its deletions."""

    api_name: str
    id: str
    fields: dict[str, Field]
    generated_type: str = "default"
    label: str = ""
    api_supported: bool = True
    rows: dict[str, Row] = field(default_factory=dict)
    bin: dict[str, Row] = field(default_factory=dict)
    deletions: list[Deletion] = field(default_factory=list)
    by_id: SortedKeys = field(default_factory=SortedKeys)
    by_created: SortedKeys = field(default_factory=SortedKeys)
    by_modified: SortedKeys = field(default_factory=SortedKeys)
    version: int = 0  # counts changes of rows; cached views depend on it
    shape: int = 0  # counts changes of fields
    views: OrderedDict[Any, Sequence[int]] = field(default_factory=OrderedDict)
    rendered: dict[Any, dict[str, bytes]] = field(default_factory=dict)
    garbled: dict[str, dict[str, bytes]] = field(default_factory=dict)  # row id → field → raw JSON that answers show

    @property
    def name_field(self) -> str:
        """The field that holds the name of a row."""
        return NAME_FIELDS.get(self.api_name, "Name")

    def field(self, api_name: str) -> Field:
        """The field with this name; raises SimulatorError when there is none."""
        try:
            return self.fields[api_name]
        except KeyError:
            raise SimulatorError(f"{self.api_name} has no field {api_name}") from None

    def row(self, row_id: str) -> Row:
        """The live row with this id; raises SimulatorError when there is none."""
        try:
            return self.rows[row_id]
        except KeyError:
            raise SimulatorError(f"{self.api_name} has no live row {row_id}") from None

    def put(self, row: Row) -> None:
        """Add a row, or replace the row that has its id."""
        row_id = row["id"]
        old = self.rows.get(row_id)
        if old is None:
            self.by_id.add(int(row_id))
            self.by_created.add(key_of(row["Created_Time"], row_id))
            self.by_modified.add(key_of(row["Modified_Time"], row_id))
        else:
            for name, index in (("Created_Time", self.by_created), ("Modified_Time", self.by_modified)):
                if old[name] != row[name]:
                    index.remove(key_of(old[name], row_id))
                    index.add(key_of(row[name], row_id))
        self.rows[row_id] = row
        self.changed(row_id)

    def put_many(self, rows: Sequence[Row]) -> None:
        """Add new rows at once; no row may have their ids yet."""
        self.rows.update((row["id"], row) for row in rows)
        self.by_id.extend(int(row["id"]) for row in rows)
        self.by_created.extend(key_of(row["Created_Time"], row["id"]) for row in rows)
        self.by_modified.extend(key_of(row["Modified_Time"], row["id"]) for row in rows)
        self.version += 1

    def take(self, row_id: str) -> Row:
        """Remove a live row and return it."""
        row = self.row(row_id)
        del self.rows[row_id]
        self.by_id.remove(int(row_id))
        self.by_created.remove(key_of(row["Created_Time"], row_id))
        self.by_modified.remove(key_of(row["Modified_Time"], row_id))
        self.changed(row_id)
        return row

    def changed(self, row_id: str) -> None:
        """Count a change and drop the rendered forms of the row."""
        self.version += 1
        for known in self.rendered.values():
            known.pop(row_id, None)

    def reshaped(self) -> None:
        """Drop every rendered row, because the fields of the module have changed."""
        self.shape += 1
        self.rendered.clear()

    def ordered(self, sort_by: str) -> SortedKeys:
        """The index by `id`, `Created_Time` or `Modified_Time`."""
        return {"id": self.by_id, "Created_Time": self.by_created, "Modified_Time": self.by_modified}[sort_by]


def computed(name: str) -> Callable[[Row], Any] | None:
    """The reader of a `$`-key that is computed from other values; None when `name` is stored."""
    if name == "$converted":
        return lambda row: row.get("Converted__s", False)
    if name in ("$approved", "$editable"):
        return lambda row: row.get(name, True)
    return None


Converter = Callable[[Any], Any]


def as_text_id(value: Any) -> Any:
    """The id of a record that is given as `{"id": …}`, as an id, or as an object with an `id`."""
    if isinstance(value, dict):
        return str(value["id"])
    return str(getattr(value, "id", value))


def lookup_of(value: Any, name: str | None = None) -> tuple[str, str | None]:
    """The stored form (id, name) of a lookup that is given as a dict, a tuple or an id."""
    if isinstance(value, dict):
        return str(value["id"]), value.get("name", name)
    if isinstance(value, tuple | list):
        return str(value[0]), value[1]
    return as_text_id(value), name


def parent_of(value: Any) -> tuple[str, str | None, str]:
    """The stored form (id, name, module) of `{"module": {"api_name": …}, "id": …}`."""
    if isinstance(value, dict):
        module = value["module"]
        return str(value["id"]), value.get("name"), module["api_name"] if isinstance(module, dict) else module
    return str(value[0]), value[1], str(value[2])


def day_of(value: Any) -> str:
    """A date as `yyyy-MM-dd`; raises SimulatorError for an instant."""
    if isinstance(value, datetime):
        raise SimulatorError("a date field takes a date without a time")
    return value.isoformat() if isinstance(value, date) else date.fromisoformat(value).isoformat()


def tags_of(value: Iterable[Any]) -> list[Any]:
    """Tags as dicts; a tag may be given as its name."""
    return [tag if isinstance(tag, dict) else {"name": tag, "id": None, "color_code": None} for tag in value]


CONVERTERS: dict[str, Converter] = {
    "datetime": to_epoch,
    "date": day_of,
    "lookup": lookup_of,
    "ownerlookup": lookup_of,
    "parentlookup": parent_of,
    "tag": tags_of,
}

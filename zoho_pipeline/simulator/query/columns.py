"""Field paths as queries write them: `Last_Name`, `Owner.last_name`, `What_Id->Leads.Email`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoho_pipeline.simulator.state.fields import LIST_HIDDEN, LOOKUPS, Field
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row, computed
from zoho_pipeline.simulator.state.users import User

JOIN_LEVELS = 2
_USER_FIELDS = ("id", "first_name", "last_name", "full_name", "email")


class UnknownColumn(Exception):
    """The user has no such column; the message says why. `name` is the field that the module lacks, if it is one."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Column:
    """A resolved path: `get` reads its stored value from a row, `field` gives its type."""

    path: str
    field: Field
    get: Callable[[Row], Any]

    @property
    def is_lookup(self) -> bool:
        """True when the stored value is a tuple that begins with an id."""
        return self.field.type in LOOKUPS

    def comparable(self) -> Callable[[Row], Any]:
        """Reads the value that conditions compare: the id of a lookup, the names of tags."""
        get = self.get
        if self.is_lookup:
            return lambda row: None if (value := get(row)) is None else value[0]
        if self.field.type == "tag":
            return lambda row: [tag["name"] for tag in get(row) or ()]
        return get


def resolve(org: Org, store: ModuleStore, user: User, path: str) -> Column:
    """Resolve a path of a module; raises UnknownColumn when this user has no such column."""
    head, arrow, rest = path.partition("->")
    if arrow:
        target, _, name = rest.partition(".")
        return _joined(org, _plain(store, user, head), path, target, resolve(org, _store(org, target), user, name))
    parts = path.split(".")
    if len(parts) > JOIN_LEVELS + 1:
        raise UnknownColumn(f"{path} joins more than {JOIN_LEVELS} levels")
    column = _plain(store, user, parts[0])
    if len(parts) == 1:
        return column
    if not column.is_lookup:
        raise UnknownColumn(f"{parts[0]} is not a lookup")
    if column.field.type == "ownerlookup":
        return _of_user(org, column, path, parts[1])
    if parts[1:] == ["id"]:
        return Column(path, Field("id", "text"), column.comparable())
    if column.field.lookup in ("", "*"):
        raise UnknownColumn(f"{parts[0]} may refer to several modules; name one with ->")
    inner = resolve(org, _store(org, column.field.lookup), user, ".".join(parts[1:]))
    return _joined(org, column, path, column.field.lookup, inner)


def _store(org: Org, api_name: str) -> ModuleStore:
    if api_name not in org.modules:
        raise UnknownColumn(f"unknown module {api_name}")
    return org.modules[api_name]


def _plain(store: ModuleStore, user: User, name: str) -> Column:
    if name in ("id", "Id"):
        return Column(name, Field("id", "bigint"), lambda row: row["id"])
    field = store.fields.get(name)
    if field is None or name in user.hidden_fields.get(store.api_name, ()):
        raise UnknownColumn(f"{store.api_name} has no field {name}", name)
    if field.type in LIST_HIDDEN:
        raise UnknownColumn(f"{name} cannot be queried")
    default = field.default
    return Column(name, field, computed(name) or (lambda row: row.get(name, default)))


def _of_user(org: Org, column: Column, path: str, name: str) -> Column:
    if name not in _USER_FIELDS:
        raise UnknownColumn(f"a user has no field {name}")

    def get(row: Row) -> Any:
        value = column.get(row)
        user = None if value is None else org.users.get(value[0])
        return None if user is None else getattr(user, name)

    return Column(path, Field(name, "text"), get)


def _joined(org: Org, column: Column, path: str, target: str, inner: Column) -> Column:
    rows = _store(org, target).rows

    def get(row: Row) -> Any:
        value = column.get(row)
        other = None if value is None else rows.get(value[0])
        return None if other is None else inner.get(other)

    return Column(path, inner.field, get)

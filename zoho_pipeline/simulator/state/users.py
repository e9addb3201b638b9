"""Users of an org, and which rows, fields and modules each of them may see."""

from dataclasses import dataclass, field
from typing import Any

from zoho_pipeline.simulator.clock import ZoneFormat

ADMIN = "Administrator"


@dataclass
class User:
    """A CRM user. Change its rights by the methods: they also invalidate cached views."""

    id: str
    zuid: str
    first_name: str
    last_name: str
    email: str
    time_zone: str
    created: int
    modified: int
    profile: str = "Standard"
    role: str = "Manager"
    locale: str = "en_US"
    status: str = "active"
    confirmed: bool = True
    deleted: bool = False
    rows_of: dict[str, str | set[str]] = field(default_factory=dict)  # module → "own" | "none" | ids
    hidden_rows: dict[str, set[str]] = field(default_factory=dict)
    hidden_fields: dict[str, set[str]] = field(default_factory=dict)
    hidden_modules: set[str] = field(default_factory=set)
    denied_modules: set[str] = field(default_factory=set)
    api_access: bool = True
    access: int = 0  # counts changes of the rights

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def is_admin(self) -> bool:
        return self.profile == ADMIN

    @property
    def licensed(self) -> bool:
        """True for active users; they count for the credits of a day."""
        return self.status == "active" and not self.deleted

    def limit_rows(self, module: str, to: str | set[str]) -> None:
        """Show only the user's `own` rows, `none`, these ids, or `all`. Answers leave out the other rows silently."""
        self.access += 1
        if to == "all":
            self.rows_of.pop(module, None)
        else:
            self.rows_of[module] = to

    def hide_rows(self, module: str, ids: set[str]) -> None:
        """Hide these rows from the user."""
        self.access += 1
        self.hidden_rows.setdefault(module, set()).update(ids)

    def show_rows(self, module: str, ids: set[str]) -> None:
        """Show rows that `hide_rows` has hidden."""
        self.access += 1
        self.hidden_rows.setdefault(module, set()).difference_update(ids)

    def hide_field(self, module: str, api_name: str) -> None:
        """Field-level security: answers leave the field out, the metadata shows it with `visible` false."""
        self.access += 1
        self.hidden_fields.setdefault(module, set()).add(api_name)

    def show_field(self, module: str, api_name: str) -> None:
        """Show a field that `hide_field` has hidden."""
        self.access += 1
        self.hidden_fields.get(module, set()).discard(api_name)

    def hide_module(self, module: str) -> None:
        """Take the tab permission: the module answers INVALID_MODULE."""
        self.hidden_modules.add(module)

    def show_module(self, module: str) -> None:
        """Show a module that was hidden or denied."""
        self.hidden_modules.discard(module)
        self.denied_modules.discard(module)

    def deny_module(self, module: str) -> None:
        """Take the view permission of the profile: the module answers 403 NO_PERMISSION."""
        self.denied_modules.add(module)

    def may_open(self, module: str) -> bool:
        """True unless the module is hidden or denied."""
        return module not in self.hidden_modules and module not in self.denied_modules

    def sees_all(self, module: str) -> bool:
        """True when no row of the module is hidden from the user."""
        return module not in self.rows_of and not self.hidden_rows.get(module)

    def sees(self, module: str, row: dict[str, Any]) -> bool:
        """True when the user sees this row of the module."""
        row_id = row["id"]
        if row_id in self.hidden_rows.get(module, ()):
            return False
        allowed = self.rows_of.get(module, "all")
        if isinstance(allowed, str):
            owner = row.get("Owner")
            return allowed == "all" or (allowed == "own" and owner is not None and owner[0] == self.id)
        return row_id in allowed

    def brief(self) -> dict[str, str]:
        """The user as an owner lookup shows it."""
        return {"name": self.full_name, "id": self.id, "email": self.email}

    def as_json(self, zone: ZoneFormat, roles: dict[str, str]) -> dict[str, Any]:
        """The user as GET /users shows it; `offset` is in milliseconds."""
        own_zone = ZoneFormat.of(self.time_zone)
        return {
            "id": self.id,
            "zuid": self.zuid,
            "full_name": self.full_name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "role": {"name": self.role, "id": roles[self.role]},
            "profile": {"name": self.profile, "id": roles[self.profile]},
            "time_zone": self.time_zone,
            "offset": own_zone.offset_ms(self.modified),
            "locale": self.locale,
            "language": self.locale,
            "country_locale": self.locale,
            "status": "deleted" if self.deleted else self.status,
            "confirm": self.confirmed,
            "created_time": zone(self.created),
            "Modified_Time": zone(self.modified),
            "type__s": "Regular User",
        }

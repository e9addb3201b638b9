"""One org at rest: its users, its modules with their rows, its settings.

Nothing here takes a lock or reads a clock. `changes.py` changes rows, `setup.py` changes users, fields and
settings, and `OrgHandle` calls both under the lock.
"""

from typing import Any

import orjson

from zoho_pipeline.simulator.clock import ZoneFormat
from zoho_pipeline.simulator.state.credits import EDITIONS, CreditBook
from zoho_pipeline.simulator.state.fields import (
    DEAL_HISTORY,
    MODULE_FIELDS,
    Field,
    Pipeline,
    parse_fields,
    standard_stages,
)
from zoho_pipeline.simulator.state.store import ModuleStore, as_text_id
from zoho_pipeline.simulator.state.subscriptions import NoticeBoard
from zoho_pipeline.simulator.state.users import ADMIN, User
from zoho_pipeline.simulator.wire import SimulatorError

NAMED = ("Accounts", "Contacts", "Deals", "Leads", "Campaigns")
"""Modules that lookups lead to."""

ADMIN_ROLES = (ADMIN, "Standard", "CEO", "Manager")


class Org:
    """The state of one CRM org. `setup.new_org` makes one with an administrator."""

    def __init__(
        self, *, name: str, time_zone: str, currency: str, edition: str, id_base: int, location: str, environment: str
    ) -> None:
        if edition not in EDITIONS:
            raise SimulatorError(f"unknown edition {edition}; the editions are: {', '.join(EDITIONS)}")
        ZoneFormat.of(time_zone)
        self.name, self.time_zone, self.currency = name, time_zone, currency
        self.edition, self.location, self.environment = edition, location, environment
        self.multi_currency = False
        self.id_base = self._last_id = id_base
        self.names_version = 0
        self.rows_rendered = 0
        self.credits = CreditBook()
        self._briefs: dict[tuple[str, str | None], orjson.Fragment] = {}
        self._briefs_version = -1
        self.credit_limit_override: int | None = None
        self.in_flight: dict[str, list[int]] = {}
        self.peak: dict[str, list[int]] = {}
        self.emails: dict[str, list[dict[str, Any]]] = {}
        self.board = NoticeBoard()
        self.write_refusals: dict[str, str] = {}  # id of a record → the code with which a change is refused
        self.write_denied: set[str] = set()  # modules that the profile of the user may not edit
        self.automation: list[dict[str, Any]] = []  # what ran after changes by the API
        self.business_hours: dict[str, Any] | None = None
        self.holidays: list[dict[str, Any]] = []
        self.open_stays: dict[str, str] = {}
        self.orphaned: dict[str, list[str]] = {}
        self.attached: dict[str, dict[str, str]] = {}
        self.zgid = str(60_000_000_000 + id_base % 1_000_000_007)
        self.id = self.new_id()
        self.roles = {role: self.new_id() for role in ADMIN_ROLES}
        self.users: dict[str, User] = {}
        self.modules: dict[str, ModuleStore] = {}
        for api_name, words in MODULE_FIELDS.items():
            self.add_module(api_name, parse_fields(words))
        self.add_module("DealHistory", parse_fields(DEAL_HISTORY), "field_tracker")
        self.add_module("Activities", [], api_supported=False)
        self.layout_ids = {api_name: self.new_id() for api_name in self.modules}
        self.pipelines = [Pipeline(self.new_id(), "Standard (Standard)", standard_stages())]

    def __repr__(self) -> str:
        return f"<Org {self.id} {self.name}>"

    def new_id(self) -> str:
        """The next id of this org; ids of all modules count up together."""
        self._last_id += 1
        return str(self._last_id)

    def add_module(
        self, api_name: str, fields: list[Field], generated_type: str = "default", *, api_supported: bool = True
    ) -> ModuleStore:
        """Add an empty module and give ids to it and its fields."""
        for field in fields:
            field.id = self.new_id()
        module = ModuleStore(
            api_name, self.new_id(), {f.api_name: f for f in fields}, generated_type, api_name.replace("_", " "),
            api_supported,
        )  # fmt: skip
        self.modules[api_name] = module
        return module

    def module(self, api_name: str) -> ModuleStore:
        """The module with this name; raises SimulatorError when there is none."""
        try:
            return self.modules[api_name]
        except KeyError:
            raise SimulatorError(f"unknown module {api_name}; the modules are: {', '.join(self.modules)}") from None

    def module_ids(self) -> dict[str, str]:
        """The id of each module, by name."""
        return {name: module.id for name, module in self.modules.items()}

    @property
    def admin(self) -> User:
        """The user who made the org."""
        return next(iter(self.users.values()))

    def user(self, user: User | str) -> User:
        """The user with this id; raises SimulatorError when there is none."""
        try:
            return self.users[as_text_id(user)]
        except KeyError:
            raise SimulatorError(f"unknown user {user}") from None

    def user_brief(self, ref: tuple[str, str | None]) -> dict[str, Any]:
        """An owner lookup: name, id and e-mail address; the stored name when the user is unknown."""
        user = self.users.get(ref[0])
        return {"name": ref[1], "id": ref[0], "email": None} if user is None else user.brief()

    def user_json(self, ref: tuple[str, str | None]) -> orjson.Fragment:
        """An owner lookup as JSON. It is kept until a user changes."""
        if self._briefs_version != self.names_version:
            self._briefs, self._briefs_version = {}, self.names_version
        if ref not in self._briefs:
            self._briefs[ref] = orjson.Fragment(orjson.dumps(self.user_brief(ref)))
        return self._briefs[ref]

    def name_of(self, row_id: str) -> str | None:
        """The name that lookups show for a record today; None when no live row has this id."""
        for api_name in NAMED:
            store = self.modules.get(api_name)
            if store is not None and (row := store.rows.get(row_id)) is not None:
                return row.get(store.name_field)
        return None

    @property
    def credit_limit(self) -> int:
        """The credits of a day, by edition and users, unless `credit_limit_override` is set."""
        if self.credit_limit_override is not None:
            return self.credit_limit_override
        return EDITIONS[self.edition].credits_for(sum(1 for user in self.users.values() if user.licensed))

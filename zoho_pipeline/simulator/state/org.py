"""One org: its users, modules, rows, and what happens to rows over time.

The methods here are the Python side of the control plane. They need not be called by HTTP, and the
whole simulator holds one lock, so any thread may call them while clients read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from zoho_pipeline.simulator.clock import ZoneFormat, to_epoch
from zoho_pipeline.simulator.query.bulk_jobs import BulkDesk
from zoho_pipeline.simulator.query.render import Renderer
from zoho_pipeline.simulator.query.views import visible_keys
from zoho_pipeline.simulator.state import changes, history
from zoho_pipeline.simulator.state.credits import EDITIONS, CreditBook
from zoho_pipeline.simulator.state.fields import (
    CURRENCY,
    DEAL_HISTORY,
    MODULE_FIELDS,
    STAGES,
    STATUS_HISTORY,
    Field,
    Pick,
    Pipeline,
    parse_fields,
)
from zoho_pipeline.simulator.state.store import CONVERTERS, ModuleStore, Row, as_text_id
from zoho_pipeline.simulator.state.users import ADMIN, User
from zoho_pipeline.simulator.wire import SimulatorError

if TYPE_CHECKING:
    from zoho_pipeline.simulator.hub import Hub

NAMED = ("Accounts", "Contacts", "Deals", "Leads", "Campaigns")
"""Modules that lookups lead to."""

ADMIN_ROLES = (ADMIN, "Standard", "CEO", "Manager")


class Org:
    """A CRM org. Made by `Simulator.add_org`."""

    def __init__(
        self, hub: "Hub", *, name: str, time_zone: str, currency: str, edition: str, id_base: int, location: str,
        environment: str, multi_currency: bool,
    ) -> None:  # fmt: skip
        if edition not in EDITIONS:
            raise SimulatorError(f"no edition {edition}; there are: {', '.join(EDITIONS)}")
        ZoneFormat.of(time_zone)
        self.hub, self.name, self.time_zone, self.currency = hub, name, time_zone, currency
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
        self.bulk = BulkDesk()
        self.emails: dict[str, list[dict[str, Any]]] = {}
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
            self._add_module(api_name, parse_fields(words))
        self._add_module("DealHistory", parse_fields(DEAL_HISTORY), "field_tracker")
        self._add_module("Activities", [], api_supported=False)
        self.layout_ids = {api_name: self.new_id() for api_name in self.modules}
        self.pipelines = [Pipeline(self.new_id(), "Standard (Standard)", [Pick(**vars(p)) for p in STAGES])]
        self.add_user(first_name="Asha", last_name="Admin", profile=ADMIN, role="CEO")
        if multi_currency:
            self.enable_multi_currency()

    def __repr__(self) -> str:
        return f"<Org {self.id} {self.name}>"

    # Shape

    def new_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def _add_module(
        self, api_name: str, fields: list[Field], generated_type: str = "default", *, api_supported: bool = True
    ) -> ModuleStore:
        for field in fields:
            field.id = self.new_id()
        module = ModuleStore(
            api_name, self.new_id(), {f.api_name: f for f in fields}, generated_type, api_name.replace("_", " "),
            api_supported,
        )  # fmt: skip
        self.modules[api_name] = module
        return module

    def module(self, api_name: str) -> ModuleStore:
        try:
            return self.modules[api_name]
        except KeyError:
            raise SimulatorError(f"no module {api_name}; there are: {', '.join(self.modules)}") from None

    def module_ids(self) -> dict[str, str]:
        return {name: module.id for name, module in self.modules.items()}

    def add_field(self, module: str, words: str) -> None:
        """Switch on standard fields, as `Api_Name:type` words (`fields.VISITOR`, `fields.ADS`)."""
        for field in parse_fields(words):
            field.id = self.new_id()
            self.module(module).fields[field.api_name] = field
        self.module(module).reshaped()

    def add_custom_field(
        self,
        module: str,
        api_name: str,
        label: str,
        data_type: str = "text",
        *,
        picks: Sequence[str] = (),
        lookup: str = "",
    ) -> Field:
        """Add a custom field under the name and label this org chose."""
        with self.hub.lock:
            store = self.module(module)
            if api_name in store.fields:
                raise SimulatorError(f"{module} already has a field {api_name}")
            field = Field(
                api_name, data_type, label, self.new_id(), custom=True, lookup=lookup, picks=[Pick(p) for p in picks]
            )
            store.fields[api_name] = field
            store.reshaped()
            return field

    def remove_field(self, module: str, api_name: str) -> None:
        """Remove a field with all its values; Modified_Time does not move."""
        with self.hub.lock:
            store = self.module(module)
            store.field(api_name)
            del store.fields[api_name]
            for row_id in [row_id for row_id, row in store.rows.items() if api_name in row]:
                store.rows[row_id] = {k: v for k, v in store.rows[row_id].items() if k != api_name}
            store.reshaped()

    def set_picks(self, module: str, api_name: str, picks: Sequence[Pick | str]) -> None:
        """Replace a picklist; rows keep the values they have."""
        with self.hub.lock:
            self.module(module).field(api_name).picks = [p if isinstance(p, Pick) else Pick(p) for p in picks]

    def add_pipeline(self, name: str, stages: Sequence[Pick]) -> Pipeline:
        """Add a pipeline; stages the Stage picklist lacks are added to it."""
        with self.hub.lock:
            pipeline = Pipeline(self.new_id(), name, list(stages))
            self.pipelines.append(pipeline)
            known = self.module("Deals").field("Stage").picks
            known += [stage for stage in stages if stage.actual not in {p.actual for p in known}]
            return pipeline

    def enable_status_history(self, api_name: str = "Lead_Status_History", field: str = "Lead_Status") -> None:
        """Switch on history tracking of a lead picklist: a tracker module under a name the org chose."""
        with self.hub.lock:
            self._add_module(api_name, parse_fields(STATUS_HISTORY.format(field=field)), "field_tracker")

    def enable_multi_currency(self) -> None:
        with self.hub.lock:
            self.multi_currency = True
            self.add_field("Deals", CURRENCY)

    def remove_module(self, api_name: str) -> None:
        """Switch a module off for the whole org."""
        with self.hub.lock:
            self.module(api_name)
            del self.modules[api_name]

    # People

    @property
    def admin(self) -> User:
        """The user who made the org."""
        return next(iter(self.users.values()))

    def user(self, user: User | str) -> User:
        """The user of an id; raises SimulatorError where there is none."""
        try:
            return self.users[as_text_id(user)]
        except KeyError:
            raise SimulatorError(f"no user {user}") from None

    def add_user(
        self, *, first_name: str = "Ravi", last_name: str = "", email: str = "", time_zone: str = "",
        profile: str = "Standard", role: str = "Manager", status: str = "active", confirmed: bool = True,
    ) -> User:  # fmt: skip
        with self.hub.lock:
            user_id = self.new_id()
            for title in (profile, role):
                self.roles.setdefault(title, self.new_id())
            now = self.hub.clock.epoch()
            name = last_name or f"User{len(self.users)}"
            self.users[user_id] = user = User(
                user_id, str(int(self.zgid) + 10_000 + len(self.users)), first_name, name,
                email or f"{first_name}.{name}@{self.zgid}.example".lower().replace(" ", ""),
                time_zone or self.time_zone, now, now, profile, role, status=status, confirmed=confirmed,
            )  # fmt: skip
            return user

    def update_user(self, user: User | str, **values: Any) -> None:
        """Change a user's attributes (name, zone, profile, …); names show in every owner lookup at once."""
        with self.hub.lock:
            found = self.user(user)
            for name, value in values.items():
                if not hasattr(found, name):
                    raise SimulatorError(f"a user has no {name}")
                setattr(found, name, value)
            found.modified = self.hub.clock.epoch()
            self.names_version += 1

    def delete_user(self, user: User | str) -> None:
        """The user leaves: listed as DeletedUsers, its tokens die, its rows keep it as owner."""
        with self.hub.lock:
            found = self.user(user)
            found.deleted, found.modified = True, self.hub.clock.epoch()
            self.hub.tokens.drop_user(self.id, found.id)

    def deactivate_user(self, user: User | str) -> None:
        with self.hub.lock:
            found = self.user(user)
            found.status, found.modified = "inactive", self.hub.clock.epoch()
            self.hub.tokens.drop_user(self.id, found.id)

    def grant(
        self, client_id: str, client_secret: str, scopes: str | Iterable[str], user: User | str | None = None
    ) -> str:
        """A refresh token, as a consent of `user` (default: the admin) would have given; registers the client."""
        with self.hub.lock:
            words = scopes.replace(",", " ").split() if isinstance(scopes, str) else list(scopes)
            self.hub.tokens.add_client(client_id, client_secret)
            user_id = self.admin.id if user is None else self.user(user).id
            return self.hub.tokens.new_grant(client_id, self.id, user_id, words).refresh_token

    def user_brief(self, ref: tuple[str, str | None]) -> dict[str, Any]:
        user = self.users.get(ref[0])
        return {"name": ref[1], "id": ref[0], "email": None} if user is None else user.brief()

    def user_json(self, ref: tuple[str, str | None]) -> orjson.Fragment:
        """An owner lookup as JSON, made once until a user changes."""
        if self._briefs_version != self.names_version:
            self._briefs, self._briefs_version = {}, self.names_version
        if ref not in self._briefs:
            self._briefs[ref] = orjson.Fragment(orjson.dumps(self.user_brief(ref)))
        return self._briefs[ref]

    # Rows

    def insert(self, module: str, values: Mapping[str, Any]) -> str:
        """Add a row in Zoho's shape; what is not given gets Zoho's defaults. Returns its id."""
        return self.insert_many(module, [values])[0]

    def insert_many(self, module: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Add many rows at once (given ids must be new). Returns their ids in order."""
        with self.hub.lock:
            store = self.module(module)
            now = self.hub.clock.epoch()
            fresh = [self._new_row(store, values, now) for values in rows]
            ids = [row["id"] for row in fresh]
            if len(set(ids)) < len(ids) or not store.rows.keys().isdisjoint(ids):
                raise SimulatorError(f"{module}: an id is given twice")
            store.put_many(fresh)
            history.track_new(self, store, fresh)
            changes.attach(self, store, fresh)
            if self.switches.note_bumps_parent:
                changes.bump_parents(self, fresh, now)
            return ids

    def _new_row(self, store: ModuleStore, values: Mapping[str, Any], now: int) -> Row:
        row = self.converted_values(store, values)
        row["id"] = str(values["id"]) if "id" in values else self.new_id()
        row.setdefault("Created_Time", now)
        row.setdefault("Modified_Time", row["Created_Time"])
        admin = (self.admin.id, None)
        if store.generated_type != "field_tracker":
            owner = row.setdefault("Owner", admin)
            row.setdefault("Created_By", owner)
            row.setdefault("Modified_By", owner)
        history.fill_system_values(store, row)
        return row

    def converted_values(self, store: ModuleStore, values: Mapping[str, Any]) -> Row:
        """Values in the store's inner shape, empty ones left out; raises SimulatorError for an unknown field."""
        row: Row = {}
        for name, value in values.items():
            if name == "id" or value is None:
                continue
            field = store.field(name)
            convert = CONVERTERS.get(field.type)
            if convert is not None:
                value = convert(value)
                if field.type in ("lookup", "parentlookup") and value[1] is None:
                    value = (value[0], self.name_of(value[0]), *value[2:])
            row[name] = value
        return row

    def update(self, module: str, row_id: str, values: Mapping[str, Any], *, touch: bool = True) -> None:
        """Change a row as a user would. `touch=False` leaves Modified_Time: a formula, a system job."""
        with self.hub.lock:
            store = self.module(module)
            old = store.row(row_id)
            new = {k: v for k, v in old.items() if k not in values} | self.converted_values(store, values)
            new["id"], new["Created_Time"] = old["id"], new.get("Created_Time", old["Created_Time"])
            new["Modified_Time"] = old["Modified_Time"]
            if "Modified_Time" in values:
                new["Modified_Time"] = to_epoch(values["Modified_Time"])
            elif touch:
                new["Modified_Time"] = self.hub.clock.epoch()
            history.fill_system_values(store, new, old)
            store.put(new)
            history.track_change(self, store, old, new)
            changes.attach(self, store, [new])
            if store.api_name in NAMED and old.get(store.name_field) != new.get(store.name_field):
                self.names_version += 1

    def delete(self, module: str, row_id: str, *, permanent: bool = False, at: Any = None) -> None:
        """Delete a row: to the recycle bin, or for good (from the bin too)."""
        with self.hub.lock:
            changes.delete(self, module, row_id, permanent=permanent, at=self._at(at))

    def restore(self, module: str, row_id: str, *, at: Any = None) -> None:
        """Take a row out of the recycle bin; it leaves the list of deletions."""
        with self.hub.lock:
            changes.restore(self, module, row_id, at=self._at(at))

    def convert(self, lead_id: str, *, at: Any = None, **choices: Any) -> dict[str, str | None]:
        """Convert a lead (see `lifecycle.convert`); returns the ids of its Account, Contact and Deal."""
        with self.hub.lock:
            return changes.convert(self, lead_id, at=self._at(at), **choices)

    def merge(self, module: str, winner_id: str, loser_id: str, *, at: Any = None) -> None:
        """Merge two rows: the loser is gone, empty values of the winner are filled from it."""
        with self.hub.lock:
            changes.merge(self, module, winner_id, loser_id, at=self._at(at))

    def _at(self, moment: Any) -> int:
        return self.hub.clock.epoch() if moment is None else to_epoch(moment)

    def add_email(self, record_id: str, **mail: Any) -> str:
        """Put a mail on a record: `sent` (outgoing), `sent_time`, `subject`, `user`, `to`."""
        with self.hub.lock:
            return changes.add_email(self, record_id, mail)

    def set_business_hours(self, hours: Mapping[str, Any] | None) -> None:
        """Zoho's own shape without `id`; None: no business hours set."""
        self.business_hours = None if hours is None else {"id": self.new_id(), **hours}

    def add_holiday(self, name: str, date: str, *, type_: str = "business_holiday") -> None:
        holiday = {"id": self.new_id(), "name": name, "date": date, "year": int(date[:4]), "type": type_}
        self.holidays.append(holiday | {"shift_hour": None})

    # Reading back

    @property
    def switches(self) -> Any:
        return self.hub.switches

    def name_of(self, row_id: str) -> str | None:
        """The name a record shows in lookups today."""
        for api_name in NAMED:
            store = self.modules.get(api_name)
            if store is not None and (row := store.rows.get(row_id)) is not None:
                return row.get(store.name_field)
        return None

    def lookup_name(self, ref: tuple[Any, ...]) -> str | None:
        live = self.name_of(ref[0]) if self.hub.switches.live_lookup_names else None
        return ref[1] if live is None else live

    def rows(self, module: str, user: User | str | None = None, *, zone: str | None = None) -> list[dict[str, Any]]:
        """The ledger: every live row `user` (default: the admin) sees, converted ones too, by id.

        All fields in Zoho's shape, as a single GET would show them, in the user's zone or `zone`.
        """
        with self.hub.lock:
            store = self.module(module)
            reader = self.admin if user is None else self.user(user)
            hidden = reader.hidden_fields.get(module, set())
            names = [name for name in store.fields if name not in hidden]
            renderer = Renderer(self, store, names, zone or reader.time_zone, single=True)
            keys = visible_keys(store, reader)
            return [orjson.loads(renderer.as_bytes(store.rows[str(key)])) for key in keys]

    def row(self, module: str, row_id: str) -> dict[str, Any]:
        """One live row in Zoho's shape, in the admin's zone."""
        with self.hub.lock:
            store = self.module(module)
            renderer = Renderer(self, store, list(store.fields), self.admin.time_zone, single=True)
            shown: dict[str, Any] = orjson.loads(renderer.as_bytes(store.row(row_id)))
            return shown

    @property
    def credits_used(self) -> int:
        """Credits spent in the last 24 hours of the simulator's clock."""
        with self.hub.lock:
            return self.credits.used(self.hub.clock.epoch())

    @property
    def credit_limit(self) -> int:
        """The day's credits: by edition and users, unless `credit_limit_override` says otherwise."""
        if self.credit_limit_override is not None:
            return self.credit_limit_override
        return EDITIONS[self.edition].credits_for(sum(1 for user in self.users.values() if user.licensed))

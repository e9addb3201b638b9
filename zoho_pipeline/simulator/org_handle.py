"""`OrgHandle`: one org as tests, demos and benchmarks use it. Every call takes the simulator's lock."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.query.bulk_jobs import BulkDesk
from zoho_pipeline.simulator.query.render import Renderer
from zoho_pipeline.simulator.query.views import visible_keys
from zoho_pipeline.simulator.state import changes, setup
from zoho_pipeline.simulator.state.fields import Field, Pick, Pipeline
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.shared import Shared
from zoho_pipeline.simulator.state.store import ModuleStore
from zoho_pipeline.simulator.state.subscriptions import Subscription
from zoho_pipeline.simulator.state.tokens import scope_words
from zoho_pipeline.simulator.state.users import User


class OrgHandle:
    """A CRM org with its Bulk Read jobs. `Simulator.add_org` makes one.

    Any thread may call the methods while clients read: the whole simulator holds one lock.
    """

    __slots__ = ("_shared", "bulk", "state")  # setting an attribute that an org does not have is an error

    def __init__(self, state: Org, shared: Shared) -> None:
        self.state, self._shared = state, shared
        self.bulk = BulkDesk()

    def __repr__(self) -> str:
        return f"<OrgHandle {self.id} {self.name}>"

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def zgid(self) -> str:
        """The organisation id that `soid` and the domain name carry."""
        return self.state.zgid

    @property
    def name(self) -> str:
        return self.state.name

    @name.setter
    def name(self, name: str) -> None:
        with self._shared.lock:
            self.state.name = name

    @property
    def time_zone(self) -> str:
        return self.state.time_zone

    @time_zone.setter
    def time_zone(self, time_zone: str) -> None:
        with self._shared.lock:
            self.state.time_zone = time_zone

    @property
    def currency(self) -> str:
        """The home currency, as an ISO code."""
        return self.state.currency

    @currency.setter
    def currency(self, currency: str) -> None:
        with self._shared.lock:
            self.state.currency = currency

    @property
    def location(self) -> str:
        """The data centre of the org, as the callback names it."""
        return self.state.location

    @property
    def environment(self) -> str:
        """`production`, `sandbox` or `developer`."""
        return self.state.environment

    @property
    def users(self) -> dict[str, User]:
        """All users by id, deleted ones too."""
        return self.state.users

    @property
    def admin(self) -> User:
        """The user who made the org."""
        return self.state.admin

    def user(self, user: User | str) -> User:
        """The user with this id; raises SimulatorError when there is none."""
        return self.state.user(user)

    @property
    def modules(self) -> dict[str, ModuleStore]:
        """All modules by name, with their rows as stored."""
        return self.state.modules

    def module(self, api_name: str) -> ModuleStore:
        """The module with this name; raises SimulatorError when there is none."""
        return self.state.module(api_name)

    @property
    def business_hours(self) -> dict[str, Any] | None:
        return self.state.business_hours

    @property
    def holidays(self) -> list[dict[str, Any]]:
        return self.state.holidays

    # Modules, fields and settings

    def add_field(self, module: str, words: str) -> None:
        """Switch on standard fields, written as `Api_Name:type` words (see `fields.VISITOR`, `fields.ADS`)."""
        with self._shared.lock:
            setup.add_field(self.state, module, words)

    def add_custom_field(
        self, module: str, api_name: str, label: str, data_type: str = "text", *, picks: Sequence[str] = (),
        lookup: str = "",
    ) -> Field:  # fmt: skip
        """Add a custom field under the name and label that this org has chosen."""
        with self._shared.lock:
            return setup.add_custom_field(self.state, module, api_name, label, data_type, picks=picks, lookup=lookup)

    def remove_field(self, module: str, api_name: str) -> None:
        """Remove a field with all its values; Modified_Time does not move."""
        with self._shared.lock:
            setup.remove_field(self.state, module, api_name)

    def set_picks(self, module: str, api_name: str, picks: Sequence[Pick | str]) -> None:
        """Replace the values of a picklist; rows keep the values that they have."""
        with self._shared.lock:
            setup.set_picks(self.state, module, api_name, picks)

    def add_pipeline(self, name: str, stages: Sequence[Pick]) -> Pipeline:
        """Add a pipeline; its stages that the Stage picklist lacks are added to the picklist."""
        with self._shared.lock:
            return setup.add_pipeline(self.state, name, stages)

    def enable_status_history(self, api_name: str = "Lead_Status_History", field: str = "Lead_Status") -> None:
        """Track the history of a lead picklist in a module with this name."""
        with self._shared.lock:
            setup.enable_status_history(self.state, api_name, field)

    def enable_multi_currency(self) -> None:
        """Give deals a currency and an exchange rate."""
        with self._shared.lock:
            setup.enable_multi_currency(self.state)

    def add_module(self, api_name: str, words: str, *, generated_type: str = "custom") -> None:
        """Add a module of the org's own; see `setup.add_module`."""
        with self._shared.lock:
            setup.add_module(self.state, api_name, words, generated_type=generated_type)

    def remove_module(self, api_name: str) -> None:
        """Switch a module off for the whole org."""
        with self._shared.lock:
            setup.remove_module(self.state, api_name)

    def set_business_hours(self, hours: Mapping[str, Any] | None) -> None:
        """Set business hours in Zoho's shape without `id`; None removes them."""
        with self._shared.lock:
            setup.set_business_hours(self.state, hours)

    def add_holiday(self, name: str, date: str, *, type_: str = "business_holiday") -> None:
        """Add a holiday; `date` is `yyyy-MM-dd`."""
        with self._shared.lock:
            setup.add_holiday(self.state, name, date, type_=type_)

    # Users and their consents

    def add_user(self, **options: Any) -> User:
        """Add a user; see `setup.add_user` for the options."""
        with self._shared.lock:
            return setup.add_user(self.state, self._shared, **options)

    def update_user(self, user: User | str, **values: Any) -> None:
        """Change attributes of a user (name, time zone, profile, …); a new name shows in every lookup at once."""
        with self._shared.lock:
            setup.update_user(self.state, self._shared, user, **values)

    def delete_user(self, user: User | str) -> None:
        """Delete a user: its tokens are revoked, its rows keep it as owner."""
        with self._shared.lock:
            setup.delete_user(self.state, self._shared, user)

    def deactivate_user(self, user: User | str) -> None:
        """Make a user inactive and revoke its tokens."""
        with self._shared.lock:
            setup.deactivate_user(self.state, self._shared, user)

    def grant(
        self, client_id: str, client_secret: str, scopes: str | Iterable[str], user: User | str | None = None
    ) -> str:
        """Register the client and return a refresh token, as a consent of `user` (default: the admin) would give."""
        with self._shared.lock:
            tokens = self._shared.tokens
            tokens.add_client(client_id, client_secret)
            words = scope_words(scopes) if isinstance(scopes, str) else list(scopes)
            user_id = self.admin.id if user is None else self.user(user).id
            return tokens.new_grant(client_id, self.id, user_id, words).refresh_token

    # Rows

    def insert(self, module: str, values: Mapping[str, Any]) -> str:
        """Add a row in Zoho's shape and return its id; fields that are not given get Zoho's defaults."""
        with self._shared.lock:
            return changes.insert(self.state, self._shared, module, values)

    def insert_many(self, module: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Add many rows at once and return their ids in order; a given id must be new."""
        with self._shared.lock:
            return changes.insert_many(self.state, self._shared, module, rows)

    def update(self, module: str, row_id: str, values: Mapping[str, Any], *, touch: bool = True) -> None:
        """Change a row as a user would; `touch=False` leaves Modified_Time, as a formula or a system job does."""
        with self._shared.lock:
            changes.update(self.state, self._shared, module, row_id, values, touch=touch)

    def garble(self, module: str, row_id: str, field: str, raw: bytes | str | None) -> None:
        """Let every answer show this raw JSON as the value of a field, valid or not; None shows the stored value again.

        Sorting and conditions still use the stored value.
        """
        with self._shared.lock:
            store = self.module(module)
            values = store.garbled.setdefault(store.row(row_id)["id"], {})
            values.pop(field, None)
            if raw is not None:
                values[field] = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
            store.changed(row_id)

    def delete(self, module: str, row_id: str, *, permanent: bool = False, at: Any = None) -> None:
        """Move a row to the recycle bin, or delete it permanently (a row in the bin too)."""
        with self._shared.lock:
            changes.delete(self.state, self._shared, module, row_id, permanent=permanent, at=self._at(at))

    def restore(self, module: str, row_id: str, *, at: Any = None) -> None:
        """Take a row out of the recycle bin; its entry in the list of deletions goes too."""
        with self._shared.lock:
            changes.restore(self.state, self._shared, module, row_id, at=self._at(at))

    def convert(self, lead_id: str, *, at: Any = None, **choices: Any) -> dict[str, str | None]:
        """Convert a lead (see `changes.convert`); returns the ids of its Accounts, Contacts and Deals row."""
        with self._shared.lock:
            return changes.convert(self.state, self._shared, lead_id, at=self._at(at), **choices)

    def merge(self, module: str, winner_id: str, loser_id: str, *, at: Any = None) -> None:
        """Merge two rows: the loser is deleted and fills the empty values of the winner."""
        with self._shared.lock:
            changes.merge(self.state, self._shared, module, winner_id, loser_id, at=self._at(at))

    def refuse_writes(self, record_id: str, code: str | None) -> None:
        """Refuse changes of a record by the API with this code (see `writes.MESSAGES`); None takes them again."""
        with self._shared.lock:
            self.state.write_refusals.pop(record_id, None)
            if code is not None:
                self.state.write_refusals[record_id] = code

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """The channels of `/actions/watch`, by their ids."""
        return self.state.board.subscriptions

    @property
    def automation(self) -> list[dict[str, Any]]:
        """What ran after changes by the API: module, id, and the kinds of automation."""
        return self.state.automation

    def add_email(self, record_id: str, **mail: Any) -> str:
        """Add a mail to a record and return its message id.

        `mail` may give `sent` (outgoing), `sent_time`, `subject`, `user`, `to`, `shared`.
        """
        with self._shared.lock:
            return changes.add_email(self.state, self._shared, record_id, mail)

    def _at(self, moment: Any) -> int:
        return self._shared.clock.epoch() if moment is None else to_epoch(moment)

    # The ledger: the rows that a client must find

    def rows(self, module: str, user: User | str | None = None, *, zone: str | None = None) -> list[dict[str, Any]]:
        """Every live row that `user` (default: the admin) sees, converted leads too, by ascending id.

        A row has all fields in Zoho's shape, as a single GET would show it, in the user's time zone or in `zone`.
        """
        with self._shared.lock:
            store = self.module(module)
            reader = self.admin if user is None else self.user(user)
            hidden = reader.hidden_fields.get(module, set())
            renderer = self._renderer(store, [n for n in store.fields if n not in hidden], zone or reader.time_zone)
            keys = visible_keys(store, reader)
            return [orjson.loads(renderer.as_bytes(store.rows[str(key)])) for key in keys]

    def row(self, module: str, row_id: str) -> dict[str, Any]:
        """One live row in Zoho's shape, in the admin's time zone."""
        with self._shared.lock:
            store = self.module(module)
            renderer = self._renderer(store, list(store.fields), self.admin.time_zone)
            shown: dict[str, Any] = orjson.loads(renderer.as_bytes(store.row(row_id)))
            return shown

    def _renderer(self, store: ModuleStore, names: Sequence[str], zone: str) -> Renderer:
        renderer = Renderer(self.state, self._shared.switches, store, names, zone, single=True)
        renderer.garbled = {}
        return renderer

    # The credits and calls that clients have used

    @property
    def credits_used(self) -> int:
        """Credits spent in the last 24 hours of the simulator's clock."""
        with self._shared.lock:
            return self.state.credits.used(self._shared.clock.epoch())

    @property
    def credit_limit(self) -> int:
        """The credits of a day, by edition and users, unless `credit_limit_override` is set."""
        return self.state.credit_limit

    @property
    def credit_limit_override(self) -> int | None:
        return self.state.credit_limit_override

    @credit_limit_override.setter
    def credit_limit_override(self, limit: int | None) -> None:
        with self._shared.lock:
            self.state.credit_limit_override = limit

    @property
    def in_flight(self) -> dict[str, list[int]]:
        """Simultaneous calls now, by client: all, and those under the sub-limit."""
        return self.state.in_flight

    @property
    def peak(self) -> dict[str, list[int]]:
        """The highest number of simultaneous calls so far, by client: all, and those under the sub-limit."""
        return self.state.peak

    @property
    def rows_rendered(self) -> int:
        """Rows turned into JSON so far; a row that comes from the cache does not count."""
        return self.state.rows_rendered

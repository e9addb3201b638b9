"""The fields of a module in this sync, and their changes since the last sync."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from zoho_pipeline.ingest.catalog.field_selection import (
    FieldPlan,
    is_system,
    part_fields,
    plan_from_memory,
    plan_from_metadata,
    plan_from_record,
)
from zoho_pipeline.ingest.catalog.model import RawTable
from zoho_pipeline.ingest.extract.checkpoints import Checkpoints
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.routes.coql_route import REFUSALS
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import ModuleMissing, NoPermission, NotSupported, ScopeMissing
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read import metadata, records
from zoho_pipeline.zoho.read.coql import count
from zoho_pipeline.zoho.read.metadata import FieldMeta
from zoho_pipeline.zoho.read.pages import Row

MOST_VALUES = 200
"""The largest picklist whose values are compared. Longer ones are lists of countries and the like."""

MOST_COUNTED = 5
"""The most new fields that are looked for in old rows, for one credit each. If more appear, every row is read again."""

FIELDS_EVERY = timedelta(hours=24)
"""How often the fields of a module are read if none of its rows change. Otherwise they are read before its rows."""

Picks = Mapping[str, Mapping[str, str]]


class ModuleFields:
    """The fields that a sync reads.

    Attributes:
        plan: the field plan; it has no names before `ensure` was called.
        metas: the metadata from which the plan is made. None if it cannot be read.
    """

    def __init__(self, module: ModuleContext, checkpoints: Checkpoints, *, can_query: bool) -> None:
        self._module, self._checkpoints, self._can_query = module, checkpoints, can_query
        self.plan = FieldPlan(())
        self.metas: list[FieldMeta] | None = None

    def ensure(self) -> FieldPlan:
        """Return the plan. The first call reads the metadata and reports the changes since the last sync.

        Raises:
            ModuleMissing: the org does not have the module (any more), or hides it.
        """
        if not self.plan.names:
            self.plan = self._module.spec.plan or self._read()
            if self.metas:
                self._checkpoints.state = replace(self._checkpoints.state, fields_at=self._module.window.hi)
        return self.plan

    @property
    def due(self) -> bool:
        """Whether the fields must be read although nothing has changed."""
        read_at = self._checkpoints.state.fields_at
        fresh = read_at is not None and timedelta(0) <= self._module.window.hi - read_at < FIELDS_EVERY
        return self._module.spec.plan is None and not fresh

    @property
    def complete(self) -> bool:
        """Whether the plan names every field. If not, a record may show more fields (see `widen`)."""
        return self.plan.basis == "metadata" or self._module.spec.plan is not None

    @property
    def parts(self) -> frozenset[str] | None:
        """The fields that only the call for a single record shows. None: this sync has read no list of fields."""
        return None if self.metas is None else part_fields(self.metas)

    def ensure_for(self, ids: Iterable[str]) -> FieldPlan:
        """Return the plan for records that are read by these ids. Without metadata, one of them shows its fields.

        A repair without this loaded a record without its custom fields, and no later sync read it again.
        """
        self.ensure()
        if self.plan.basis == "catalogue" and not self.complete:
            self.widen(ids)
        return self.plan

    def widen(self, ids: Iterable[str]) -> bool | None:
        """Add the fields of the first of these records that exists to the plan. Returns whether there were new ones.

        The others stay in the plan: a record of another layout may have them. Returns None if no record exists (any
        more): then nothing is known.
        """
        spec = self._module.spec
        whole = whole_record(self._module.client, spec.module, ids)
        if whole is None:
            return None
        self._note_hidden(whole)
        state = self._checkpoints.state
        wider = widened(spec.table, self.plan, whole, state.unlisted)
        new = set(wider.names) - set(self.plan.names)
        self.plan = wider
        if new:
            self._checkpoints.state = replace(state, names=wider.names, again=state.again or self._fill(new))
        return bool(new)

    def _note_hidden(self, whole: Row) -> None:
        """Remember the fields that earlier syncs knew and this whole record lacks.

        A profile that loses the right to the metadata may lose fields, too. Rows that are read meanwhile lack their
        values, and the next list of fields must find that these fields are back. If a record lacks a field for another
        reason, such as its layout, this costs one reading of every row.
        """
        state = self._checkpoints.state
        gone, known = set(state.gone or ()), state.fields or state.names or ()
        hidden = {name for name in known if name not in whole and not is_system(name)} - gone
        # names from a record are beside those of the catalogue, which the org may have never had
        told = hidden if state.fields else hidden.difference(self._module.spec.table.api_fields)
        if told:
            self._module.report.note(f"field {_some(told)} is gone or hidden")
        if hidden:
            self._checkpoints.state = replace(state, gone=tuple(sorted(gone | hidden)))

    def _read(self) -> FieldPlan:
        spec, state = self._module.spec, self._checkpoints.state
        try:
            self.metas = metadata.fields(self._module.client, spec.module)
        except ModuleMissing as error:
            raise ModuleMissing(
                spec.module, "the metadata does not know it"
            ) from error  # otherwise it would name the path
        except (ScopeMissing, NoPermission, NotSupported):
            return plan_from_memory(spec.table, state.names, state.fields, state.unlisted)
        plan = plan_from_metadata(spec.table, self.metas)
        picks = picks_of(self.metas, spec.table.api_fields)
        for change in [*plan.changes_since(state.fields or {}), *renamed(state.picks or {}, picks)]:
            self._module.report.note(change)
        gone = (set(state.gone or ()) | (state.fields or {}).keys()) - plan.types.keys()
        back = set(state.gone or ()) & plan.types.keys()
        appeared = plan.types.keys() - (state.fields or {}).keys()
        if back:
            self._module.report.note(f"field {_some(back)} is back: the next sync reads every row again")
        known = state.fields or state.names or spec.table.api_fields  # the names, if there was no metadata before
        filled = not back and self._fill((plan.types.keys() & set(plan.names)) - set(known))
        self._checkpoints.state = replace(
            self._checkpoints.state,
            fields=dict(plan.types),
            picks=picks,
            gone=tuple(sorted(gone)) or None,
            unlisted=tuple(sorted(part_fields(self.metas))) or None,
            refused=tuple(key for key in state.refused or () if key.rpartition(" ")[2] not in appeared) or None,
            again=state.again or bool(back) or filled,
        )
        return plan

    def _fill(self, new: Iterable[str]) -> bool:
        """Whether the next sync must read every row for these new fields. The report says so."""
        if filled := self._may_be_filled(new):
            self._module.report.note(f"older rows may have field {_some(new)}: the next sync reads every row again")
        return filled

    def _may_be_filled(self, new: Iterable[str]) -> bool:
        """Whether rows that this sync does not read have a value in one of these new fields.

        A field that a profile hid until now has values in old rows, and so have formulas and check boxes. Zoho gives no
        row a new time for it. A field that a person has just made is empty there, which a query shows for one credit.
        """
        module, names = self._module, sorted(new)
        cursor = self._checkpoints.state.cursor  # rows from here on are read in this sync
        if not names or cursor is None or module.full:
            return False
        if not self._can_query or len(names) > MOST_COUNTED:
            return True
        older = f"Modified_Time < '{format_time(cursor)}'"
        try:
            return any(count(module.client, module.spec.module, f"({name} is not null and {older})") for name in names)
        except REFUSALS:
            return True  # some types cannot be in a condition


def whole_record(client: ZohoClient, module: str, ids: Iterable[str]) -> Row | None:
    """The first of these records that exists, with all its fields. None: none exists."""
    found = (records.get_one(client, module, id_) for id_ in ids if is_digits(id_))  # no call can ask for another id
    return next((record for record in found if record is not None), None)


def widened(table: RawTable, plan: FieldPlan, whole: Row, unlisted: Iterable[str] | None = None) -> FieldPlan:
    """The plan with the fields of a whole record. `unlisted` as in the state of the module."""
    shown = plan_from_record(table, whole, unlisted)
    return replace(shown, names=tuple(dict.fromkeys([*plan.names, *shown.names])))


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (" …" if len(listed) > 5 else "")


def picks_of(metas: Sequence[FieldMeta], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Field → actual value → the text that people see, for the picklists of the catalogue."""
    return {
        meta.api_name: {value.actual_value: value.display_value for value in meta.pick_list_values}
        for meta in metas
        if meta.api_name in names and 0 < len(meta.pick_list_values) <= MOST_VALUES
    }


def renamed(before: Picks, now: Picks) -> list[str]:
    """Changes of picklists, as texts for a person: a value has another display name, is gone, or is new."""
    changes = []
    for name in sorted(before.keys() & now.keys()):
        was, is_ = before[name], now[name]
        changes += [f"{name}: {v!r} is shown as {is_[v]!r} now" for v in was.keys() & is_.keys() if was[v] != is_[v]]
        changes += [f"{name}: value {value!r} is gone" for value in sorted(was.keys() - is_.keys())]
        changes += [f"{name}: value {value!r} is new" for value in sorted(is_.keys() - was.keys())]
    return changes

"""The fields of a module in this sync, and what has changed about them since the last one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from zoho_pipeline.ingest.catalog.field_selection import (
    FieldPlan,
    plan_from_catalogue,
    plan_from_metadata,
    plan_from_record,
)
from zoho_pipeline.ingest.extract.checkpoints import Checkpoints
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.zoho.errors import ModuleMissing, NoPermission, NotSupported, ScopeMissing
from zoho_pipeline.zoho.read import metadata, records
from zoho_pipeline.zoho.read.metadata import FieldMeta

MOST_VALUES = 200
"""Values of a picklist that are watched; longer ones are lists of countries and the like."""

FIELDS_EVERY = timedelta(hours=24)
"""How often the fields of a module are read in which nothing changes; else they are read before its rows."""

Picks = Mapping[str, Mapping[str, str]]


class ModuleFields:
    """Which fields a sync asks for.

    Attributes:
        plan: without names until `ensure` was called.
        metas: the metadata that the plan comes from; None where it cannot be read.
    """

    def __init__(self, module: ModuleContext, checkpoints: Checkpoints) -> None:
        self._module, self._checkpoints = module, checkpoints
        self.plan = FieldPlan(())
        self.metas: list[FieldMeta] | None = None

    def ensure(self) -> FieldPlan:
        """The plan. At the first call the metadata is read, and the report says what has changed since the last sync.

        Raises:
            ModuleMissing: the org has no such module (any more), or hides it.
        """
        if not self.plan.names:
            self.plan = self._module.spec.plan or self._read()
            if self.metas:
                self._checkpoints.state = replace(self._checkpoints.state, fields_at=self._module.window.hi)
        return self.plan

    @property
    def due(self) -> bool:
        """Whether the fields are to be read although nothing has changed."""
        seen = self._checkpoints.state.fields_at
        fresh = seen is not None and timedelta(0) <= self._module.window.hi - seen < FIELDS_EVERY
        return self._module.spec.plan is None and not fresh

    @property
    def complete(self) -> bool:
        """Whether the plan names every field; else a record may show more (see `widen`)."""
        return self.plan.basis == "metadata" or self._module.spec.plan is not None

    def widen(self, id_: str) -> bool:
        """Add the fields that a single record shows to the plan; whether there were any."""
        spec = self._module.spec
        whole = records.get_one(self._module.client, spec.module, id_)
        wider = plan_from_record(spec.table, whole or ())
        if not set(wider.names) - set(self.plan.names):
            return False
        self._checkpoints.state = replace(self._checkpoints.state, names=wider.names)
        self.plan = wider
        return True

    def _read(self) -> FieldPlan:
        spec, state = self._module.spec, self._checkpoints.state
        try:
            self.metas = metadata.fields(self._module.client, spec.module)
        except ModuleMissing as error:
            raise ModuleMissing(spec.module, "the metadata does not know it") from error  # names the path else
        except (ScopeMissing, NoPermission, NotSupported):
            return FieldPlan(state.names) if state.names else plan_from_catalogue(spec.table)
        if not self.metas:
            return plan_from_catalogue(spec.table)
        plan = plan_from_metadata(spec.table, self.metas)
        picks = picks_of(self.metas, spec.table.api_fields)
        for change in [*plan.changes_since(state.fields or {}), *renamed(state.picks or {}, picks)]:
            self._module.report.note(change)
        self._checkpoints.state = replace(self._checkpoints.state, fields=dict(plan.types), picks=picks)
        return plan


def picks_of(metas: Sequence[FieldMeta], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Field → actual value → what people see, of the catalogue's picklists."""
    return {
        meta.api_name: {value.actual_value: value.display_value for value in meta.pick_list_values}
        for meta in metas
        if meta.api_name in names and 0 < len(meta.pick_list_values) <= MOST_VALUES
    }


def renamed(before: Picks, now: Picks) -> list[str]:
    """What a person should know of picklists: a value that is shown under another name, is gone, or is new."""
    told = []
    for name in sorted(before.keys() & now.keys()):
        was, is_ = before[name], now[name]
        told += [f"{name}: {v!r} is shown as {is_[v]!r} now" for v in was.keys() & is_.keys() if was[v] != is_[v]]
        told += [f"{name}: value {value!r} is gone" for value in sorted(was.keys() - is_.keys())]
        told += [f"{name}: value {value!r} is new" for value in sorted(is_.keys() - was.keys())]
    return told

"""The fields of a module in this run, and what has changed about them since the last one."""

from collections.abc import Mapping, Sequence

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan, plan_from_catalogue, plan_from_metadata
from zoho_pipeline.ingest.extract.modules import Target
from zoho_pipeline.ingest.extract.step import ModuleState
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import ModuleMissing, NoPermission, NotSupported, ScopeMissing
from zoho_pipeline.zoho.read import metadata
from zoho_pipeline.zoho.read.metadata import FieldMeta

MOST_VALUES = 200
"""Values of a picklist that are watched; longer ones are lists of countries and the like."""

Picks = Mapping[str, Mapping[str, str]]


def read_shape(
    client: ZohoClient, target: Target, state: ModuleState, report: ModuleReport
) -> tuple[FieldPlan, list[FieldMeta] | None, ModuleState]:
    """The plan, the metadata it comes from (None: not readable) and the state that remembers it.

    Raises:
        ModuleMissing: the org has no such module (any more), or hides it.
    """
    if target.plan is not None:
        return target.plan, None, state
    try:
        metas = metadata.fields(client, target.module)
    except ModuleMissing as error:
        raise ModuleMissing(target.module, "the metadata does not know it") from error  # names the path else
    except (ScopeMissing, NoPermission, NotSupported):
        names = state.get("names")
        return (FieldPlan(tuple(names)) if names else plan_from_catalogue(target.table)), None, state
    if not metas:
        return plan_from_catalogue(target.table), metas, state
    plan = plan_from_metadata(target.table, metas)
    picks = picks_of(metas, target.table.api_fields)
    for change in [*plan.changes_since(state.get("fields") or {}), *renamed(state.get("picks") or {}, picks)]:
        report.note(change)
    return plan, metas, {**state, "fields": dict(plan.types), "picks": picks}


def picks_of(metas: Sequence[FieldMeta], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Field → actual value → what people see, of the catalogue's picklists."""
    return {
        meta.api_name: {value.actual_value: value.display_value for value in meta.pick_list_values}
        for meta in metas
        if meta.api_name in names and 0 < len(meta.pick_list_values) <= MOST_VALUES
    }


def renamed(before: Picks, now: Picks) -> list[str]:
    """What a person should know of picklists: a value shown under another name, gone, or new."""
    told = []
    for name in sorted(before.keys() & now.keys()):
        was, is_ = before[name], now[name]
        told += [f"{name}: {v!r} is shown as {is_[v]!r} now" for v in was.keys() & is_.keys() if was[v] != is_[v]]
        told += [f"{name}: value {value!r} is gone" for value in sorted(was.keys() - is_.keys())]
        told += [f"{name}: value {value!r} is new" for value in sorted(is_.keys() - was.keys())]
    return told

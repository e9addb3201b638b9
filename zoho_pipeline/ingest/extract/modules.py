"""The modules that a sync reads record by record: those of the catalogue, chosen ones, and Zoho's history modules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from zoho_pipeline.channels.registry.model import SUBFORMS, Channel
from zoho_pipeline.ingest.catalog.chosen_modules import records_of
from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.catalog.tables import (
    BY_MODULE,
    DEAL_STAGE_HISTORY,
    LEAD_STATUS_HISTORY,
    MODULE_TABLES,
    RawTable,
)
from zoho_pipeline.ingest.convert.json_to_arrow import Converted, to_arrow
from zoho_pipeline.zoho.parsing import ODD, joined, odd_values
from zoho_pipeline.zoho.read.metadata import DEAL_HISTORY
from zoho_pipeline.zoho.read.pages import Row


@dataclass(frozen=True)
class ModuleSpec:
    """A Zoho module and the raw table that it fills.

    `plan` is given if the fields are known beforehand. `reshape` turns a record into a dict keyed by our own
    columns. `constants` are columns with one value in every row. `has_parts`: the parts that only the call for a single
    record returns are asked for.
    """

    module: str
    table: RawTable
    plan: FieldPlan | None = None
    reshape: Callable[[Row], dict[str, Any]] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    has_deletions: bool = True
    has_parts: bool = False

    @property
    def is_chosen(self) -> bool:
        """Whether a person chose the module for the channel. The org may lack it."""
        return self.table.is_shared

    def convert(self, rows: Sequence[Row], channel_id: str, synced_at: datetime) -> Converted:
        """Convert records of Zoho to a table with the schema of the catalogue, and the values that did not fit."""
        shaped = rows if self.reshape is None else [joined(self.reshape(row), {ODD: odd_values(row)}) for row in rows]
        return to_arrow(self.table, shaped, channel_id=channel_id, synced_at=synced_at, constants=self.constants)


MODULE_SPECS = tuple(ModuleSpec(table.module or "", table) for table in MODULE_TABLES)


def module_spec(module: str) -> ModuleSpec:
    return ModuleSpec(module, BY_MODULE[module])


def chosen_specs(channel: Channel) -> list[ModuleSpec]:
    """The modules that a person chose for the channel, without those that are in the catalogue by now."""
    chosen = [item for item in channel.chosen_modules.items() if item[0] not in BY_MODULE]
    return [ModuleSpec(name, records_of(name), has_parts=kind == SUBFORMS) for name, kind in chosen]


def deal_history() -> ModuleSpec:
    """Zoho's own history of deal stages: one row per stay; Modified_Time is when the stage was entered."""
    names = ("Modified_Time", "Potential_Name", "Stage", "Moved_To__s", "Amount", *_DURATIONS)

    def reshape(row: Row) -> dict[str, Any]:
        parent = row.get("Potential_Name")
        return {
            "id": row["id"],
            "deal_id": _part(parent, "id"),
            "deal_name": _part(parent, "name"),
            "stage": row.get("Stage"),
            "moved_to": row.get("Moved_To__s"),
            "amount": row.get("Amount"),
            "duration_days": _duration(row),
            "modified_time": row.get("Modified_Time"),
        }

    return ModuleSpec(DEAL_HISTORY, DEAL_STAGE_HISTORY, FieldPlan(names), reshape, {"basis": "tracker"}, False)


def lead_history(module: str) -> ModuleSpec:
    """An org's own history of the lead status. Each org has its own name for it."""
    names = ("Modified_Time", "Full_Name", "Lead_Status", "Moved_To__s", *_DURATIONS)

    def reshape(row: Row) -> dict[str, Any]:
        return {
            "id": row["id"],
            "lead_id": _part(row.get("Full_Name"), "id"),
            "lead_status": row.get("Lead_Status"),
            "moved_to": row.get("Moved_To__s"),
            "duration_days": _duration(row),
            "modified_time": row.get("Modified_Time"),
        }

    return ModuleSpec(module, LEAD_STATUS_HISTORY, FieldPlan(names), reshape, {"basis": "tracker"}, False)


_DURATIONS = ("Stage_Duration_Calendar_Days", "Duration_Days")


def _duration(row: Row) -> Any:
    return next((row[name] for name in _DURATIONS if row.get(name) is not None), None)


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else value if name == "id" else None

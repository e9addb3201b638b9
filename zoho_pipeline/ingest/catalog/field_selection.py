"""Which fields of a module to request: the catalogue's fields that exist, and all other readable ones.

Zoho accepts at most 50 names per call, so a module with more fields is read in slices. Each slice has Modified_Time,
which shows whether the slices of a record belong to the same version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoho_pipeline.ingest.catalog.model import RawTable
from zoho_pipeline.zoho.read.metadata import FieldMeta
from zoho_pipeline.zoho.read.records import MOST_FIELDS

_NEVER_LISTED = {"subform", "multiselectlookup", "multiuserlookup", "profileimage", "fileupload", "imageupload"}
"""Types that a list call leaves out. Only the call for a single record returns them."""

_IMAGE, _TAG = "Record_Image", "Tag"

_ALWAYS = ("Modified_Time", "Created_Time", "Owner", "Created_By", "Modified_By")


def is_system(api_name: str) -> bool:
    """Whether Zoho itself writes the field. Some orgs' metadata lacks these fields, although records have them."""
    return api_name.startswith(("$", "Converted_")) or api_name.endswith("__s") or api_name in _ALWAYS


@dataclass(frozen=True)
class FieldPlan:
    """The fields of one module in this run.

    Attributes:
        names: all fields to request, without `id`.
        types: Zoho's data type by API name, if the metadata could be read.
        basis: where the names come from: metadata | record | catalogue.
    """

    names: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    basis: str = "catalogue"

    @property
    def slices(self) -> list[tuple[str, ...]]:
        """The names in slices of at most 50, each with Modified_Time."""
        rest = [name for name in self.names if name != "Modified_Time"]
        width = MOST_FIELDS - 1
        parts = [rest[start : start + width] for start in range(0, len(rest), width)] or [[]]
        return [("Modified_Time", *part) for part in parts]

    def changes_since(self, before: Mapping[str, str]) -> list[str]:
        """Sentences for a person about fields that appeared, disappeared or changed their type since the last run."""
        if not before or not self.types:
            return []
        notes = [f"field {name} appeared" for name in sorted(self.types.keys() - before.keys())]
        notes += [f"field {name} is gone or hidden" for name in sorted(before.keys() - self.types.keys())]
        notes += [
            f"field {name} changed from {before[name]} to {type_}"
            for name, type_ in sorted(self.types.items())
            if name in before and before[name] != type_
        ]
        return notes


def plan_from_metadata(table: RawTable, metas: Sequence[FieldMeta]) -> FieldPlan:
    """The catalog's fields that the metadata lists, the system fields, and all other fields that a list can return."""
    types = {meta.api_name: meta.data_type for meta in metas if meta.visible and meta.data_type not in _NEVER_LISTED}
    known = {meta.api_name for meta in metas}
    hidden = known - types.keys()
    wanted = [name for name in table.api_fields if name in types or (is_system(name) and name not in hidden)]
    others = [name for name in types if name not in table.api_fields and name != "id"]
    return FieldPlan(tuple(dict.fromkeys([*wanted, *others])), types, "metadata")


def part_fields(metas: Sequence[FieldMeta]) -> frozenset[str]:
    """The readable fields that only the call for a single record returns."""
    return frozenset(meta.api_name for meta in metas if meta.visible and meta.data_type in _NEVER_LISTED)


def plan_from_record(table: RawTable, record: Mapping[str, Any], unlisted: Iterable[str] | None = None) -> FieldPlan:
    """The catalog's fields, and the fields of one record that was read whole, without `$…` keys.

    Fields that only the call for a single record returns are left out: queries and jobs with their names are refused.
    The record names its subforms in `$has_more`. Lookups of several records, files and images are lists of objects. An
    empty one looks like any empty field: `unlisted` has those that metadata named once.
    """
    alone = {_IMAGE, *_alone(record), *(unlisted or ())}
    others = [key for key in record if not key.startswith("$") and key != "id" and key not in alone]
    return FieldPlan(tuple(dict.fromkeys([*table.api_fields, *others])), {}, "record")


def parts_of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a whole record that only the call for a single record returns, without empty ones."""
    names = sorted(_alone(record))
    return {name: record[name] for name in names if record.get(name) not in (None, [], {})}


def _alone(record: Mapping[str, Any]) -> set[str]:
    subforms = record.get("$has_more")
    named = set(subforms) if isinstance(subforms, dict) else set()
    return named | {key for key, value in record.items() if key != _TAG and _has_objects(value)}


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(part, dict) for part in value)


def plan_from_memory(
    table: RawTable,
    names: Iterable[str] | None,
    types: Mapping[str, str] | None,
    unlisted: Iterable[str] | None = None,
) -> FieldPlan:
    """The fields that earlier syncs knew, where the metadata cannot be read: the names from records, and the types.

    The catalog's fields alone would leave out the custom fields, and no later sync reads these rows again.

    Args:
        names: the fields that a record showed, which may be wrong about empty ones (see `plan_from_record`).
        unlisted: fields that metadata showed to be in no list.
    """
    without = {"id", *(unlisted or ())}
    known = dict.fromkeys([*(names or table.api_fields), *(types or ())])
    return FieldPlan(tuple(name for name in known if name not in without))

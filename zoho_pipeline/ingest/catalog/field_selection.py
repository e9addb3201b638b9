"""Which fields of a module to ask for: the catalogue's that exist, and every other readable one.

Zoho takes at most 50 names a call, so a wide module is read in slices; each slice carries
Modified_Time, by which the slices of one record are known to be of one version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoho_pipeline.ingest.catalog.tables import RawTable
from zoho_pipeline.zoho.read.metadata import FieldMeta

SLICE = 50
"""Field names Zoho accepts in one list call; the 51st is LIMIT_EXCEEDED."""

_NEVER_LISTED = {"subform", "multiselectlookup", "multiuserlookup", "profileimage", "fileupload", "imageupload"}
"""Types that a list call leaves out: only a single GET returns them."""

_ALWAYS = ("Modified_Time", "Created_Time", "Owner", "Created_By", "Modified_By")


def is_system(api_name: str) -> bool:
    """Fields Zoho keeps itself; some orgs' metadata does not list them although records carry them."""
    return api_name.startswith(("$", "Converted_")) or api_name.endswith("__s") or api_name in _ALWAYS


@dataclass(frozen=True)
class FieldPlan:
    """The fields of one module in this run.

    Attributes:
        names: every field asked for, without `id`.
        types: Zoho's data type by API name, where metadata could be read.
        basis: metadata | record | catalogue: where the names come from.
    """

    names: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    basis: str = "catalogue"

    @property
    def slices(self) -> list[tuple[str, ...]]:
        """At most 50 names each, Modified_Time in all of them."""
        rest = [name for name in self.names if name != "Modified_Time"]
        width = SLICE - 1
        parts = [rest[start : start + width] for start in range(0, len(rest), width)] or [[]]
        return [("Modified_Time", *part) for part in parts]

    def changes_since(self, before: Mapping[str, str]) -> list[str]:
        """What a person should know: fields that came, went or changed type since the last run."""
        if not before or not self.types:
            return []
        told = [f"field {name} appeared" for name in sorted(self.types.keys() - before.keys())]
        told += [f"field {name} is gone or hidden" for name in sorted(before.keys() - self.types.keys())]
        told += [
            f"field {name} changed from {before[name]} to {type_}"
            for name, type_ in sorted(self.types.items())
            if name in before and before[name] != type_
        ]
        return told


def plan_from_metadata(table: RawTable, metas: Sequence[FieldMeta]) -> FieldPlan:
    """Catalogue ∩ metadata, the system fields, and every other field a list call can return."""
    types = {meta.api_name: meta.data_type for meta in metas if meta.visible and meta.data_type not in _NEVER_LISTED}
    known = {meta.api_name for meta in metas}
    hidden = known - types.keys()
    wanted = [name for name in table.api_fields if name in types or (is_system(name) and name not in hidden)]
    others = [name for name in types if name not in table.api_fields and name != "id"]
    return FieldPlan(tuple(dict.fromkeys([*wanted, *others])), types, "metadata")


def plan_from_record(table: RawTable, keys: Iterable[str]) -> FieldPlan:
    """The catalogue's fields and whatever a single GET of one record showed; `$…` keys apart."""
    others = [key for key in keys if not key.startswith("$") and key != "id"]
    return FieldPlan(tuple(dict.fromkeys([*table.api_fields, *others])), {}, "record")


def plan_from_catalogue(table: RawTable) -> FieldPlan:
    return FieldPlan(table.api_fields)

"""The state that a sync keeps for the next one. dlt stores it beside the rows, so that the two always agree.

The keys in the JSON are those of the first release. A key that this release does not know is kept as it is, so that
nothing of a newer release is lost after a downgrade and an upgrade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Self

from zoho_pipeline.ingest.routes.bulk_route import BulkCheckpoint
from zoho_pipeline.ingest.routes.change_probe import CREATED, KnownDifference
from zoho_pipeline.ingest.routes.window import parse

EMAILS = "Emails"
"""The key of the state of the e-mails, which is stored among the modules."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class SilentPass:
    """One re-reading of the silent fields of a module. It may take several syncs.

    `began` is by Zoho's clock. `after` is the place up to which it has read: the last id (queries), or an instant of
    Modified_Time as ISO text (lists). None: it has read everything.
    """

    began: datetime
    after: str | None = None

    @classmethod
    def from_json(cls, stored: Json) -> Self:
        began = parse(stored["began"])
        assert began is not None
        return cls(began, stored.get("after"))

    def to_json(self) -> dict[str, Any]:
        return {"began": self.began.isoformat(), "after": self.after}


@dataclass(frozen=True)
class ModuleState:
    """The state of one module. Instants have a time zone; in the JSON they are ISO texts.

    Attributes:
        table: the raw table of the module.
        cursor: the table has everything that was changed before it.
        final_to: every second below it was over when it was read. Rows from here on are read once more.
        read_at: when the newest rows were read, by Zoho's clock.
        proved: like `cursor`, but by the Modified_Time of the records (see `watermarks`).
        deleted_cursor, deleted_from: cursor and watermark of the list of deletions.
        strangers: id → deleted_time as Zoho wrote it, of listed deletions whose records were never stored.
        nameless: id → Modified_Time, of rows without a usable id: they have been compared.
        fields, picks, fields_at: data type by field, shown text by value by picklist, and when both were read.
        gone: fields that an earlier list of fields had, and the last one or a whole record had not.
        again: such a field came back, so the next sync reads every row: those read meanwhile lack its value.
        names: the fields that a single record showed, if the metadata cannot be read.
        unlisted: the fields that only the call for a single record returns, as the last list of fields showed them.
        refused: what Zoho refused in queries of the module, so that it is told once: Created_Time, or a code.
        query_rows: the largest page of a query that the org accepted, if it refused a larger one.
        inclusive: If-Modified-Since was seen to include its own second.
        bare_names: rows came with bare ids of lookups; names may be missing.
        absent: the org has no such module, or hides it (history modules and chosen modules).
        doubt: the next sync compares the module id by id.
        compared: the difference that the last comparison id by id left.
        bulk: the Bulk Read job that a sync has begun to load.
        parts_from: parts of records that were read before it are read again. None: no parts are asked for.
        part_fields: the fields whose values are parts of records, as the list of fields showed them.
        silent: the last re-reading of fields that change without a new Modified_Time.
        unknown: keys of a newer release.
    """

    table: str | None = None
    cursor: datetime | None = None
    deleted_cursor: datetime | None = None
    final_to: datetime | None = None
    read_at: datetime | None = None
    proved: datetime | None = None
    deleted_from: datetime | None = None
    strangers: Mapping[str, str] | None = None
    nameless: Mapping[str, str] | None = None
    fields_at: datetime | None = None
    fields: Mapping[str, str] | None = None
    picks: Mapping[str, Mapping[str, str]] | None = None
    gone: tuple[str, ...] | None = None
    again: bool = False
    names: tuple[str, ...] | None = None
    unlisted: tuple[str, ...] | None = None
    refused: tuple[str, ...] | None = None
    query_rows: int | None = None
    inclusive: bool = False
    bare_names: bool = False
    absent: bool = False
    doubt: bool = False
    compared: KnownDifference | None = None
    bulk: BulkCheckpoint | None = None
    parts_from: datetime | None = None
    part_fields: tuple[str, ...] | None = None
    silent: SilentPass | None = None
    unknown: Json = field(default_factory=dict)

    @property
    def shows_creation(self) -> bool:
        """Whether queries can name Created_Time, as far as it is known."""
        return CREATED not in (self.refused or ())

    def advanced(self, to: datetime, final_to: datetime, read_at: datetime) -> Self:
        """The state once everything changed before `to` is loaded. Rows below `final_to` can only change visibly."""
        return replace(self, cursor=to, final_to=final_to, read_at=read_at)

    def with_fields_of(self, other: "ModuleState") -> Self:
        """This state with what the other one knows about the fields of the module."""
        return replace(self, **{name: getattr(other, name) for name in _ABOUT_FIELDS})

    @classmethod
    def from_json(cls, stored: Json) -> Self:
        """Read a state that any release stored."""
        found: dict[str, Any] = {name: value for name, value in stored.items() if name in _KNOWN}
        found |= {name: parse(found[name]) for name in _INSTANTS & found.keys()}
        found |= {name: tuple(found[name]) for name in _TUPLES if found.get(name) is not None}
        if found.get("compared") is not None:
            found["compared"] = KnownDifference.from_json(found["compared"])
        if found.get("bulk") is not None:
            found["bulk"] = BulkCheckpoint.from_json(found["bulk"])
        if found.get("silent") is not None:
            found["silent"] = SilentPass.from_json(found["silent"])
        return cls(**found, unknown={name: value for name, value in stored.items() if name not in _KNOWN})

    def to_json(self) -> dict[str, Any]:
        """The state as it is stored, without values that are None or false."""
        values = {name: getattr(self, name) for name in _KNOWN}
        return dict(self.unknown) | {
            name: _plain(value) for name, value in values.items() if value is not None and value is not False
        }


@dataclass(frozen=True)
class EmailState:
    """How far the e-mails of leads are in. Leads are read in the order of their last change or activity, then of id.

    The lead at (`cursor`, `id`) was the last one that was read.
    """

    cursor: datetime | None = None
    id: str = ""

    @classmethod
    def from_json(cls, stored: Json) -> Self:
        return cls(parse(stored.get("cursor")), str(stored.get("id", "")))

    def to_json(self) -> dict[str, Any]:
        return {"table": "emails", "cursor": self.cursor.isoformat() if self.cursor else None, "id": self.id}


@dataclass(frozen=True)
class ChannelState:
    """The state of a channel: one state per module, by name, and the state of the e-mails if they are read."""

    modules: Mapping[str, ModuleState] = field(default_factory=dict)
    emails: EmailState | None = None

    def of(self, module: str) -> ModuleState:
        return self.modules.get(module, ModuleState())

    @classmethod
    def from_json(cls, stored: Json) -> Self:
        """Read the state of the dlt source `zoho_crm`."""
        found = dict(stored.get("modules") or {})
        emails = found.pop(EMAILS, None)
        modules = {module: ModuleState.from_json(state) for module, state in found.items()}
        return cls(modules, EmailState.from_json(emails) if emails is not None else None)

    def to_json(self) -> dict[str, Any]:
        modules = {module: state.to_json() for module, state in self.modules.items()}
        return {"modules": modules | ({EMAILS: self.emails.to_json()} if self.emails else {})}


_KNOWN = tuple(f.name for f in fields(ModuleState) if f.name != "unknown")
_INSTANTS = {"cursor", "deleted_cursor", "final_to", "read_at", "proved", "deleted_from", "fields_at", "parts_from"}
_ABOUT_FIELDS = ("fields", "picks", "fields_at", "gone", "again", "names", "unlisted", "refused")
_TUPLES = ("names", "unlisted", "gone", "refused", "part_fields")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value.to_json() if isinstance(value, KnownDifference | BulkCheckpoint | SilentPass) else value

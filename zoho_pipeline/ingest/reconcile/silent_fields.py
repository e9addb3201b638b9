"""Fields that change without a new Modified_Time: formulas and roll-up summaries. No list of changes shows them.

So each week they are read again for every record of a module that has some: ids, versions and these fields alone, by
queries if possible. What differs from the warehouse is read by id, and is loaded as a sync loads it. A pass costs at
most `reread_credits` per sync and channel. If that is too little, the next sync goes on where this one ended.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.convert.cell_values import MISFITS
from zoho_pipeline.ingest.convert.json_to_arrow import convert_column
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.row_filter import Tables
from zoho_pipeline.ingest.extract.state import ModuleState, SilentPass
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.commit import load
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import columns_of_ids, known_deletions
from zoho_pipeline.ingest.routes import by_id, coql_route
from zoho_pipeline.ingest.routes.records_route import KeysetReader
from zoho_pipeline.ingest.routes.window import EVER, modified, parse
from zoho_pipeline.setting_checks import PREFIX
from zoho_pipeline.zoho import parsing
from zoho_pipeline.zoho.errors import BadAnswer, Permanent, Retryable
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.pages import Row

SILENT_TYPES = frozenset({"formula", "rollup_summary"})
"""Zoho's data types whose values Zoho computes, from other fields, other records or the time of day."""

EVERY = timedelta(days=7)

_BEGIN = "0"
"""The place before the first record of a pass, for queries and for lists."""


def silent_names(state: ModuleState) -> tuple[str, ...]:
    """The fields of a module that change without a new Modified_Time, as far as its list of fields shows them."""
    return tuple(sorted(name for name, type_ in (state.fields or {}).items() if type_ in SILENT_TYPES))


def reread_silent_fields(sync: SyncContext) -> None:
    """Read the silent fields of every module whose last pass began a week ago or was not finished, and repair."""
    left = sync.registry.settings.reread_credits
    for module, reader in sync.readers.items():
        report = sync.reports[module]
        if sync.fatal is not None or not sync.whole or not left or report.outcome != "complete":
            continue
        before = reader.client.meter.credits
        try:
            _reread(sync, reader, left)
        except (Permanent, Retryable) as error:
            # everything that lists of changes show is loaded, so the module is complete
            report.note(f"formula fields were not read again to their end, and the next sync goes on: {error}")
        finally:
            report.count(reader.client.meter)
            left = max(left - (reader.client.meter.credits - before), 0)


def _reread(sync: SyncContext, reader: ModuleReader, credits: float) -> None:
    state, hi = sync.state.of(reader.spec.module), sync.window.hi
    names = silent_names(state)
    if not names or not reader.spec.has_deletions:
        return
    if reader.began_at is None or reader.module.full:  # this sync has read every field of every record
        _store(sync, reader, SilentPass(hi), [])
        return
    found = state.silent
    if found is None or (found.after is None and not timedelta(0) <= hi - found.began < EVERY):
        found = SilentPass(hi, _BEGIN)
    if found.after is not None:
        _Pass(sync, reader, names, found, credits).run()


class _Pass:
    """The part of a pass that one sync makes."""

    def __init__(
        self, sync: SyncContext, reader: ModuleReader, names: Sequence[str], found: SilentPass, credits: float
    ) -> None:
        self._sync, self._reader, self._names = sync, reader, names
        self._found, self._credits = found, credits
        self._spent_before = reader.client.meter.credits
        table = reader.spec.table
        self._columns = {name: c for name in names for c in table.columns if c.api_name == name and c.part == "value"}
        self._others = next(c.name for c in table.columns if c.part == "others")
        self._changed: dict[str, Row] = {}
        self._repaired = 0

    def run(self) -> None:
        """Read pages until the end or the bound. What was repaired is stored with the place that was reached."""
        report = self._reader.report
        after: str | None = self._found.after
        try:
            for rows, reached in self._pages(str(after)):
                self._repair(rows)
                after = reached
                if len(self._changed) >= self._sync.limits.rows_while_waiting:
                    self._flush(after)
        finally:
            self._flush(after)
            if self._repaired:
                shown = ", ".join(self._names[:5]) + (" …" if len(self._names) > 5 else "")
                report.note(f"{self._repaired} records had another {shown} without a new Modified_Time: repaired")
        if after is not None:
            report.note(self._stopped(after))

    def _stopped(self, after: str) -> str:
        bound, name = self._sync.registry.settings.reread_credits, f"{PREFIX}REREAD_CREDITS"
        if self._credits == bound and after == self._found.after:
            return (
                f"formula fields are not read again: {name} is {bound}, and the next step of "
                f"{self._reader.spec.module} costs more. Raise it, or set it to 0, which switches this off"
            )
        return "the weekly reading of formula fields reached its bound of credits; the next sync goes on"

    def _flush(self, after: str | None) -> None:
        rows, self._changed = list(self._changed.values()), {}
        self._repaired += len(rows)
        self._reader.report.rows += len(rows)
        _store(self._sync, self._reader, replace(self._found, after=after), rows)

    def _pages(self, after: str) -> Iterator[tuple[list[Row], str | None]]:
        """The pages of (rows, place after them); the place after the last page is None. They end at the bound."""
        if self._reader.routes.can_query and is_digits(after):
            try:
                yield from self._queried(after)
                return
            except coql_route.REFUSALS as refused:
                self._reader.routes.refuse_queries(refused)
                after = _BEGIN
        yield from self._listed(after)

    def _queried(self, after: str) -> Iterator[tuple[list[Row], str | None]]:
        client, module = self._reader.client, self._reader.spec.module
        while size := self._affordable():
            page = coql.ids(client, module, after=after, limit=size, fields=("Modified_Time", *self._names))
            self._reader.report.took("reread-coql")
            last = coql.last_id(page, after)
            yield page.rows, last if page.more else None
            if not page.more:
                return
            if int(last) <= int(after):
                raise BadAnswer(f"COQL on {module}: more records follow, but the page ends where it began.")
            after = last

    def _listed(self, after: str) -> Iterator[tuple[list[Row], str | None]]:
        """By lists, in the order of change. A record that changes meanwhile is read by the next sync."""
        reader, limits = self._reader, self._sync.limits
        plan = FieldPlan(tuple(self._names))
        since = None if is_digits(after) else parse(after)
        price = (limits.list_credits + 2) * len(plan.slices)
        found = KeysetReader(reader.client, reader.spec.module, plan, self._sync.window).read(since)
        while self._left() >= price:
            batch = next(found, None)
            if batch is None:
                yield [], None
                return
            reader.report.took("reread-records")
            yield batch.rows, (batch.reached or EVER).isoformat()

    def _left(self) -> float:
        return self._credits - (self._reader.client.meter.credits - self._spent_before)

    def _affordable(self) -> int:
        """The rows of the next query, for which the credits suffice if all of them differ; 0: for none."""
        slices = len(self._reader.fields.ensure().slices)
        large = min(self._reader.client.pacing.query_rows, self._reader.state.query_rows or coql.MOST_ROWS)
        for size, price in ((large, 3), (min(coql.SAFE_ROWS, large), 1)):
            if self._left() >= price + -(-size // by_id.IDS_PER_CALL) * slices:
                return size
        return 0

    def _repair(self, rows: Sequence[Row]) -> None:
        """Fetch the records whose stored version is that of the page, and whose silent fields differ."""
        reader = self._reader
        known = self._as_stored([row for row in rows if is_digits(row["id"])])
        stored = self._stored([row["id"] for row in known])
        differing = [row["id"] for row in known if self._differs(row, stored.get(row["id"]))]
        if not differing:
            return
        fetched = by_id.fetch(reader.client, reader.spec.module, reader.fields.ensure_for(differing), differing)
        # a query may write a value in another form than a list: then nothing differs
        shown = self._as_stored(list(fetched.values()))
        self._changed |= {
            row["id"]: fetched[row["id"]] for row in shown if self._differs(row, stored.get(row["id"]), newer=True)
        }

    def _as_stored(self, rows: Sequence[Row]) -> list[Row]:
        """These rows with the values that their columns can hold.

        A value that does not fit is null in the warehouse. Compared as Zoho shows it, it would be repaired each week.
        """
        ids, found = [row["id"] for row in rows], [dict(row) for row in rows]
        for name, column in self._columns.items():
            values = convert_column(column, [row.get(name) for row in rows], ids, []).to_pylist()
            for row, value in zip(found, values, strict=True):
                row[name] = value
        return found

    def _stored(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The live rows of the warehouse among these ids, without those that were deleted."""
        spec, channel_id = self._reader.spec, self._sync.channel.id
        ids = [id_ for id_ in ids if id_ not in self._gone]
        columns = ("id", "modified_time", self._others, *(column.name for column in self._columns.values()))
        with self._sync.warehouse.connect() as connection:
            return columns_of_ids(connection, spec.table, columns, channel_id, ids)

    @cached_property
    def _gone(self) -> Collection[str]:
        """The ids of the module's deleted records. The pass changes none of them, so it asks once and not per page."""
        module = self._reader.spec.module
        with self._sync.warehouse.connect() as connection:
            return known_deletions(connection, [self._sync.channel.id], module)[self._sync.channel.id].get(module, {})

    def _differs(self, row: Row, stored: Mapping[str, Any] | None, *, newer: bool = False) -> bool:
        """Whether the silent fields differ. Another version is the business of the next sync, except with `newer`."""
        if stored is None:
            return False
        if (stored["modified_time"] or EVER) != modified(row):
            return newer
        others = parsing.parse(str(stored[self._others] or "{}").encode())
        for name in self._names:
            held = stored[self._columns[name].name] if name in self._columns else others.get(name)
            if not is_same(held, row.get(name)):
                return True
        return False


def is_same(held: Any, shown: Any) -> bool:
    """Whether two values mean the same. A bulk file gives numbers and booleans of formulas as text."""
    if held == shown or (held in (None, "") and shown in (None, "")):
        return True
    if isinstance(held, bool) or isinstance(shown, bool):
        return str(held).lower() == str(shown).lower()
    if isinstance(held, str) and isinstance(shown, str):
        return False
    try:
        return Decimal(str(held)) == Decimal(str(shown))
    except (InvalidOperation, *MISFITS):
        return False


def _store(sync: SyncContext, reader: ModuleReader, found: SilentPass, rows: Sequence[Row]) -> None:
    """Load these records, and the place that the pass has reached."""
    module = reader.spec.module
    batch, tables = LoadBatch(), Tables()
    if rows:
        reader.rows.convert(list(rows), sync.window.now(), tables)
        batch.put(tables)
    batch.states[module] = replace(sync.state.of(module).with_fields_of(reader.state), silent=found)
    load(sync, batch)

"""The rows of a module that the warehouse had when a sync began (`raw/read_baseline` reads them)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.deletions import Known


@dataclass(frozen=True)
class Baseline:
    """The rows of one channel and module at the start of a sync.

    Attributes:
        since: the warehouse has everything that was changed before it. None: it has nothing.
        recent: id → modified_time of rows at or after `since`. A second reading of one of these versions is no change.
        deletions: the deletions of the module that have not been undone, by id.
        empty: the channel has no row in the table.
        totals: count and latest change of the live rows; None for modules without a list of deletions.
        unsettled: from this instant on, a second may not have been over when it was read. Its rows are read again
            although their Modified_Time is the stored one. None: there are no such rows.
        too_many: there are too many unsettled rows to read them again.
        converted: leads that are known to have been converted at or after `since`.
        proved: the warehouse has every record with an earlier Modified_Time, also if a clock was wrong (see
            `watermarks`). None: no row was read.
        again: rows from this instant on are loaded again although their version is stored. None: all rows from `since`.
        ahead: the state has an instant that is later than the clock of this sync, so one of the two clocks is wrong.
    """

    since: datetime | None
    recent: Mapping[str, datetime] = field(default_factory=dict)
    deletions: Mapping[str, Known] = field(default_factory=dict)
    empty: bool = True
    totals: Totals | None = None
    unsettled: datetime | None = None
    too_many: bool = False
    converted: frozenset[str] = frozenset()
    proved: datetime | None = None
    again: datetime | None = None
    ahead: bool = False

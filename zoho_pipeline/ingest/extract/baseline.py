"""What the warehouse held of a module when a sync began (`raw/read_baseline` reads it)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.deletions import Known


@dataclass(frozen=True)
class Baseline:
    """The rows of one channel and module at the start.

    Attributes:
        since: everything changed before it is in the warehouse; None: nothing is.
        recent: id → modified_time of rows at or after `since`. Reading one of these versions again is no change.
        deletions: the deletions of the module that have not been undone, by id.
        empty: the channel has no row in the table.
        totals: count and latest change of the live rows; None for modules without a list of deletions.
        unsettled: from here on a second may not have been over when it was read. Such rows are read again although
            their Modified_Time is the one held. None: there are none.
        too_many: there are too many unsettled rows to read them again.
        converted: leads that are known to have been converted at or after `since`.
        proved: everything stamped before it is in, whatever a clock said (see `watermarks`). None: no row was read.
        again: rows from here on are loaded again although their version is held. None: all rows from `since` on.
        ahead: the state has an instant later than this sync's own clock, so one of the two clocks is wrong.
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

"""Whether a sync found nothing new, so that nothing has to be loaded.

A load of the cursors alone costs as much as one with rows. So the stored cursors stay: each is a lower bound, and the
next sync reads from there. It finds the same, because nothing was changed in between. What the list of deletions shows
since an old cursor is what it showed before. What could become dearer with the days is looked at here: then the sync
loads its state as usual.
"""

from dataclasses import replace
from datetime import timedelta
from zlib import crc32

from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes.deletions import PAGE_ROOM, is_news, is_stranger

MOVED_AFTER, SPREAD = timedelta(days=20), timedelta(days=10)
"""A cursor moves at the latest after these days, long before Zoho forgets deletions (60 days). The second value spreads
the channels of one first night, so that they do not all load in one later night."""

QUIET_REQUESTS = 4
"""The calls of a module without news: the list of deletions, a query or a list, the fields, and one repetition. More
calls mean that an old cursor makes a module dearer."""

SELDOM = timedelta(hours=12)
"""A channel that is synced more often than this stores when its fields were read, else each sync would read them."""

_TIMES = ("cursor", "final_to", "read_at", "deleted_cursor", "deleted_from", "fields_at")
"""What a sync without news moves. An old value is a true one."""


def is_quiet(sync: SyncContext, stored: ChannelState, batch: LoadBatch) -> bool:
    """Whether the stored state is as good as the one that this sync would load, and there are no rows.

    Args:
        stored: the state in the warehouse when the sync began.
        batch: what is left to load, with the states of the modules.
    """
    if batch.rows or batch.emails is not None or any(report.rows for report in _reports(sync)):
        return False
    return all(_is_quiet_module(sync, stored, module, batch.states.get(module)) for module in sync.readers)


def _reports(sync: SyncContext) -> list[ModuleReport]:
    return [sync.reports[module] for module in sync.readers]


def _is_quiet_module(sync: SyncContext, stored: ChannelState, module: str, new: ModuleState | None) -> bool:
    reader, old = sync.readers[module], stored.modules.get(module)
    if new is None or new == old:
        return True
    if old is None or not _differ_by_times(old, new):
        return False
    if sync.reports[module].outcome != "complete":
        return True
    return _is_fresh(sync, reader, old, new) and _is_cheap(reader)


def _differ_by_times(old: ModuleState, new: ModuleState) -> bool:
    """Whether both have the same times, with other values, and nothing else differs."""
    if any((getattr(old, name) is None) != (getattr(new, name) is None) for name in _TIMES):
        return False
    return replace(new, **{name: getattr(old, name) for name in _TIMES}) == old


def _is_fresh(sync: SyncContext, reader: ModuleReader, old: ModuleState, new: ModuleState) -> bool:
    """Whether no stored time is too old."""
    if old.cursor is None or new.cursor is None:
        return False
    last = sync.channel.modules.get(reader.spec.module)
    is_frequent = last is None or last.upper_bound is None or sync.window.hi - last.upper_bound < SELDOM
    if is_frequent and old.fields_at != new.fields_at:
        return False
    spread = timedelta(seconds=crc32(sync.channel.id.encode()) % int(SPREAD.total_seconds()))
    return not reader.baseline.too_many and new.cursor - old.cursor < MOVED_AFTER + spread


def _is_cheap(reader: ModuleReader) -> bool:
    """Whether the next sync pays no more than today for an old cursor. Deletions must be known, and fit on one page."""
    if reader.client.meter.requests > QUIET_REQUESTS:
        return False
    found, strangers = reader.deletions, reader.state.strangers
    if found is None:
        return True
    if found.restored or reader.rows.live_again or not found.whole or len(found.listed) > PAGE_ROOM:
        return False
    news = (id_ for id_, row in found.listed.items() if is_news(row, reader.baseline.deletions.get(id_)))
    return all(is_stranger(id_, found.listed[id_], strangers) for id_ in news)

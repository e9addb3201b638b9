"""Watermarks: how far a sync got, by the Modified_Time of the records. A wrong clock cannot make them wrong.

A cursor is a time that the `Date` header told. If that clock was ahead by a day, all changes of that day lie below the
cursor, and no sync would read them. The stamps of records come from another clock, Zoho's own. A record stamped S was
read at S or later, so a change after that reading has the stamp S or a later one. Routes read in the order of change,
so everything stamped below the last record that they gave is in the warehouse. That instant is the watermark `proved`.
Changes are read from the cursor or from the watermark, whichever is earlier. This costs nothing while the clock is
right: then no record lies between the two.

Only a reading in that order may move the watermark. A record fetched by its id may be newer than others that have not
been read, and so may a record of a second bulk file. The latest change that a query showed before the first job may
move it too: a change after that query has this stamp or a later one, and the files have everything before it. A load by
jobs moves the watermark only once all its files are loaded. A load that stopped after its first file has the newest
record, and lacks older changes.

The list of deletions has a watermark of the same kind, `deleted_from`, which the times of deletions move.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.routes.deletions import PAGE_ROOM, deleted_at
from zoho_pipeline.ingest.routes.window import EVER, OVERLAP, SECOND, SKEW
from zoho_pipeline.zoho.read.pages import Row


def is_ahead(state: ModuleState, hi: datetime) -> bool:
    """Whether a stored instant is later than the clock of this sync: then one of the two clocks was or is wrong.

    Zoho's own clock may have been set back too, and Modified_Time with it. A newer edit may then have an earlier
    Modified_Time than the stored row, and only a comparison id by id finds it.
    """
    return any(at is not None and at > hi + SKEW for at in (state.cursor, state.deleted_cursor))


def with_proof(state: ModuleState, stamps: Iterable[datetime | None]) -> ModuleState:
    """The state after records with these Modified_Times were read in the order of change."""
    known = [at for at in (state.proved, *stamps) if at is not None and at > EVER]
    return replace(state, proved=max(known)) if known else state


def corrected(state: ModuleState, hi: datetime) -> ModuleState:
    """The state without instants after the end of the window. It is in doubt if there was one: see `is_ahead`."""
    if not is_ahead(state, hi):
        return state

    def capped(at: datetime | None) -> datetime | None:
        return None if at is None else min(at, hi)

    return replace(
        state,
        cursor=capped(state.cursor),
        deleted_cursor=capped(state.deleted_cursor),
        final_to=capped(state.final_to),
        proved=capped(state.proved),
        deleted_from=capped(state.deleted_from),
        fields_at=None,
        doubt=True,
    )


def deletions_since(state: ModuleState, proved: datetime | None, hi: datetime) -> datetime:
    """The instant before which every deletion is loaded. `proved` comes from the syncs before."""
    assert state.deleted_cursor is not None
    listed = state.deleted_from
    shown = [at for at in (proved, listed + OVERLAP if listed else None) if at is not None]
    return min([state.deleted_cursor, hi, *([max(shown)] if shown else [])])


def deleted_from(state: ModuleState, listed: Mapping[str, Row], proved: datetime | None) -> datetime | None:
    """The latest instant from which the next sync may list deletions: the newest less the overlap, or one page of them.

    A second that fills the page counts as over, because it would be listed in every sync otherwise. `proved` is a
    watermark from before the list was read. None: nothing is known.
    """
    times = sorted(filter(None, map(deleted_at, listed.values())), reverse=True)
    shown = [state.deleted_from, proved - OVERLAP if proved else None]
    if times:
        page = times[PAGE_ROOM - 1 : PAGE_ROOM]
        shown.append(
            max([times[0] - OVERLAP, *(at + 2 * SECOND for at in page)])
        )  # the list is read from one second earlier
    return max((at for at in shown if at is not None), default=None)

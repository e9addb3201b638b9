"""How far a sync got, by the stamps of the records themselves: a wrong clock cannot spoil that.

A cursor is a time that the `Date` header told. Where that clock stood ahead by a day, everything that is changed
within that day lies below the cursor and would never be read. The stamps of records come from another clock,
Zoho's own: a record stamped S was read at S or later, so whatever is changed after that reading is stamped S or
later. Routes read in the order of change, so everything stamped below the last record they gave is in. That
instant is the mark `proved`, and changes are read from the cursor or from the mark, whichever is earlier. Below
the cursor nothing lies from the mark on unless the clock was wrong, so it costs nothing.

Only a reading in that order may move the mark. A record fetched by its id may be newer than others that have not
been read, and so may one of a second bulk file.

The list of deletions has a mark of the same kind, `deleted_from`, moved by the times of deletions.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from zoho_pipeline.ingest.extract.step import ModuleState
from zoho_pipeline.ingest.routes.deletions import PAGE_ROOM, deleted_at
from zoho_pipeline.ingest.routes.window import OVERLAP, SECOND, SKEW, parse
from zoho_pipeline.zoho.read.pages import Row

EVER = datetime(1971, 1, 1, tzinfo=UTC)
"""Before every record."""
_OF_CLOCKS = ("cursor", "deleted_cursor")


def is_ahead(state: Mapping[str, Any], hi: datetime) -> bool:
    """Whether a mark that a clock told is later than this run's own clock: then one of the two was or is wrong.

    Zoho's own clock may have been set back too, stamps and all: what was edited since may be stamped below what
    is held, where only a comparison id by id finds it.
    """
    told = (parse(state.get(name)) for name in _OF_CLOCKS)
    return any(at is not None and at > hi + SKEW for at in told)


def with_proof(state: ModuleState, stamps: Iterable[datetime | None]) -> ModuleState:
    """The state after records with these Modified_Times were read in the order of change."""
    known = [at for at in (parse(state.get("proved")), *stamps) if at is not None]
    return {**state, "proved": max(known).isoformat()} if known else state


def mended(state: ModuleState, hi: datetime) -> ModuleState:
    """The state without marks from after the run's end, and in doubt where there was one: see `is_ahead`."""
    if not is_ahead(state, hi):
        return state
    kept = {name: state[name] for name in state.keys() - {"fields_at"}}
    for name in ("cursor", "deleted_cursor", "final_to", "proved", "deleted_from"):
        if (at := parse(state.get(name))) is not None:
            kept[name] = min(at, hi).isoformat()
    return {**kept, "doubt": True}


def deletions_since(state: Mapping[str, Any], proved: datetime | None, hi: datetime) -> datetime:
    """The instant before which every deletion is in; `proved` is of the runs before."""
    told = datetime.fromisoformat(state["deleted_cursor"])
    listed = parse(state.get("deleted_from"))
    shown = [at for at in (proved, listed + OVERLAP if listed else None) if at is not None]
    return min([told, hi, *([max(shown)] if shown else [])])


def deleted_from(state: Mapping[str, Any], listed: Mapping[str, Row], proved: datetime | None) -> dict[str, str]:
    """From where the next run lists deletions at the latest: the overlap before the newest, or a page of them.

    A second that fills the page is taken to be over, or it would be listed each night. `proved` is a mark from
    before the list was read.
    """
    times = sorted(map(deleted_at, listed.values()), reverse=True)
    shown = [parse(state.get("deleted_from")), proved - OVERLAP if proved else None]
    if times:
        page = times[PAGE_ROOM - 1 : PAGE_ROOM]
        shown.append(max([times[0] - OVERLAP, *(at + 2 * SECOND for at in page)]))  # the list is asked a second earlier
    known = [at for at in shown if at is not None]
    return {"deleted_from": max(known).isoformat()} if known else {}

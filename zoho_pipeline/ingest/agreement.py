"""Whether Zoho's count and latest change are ours, and what a comparison id by id has already explained."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zoho_pipeline.ingest.routes.change_probe import Totals


def differs(there: Totals, here: Totals, hi: datetime, compared: Mapping[str, Any] | None = None) -> str:
    """What differs between Zoho and the warehouse, in words; empty where nothing does.

    Args:
        there, here: of the live records created before `hi`; `there` was asked at or after `hi`.
        compared: what a comparison left, see `remembered`: a difference that is still the same says nothing new.
    """
    compared = compared or {}
    if there.count + compared.get("more", 0) != here.count:
        return f"{there.count} live records at Zoho, {here.count} here"
    if there.changed is None or there.changed >= hi:
        return ""  # edited since: our reading may be of before or after it
    # a latest change of ours at or after `hi` was read after Zoho was asked
    same = here.changed is not None and (there.changed == here.changed or here.changed >= hi)
    if same or _pair(there, here) == compared.get("latest"):
        return ""
    return f"latest change {_shown(there.changed)} at Zoho, {_shown(here.changed)} here"


def remembered(there: Totals | None, here: Totals, more: int, left: int, words: str) -> dict[str, Any]:
    """What a comparison left, for the state; empty where nothing.

    Args:
        more: records held that Zoho shows by id, and in no query.
        left: records that still differ. `words` tells a person which.
    """
    latest = None
    if there is not None and there.changed is not None and there.changed != here.changed:
        latest = _pair(there, here)
    if not (more or left or latest):
        return {}
    count = here.count - there.count if there is not None and left else more
    return {"more": count, "latest": latest, "left": left, "words": words}


def _pair(there: Totals, here: Totals) -> list[str]:
    return [_shown(there.changed), _shown(here.changed)]


def _shown(at: datetime | None) -> str:
    return "none" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"

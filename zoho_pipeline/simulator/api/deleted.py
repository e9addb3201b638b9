"""GET /{module}/deleted (docs/zoho-facts.md, section 4)."""

from typing import Any

from zoho_pipeline.simulator.api.records import choice, modified_since
from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.state.store import Deletion, person_json
from zoho_pipeline.simulator.wire import (
    Answer,
    Refusal,
    as_json,
    cut_page,
    no_content,
    not_modified,
    page_size,
    whole_number,
)

DAY = 86_400
KEPT_DAYS = {"recycle": 60, "permanent": 120}
PARAMS = "type page per_page"


def list_deleted(call: Call) -> Answer:
    """Deletions, newest first: those into the bin for 60 days, permanent ones for 120 days."""
    store = call.module()
    kind = choice(call, "type", ("all", "recycle", "permanent"))
    size, page = page_size(call.query), whole_number(call.query, "page", 1)
    cap = call.hub.switches.deleted_page_cap
    if cap and page * size > cap:
        raise Refusal(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "the page is out of reach", {"limit": cap})
    since = modified_since(call)
    now = call.hub.clock.epoch()
    shown = [
        d for d in store.deletions
        if d.time > now - KEPT_DAYS[d.type] * DAY
        and (kind in ("all", d.type))
        and (since is None or d.time >= since)
        and d.id not in call.user.hidden_rows.get(store.api_name, ())
    ]  # fmt: skip
    shown.sort(key=lambda d: (d.time, int(d.id)), reverse=True)
    part, info = cut_page(shown, size, page)
    if not part:
        stale = since is not None and page == 1 and call.hub.switches.deleted_304
        return not_modified() if stale else no_content()
    return as_json({"data": [_entry(call, d) for d in part], "info": info})


def _entry(call: Call, deletion: Deletion) -> dict[str, Any]:
    return {
        "id": deletion.id,
        "deleted_time": call.zone(deletion.time),
        "type": deletion.type,
        "deleted_by": person_json(deletion.by),
        "created_by": person_json(deletion.created_by),
        "display_name": deletion.display_name,
    }

"""GET /{module}/{id}/{related}: notes, activities and mails of one record; stage history of a deal."""

from collections.abc import Callable
from typing import Any

from zoho_pipeline.simulator.api.records import asked_fields, modified_since, visible_row
from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.query.render import envelope
from zoho_pipeline.simulator.state.changes import pointing_at
from zoho_pipeline.simulator.state.store import ModuleStore, Row
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

MAILS_A_CALL = 10
PARAMS = "fields page per_page page_token index owner_id ids"
_CLOSED: dict[str, Callable[[Row, int], bool]] = {
    "Tasks": lambda row, _: row.get("Status") == "Completed",
    "Events": lambda row, now: row.get("End_DateTime", 0) <= now,
    "Calls": lambda row, now: row.get("Call_Start_Time", 0) <= now,
}
_BACKWARDS = {
    # related list → (module, its lookup of the record)
    "DealHistory": ("DealHistory", "Potential_Name"),
    "Stage_History": ("DealHistory", "Potential_Name"),
    "Deals": ("Deals", "Contact_Name"),
    "Contacts": ("Contacts", "Account_Name"),
}


def list_related(call: Call) -> Answer:
    """A page of a related list, newest first. `…_History` lists hold closed activities, the others open ones."""
    store = call.module()
    row = visible_row(call, store)
    name = call.parts["related"]
    if name == "Emails":
        return _mails(call, row)
    related, rows = _rows(call, name, row["id"])
    fields = asked_fields(call, related)
    since = modified_since(call)
    rows = [r for r in rows if call.user.sees(related.api_name, r) and (since is None or r["Modified_Time"] >= since)]
    rows.sort(key=lambda r: int(r["id"]), reverse=True)
    size, page = page_size(call.query), whole_number(call.query, "page", 1)
    part, info = cut_page(rows, size, page)
    if not part:
        return not_modified() if since is not None and page == 1 else no_content()
    info |= {"next_page_token": None, "previous_page_token": None, "page_token_expiry": None}
    return Answer(200, envelope("data", call.rendered(related, part, fields), info))


def _rows(call: Call, name: str, record_id: str) -> tuple[ModuleStore, list[Row]]:
    if name in _BACKWARDS:
        api_name, lookup = _BACKWARDS[name]
        target = call.module(api_name)
        return target, [r for r in target.rows.values() if (ref := r.get(lookup)) is not None and ref[0] == record_id]
    api_name = name.removesuffix("_History")
    if api_name not in (*_CLOSED, "Notes"):
        message = "the relation name given seems to be invalid"
        raise Refusal(400, "INVALID_DATA", message, {"resource_path_index": 2})
    target = call.module(api_name)
    rows = [row for store, row in pointing_at(call.org, record_id) if store is target]
    if api_name in _CLOSED:
        now, closed = call.hub.clock.epoch(), _CLOSED[api_name]
        rows = [row for row in rows if closed(row, now) is name.endswith("_History")]
    return target, rows


def _mails(call: Call, row: Row) -> Answer:
    """Ten mails per call, newest first, from `index` on: shared ones and those of the token's user."""
    held = [m for m in call.org.emails.get(row["id"], []) if m.get("shared", True) or m["owner"]["id"] == call.user.id]
    held.sort(key=lambda mail: (mail["time"], mail["message_id"]), reverse=True)
    start = int(call.query["index"]) if call.query.get("index", "").isdigit() else 0
    part = held[start : start + MAILS_A_CALL]
    if not part:
        return no_content()
    more = len(held) > start + MAILS_A_CALL
    info: dict[str, Any] = {"count": len(part), "per_page": MAILS_A_CALL, "more_records": more}
    info |= {"next_index": str(start + MAILS_A_CALL) if more else None, "prev_index": None}
    return as_json({"Emails": [_mail_json(call, mail) for mail in part], "info": info})


def _mail_json(call: Call, mail: dict[str, Any]) -> dict[str, Any]:
    at = call.zone(mail["time"])
    return {k: v for k, v in mail.items() if k != "shared"} | {"time": at, "sent_time": at}

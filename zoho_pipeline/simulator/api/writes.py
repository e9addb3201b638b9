"""`PUT /{module}` and `PUT /{module}/{id}`: change records (docs/zoho-facts.md, section 8).

Each row has its own result, in the order of the request. A row that is not sent stays as it is, and so does a field.
"""

from typing import Any

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.state import changes
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.wire import Answer, Refusal, as_json, bad_value, no_permission, over_limit

MOST_ROWS = 100
AUTOMATION = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")
MESSAGES = {
    "RECORD_LOCKED": "the record is locked",
    "NOT_APPROVED": "the record is not approved",
    "NOT_REVIEWED": "the record is in review process",
    "RECORD_IN_BLUEPRINT": "Stage cannot be updated as it is in the blueprint",
    "CONVERTED_RECORD": "can't update the converted record",
    "NOT_ALLOWED": "the operation is not allowed on the record",
    "AUTHORIZATION_FAILED": "User does not have sufficient privilege to update the record",
}
"""Codes that a row can be refused with → Zoho's words."""


class _Refused(Exception):
    def __init__(self, code: str, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = {"code": code, "details": details, "message": message, "status": "error"}


def price(call: Call) -> int:
    """1 credit per 10 rows."""
    try:
        body = call.request.json()
    except Refusal:
        return 1
    rows = body.get("data") if isinstance(body, dict) else None
    return max(1, -(-len(rows) // 10)) if isinstance(rows, list) else 1


def update(call: Call) -> Answer:
    """Change up to 100 records."""
    store = call.module()
    if store.api_name in call.org.write_denied:
        raise no_permission(f"Crm_Implied_Edit_{store.api_name}")
    body = call.request.json()
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refusal(
            400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "data", "json_path": "$.data"}
        )
    if len(rows) > MOST_ROWS:
        raise over_limit("data", MOST_ROWS)
    automation = _automation(body)
    results = [_one(call, store, row, place, automation) for place, row in enumerate(rows)]
    return _answered(call, results)


def _automation(body: dict[str, Any]) -> list[str]:
    """What runs after the change: all of it where `trigger` is not sent, nothing where it is empty."""
    trigger = body.get("trigger", list(AUTOMATION))
    if not isinstance(trigger, list) or not all(name in AUTOMATION for name in trigger):
        raise Refusal(400, "INVALID_DATA", "invalid data", {"api_name": "trigger", "json_path": "$.trigger"})
    return trigger


def _one(call: Call, store: ModuleStore, given: dict[str, Any], place: int, automation: list[str]) -> dict[str, Any]:
    try:
        row = _row(call, store, given, place)
        _check_precondition(call, row)
        _check_state(call, store, row)
        values = _values(call, store, given, place)
    except _Refused as refused:
        return refused.result
    by = {"Modified_By": {"id": call.user.id, "name": call.user.full_name}}
    changes.update(call.org, call.hub.shared, store.api_name, row["id"], values | by, by_client=call.grant.client_id)
    if automation:
        call.org.automation.append({"module": store.api_name, "id": row["id"], "ran": automation})
    details = {**_stamps(call, store.row(row["id"])), "$approval_state": "approved"}
    return {"code": "SUCCESS", "details": details, "message": "record updated", "status": "success"}


def _row(call: Call, store: ModuleStore, given: dict[str, Any], place: int) -> Row:
    row_id = call.parts.get("id") or str(given.get("id", ""))
    if not row_id:
        details = {"api_name": "id", "json_path": f"$.data[{place}].id"}
        raise _Refused("MANDATORY_NOT_FOUND", "required field not found", details)
    row = store.rows.get(row_id)
    if row is None or not call.user.sees(store.api_name, row):
        details = {"id": row_id, "json_path": f"$.data[{place}].id"}
        raise _Refused("INVALID_DATA", "the id given seems to be invalid", details)
    return row


def _check_precondition(call: Call, row: Row) -> None:
    given = call.request.headers.get("if-unmodified-since")
    if given is None:
        return
    try:
        since = to_epoch(given)
    except ValueError:
        raise bad_value("If-Unmodified-Since", expected_data_type="datetime") from None
    if row["Modified_Time"] > since:
        message = "Record updated time has already passed if-unmodified-since time"
        raise _Refused("ALREADY_MODIFIED", message, _stamps(call, row))


def _check_state(call: Call, store: ModuleStore, row: Row) -> None:
    code = call.org.write_refusals.get(row["id"])
    if code is None and store.api_name == "Leads" and row.get("Converted__s"):
        code = call.hub.switches.converted_write_code
    if code is not None:
        raise _Refused(code, MESSAGES[code], {"id": row["id"]})


def _values(call: Call, store: ModuleStore, given: dict[str, Any], place: int) -> dict[str, Any]:
    """The values of known fields. A picklist takes any text, unless the switch `strict_picklists` is on."""
    found = {}
    for name, value in given.items():
        field = store.fields.get(name)
        if name == "id" or field is None or not call.readable(store, name):
            continue
        path = {"api_name": name, "json_path": f"$.data[{place}].{name}"}
        if field.type == "picklist" and value is not None:
            if not isinstance(value, str):
                raise _Refused("INVALID_DATA", "invalid data", {**path, "expected_data_type": "string"})
            known = [pick.actual for pick in field.picks]
            if call.hub.switches.strict_picklists and known and value not in known:
                raise _Refused("INVALID_DATA", "invalid data", {**path, "supported_values": known})
        found[name] = value
    return found


def _stamps(call: Call, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"id": row["id"]}
    for kind in ("Modified", "Created"):
        found[f"{kind}_Time"] = call.zone(row[f"{kind}_Time"])
        who = row.get(f"{kind}_By")
        found[f"{kind}_By"] = None if who is None else {"name": call.org.user_brief(who)["name"], "id": who[0]}
    return found


def _answered(call: Call, results: list[dict[str, Any]]) -> Answer:
    errors = {result["code"] for result in results if result["status"] == "error"}
    failed = sum(result["status"] == "error" for result in results)
    status = 200
    if failed == len(results):
        status = 412 if errors == {"ALREADY_MODIFIED"} else 400
    elif failed:
        status = call.hub.switches.mixed_status
    return as_json({"data": results}, status)

"""`PUT /crm/v7/Leads/{id}`: change the status of one lead, on the condition that nobody changed the lead meanwhile.

Zoho has no PATCH for records: a PUT leaves the fields that are not sent as they are. The result of the row decides and
not the HTTP status, which may be 200, 202, 207, 400 or 412 (docs/zoho-facts.md, section 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from zoho_pipeline.zoho.connection.client import ZohoClient, may_be_done
from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.errors import (
    InvalidRequest,
    ModuleMissing,
    NoPermission,
    NotFound,
    NotSupported,
    ScopeMissing,
    ZohoError,
    scrub,
)
from zoho_pipeline.zoho.read.pages import module_path, record_id

Trigger = Literal["none", "workflow"]
"""Which automation of Zoho runs after the change: none of it, or its workflow rules."""

RefusalCode = Literal[
    "in_blueprint",
    "locked",
    "not_approved",
    "not_reviewed",
    "converted",
    "not_found",
    "duplicate",
    "invalid_value",
    "no_permission",
    "scope_missing",
    "rejected",
]
"""Why Zoho does not carry out a change, in our words. `rejected` is any other code of Zoho's."""
REFUSAL_CODES: tuple[RefusalCode, ...] = get_args(RefusalCode)

_BY_CODE: Mapping[str, RefusalCode] = {
    "RECORD_IN_BLUEPRINT": "in_blueprint",
    "RECORD_LOCKED": "locked",
    "NOT_APPROVED": "not_approved",
    "NOT_REVIEWED": "not_reviewed",
    "CONVERTED_RECORD": "converted",
    "NOT_ALLOWED": "converted",
    "DUPLICATE_DATA": "duplicate",
    "INVALID_DATA": "invalid_value",
    "MANDATORY_NOT_FOUND": "invalid_value",
    "DEPENDENT_FIELD_MISSING": "invalid_value",
    "DEPENDENT_MISMATCH": "invalid_value",
    "MULTIPLE_OR_MULTI_ERRORS": "invalid_value",
    "LIMIT_EXCEEDED": "invalid_value",
    "AUTHORIZATION_FAILED": "no_permission",
    "NO_PERMISSION": "no_permission",
    "OAUTH_SCOPE_MISMATCH": "scope_missing",
}
_STALE = "ALREADY_MODIFIED"
_FAULTS = ("INTERNAL_ERROR", "INTERNAL_SERVER_ERROR")


@dataclass(frozen=True)
class Written:
    """Zoho changed the status. `modified_at`: its new Modified_Time; None where the answer does not have it."""

    modified_at: datetime | None


@dataclass(frozen=True)
class Stale:
    """Zoho changed nothing: the lead was changed after the precondition (412 ALREADY_MODIFIED)."""


@dataclass(frozen=True)
class Refusal:
    """Zoho changed nothing, and would refuse the same change again. `zoho_code` and `message` are Zoho's."""

    code: RefusalCode
    zoho_code: str
    message: str


@dataclass(frozen=True)
class Unknown:
    """Nobody knows whether Zoho changed the status: no answer came, or none that says so."""

    why: str


Outcome = Written | Stale | Refusal | Unknown


def change_request(lead_id: str, status: str, trigger: Trigger, unmodified_since: str | None) -> dict[str, Any]:
    """The request as a document: {method, path, headers, body}. A dry run shows it, and `write_lead_status` sends it.

    Raises:
        NotFound: the id has not the form of one.
    """
    return {
        "method": "PUT",
        "path": module_path("Leads", record_id(lead_id)),
        "headers": {"If-Unmodified-Since": unmodified_since},
        "body": {
            "data": [{"id": lead_id, "Lead_Status": status}],
            "trigger": [] if trigger == "none" else [trigger],
        },
    }


def write_lead_status(
    client: ZohoClient, lead_id: str, status: str, *, unmodified_since: str, trigger: Trigger = "none"
) -> Outcome:
    """Send the change once. A call that may have reached Zoho is never sent again here.

    Args:
        status: an actual value of the picklist: Zoho would take any other text too.
        unmodified_since: the Modified_Time that was read before, as Zoho wrote it.

    Raises:
        ZohoError: nothing was changed, and a later try may work: credits, limits, tokens, no connection.
    """
    request = change_request(lead_id, status, trigger, unmodified_since)
    try:
        answer = client.put(request["path"], json=request["body"], headers=request["headers"])
    except ZohoError as error:
        return _of_error(error)
    rows = (answer.data or {}).get("data")
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    return _of_row(row, answer.status, lead_id)


def _of_row(row: Mapping[str, Any], http_status: int, lead_id: str) -> Outcome:
    code, details = str(row.get("code") or ""), row.get("details")
    details = details if isinstance(details, dict) else {}
    if row.get("status") == "success":
        if str(details.get("id", lead_id)) != lead_id:  # a cache between us and Zoho mixed up two answers
            return Unknown(f"the answer (HTTP {http_status}) is about another record")
        return Written(time_or_none(details.get("Modified_Time")))
    if code == _STALE:
        return Stale()
    if row.get("status") != "error" or not code or code in _FAULTS:
        return Unknown(f"the answer (HTTP {http_status}) does not say whether the status was changed")
    return _refusal(code, str(row.get("message") or ""), details)


def _refusal(code: str, message: str, details: Mapping[str, Any]) -> Refusal:
    known = _BY_CODE.get(code, "rejected")
    names_id = details.get("api_name") in (None, "id") and ("id" in details or "id given" in message)
    if code == "INVALID_DATA" and names_id:
        known = "not_found"
    return Refusal(known, scrub(code), scrub(message))


def _of_error(error: ZohoError) -> Outcome:
    """What an error of the whole call means. It is raised again if nothing was changed and a later try may work."""
    if isinstance(error, ScopeMissing):
        return Refusal("scope_missing", "OAUTH_SCOPE_MISMATCH", "the consent lacks the scope")
    if isinstance(error, NoPermission | ModuleMissing | NotSupported):
        return Refusal("no_permission", "NO_PERMISSION", str(error))
    if isinstance(error, NotFound):
        return Refusal("not_found", "NOT_FOUND", str(error))
    if isinstance(error, InvalidRequest):
        return Stale() if error.code == _STALE else _refusal(error.code, str(error), error.details)
    if may_be_done(error):
        return Unknown(str(error))
    raise error

"""The change of a lead's status at the wire: what is sent, and what each answer means."""

from typing import Any

import httpx
import pytest

from tests.zoho.wire import Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read.lead_status import read_lead_status
from zoho_pipeline.zoho.write.lead_status import Refusal, Stale, Unknown, Written, write_lead_status

SINCE = "2026-11-23T20:10:37+05:30"
LEAD = "4000000000012"


def row(code: str, status: str = "error", http: int = 400, **details: Any) -> httpx.Response:
    result = {"code": code, "details": details, "message": "the id given seems to be invalid", "status": status}
    return answer({"data": [result]}, http)


def write(*replies: Any, **more: Any) -> tuple[Any, Wire]:
    wire = Wire(*replies)
    client = client_on(wire, pacing=Pacing(attempts=2), **more)
    return write_lead_status(client, LEAD, "Contacted", unmodified_since=SINCE), wire


def test_the_request_is_one_row_with_its_precondition_and_no_automation() -> None:
    outcome, wire = write(row("SUCCESS", "success", 200, Modified_Time="2026-11-23T20:10:40+05:30"))
    assert isinstance(write(row("SUCCESS", "success", 200, id=LEAD))[0], Written)
    assert isinstance(write(row("SUCCESS", "success", 200, id=int(LEAD)))[0], Written)
    (request,) = wire.seen
    assert (request.method, request.url.path) == ("PUT", f"/crm/v7/Leads/{LEAD}")
    assert request.read() == b'{"data":[{"id":"4000000000012","Lead_Status":"Contacted"}],"trigger":[]}'
    assert request.headers["If-Unmodified-Since"] == SINCE
    assert isinstance(outcome, Written)
    assert outcome.modified_at is not None
    assert outcome.modified_at.isoformat() == "2026-11-23T14:40:40+00:00"


@pytest.mark.parametrize("http", [200, 202, 207, 400, 412])
def test_the_row_decides_and_not_the_status(http: int) -> None:
    assert isinstance(write(row("SUCCESS", "success", http))[0], Written)
    assert isinstance(write(row("ALREADY_MODIFIED", http=http))[0], Stale)
    refused = write(row("RECORD_LOCKED", http=http))[0]
    assert isinstance(refused, Refusal)
    assert refused.code == "locked"


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("RECORD_IN_BLUEPRINT", "in_blueprint"),
        ("RECORD_LOCKED", "locked"),
        ("NOT_APPROVED", "not_approved"),
        ("NOT_REVIEWED", "not_reviewed"),
        ("CONVERTED_RECORD", "converted"),
        ("NOT_ALLOWED", "converted"),
        ("DUPLICATE_DATA", "duplicate"),
        ("INVALID_DATA", "invalid_value"),
        ("AUTHORIZATION_FAILED", "no_permission"),
        ("NO_PERMISSION", "no_permission"),
        ("OAUTH_SCOPE_MISMATCH", "scope_missing"),
        ("SOMETHING_NEW", "rejected"),
    ],
)
def test_each_code_has_its_meaning_in_a_row_and_for_the_whole_call(code: str, ours: str) -> None:
    status = {"OAUTH_SCOPE_MISMATCH": 401, "NO_PERMISSION": 403}.get(code, 400)
    for reply in (row(code, api_name="Lead_Status"), error(code, status, details={"api_name": "Lead_Status"})):
        outcome, wire = write(reply)
        assert isinstance(outcome, Refusal)
        assert outcome.code == ours
        assert len(wire.seen) == 1


def test_an_unknown_id_is_not_an_invalid_value() -> None:
    outcome = write(row("INVALID_DATA", id=LEAD))[0]
    assert isinstance(outcome, Refusal)
    assert outcome.code == "not_found"


def test_a_stale_precondition_may_be_the_whole_answer() -> None:
    assert isinstance(write(error("ALREADY_MODIFIED", 412))[0], Stale)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.ReadTimeout("late"),
        httpx.WriteTimeout("late"),
        httpx.RemoteProtocolError("cut"),
        httpx.ReadError("cut"),
        answer(b"<html>", 502),
        error("INTERNAL_ERROR", 500),
        row("INTERNAL_ERROR", http=500),
        row("INTERNAL_ERROR"),
        row("", http=200),
        answer({}),
        answer({"data": []}),
        answer(status=204),
        answer(b"not json"),
        answer({"data": [{"code": "SUCCESS"}]}),
        row("SUCCESS", "success", 200, id="4000000000099"),
        row("SUCCESS", "success", 200, id=None),
    ],
)
def test_what_does_not_say_that_nothing_was_done_is_a_doubt_and_is_sent_once(reply: Any) -> None:
    outcome, wire = write(reply)
    assert isinstance(outcome, Unknown)
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "reply", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), error("TOO_MANY_REQUESTS", 429)]
)
def test_what_surely_did_not_happen_is_tried_again_and_then_raised(reply: Any) -> None:
    outcome, wire = write(reply, row("SUCCESS", "success", 200))
    assert isinstance(outcome, Written)
    assert len(wire.seen) == 2
    with pytest.raises((errors.Retryable, errors.CreditsExhausted)):
        write(reply)


def test_a_refused_token_is_renewed_and_the_change_sent_once_more() -> None:
    outcome, wire = write(error("INVALID_TOKEN", 401), row("SUCCESS", "success", 200))
    assert isinstance(outcome, Written)
    assert len(wire.seen) == 2


def test_an_id_that_is_none_is_not_sent() -> None:
    wire = Wire(row("SUCCESS", "success", 200))
    with pytest.raises(errors.NotFound):
        write_lead_status(client_on(wire), "../Deals/1", "Contacted", unmodified_since=SINCE)
    assert wire.seen == []


def lead(**values: Any) -> httpx.Response:
    known = {"id": LEAD, "Lead_Status": "New", "Modified_Time": SINCE, "Converted__s": False}
    return answer({"data": [known | {"Modified_By": {"id": "7", "name": "Asha"}} | values]})


def test_a_lead_is_read_with_four_fields_converted_or_not() -> None:
    wire = Wire(lead(Converted__s=True, Lead_Status=None))
    seen = read_lead_status(client_on(wire), LEAD)
    assert dict(wire.seen[0].url.params) == {
        "fields": "Lead_Status,Modified_Time,Converted__s,Modified_By",
        "converted": "both",
    }
    assert seen is not None
    assert (seen.status, seen.is_converted, seen.modified_by, seen.modified_time) == (None, True, "7", SINCE)


def test_a_lead_that_is_not_there_is_none_and_an_odd_one_an_error() -> None:
    assert read_lead_status(client_on(Wire(answer(status=204))), LEAD) is None
    assert read_lead_status(client_on(Wire(error("INVALID_DATA", 400, details={"id": LEAD}))), LEAD) is None
    others = (lead(id="4876876000000000999"), lead(id=None), lead(id=""))  # a cache mixed up two answers
    for odd in (lead(Modified_Time=None), lead(Modified_Time="yesterday"), lead(Lead_Status=5), *others):
        with pytest.raises(errors.BadAnswer):
            read_lead_status(client_on(Wire(odd), pacing=Pacing(attempts=1)), LEAD)

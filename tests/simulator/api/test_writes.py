"""Changes of records by `PUT`: results per row, the precondition, refusals, and who is told."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.simulator.client import ALL_SCOPES, Api, code_of
from zoho_pipeline.simulator import Org, Simulator


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    return connect()


@pytest.fixture
def lead(org: Org) -> str:
    return org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Not Contacted"})


def put(api: Api, path: str, *rows: dict[str, Any], since: str | None = None, **body: Any) -> httpx.Response:
    extra = {} if since is None else {"If-Unmodified-Since": since}
    return api.http.put(f"/crm/v7{path}", json={"data": list(rows), **body}, headers=api.headers | extra)


def test_a_field_that_is_not_sent_stays(simulator: Simulator, org: Org, api: Api, lead: str) -> None:
    before = org.row("Leads", lead)
    simulator.clock.advance(5)
    answer = put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}, trigger=[])
    assert answer.status_code == 200
    result = answer.json()["data"][0]
    after = org.row("Leads", lead)
    assert (result["code"], result["status"]) == ("SUCCESS", "success")
    assert result["details"]["Modified_Time"] == after["Modified_Time"] > before["Modified_Time"]
    assert (after["Lead_Status"], after["Company"]) == ("Contacted", "Dukan")
    assert after["Modified_By"]["id"] == org.admin.id
    assert org.automation == []


def test_without_trigger_all_automation_runs(org: Org, api: Api, lead: str) -> None:
    put(api, "/Leads", {"id": lead, "Lead_Status": "Contacted"})
    assert org.automation[0]["id"] == lead
    assert "workflow" in org.automation[0]["ran"]
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Lost"}, trigger=["magic"]).status_code == 400


def test_a_stale_precondition_changes_nothing(simulator: Simulator, org: Org, api: Api, lead: str) -> None:
    seen = org.row("Leads", lead)["Modified_Time"]
    simulator.clock.advance(2)
    org.update("Leads", lead, {"Company": "Bazaar"})
    stale = put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}, since=seen)
    assert stale.status_code == 412
    assert stale.json()["data"][0]["code"] == "ALREADY_MODIFIED"
    assert org.row("Leads", lead)["Lead_Status"] == "Not Contacted"
    fresh = org.row("Leads", lead)["Modified_Time"]
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}, since=fresh).status_code == 200
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Lost"}, since="yesterday").status_code == 400


def test_two_edits_of_one_second_pass_the_precondition(simulator: Simulator, org: Org, api: Api, lead: str) -> None:
    simulator.clock.freeze()
    org.update("Leads", lead, {"Company": "Bazaar"})
    seen = org.row("Leads", lead)["Modified_Time"]
    org.update("Leads", lead, {"Lead_Status": "Lost"})
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}, since=seen).status_code == 200


@pytest.mark.parametrize(
    "code", ["RECORD_LOCKED", "NOT_APPROVED", "NOT_REVIEWED", "RECORD_IN_BLUEPRINT", "AUTHORIZATION_FAILED"]
)
def test_a_record_may_be_refused(org: Org, api: Api, lead: str, code: str) -> None:
    org.refuse_writes(lead, code)
    refused = put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"})
    assert (refused.status_code, refused.json()["data"][0]["code"]) == (400, code)
    org.refuse_writes(lead, None)
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}).status_code == 200


@pytest.mark.parametrize("code", ["CONVERTED_RECORD", "NOT_ALLOWED"])
def test_a_converted_lead_is_refused(simulator: Simulator, org: Org, api: Api, lead: str, code: str) -> None:
    simulator.switches.update(converted_write_code=code)
    org.convert(lead)
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"}).json()["data"][0]["code"] == code


def test_a_picklist_takes_any_text_unless_it_is_strict(simulator: Simulator, org: Org, api: Api, lead: str) -> None:
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Made up"}).status_code == 200
    assert org.row("Leads", lead)["Lead_Status"] == "Made up"
    simulator.switches.update(strict_picklists=True)
    assert put(api, f"/Leads/{lead}", {"Lead_Status": "Also made up"}).json()["data"][0]["code"] == "INVALID_DATA"


@pytest.mark.parametrize("status", [207, 200, 202])
def test_the_row_decides_and_not_the_status(simulator: Simulator, org: Org, api: Api, lead: str, status: int) -> None:
    simulator.switches.update(mixed_status=status)
    answer = put(api, "/Leads", {"id": lead, "Lead_Status": "Contacted"}, {"id": "77", "Lead_Status": "Contacted"})
    assert answer.status_code == status
    assert [row["status"] for row in answer.json()["data"]] == ["success", "error"]


def test_scopes_permission_and_limits(connect: Callable[..., Api], org: Org, api: Api, lead: str) -> None:
    reader = connect(scopes=ALL_SCOPES.replace("modules.ALL", "modules.READ"))
    assert code_of(put(reader, f"/Leads/{lead}", {"Lead_Status": "Contacted"})) == (401, "OAUTH_SCOPE_MISMATCH")
    assert code_of(put(api, "/Leads", *({"id": lead} for _ in range(101)))) == (400, "LIMIT_EXCEEDED")
    assert code_of(put(api, "/Leads")) == (400, "MANDATORY_NOT_FOUND")
    before = org.credits_used
    put(api, "/Leads", *({"id": lead} for _ in range(11)))
    assert org.credits_used - before == 2
    org.state.write_denied.add("Leads")
    assert code_of(put(api, f"/Leads/{lead}", {"Lead_Status": "Contacted"})) == (403, "NO_PERMISSION")


def test_patch_does_not_exist(api: Api, lead: str) -> None:
    answer = api.http.patch(f"/crm/v7/Leads/{lead}", json={"data": [{}]}, headers=api.headers)
    assert code_of(answer) == (400, "INVALID_REQUEST_METHOD")


def test_own_changes_are_told_by_switch(simulator: Simulator, org: Org, connect: Callable[..., Api], lead: str) -> None:
    api = connect(scopes=f"{ALL_SCOPES} ZohoCRM.notifications.ALL")
    entry = {"channel_id": 5, "events": ["Leads.edit"], "notify_url": "http://127.0.0.1:1/nobody"}
    api.http.post("/crm/v7/actions/watch", json={"watch": [entry]}, headers=api.headers)
    for told, expected in ((True, 1), (False, 1)):
        simulator.switches.update(push_own_changes=told)
        put(api, f"/Leads/{lead}", {"Lead_Status": f"Told {told}"})
        assert simulator.courier.wait_until_idle()
        assert len(simulator.courier.sent) == expected
    org.update("Leads", lead, {"Lead_Status": "By a person"})
    assert simulator.courier.wait_until_idle()
    assert len(simulator.courier.sent) == 2

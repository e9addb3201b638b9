"""Bulk Read: jobs, progress, files, pages, failures."""

import csv
import io
import zipfile
from typing import Any

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator


def create(api: Api, **query: Any) -> str:
    answer = api.bulk({"module": {"api_name": "Leads"}} | query)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"][0]["details"]["id"])


def poll(api: Api, job: str) -> dict[str, Any]:
    return dict(api.get(f"/crm/bulk/v7/read/{job}").json()["data"][0])


def download(api: Api, job: str) -> tuple[list[str], list[dict[str, str]]]:
    answer = api.get(f"/crm/bulk/v7/read/{job}/result")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"{job}.csv"]
        reader = csv.DictReader(io.StringIO(archive.read(f"{job}.csv").decode()))
        found = list(reader)
        return list(reader.fieldnames or ()), found


def read(api: Api, **query: Any) -> list[dict[str, str]]:
    job = create(api, **query)
    assert poll(api, job)["state"] == "COMPLETED"
    return download(api, job)[1]


def test_a_job_from_order_to_file(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(3))
    answer = api.bulk({"module": {"api_name": "Leads"}, "fields": ["Last_Name"]}).json()
    added = answer["data"][0]
    assert (added["status"], added["code"], added["details"]["state"]) == ("success", "ADDED_SUCCESSFULLY", "ADDED")
    job = added["details"]["id"]
    shown = poll(api, job)
    assert shown["result"] == {
        "page": 1, "per_page": 200_000, "count": 3, "download_url": f"/crm/bulk/v7/read/{job}/result",
        "more_records": False, "next_page_token": None,
    }  # fmt: skip
    header, found = download(api, job)
    assert header == ["Id", "Last_Name"]
    assert [row["Id"] for row in found] == ids


def test_how_values_are_written(api: Api, org: Org) -> None:
    account = org.insert("Accounts", {"Account_Name": "Tata"})
    org.insert("Deals", {
        "Deal_Name": 'a "b", c\nd', "Account_Name": account, "Amount": 12.5, "Closing_Date": "2026-01-02",
        "Created_Time": "2026-01-05T00:00:00Z", "Tag": ["hot", "new"], "Locked__s": True,
    })  # fmt: skip
    org.insert("Deals", {"Deal_Name": "empty"})
    fields = ["Deal_Name", "Account_Name", "Owner", "Amount", "Closing_Date", "Created_Time", "Tag", "Locked__s",
              "Owner.last_name", "Account_Name.Account_Name", "Next_Step"]  # fmt: skip
    full, empty = read(api, module={"api_name": "Deals"}, fields=fields)
    assert full["Deal_Name"] == 'a "b", c\nd'
    assert (full["Account_Name"], full["Owner"]) == (account, org.admin.id)
    assert (full["Amount"], full["Closing_Date"]) == ("12.5", "2026-01-02")
    assert full["Created_Time"] == "2026-01-05T05:30:00+05:30"
    assert (full["Tag"], full["Locked__s"], empty["Locked__s"]) == ("hot,new", "true", "false")
    assert (full["Owner.last_name"], full["Account_Name.Account_Name"]) == ("Admin", "Tata")
    assert [empty[name] for name in ("Account_Name", "Amount", "Closing_Date", "Tag", "Next_Step")] == [""] * 5


def test_converted_leads_are_included_and_marked_by_a_field(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(2))
    org.convert(ids[1])
    assert [row["$converted"] for row in read(api, fields=["$converted"])] == ["false", "true"]
    criteria = {"field": {"api_name": "$converted"}, "comparator": "equal", "value": False}
    assert [row["Id"] for row in read(api, fields=["City"], criteria=criteria)] == ids[:1]


def test_criteria(api: Api, org: Org) -> None:
    org.insert_many("Leads", [row | {"City": "ABC"[n % 3]} for n, row in enumerate(leads(6))])

    def found(criteria: dict[str, Any]) -> list[str]:
        return [row["Last_Name"][-1] for row in read(api, fields=["Last_Name"], criteria=criteria)]

    def test_of(name: str, comparator: str, value: Any) -> dict[str, Any]:
        return {"field": {"api_name": name}, "comparator": comparator, "value": value}

    assert found(test_of("Modified_Time", "greater_equal", "2026-01-05T05:30:04+05:30")) == ["4", "5"]
    window = ["2026-01-05T00:00:01Z", "2026-01-05T00:00:02Z"]
    assert found(test_of("Modified_Time", "between", window)) == ["1", "2"]
    either = {"group_operator": "or", "group": [test_of("City", "equal", "A"), test_of("City", "starts_with", "b")]}
    assert found(either) == ["0", "1", "3", "4"]
    assert found(test_of("Email", "not_equal", "${EMPTY}")) == []
    assert found(test_of("City", "in", ["C", "X"])) == ["2", "5"]


@pytest.mark.parametrize("mode", ["offset", "keyset", "snapshot"])
def test_pages_by_token(api: Api, org: Org, simulator: Simulator, mode: str) -> None:
    simulator.switches.update(bulk_rows=2, page_tokens=mode)
    ids = org.insert_many("Leads", leads(5))
    job, seen = create(api, fields=["City"]), []
    while True:
        result = poll(api, job)["result"]
        seen += [row["Id"] for row in download(api, job)[1]]
        if not result["more_records"]:
            break
        answer = api.bulk({"page_token": result["next_page_token"]})
        job = answer.json()["data"][0]["details"]["id"]
    assert seen == ids
    assert (result["page"], result["count"]) == (3, 1)


def test_a_page_token_is_its_users_and_a_days(api: Api, org: Org, simulator: Simulator, connect: Any) -> None:
    simulator.clock.freeze()
    simulator.switches.bulk_rows = 2
    org.insert_many("Leads", leads(5))
    token = poll(api, create(api, fields=["City"]))["result"]["next_page_token"]
    other = connect(org.add_user())
    assert code_of(other.bulk({"page_token": token})) == (400, "INVALID_DATA")
    assert code_of(api.bulk({"page_token": "rubbish"})) == (400, "INVALID_DATA")
    simulator.clock.advance(86_400)
    api.token = api.mint()["access_token"]
    assert code_of(api.bulk({"page_token": token})) == (400, "EXPIRED_VALUE")


def test_progress_by_polls(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.switches.update(bulk_mode="polls", bulk_polls=4)
    (lead,) = org.insert_many("Leads", leads(1))
    job = create(api, fields=["City"])
    assert code_of(api.get(f"/crm/bulk/v7/read/{job}/result")) == (404, "RESOURCE_NOT_FOUND")
    org.update("Leads", lead, {"City": "late"})
    states = [poll(api, job) for _ in range(5)]
    assert [s["state"] for s in states] == ["QUEUED", "IN PROGRESS", "IN PROGRESS", "COMPLETED", "COMPLETED"]
    assert "result" not in states[2]
    assert download(api, job)[1][0]["City"] == "late"  # the rows are those of the moment at which the job ran


def test_progress_by_time_one_job_after_the_other(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze()
    simulator.switches.update(bulk_mode="time", bulk_seconds=10)
    first, second = create(api, fields=["City"]), create(api, fields=["City"])
    for seconds, states in ((0, ("ADDED", "ADDED")), (3, ("QUEUED", "ADDED")), (4, ("IN PROGRESS", "ADDED")),
                            (4, ("COMPLETED", "QUEUED")), (9, ("COMPLETED", "COMPLETED"))):  # fmt: skip
        simulator.clock.advance(seconds)
        assert (poll(api, first)["state"], poll(api, second)["state"]) == states


def test_a_finished_file_does_not_change_and_lasts_a_day(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze()
    (lead,) = org.insert_many("Leads", leads(1))
    job = create(api, fields=["Last_Name"])
    org.update("Leads", lead, {"Last_Name": "Changed"})
    assert download(api, job)[1][0]["Last_Name"] == "Lead 00000"
    simulator.clock.advance(86_400)
    api.token = api.mint()["access_token"]
    assert code_of(api.get(f"/crm/bulk/v7/read/{job}")) == (404, "RESOURCE_NOT_FOUND")


def test_an_unknown_field_fails_the_whole_job(api: Api, org: Org, simulator: Simulator) -> None:
    shown = poll(api, create(api, fields=["City", "Nothing"]))
    assert shown["state"] == "FAILURE"
    assert "FIELD_NOT_AVAILABLE" in shown["result"]["error_message"]["message"]
    simulator.switches.bulk_refuses_at_create = True
    answer = api.bulk({"module": {"api_name": "Leads"}, "fields": ["City", "Nothing"]})
    assert code_of(answer) == (400, "FIELD_NOT_AVAILABLE")


def test_a_job_can_be_made_to_fail(api: Api, org: Org) -> None:
    org.bulk.fail_next.append("disk full")
    assert poll(api, create(api, fields=["City"]))["result"]["error_message"]["message"] == "disk full"
    assert poll(api, create(api, fields=["City"]))["state"] == "COMPLETED"


def test_refusals_at_creation(api: Api) -> None:
    url, headers = "/crm/bulk/v7/read", api.headers
    assert code_of(api.bulk({"module": {"api_name": "Nothing"}})) == (400, "MODULE_NOT_AVAILABLE")
    assert code_of(api.bulk({"module": {"api_name": "Notes"}})) == (400, "MODULE_NOT_SUPPORTED")
    assert code_of(api.bulk({"module": {"api_name": "Leads"}, "cvid": "1"})) == (400, "CVID_NOT_SUPPORTED")
    text = api.http.post(url, content=b"{}", headers=headers | {"Content-Type": "text/plain"})
    assert code_of(text) == (415, "MEDIA_TYPE_NOT_SUPPORTED")
    typed = headers | {"Content-Type": "application/json"}
    assert code_of(api.http.post(url, content=b"", headers=typed)) == (400, "REQUEST_BODY_IS_EMPTY")
    for body in (b"{}", b"[", b'{"query": 3}'):
        assert code_of(api.http.post(url, content=body, headers=typed)) == (400, "REQUEST_BODY_NOT_READABLE")
    assert code_of(api.get("/crm/bulk/v7/read/1")) == (404, "RESOURCE_NOT_FOUND")


def test_jobs_are_their_users_own(api: Api, org: Org, connect: Any) -> None:
    job = create(api, fields=["City"])
    assert code_of(connect(org.add_user()).get(f"/crm/bulk/v7/read/{job}")) == (404, "RESOURCE_NOT_FOUND")


def test_prices_and_downloads_per_minute(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze()
    before = org.credits_used
    job = create(api, fields=["City"])
    assert org.credits_used - before == 50
    for _ in range(10):
        download(api, job)
    assert code_of(api.get(f"/crm/bulk/v7/read/{job}/result")) == (429, "TOO_MANY_REQUESTS")
    simulator.clock.advance(60)
    download(api, job)


def test_without_fields_all_columns_come(api: Api, org: Org) -> None:
    org.insert_many("Leads", leads(1))
    header, _ = download(api, create(api))
    assert header[0] == "Id"
    assert {"Last_Name", "Owner", "Converted__s"} <= set(header)

"""The form of answers, which switches change. The client of these tests must really receive each form."""

from collections.abc import Callable

import httpx

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator


def test_nothing_as_an_empty_list(simulator: Simulator, api: Api) -> None:
    assert api.get("/Leads", fields="id").status_code == 204
    simulator.switches.empty_as_list = True
    answer = api.get("/Leads", fields="id")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert answer.json()["info"]["more_records"] is False
    assert api.get("/settings/holidays", year=1999).json()["holidays"] == []
    assert api.coql("select id from Leads where id > 0").json()["data"] == []


def test_a_last_page_without_more_records(simulator: Simulator, org: Org, api: Api) -> None:
    org.insert_many("Leads", leads(3))
    simulator.switches.info_on_last_page = False
    assert api.get("/Leads", fields="id", per_page=2).json()["info"]["more_records"] is True
    assert "info" not in api.get("/Leads", fields="id", per_page=2, page=2).json()


def test_what_is_lacking_is_no_pattern_of_a_url(simulator: Simulator, api: Api) -> None:
    simulator.switches.lacking = "/coql,holidays"
    assert code_of(api.coql("select id from Leads where id > 0")) == (404, "INVALID_URL_PATTERN")
    assert code_of(api.get("/settings/holidays")) == (404, "INVALID_URL_PATTERN")
    assert api.get("/settings/modules").status_code == 200


def test_connections_that_are_closed_and_bodies_in_chunks(simulator: Simulator, org: Org, api: Api) -> None:
    org.insert_many("Leads", leads(3))
    plain: httpx.Response = api.get("/Leads", fields="Last_Name")
    simulator.switches.update(keep_alive=False, chunked=True)
    answer = api.get("/Leads", fields="Last_Name")
    assert answer.content == plain.content
    assert answer.headers["connection"] == "close"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_unknown_fields_are_left_out_or_refused(simulator: Simulator, org: Org, api: Api) -> None:
    org.insert_many("Leads", leads(1))
    assert set(api.get("/Leads", fields="Last_Name,Nonsense").json()["data"][0]) == {"id", "Last_Name"}
    simulator.switches.unknown_fields = "reject"
    refused = api.get("/Leads", fields="Last_Name,Nonsense")
    assert code_of(refused) == (400, "INVALID_DATA")
    assert refused.json()["details"]["unknown"] == ["Nonsense"]


def test_version_2_needs_no_fields(org: Org, api: Api) -> None:
    org.insert_many("Leads", leads(1, Company="Acme"))
    assert code_of(api.get("/Leads")) == (400, "REQUIRED_PARAM_MISSING")
    assert api.get("/crm/v2/Leads").json()["data"][0]["Company"] == "Acme"


def test_a_query_for_too_many_rows_is_refused_or_cut(simulator: Simulator, org: Org, api: Api) -> None:
    org.insert_many("Leads", leads(5))
    simulator.switches.coql_row_limit = 2
    query = "select id from Leads where id > 0 limit 4"
    assert code_of(api.coql(query)) == (400, "LIMIT_EXCEEDED")
    simulator.switches.coql_clamps = True
    answer = api.coql(query).json()
    assert (len(answer["data"]), answer["info"]["more_records"]) == (2, True)


def test_a_file_that_is_ready_late(simulator: Simulator, org: Org, connect: Callable[..., Api]) -> None:
    org.insert_many("Leads", leads(1))
    simulator.switches.bulk_result_after = 1
    api = connect()
    job = api.bulk({"module": {"api_name": "Leads"}, "fields": ["Last_Name"]}).json()["data"][0]["details"]["id"]
    path = f"/crm/bulk/v7/read/{job}"
    assert api.get(path).json()["data"][0]["state"] == "COMPLETED"
    assert code_of(api.get(f"{path}/result")) == (404, "RESOURCE_NOT_FOUND")
    assert api.get(f"{path}/result").status_code == 200

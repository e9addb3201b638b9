"""GET /{module}: fields, order, converted leads, If-Modified-Since, empty answers, single records."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator

T0 = "2026-01-05T00:00:00+00:00"


def test_a_row_has_the_asked_fields_and_its_id_alone(api: Api, org: Org) -> None:
    lead = org.insert("Leads", {"Last_Name": "Rao", "Email": "r@x.example", "Annual_Revenue": 12.5})
    body = api.get("/Leads", fields="Last_Name,Annual_Revenue,Email_Opt_Out,No_Such_Field").json()
    assert body["data"] == [{"Last_Name": "Rao", "Annual_Revenue": 12.5, "Email_Opt_Out": False, "id": lead}]
    assert lead.isdigit()
    assert 18 <= len(lead) <= 19


def test_info_of_a_page(api: Api, org: Org) -> None:
    org.insert_many("Leads", leads(3))
    info = api.get("/Leads", fields="id", per_page=2).json()["info"]
    assert (info["per_page"], info["count"], info["page"], info["more_records"]) == (2, 2, 1, True)
    assert (info["sort_by"], info["sort_order"]) == ("id", "desc")
    assert info["next_page_token"]
    assert info["page_token_expiry"].endswith("+05:30")
    last = api.get("/Leads", fields="id", per_page=2, page=2).json()["info"]
    assert (last["count"], last["more_records"], last["next_page_token"]) == (1, False, None)


def test_instants_are_written_in_the_token_users_zone(org: Org, connect: Callable[..., Api]) -> None:
    org.insert("Leads", {"Last_Name": "Rao", "Created_Time": T0})
    abroad = org.add_user(first_name="Ann", time_zone="America/New_York")
    for api, shown in ((connect(), "2026-01-05T05:30:00+05:30"), (connect(abroad), "2026-01-04T19:00:00-05:00")):
        assert api.get("/Leads", fields="Created_Time").json()["data"][0]["Created_Time"] == shown


def test_shapes_of_lookups_owners_and_tags(api: Api, org: Org) -> None:
    account = org.insert("Accounts", {"Account_Name": "Tata"})
    org.insert("Deals", {"Deal_Name": "D", "Account_Name": account, "Tag": ["hot"], "Closing_Date": "2026-02-01"})
    row = api.get("/Deals", fields="Account_Name,Owner,Tag,Closing_Date,Contact_Name").json()["data"][0]
    assert row["Account_Name"] == {"name": "Tata", "id": account}
    assert row["Owner"] == {"name": "Asha Admin", "id": org.admin.id, "email": org.admin.email}
    assert row["Tag"] == [{"name": "hot", "id": None, "color_code": None}]
    assert (row["Closing_Date"], row["Contact_Name"]) == ("2026-02-01", None)


@pytest.mark.parametrize("live", [True, False])
def test_a_renamed_parent_shows_by_switch(api: Api, org: Org, simulator: Simulator, live: bool) -> None:
    simulator.switches.live_lookup_names = live
    account = org.insert("Accounts", {"Account_Name": "Old"})
    org.insert("Deals", {"Deal_Name": "D", "Account_Name": account})
    assert api.get("/Deals", fields="Account_Name").json()["data"][0]["Account_Name"]["name"] == "Old"
    org.update("Accounts", account, {"Account_Name": "New"})
    shown = api.get("/Deals", fields="Account_Name").json()["data"][0]["Account_Name"]["name"]
    assert shown == ("New" if live else "Old")


def test_default_order_is_id_descending(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(5))
    assert [r["id"] for r in api.get("/Leads", fields="id").json()["data"]] == ids[::-1]
    ascending = api.get("/Leads", fields="id", sort_order="asc").json()["data"]
    assert [r["id"] for r in ascending] == ids


def test_sort_by_modified_time_orders_ties_by_id(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(4))
    org.update("Leads", ids[0], {"City": "x", "Modified_Time": "2026-02-01T00:00:00Z"})
    org.update("Leads", ids[2], {"City": "x", "Modified_Time": "2026-02-01T00:00:00Z"})
    rows = api.get("/Leads", fields="id", sort_by="Modified_Time", sort_order="asc").json()["data"]
    assert [r["id"] for r in rows] == [ids[1], ids[3], ids[0], ids[2]]


def test_converted_leads_are_hidden_by_default(api: Api, org: Org) -> None:
    stays, goes = org.insert_many("Leads", leads(2))
    org.convert(goes)

    def seen(**params: str) -> set[str]:
        answer = api.get("/Leads", fields="id", **params)
        return {row["id"] for row in answer.json()["data"]}

    assert seen() == seen(converted="false") == {stays}
    assert seen(converted="true") == {goes}
    assert seen(converted="both") == {stays, goes}


def test_modified_since_is_inclusive_to_the_second(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", leads(3))

    def since(moment: str, **params: str) -> Any:
        answer = api.get("/Leads", since=moment, fields="id", sort_order="asc", **params)
        return [r["id"] for r in answer.json()["data"]] if answer.status_code == 200 else answer.status_code

    assert since("2026-01-05T00:00:01+00:00") == ids[1:]
    assert since("2026-01-05T05:30:02+05:30") == ids[2:]
    assert since("2026-01-05T00:00:01Z", sort_by="Created_Time") == ids[1:]
    assert since("2026-01-05T00:00:01Z", sort_by="Modified_Time") == ids[1:]
    assert since("2026-01-05T00:00:03Z") == 304
    simulator.switches.modified_since_inclusive = False
    assert since("2026-01-05T00:00:01+00:00") == ids[2:]


def test_modified_since_still_hides_converted_leads(api: Api, org: Org) -> None:
    (lead,) = org.insert_many("Leads", leads(1))
    org.convert(lead, at="2026-01-06T00:00:00Z")
    assert api.get("/Leads", since=T0, fields="id").status_code == 304
    assert api.get("/Leads", since=T0, fields="id", converted="both").status_code == 200


def test_empty_answers_have_no_body(api: Api, org: Org, simulator: Simulator) -> None:
    empty = api.get("/Leads", fields="id")
    assert (empty.status_code, empty.content) == (204, b"")
    org.insert_many("Leads", leads(1))
    assert api.get("/Leads", fields="id", page=2).status_code == 204
    assert api.get("/Leads", since=T0, fields="id", page=2).status_code == 204
    simulator.switches.empty_later_page = 304
    assert api.get("/Leads", since=T0, fields="id", page=2).status_code == 304
    assert api.get("/Leads", fields="id", page=2).status_code == 204


@pytest.mark.parametrize(
    ("params", "code", "details"),
    [
        ({}, "REQUIRED_PARAM_MISSING", {"param_name": "fields"}),
        ({"fields": ",".join(f"f{n}" for n in range(51))}, "LIMIT_EXCEEDED", {"param_name": "fields", "limit": 50}),
        ({"fields": "id", "per_page": 201}, "LIMIT_EXCEEDED", {"param_name": "per_page", "limit": 200}),
        ({"fields": "id", "page": 11}, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": 2000}),
        ({"fields": "id", "page": "two"}, "PATTERN_NOT_MATCHED", {"param_name": "page"}),
        ({"fields": "id", "page": 0}, "PATTERN_NOT_MATCHED", {"param_name": "page"}),
        ({"fields": "id", "sort_by": "Last_Name"}, "INVALID_DATA", None),
        ({"fields": "id", "sort_order": "up"}, "INVALID_DATA", None),
        ({"fields": "id", "converted": "yes"}, "INVALID_DATA", None),
        ({"fields": "id", "page_token": "rubbish"}, "INVALID_DATA", {"param_name": "page_token"}),
        ({"fields": "id", "cvid": "1", "sort_by": "id"}, "AMBIGUITY_DURING_PROCESSING", None),
        ({"fields": "id", "page": "1", "page_token": "x"}, "AMBIGUITY_DURING_PROCESSING", None),
    ],
)
def test_wrong_parameters_are_400(api: Api, params: dict[str, Any], code: str, details: dict[str, Any] | None) -> None:
    answer = api.get("/Leads", **params)
    assert code_of(answer) == (400, code)
    assert answer.json()["status"] == "error"
    assert details is None or answer.json()["details"] == details


def test_a_header_that_is_no_instant_is_refused(api: Api) -> None:
    for text in ("Mon, 05 Jan 2026 00:00:00 GMT", "2026-01-05T00:00:00"):
        assert code_of(api.get("/Leads", since=text, fields="id")) == (400, "INVALID_DATA")


def test_unknown_modules_paths_and_verbs(api: Api) -> None:
    assert code_of(api.get("/Nothing", fields="id")) == (400, "INVALID_MODULE")
    assert code_of(api.get("/Activities", fields="id")) == (400, "INVALID_MODULE")
    assert code_of(api.get("/Leads/1/2/3/4")) == (404, "INVALID_URL_PATTERN")
    answer = api.http.patch("/crm/v7/Leads", headers=api.headers)
    assert code_of(answer) == (400, "INVALID_REQUEST_METHOD")


def test_unknown_parameters_by_switch(api: Api, org: Org, simulator: Simulator) -> None:
    org.insert_many("Leads", leads(2))
    criteria = "(Last_Name:equals:nobody)"
    assert len(api.get("/Leads", fields="id", criteria=criteria).json()["data"]) == 2
    simulator.switches.unknown_params = "reject"
    assert code_of(api.get("/Leads", fields="id", criteria=criteria)) == (400, "INVALID_DATA")


def test_lists_cut_rich_text_and_leave_subforms_out(api: Api, org: Org) -> None:
    org.add_custom_field("Leads", "Lines", "Lines", "subform")
    org.add_custom_field("Leads", "Story", "Story", "richtext")
    lead = org.insert("Leads", {"Last_Name": "R", "Story": "x" * 900, "Lines": [{"a": 1}], "Description": "y" * 900})
    listed = api.get("/Leads", fields="Story,Lines,Description").json()["data"][0]
    assert len(listed["Story"]) == 500
    assert len(listed["Description"]) == 900
    assert "Lines" not in listed
    single = api.get(f"/Leads/{lead}").json()["data"][0]
    assert len(single["Story"]) == 900
    assert (single["Lines"], single["$has_more"]) == ([{"a": 1}], {"Lines": False})


def test_a_single_record_without_fields_has_them_all(api: Api, org: Org, simulator: Simulator) -> None:
    lead = org.insert("Leads", {"Last_Name": "Rao", "First_Name": "A"})
    row = api.get(f"/Leads/{lead}").json()["data"][0]
    assert row["Full_Name"] == "A Rao"
    assert set(org.module("Leads").fields) <= row.keys()
    assert row == org.row("Leads", lead)
    org.convert(lead)
    assert api.get(f"/Leads/{lead}").status_code == 200
    simulator.switches.single_get_hides_converted = True
    assert api.get(f"/Leads/{lead}").status_code == 204
    assert api.get(f"/Leads/{lead}", converted="both").status_code == 200
    assert code_of(api.get("/Leads/123")) == (400, "INVALID_DATA")


def test_several_ids_at_once(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(3))
    rows = api.get("/Leads", fields="id", ids=",".join([ids[2], "99", ids[0]])).json()["data"]
    assert [row["id"] for row in rows] == [ids[2], ids[0]]
    assert api.get("/Leads", fields="id", ids="99").status_code == 204
    many = ",".join(str(n) for n in range(101))
    assert code_of(api.get("/Leads", fields="id", ids=many)) == (400, "LIMIT_EXCEEDED")


def test_notes_are_listed_for_admins_alone(org: Org, connect: Callable[..., Api]) -> None:
    lead = org.insert("Leads", {"Last_Name": "R"})
    note = {"Note_Content": "<b>hi</b>", "Parent_Id": {"module": {"api_name": "Leads"}, "id": lead}}
    org.insert("Notes", note)
    row = connect().get("/Notes", fields="Note_Content,Parent_Id").json()["data"][0]
    module = {"api_name": "Leads", "id": org.module("Leads").id}
    assert row["Parent_Id"] == {"module": module, "name": "R", "id": lead}
    plain = connect(org.add_user())
    assert code_of(plain.get("/Notes", fields="id")) == (403, "NOT_SUPPORTED")
    assert plain.get(f"/Leads/{lead}/Notes", fields="Note_Content").status_code == 200


def test_a_row_is_rendered_once_until_it_changes(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(200))
    for _ in range(5):
        assert len(api.get("/Leads", fields="Last_Name,City,Owner,Created_Time").json()["data"]) == 200
    assert org.rows_rendered == 200
    org.update("Leads", ids[7], {"City": "Pune"})
    rows = api.get("/Leads", fields="Last_Name,City,Owner,Created_Time").json()["data"]
    assert org.rows_rendered == 201
    assert {row["id"]: row["City"] for row in rows}[ids[7]] == "Pune"
    org.update_user(org.admin, last_name="Renamed")
    rows = api.get("/Leads", fields="Last_Name,City,Owner,Created_Time").json()["data"]
    assert {row["Owner"]["name"] for row in rows} == {"Asha Renamed"}

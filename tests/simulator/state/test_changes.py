"""Changes of rows: defaults, edits, conversion, merge, and the histories that Zoho keeps by itself."""

from typing import Any

import pytest

from tests.simulator.client import Api, leads
from zoho_pipeline.simulator import Org, Pick, Simulator, SimulatorError


def test_defaults_of_a_new_row(org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze("2026-03-01T00:00:00Z")
    row = org.row("Leads", org.insert("Leads", {"First_Name": "A", "Last_Name": "Rao"}))
    assert row["Created_Time"] == row["Modified_Time"] == "2026-03-01T05:30:00+05:30"
    assert row["Owner"]["id"] == row["Created_By"]["id"] == org.admin.id
    assert (row["Full_Name"], row["Converted__s"], row["Record_Status__s"]) == ("A Rao", False, "Available")
    assert (row["$converted"], row["$converted_detail"], row["$approved"]) == (False, {}, True)


def test_an_edit_moves_modified_time_unless_it_leaves_no_trace(org: Org, simulator: Simulator) -> None:
    (lead,) = org.insert_many("Leads", leads(1))
    simulator.clock.freeze("2026-03-01T00:00:00Z")
    org.update("Leads", lead, {"City": "Pune"}, touch=False)
    assert org.row("Leads", lead)["Modified_Time"] == "2026-01-05T05:30:00+05:30"
    org.update("Leads", lead, {"City": None, "Last_Name": "New"})
    row = org.row("Leads", lead)
    assert (row["City"], row["Full_Name"], row["Modified_Time"]) == (None, "New", "2026-03-01T05:30:00+05:30")


def test_impossible_changes_are_refused_by_name(org: Org) -> None:
    (lead,) = org.insert_many("Leads", leads(1))
    for wrong, words in (
        (lambda: org.insert("Leads", {"Lst_Name": "x"}), "no field Lst_Name"),
        (lambda: org.insert("Lead", {}), "unknown module Lead"),
        (lambda: org.update("Leads", "1", {}), "no live row 1"),
        (lambda: org.insert("Leads", {"id": lead, "Last_Name": "x"}), "taken or given twice"),
        (lambda: org.merge("Leads", lead, lead), "merged with itself"),
        (lambda: org.add_custom_field("Leads", "Email", "Email"), "already has a field"),
        (lambda: org.add_custom_field("Leads", "X", "X", "colour"), "unknown field type colour"),
    ):
        with pytest.raises(SimulatorError, match=words):
            wrong()
    assert len(org.rows("Leads")) == 1


@pytest.mark.parametrize("bumps", [True, False])
def test_conversion_makes_account_contact_and_deal(org: Org, simulator: Simulator, bumps: bool) -> None:
    simulator.switches.conversion_bumps_modified = bumps
    lead = org.insert("Leads", leads(1)[0] | {"Company": "Tata", "Email": "r@x.example", "Lead_Source": "Chat"})
    made = org.convert(lead, at="2026-01-15T12:00:00Z", deal={"Amount": 500, "Pipeline": "Standard (Standard)"})
    row = org.row("Leads", lead)
    assert row["Converted__s"] is row["$converted"] is True
    assert row["Converted_Date_Time"] == "2026-01-15T17:30:00+05:30"
    assert row["Lead_Conversion_Time"] == 10
    assert row["Converted_Account"] == {"name": "Tata", "id": made["Accounts"]}
    assert row["Converted_Contact"]["id"] == made["Contacts"]
    assert row["Converted_Deal"]["id"] == made["Deals"]
    assert row["Modified_Time"] == ("2026-01-15T17:30:00+05:30" if bumps else "2026-01-05T05:30:00+05:30")
    deal = org.row("Deals", str(made["Deals"]))
    assert (deal["Amount"], deal["Stage"], deal["Probability"], deal["Expected_Revenue"]) == (
        500, "Qualification", 10, 50,
    )  # fmt: skip
    assert deal["Contact_Name"]["id"] == made["Contacts"]
    contact = org.row("Contacts", str(made["Contacts"]))
    assert (contact["Email"], contact["Lead_Source"]) == ("r@x.example", "Chat")
    with pytest.raises(SimulatorError, match="already converted"):
        org.convert(lead)


def test_many_leads_may_convert_into_one_contact_without_a_deal(org: Org) -> None:
    first, second = org.insert_many("Leads", leads(2))
    made = org.convert(first)
    assert made["Deals"] is None
    again = org.convert(second, contact_id=made["Contacts"])
    assert again["Contacts"] == made["Contacts"]
    assert len(org.rows("Contacts")) == 1
    assert org.row("Leads", second)["Converted_Deal"] is None


def test_old_orgs_have_only_the_detail(org: Org, simulator: Simulator) -> None:
    simulator.switches.converted_detail_only = True
    (lead,) = org.insert_many("Leads", leads(1))
    made = org.convert(lead, at="2026-01-15T12:00:00Z", deal={})
    row = org.row("Leads", lead)
    assert row["Converted_Contact"] is row["Converted_Deal"] is None
    assert row["$converted_detail"]["contact"] == made["Contacts"]
    assert row["$converted_detail"]["deal"] == made["Deals"]
    assert row["$converted_detail"]["convert_date"] == "2026-01-15T17:30:00+05:30"


@pytest.mark.parametrize("moves", [True, False])
def test_activities_of_a_converted_lead_move_by_switch(org: Org, simulator: Simulator, moves: bool) -> None:
    simulator.switches.conversion_moves_activities = moves
    (lead,) = org.insert_many("Leads", leads(1))
    about = {"What_Id": {"id": lead}, "$se_module": "Leads"}
    call = org.insert("Calls", {"Subject": "c", "Call_Type": "Outbound", "Created_Time": 1_767_571_300, **about})
    note = org.insert("Notes", {"Note_Content": "n", "Parent_Id": {"id": lead, "module": "Leads"}})
    made = org.convert(lead, deal={})
    moved, noted = org.row("Calls", call), org.row("Notes", note)
    if moves:
        assert (moved["Who_Id"]["id"], moved["What_Id"]["id"]) == (made["Contacts"], made["Deals"])
        assert moved["$se_module"] == "Deals"
        assert moved["Modified_Time"] > "2026-01-06"
        assert noted["Parent_Id"]["module"]["api_name"] == "Contacts"
    else:
        assert (moved["Who_Id"], moved["What_Id"]["id"], moved["$se_module"]) == (None, lead, "Leads")
        assert noted["Parent_Id"]["id"] == lead


def test_a_merge_fills_the_winner_and_takes_over_activities(org: Org, simulator: Simulator) -> None:
    simulator.switches.merge_bumps_modified = False
    winner = org.insert("Leads", leads(1)[0] | {"Last_Name": "W", "City": "Pune"})
    loser = org.insert("Leads", leads(1)[0] | {"Last_Name": "L", "City": "Delhi", "Email": "l@x.example"})
    task = org.insert("Tasks", {"Subject": "t", "What_Id": loser, "$se_module": "Leads"})
    org.merge("Leads", winner, loser)
    row = org.row("Leads", winner)
    assert (row["Last_Name"], row["City"], row["Email"]) == ("W", "Pune", "l@x.example")
    assert row["Modified_Time"] == "2026-01-05T05:30:00+05:30"
    assert org.row("Tasks", task)["What_Id"] == {"name": "W", "id": winner}


def stays(org: Org, module: str = "DealHistory", value: str = "Stage") -> list[tuple[Any, ...]]:
    return [(r[value], r["Moved_To__s"], r["Modified_Time"][:10]) for r in org.rows(module, zone="UTC")]


def test_stage_history_has_one_row_per_stay(org: Org) -> None:
    deal = org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification", "Created_Time": "2026-01-01T00:00:00Z"})
    org.update("Deals", deal, {"Next_Step": "call", "Modified_Time": "2026-01-02T00:00:00Z"})
    org.update("Deals", deal, {"Stage": "Closed Won", "Modified_Time": "2026-01-11T00:00:00Z"})
    assert stays(org) == [("Qualification", "Closed Won", "2026-01-01"), ("Closed Won", None, "2026-01-11")]
    first = org.rows("DealHistory")[0]
    assert (first["Stage_Duration_Calendar_Days"], first["Potential_Name"]["id"]) == (10, deal)
    row = org.row("Deals", deal)
    assert (row["Probability"], row["Sales_Cycle_Duration"], row["Overall_Sales_Duration"]) == (100, 10, 10)
    assert row["Stage_Modified_Time"] == "2026-01-11T05:30:00+05:30"
    org.update("Deals", deal, {"Stage": "Negotiation/Review"})
    assert org.row("Deals", deal)["Sales_Cycle_Duration"] is None


def test_stays_of_a_deleted_deal_lose_their_parent_until_it_is_restored(org: Org) -> None:
    deal = org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    org.delete("Deals", deal)
    assert [row["Potential_Name"] for row in org.rows("DealHistory")] == [None]
    org.restore("Deals", deal)
    assert [row["Potential_Name"]["id"] for row in org.rows("DealHistory")] == [deal]


def test_status_history_exists_where_it_is_switched_on(org: Org, api: Api) -> None:
    assert api.get("/Lead_Status_History", fields="id").status_code == 400
    org.enable_status_history()
    lead = org.insert("Leads", leads(1)[0] | {"Lead_Status": "Not Contacted"})
    org.update("Leads", lead, {"Lead_Status": "Contacted", "Modified_Time": "2026-01-08T00:00:00Z"})
    assert stays(org, "Lead_Status_History", "Lead_Status") == [
        ("Not Contacted", "Contacted", "2026-01-05"),
        ("Contacted", None, "2026-01-08"),
    ]
    listed = api.walk("Lead_Status_History", fields="Lead_Status,Full_Name,Duration_Days", sort_order="asc")
    assert [(r["Lead_Status"], r["Duration_Days"], r["Full_Name"]["id"]) for r in listed] == [
        ("Not Contacted", 3, lead),
        ("Contacted", None, lead),
    ]


def test_a_pipeline_of_its_own_stages(org: Org) -> None:
    org.add_pipeline("Services", [Pick("Scoping", probability=30, forecast_type="Open"),
                                  Pick("Signed", probability=100, forecast_type="Closed Won")])  # fmt: skip
    deal = org.insert("Deals", {"Deal_Name": "D", "Stage": "Signed", "Pipeline": "Services", "Amount": 10})
    row = org.row("Deals", deal)
    assert (row["Probability"], row["Expected_Revenue"], row["Sales_Cycle_Duration"]) == (100, 10, 0)


@pytest.mark.parametrize("bumps", [True, False])
def test_notes_and_activities_touch_their_parent_by_switch(org: Org, simulator: Simulator, bumps: bool) -> None:
    simulator.switches.note_bumps_parent = bumps
    (lead,) = org.insert_many("Leads", leads(1))
    org.insert("Notes", {"Note_Content": "n", "Parent_Id": {"id": lead, "module": "Leads"}})
    assert (org.row("Leads", lead)["Modified_Time"] != "2026-01-05T05:30:00+05:30") is bumps


def test_a_removed_field_takes_its_values_along(org: Org, api: Api) -> None:
    org.add_custom_field("Leads", "utm_source1", "UTM Source")
    lead = org.insert("Leads", leads(1)[0] | {"utm_source1": "google"})
    assert api.get("/Leads", fields="utm_source1").json()["data"][0]["utm_source1"] == "google"
    org.remove_field("Leads", "utm_source1")
    assert api.get("/Leads", fields="utm_source1,Last_Name").json()["data"] == [{"Last_Name": "Lead 00000", "id": lead}]
    assert "utm_source1" not in org.row("Leads", lead)


def test_two_orgs_can_share_ids(simulator: Simulator) -> None:
    first, second = (simulator.add_org(name=n, id_base=5_000_000_000_000_000_000) for n in ("One", "Two"))
    assert first.insert("Leads", {"Last_Name": "a"}) == second.insert("Leads", {"Last_Name": "b"})
    assert first.id != second.id
    assert first.zgid != second.zgid

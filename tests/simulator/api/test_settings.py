"""Metadata, users and org."""

from collections.abc import Callable

from tests.simulator.client import Api, code_of
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.simulator.state.fields import ADS, VISITOR


def test_modules_and_the_trackers_among_them(api: Api, org: Org) -> None:
    org.enable_status_history("Lead_Status_Tracker")
    modules = {m["api_name"]: m for m in api.get("/settings/modules").json()["modules"]}
    assert {
        "Leads",
        "Contacts",
        "Accounts",
        "Deals",
        "Calls",
        "Events",
        "Tasks",
        "Notes",
        "Campaigns",
    } <= modules.keys()
    assert modules["DealHistory"]["generated_type"] == "field_tracker"
    assert modules["Lead_Status_Tracker"]["generated_type"] == "field_tracker"
    assert modules["Events"]["module_name"] == "Meetings"
    assert not modules["Activities"]["api_supported"]
    assert api.get("/settings/modules/Leads").json()["modules"] == [modules["Leads"]]


def test_fields_with_types_labels_and_picklists(api: Api, org: Org) -> None:
    org.add_custom_field("Leads", "UTM_Source", "Utm source (web)", "text")
    org.add_custom_field("Leads", "Plan", "Plan", "picklist", picks=["Basic", "Pro"])
    org.add_field("Leads", VISITOR)
    org.add_field("Leads", ADS)
    fields = {f["api_name"]: f for f in api.get("/settings/fields", module="Leads").json()["fields"]}
    utm = fields["UTM_Source"]
    assert (utm["field_label"], utm["data_type"], utm["custom_field"]) == ("Utm source (web)", "text", True)
    assert [p["actual_value"] for p in fields["Plan"]["pick_list_values"]] == ["Basic", "Pro"]
    assert fields["Owner"]["data_type"] == "ownerlookup"
    assert fields["Last_Name"]["system_mandatory"]
    assert fields["Modified_Time"]["read_only"]
    assert fields["Converted_Deal"]["lookup"]["module"]["api_name"] == "Deals"
    assert {"First_Visited_URL", "GCLID"} <= fields.keys()
    assert not any(name.startswith("$") for name in fields)
    one = api.get(f"/settings/fields/{utm['id']}", module="Leads").json()["fields"]
    assert one == [utm]


def test_metadata_needs_a_module_that_exists(api: Api) -> None:
    assert code_of(api.get("/settings/fields")) == (400, "REQUIRED_PARAM_MISSING")
    assert code_of(api.get("/settings/fields", module="Nothing")) == (400, "INVALID_MODULE")
    assert code_of(api.get("/settings/pipeline")) == (400, "REQUIRED_PARAM_MISSING")


def test_pipelines_give_forecast_types(api: Api) -> None:
    layout = api.get("/settings/layouts", module="Deals").json()["layouts"][0]["id"]
    pipeline = api.get("/settings/pipeline", layout_id=layout).json()["pipeline"][0]
    stages = {stage["actual_value"]: stage for stage in pipeline["maps"]}
    assert stages["Closed Won"]["forecast_type"] == "Closed Won"
    assert stages["Closed Lost to Competition"]["forecast_type"] == "Closed Lost"
    assert stages["Id. Decision Makers"]["display_value"] == "Identify Decision Makers"
    assert stages["Qualification"]["forecast_category"]["name"] == "Pipeline"
    assert [s["sequence_number"] for s in pipeline["maps"]] == list(range(1, 10))
    assert api.get("/settings/pipeline", layout_id="1").status_code == 204


def test_stage_picks_carry_probability_and_forecast(api: Api, org: Org) -> None:
    fields = {f["api_name"]: f for f in api.get("/settings/fields", module="Deals").json()["fields"]}
    won = next(p for p in fields["Stage"]["pick_list_values"] if p["actual_value"] == "Closed Won")
    assert (won["probability"], won["forecast_type"]) == (100, "Closed Won")
    org.set_picks("Deals", "Stage", ["Only"])
    fields = {f["api_name"]: f for f in api.get("/settings/fields", module="Deals").json()["fields"]}
    assert [p["display_value"] for p in fields["Stage"]["pick_list_values"]] == ["Only"]


def test_currency_fields_come_with_multi_currency(api: Api, org: Org) -> None:
    names = [f["api_name"] for f in api.get("/settings/fields", module="Deals").json()["fields"]]
    assert "Exchange_Rate" not in names
    assert not api.get("/org").json()["org"][0]["mc_status"]
    org.enable_multi_currency()
    org.insert("Deals", {"Deal_Name": "D", "Currency": "USD", "Exchange_Rate": 0.012})
    assert api.get("/Deals", fields="Currency,Exchange_Rate").json()["data"][0]["Exchange_Rate"] == 0.012
    assert api.get("/org").json()["org"][0]["mc_status"]


def test_business_hours_and_holidays(api: Api, org: Org) -> None:
    assert api.get("/settings/business_hours").status_code == 204
    assert api.get("/settings/holidays", year=2026).status_code == 204
    hours = {"type": "custom", "week_starts_on": "Monday", "same_as_everyday": True, "business_days": ["Monday"],
             "daily_timing": ["09:00", "18:00"], "custom_timing": None}  # fmt: skip
    org.set_business_hours(hours)
    org.add_holiday("Republic Day", "2026-01-26")
    assert api.get("/settings/business_hours").json()["business_hours"].items() >= hours.items()
    assert [h["date"] for h in api.get("/settings/holidays", year=2026).json()["holidays"]] == ["2026-01-26"]
    assert api.get("/settings/holidays", year=2027).status_code == 204


def test_related_lists_are_named(api: Api) -> None:
    lists = api.get("/settings/related_lists", module="Leads").json()["related_lists"]
    assert {"Notes", "Emails", "Tasks"} <= {entry["api_name"] for entry in lists}


def test_users_by_type(api: Api, org: Org) -> None:
    plain = org.add_user(first_name="Ravi", last_name="Rep", time_zone="America/New_York")
    left = org.add_user(first_name="Left", last_name="Long")
    idle = org.add_user(first_name="Idle", last_name="One", status="inactive")
    new = org.add_user(first_name="New", last_name="One", confirmed=False)
    org.delete_user(left)

    def ids(kind: str) -> set[str]:
        answer = api.get("/users", type=kind)
        return {user["id"] for user in answer.json()["users"]} if answer.status_code == 200 else set()

    admin = org.admin.id
    assert ids("AllUsers") == {admin, plain.id, idle.id, new.id}
    assert ids("DeletedUsers") == {left.id}
    assert ids("ActiveUsers") == {admin, plain.id, new.id}
    assert ids("DeactiveUsers") == {idle.id}
    assert ids("NotConfirmedUsers") == {new.id}
    assert ids("AdminUsers") == ids("ActiveConfirmedAdmins") == ids("CurrentUser") == {admin}
    assert code_of(api.get("/users", type="Everyone")) == (400, "INVALID_DATA")
    shown = api.get(f"/users/{plain.id}").json()["users"][0]
    assert (shown["full_name"], shown["time_zone"], shown["offset"] % 3_600_000) == ("Ravi Rep", "America/New_York", 0)
    assert shown["profile"]["name"] == "Standard"
    assert api.get("/users", type="AllUsers", per_page=3).json()["info"]["more_records"]
    assert "info" not in api.get("/users", type="CurrentUser").json()


def test_the_current_user_is_the_tokens(org: Org, connect: Callable[..., Api]) -> None:
    plain = org.add_user(first_name="Ravi")
    assert connect(plain).get("/users", type="CurrentUser").json()["users"][0]["id"] == plain.id


def test_org(api: Api, org: Org, simulator: Simulator) -> None:
    shown = api.get("/org").json()["org"][0]
    assert (shown["id"], shown["company_name"], shown["time_zone"]) == (org.id, "Acme", "Asia/Kolkata")
    assert (shown["iso_code"], shown["currency_symbol"], shown["type"]) == ("INR", "₹", "production")
    assert (shown["license_details"]["paid_type"], shown["domain_name"]) == ("enterprise", f"org{org.zgid}")


def test_version_eight_answers_too(api: Api) -> None:
    assert api.get("/crm/v8/settings/modules").status_code == 200
    assert code_of(api.get("/crm/v9/settings/modules")) == (404, "INVALID_URL_PATTERN")

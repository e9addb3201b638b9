"""The contract of metadata, users and org. The simulator and a real Zoho must both keep it."""

import pytest

from tests.zoho.conftest import Zoho
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.credits import ENTERPRISE, known_edition
from zoho_pipeline.zoho.read import metadata, org, users


def test_modules(zoho: Zoho) -> None:
    found = {module.api_name: module for module in metadata.modules(zoho.client)}
    assert {"Leads", "Contacts", "Accounts", "Deals", "Tasks", "Events", "Calls"} <= found.keys()
    assert found["Leads"].generated_type == "default"
    assert found["Leads"].api_supported
    assert metadata.history_modules(list(found.values()))[0] == "DealHistory"


def test_fields_of_leads(zoho: Zoho) -> None:
    found = {field.api_name: field for field in metadata.fields(zoho.client, "Leads")}
    assert found["Last_Name"].data_type == "text"
    assert found["Owner"].data_type == "ownerlookup"
    assert found["Created_Time"].data_type == "datetime"
    assert found["Lead_Source"].data_type == "picklist"
    assert found["Lead_Source"].pick_list_values
    assert all(field.label and field.data_type for field in found.values())
    assert not found["Last_Name"].custom


def test_fields_of_no_module(zoho: Zoho) -> None:
    with pytest.raises((errors.ModuleMissing, errors.InvalidRequest)):
        metadata.fields(zoho.client, "No_Such_Module")


def test_layouts_and_pipelines(zoho: Zoho) -> None:
    assert metadata.layouts(zoho.client, "Deals")
    pipelines = metadata.pipelines(zoho.client)
    with_odds = metadata.with_probabilities(pipelines, metadata.fields(zoho.client, "Deals"))
    for pipeline in with_odds:
        assert pipeline.actual_value
        assert {stage.forecast_type for stage in pipeline.stages} <= {"Open", "Closed Won", "Closed Lost"}
        assert any(stage.probability == 100 for stage in pipeline.stages)
    if zoho.org is not None:
        assert [stage.actual_value for stage in with_odds[0].stages][:2] == ["Qualification", "Needs Analysis"]
        assert [stage.probability for stage in with_odds[0].stages][:2] == [10, 20]


def test_business_hours_and_holidays(zoho: Zoho) -> None:
    hours = metadata.business_hours(zoho.client)
    assert hours is None or hours["type"] in ("24_by_7", "24_by_5", "custom")
    for holiday in metadata.holidays(zoho.client, 2026):
        assert holiday["date"].startswith("2026")


def test_the_current_user(zoho: Zoho) -> None:
    user = users.current(zoho.client)
    assert user["email"]
    assert user["time_zone"]
    assert user["id"] in {row["id"] for row in users.list_users(zoho.client)}
    assert zoho.org is None or users.is_admin(user)


@pytest.mark.parametrize(
    "type", ["AllUsers", "ActiveUsers", "DeactiveUsers", "DeletedUsers", "AdminUsers", "ActiveConfirmedUsers"]
)
def test_users_of_every_type(zoho: Zoho, type: users.UserType) -> None:
    found = users.list_users(zoho.client, type)
    assert len({row["id"] for row in found}) == len(found)


def test_the_org(zoho: Zoho) -> None:
    found = org.get(zoho.client)
    assert found.id.isdigit()
    assert found.time_zone
    assert found.currency
    assert len(found.currency) == 3
    assert known_edition(found.paid_type) is not None
    if zoho.org is not None:
        assert (found.name, found.time_zone, found.currency) == ("Acme", "Asia/Kolkata", "INR")
        assert known_edition(found.paid_type) == ENTERPRISE

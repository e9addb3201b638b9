"""Which fields a sync requests, and which field has which meaning."""

from zoho_pipeline.ingest.catalog.field_map import discover, merged
from zoho_pipeline.ingest.catalog.field_selection import FieldPlan


def test_fields_are_found_by_name_or_label() -> None:
    fields = [
        ("Lead_Source", "Lead Source"),
        ("utm_source1", "Source"),
        ("UTM_Source", "x"),
        ("Custom_3", "Landing Page URL"),
        ("UTM_Campaign__c", "c"),
        ("Http_Referrer", "Referrer"),
        ("Custom_4", "LinkedIn Click ID"),
        ("MSCLKID1", "m"),
        ("TTCLID__c", "t"),
    ]
    assert discover(fields) == {
        "utm_source": "UTM_Source",
        "utm_campaign": "UTM_Campaign__c",
        "landing_url": "Custom_3",
        "referrer": "Http_Referrer",
        "li_fat_id": "Custom_4",
        "msclkid": "MSCLKID1",
        "ttclid": "TTCLID__c",
    }
    assert merged({"gclid": "G", "utm_id": "U"}, {"gclid": "Mine", "utm_id": ""}) == {"gclid": ("Mine", "set")}


def test_slices_hold_fifty_fields_and_all_carry_the_time() -> None:
    names = tuple(f"F{n}" for n in range(120))
    slices = FieldPlan(("Modified_Time", *names)).slices
    assert [len(part) for part in slices] == [50, 50, 23]
    assert all(part[0] == "Modified_Time" for part in slices)
    assert {name for part in slices for name in part} == {"Modified_Time", *names}


def test_changes_of_the_schema_are_reported() -> None:
    plan = FieldPlan((), {"A": "text", "B": "integer", "C": "text"}, "metadata")
    assert plan.changes_since({"A": "text", "B": "text", "D": "text"}) == [
        "field C appeared",
        "field D is gone or hidden",
        "field B changed from text to integer",
    ]
    assert plan.changes_since({}) == []

"""GET /{module}/deleted: entries, types, windows, restores, merges."""

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator, SimulatorError


def ids_of(api: Api, **params: str) -> list[str]:
    answer = api.get("/Leads/deleted", **params)
    return [entry["id"] for entry in answer.json()["data"]] if answer.status_code == 200 else []


def test_an_entry_says_when_what_and_by_whom(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze("2026-03-01T00:00:00Z")
    lead = org.insert("Leads", {"Last_Name": "Rao"})
    org.delete("Leads", lead)
    api.token = api.mint()["access_token"]
    body = api.get("/Leads/deleted").json()
    admin = {"name": "Asha Admin", "id": org.admin.id}
    assert body["data"] == [
        {
            "id": lead, "deleted_time": "2026-03-01T05:30:00+05:30", "type": "recycle", "deleted_by": admin,
            "created_by": admin, "display_name": "Rao",
        }
    ]  # fmt: skip
    assert body["info"] == {"per_page": 200, "count": 1, "page": 1, "more_records": False}
    assert api.get("/Leads", fields="id").status_code == 204


def test_types_are_told_apart(api: Api, org: Org) -> None:
    bin_, gone, both = org.insert_many("Leads", leads(3))
    org.delete("Leads", bin_)
    org.delete("Leads", gone, permanent=True)
    org.delete("Leads", both)
    org.delete("Leads", both, permanent=True)
    assert ids_of(api, type="recycle") == [bin_]
    assert set(ids_of(api, type="permanent")) == {gone, both}
    assert set(ids_of(api)) == {bin_, gone, both}
    entry = api.get("/Leads/deleted", type="permanent").json()["data"][0]
    assert (entry["deleted_by"], entry["created_by"], entry["display_name"]) == (None, None, None)
    assert code_of(api.get("/Leads/deleted", type="trash")) == (400, "INVALID_DATA")


def test_modified_since_filters_on_the_deletion(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.set("2026-03-01T12:00:00Z")
    early, late = org.insert_many("Leads", leads(2))
    org.delete("Leads", early, at="2026-03-01T10:00:00Z")
    org.delete("Leads", late, at="2026-03-01T11:00:00Z")
    api.token = api.mint()["access_token"]
    since = api.get("/Leads/deleted", since="2026-03-01T11:00:00Z").json()["data"]
    assert [entry["id"] for entry in since] == [late]
    nothing = api.get("/Leads/deleted", since="2026-03-01T11:00:01Z")
    assert (nothing.status_code, nothing.content) == (304, b"")
    simulator.switches.deleted_304 = False
    assert api.get("/Leads/deleted", since="2026-03-01T11:00:01Z").status_code == 204
    assert api.get("/Contacts/deleted").status_code == 204


def test_the_bin_shows_sixty_days_and_permanent_ones_a_hundred_and_twenty(
    api: Api, org: Org, simulator: Simulator
) -> None:
    simulator.clock.freeze("2026-03-01T00:00:00Z")
    bin_, gone = org.insert_many("Leads", leads(2))
    org.delete("Leads", bin_)
    org.delete("Leads", gone, permanent=True)
    for days, seen in ((59, {bin_, gone}), (60, {gone}), (119, {gone}), (120, set())):
        simulator.clock.set("2026-03-01T00:00:00Z")
        simulator.clock.advance(days * 86_400)
        api.token = simulator.hub.tokens.mint(simulator.hub.tokens.grants[api.refresh_token]).value
        assert set(ids_of(api)) == seen


def test_pages_and_their_cap(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", leads(5))
    for lead in ids:
        org.delete("Leads", lead, at="2026-11-01T00:00:00Z")
    simulator.clock.set("2026-11-02T00:00:00Z")
    api.token = api.mint()["access_token"]
    first = api.get("/Leads/deleted", per_page=2).json()
    assert [entry["id"] for entry in first["data"]] == [ids[4], ids[3]]
    assert first["info"]["more_records"]
    assert not api.get("/Leads/deleted", per_page=2, page=3).json()["info"]["more_records"]
    simulator.switches.deleted_page_cap = 4
    assert api.get("/Leads/deleted", per_page=2, page=2).status_code == 200
    assert code_of(api.get("/Leads/deleted", per_page=2, page=3)) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")


@pytest.mark.parametrize("bumps", [True, False])
def test_a_restored_row_leaves_the_list_and_is_back(api: Api, org: Org, simulator: Simulator, bumps: bool) -> None:
    simulator.switches.restore_bumps_modified = bumps
    (lead,) = org.insert_many("Leads", leads(1))
    before = org.row("Leads", lead)
    org.delete("Leads", lead)
    org.restore("Leads", lead)
    assert ids_of(api) == []
    assert api.get("/Leads", fields="id").json()["data"] == [{"id": lead}]
    assert (org.row("Leads", lead)["Modified_Time"] != before["Modified_Time"]) is bumps
    with pytest.raises(SimulatorError, match="recycle bin"):
        org.restore("Leads", lead)


@pytest.mark.parametrize("listed", [True, False])
def test_whether_a_merge_is_in_the_list_is_a_switch(api: Api, org: Org, simulator: Simulator, listed: bool) -> None:
    simulator.switches.merge_in_deleted = listed
    winner, loser = org.insert_many("Leads", leads(2))
    org.merge("Leads", winner, loser)
    assert ids_of(api) == ([loser] if listed else [])
    assert [row["id"] for row in api.get("/Leads", fields="id").json()["data"]] == [winner]


def test_conversions_are_no_deletions(api: Api, org: Org) -> None:
    (lead,) = org.insert_many("Leads", leads(1))
    org.convert(lead)
    assert ids_of(api) == []


def test_the_recycle_bin_over_all_modules(api: Api, org: Org) -> None:
    assert api.get("/settings/recycle_bin").status_code == 204
    org.delete("Leads", org.insert("Leads", {"Last_Name": "L"}), at="2026-01-01T00:00:00Z")
    org.delete("Accounts", org.insert("Accounts", {"Account_Name": "A"}), at="2026-01-02T00:00:00Z")
    entries = api.get("/settings/recycle_bin").json()["recycle_bin"]
    assert [(e["module"]["api_name"], e["display_name"]) for e in entries] == [("Accounts", "A"), ("Leads", "L")]

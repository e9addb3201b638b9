"""Page tokens: walks over all pages, their limits and bindings, and rows that move during a walk."""

from collections.abc import Callable

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator


def ids_of(rows: list[dict[str, str]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("mode", ["offset", "keyset", "snapshot"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort_by", ["id", "Modified_Time"])
def test_a_quiet_walk_gives_every_row_once(
    api: Api, org: Org, simulator: Simulator, mode: str, order: str, sort_by: str
) -> None:
    simulator.switches.page_tokens = mode
    ids = org.insert_many("Leads", leads(7))
    rows = api.walk("Leads", fields="id", per_page=2, sort_by=sort_by, sort_order=order)
    assert ids_of(rows) == (ids if order == "asc" else ids[::-1])


def test_pages_reach_two_thousand_rows_and_tokens_go_on(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", leads(2_300))
    tenth = api.get("/Leads", fields="id", page=10, sort_order="asc").json()
    assert tenth["data"][-1]["id"] == ids[1_999]
    assert code_of(api.get("/Leads", fields="id", page=11)) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")
    assert code_of(api.get("/Leads", fields="id", page=21, per_page=100)) == (
        400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
    )  # fmt: skip
    token = tenth["info"]["next_page_token"]
    beyond = api.get("/Leads", fields="id", page_token=token, sort_order="asc").json()
    assert beyond["data"][0]["id"] == ids[2_000]
    assert beyond["info"]["page"] == 11
    assert ids_of(api.walk("Leads", fields="id", sort_order="asc")) == ids


def test_tokens_end_at_a_hundred_thousand_rows(api: Api, org: Org, simulator: Simulator) -> None:
    assert simulator.switches.token_rows == 100_000
    simulator.switches.token_rows = 6
    org.insert_many("Leads", leads(9))
    token = None
    for _ in range(3):
        params = {"fields": "id", "per_page": 2} | ({} if token is None else {"page_token": token})
        info = api.get("/Leads", **params).json()["info"]
        token = info["next_page_token"]
    assert info["more_records"]
    answer = api.get("/Leads", fields="id", per_page=2, page_token=token)
    assert code_of(answer) == (400, "PAGINATION_LIMIT_EXCEEDED")


def test_a_token_is_bound_to_its_parameters_and_header(api: Api, org: Org) -> None:
    org.insert_many("Leads", leads(5))
    token = api.get("/Leads", fields="id,City", per_page=2).json()["info"]["next_page_token"]
    for change in ({"fields": "id"}, {"per_page": 3}, {"sort_order": "asc"}, {"converted": "both"}):
        params = {"fields": "id,City", "per_page": 2, "page_token": token} | change
        assert code_of(api.get("/Leads", **params)) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    params = {"fields": "id,City", "per_page": 2, "page_token": token}
    since = "2020-01-01T00:00:00Z"
    assert code_of(api.get("/Leads", since=since, **params)) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert code_of(api.get("/Contacts", **params)) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert api.get("/Leads", **params).status_code == 200


def test_a_token_is_its_users_own(org: Org, connect: Callable[..., Api]) -> None:
    org.insert_many("Leads", leads(5))
    mine, other = connect(), connect(org.add_user())
    token = mine.get("/Leads", fields="id", per_page=2).json()["info"]["next_page_token"]
    params = {"fields": "id", "per_page": 2, "page_token": token}
    assert code_of(other.get("/Leads", **params)) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert mine.get("/Leads", **params).status_code == 200


def test_a_token_lives_a_day_through_new_access_tokens(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze()
    org.insert_many("Leads", leads(5))
    token = api.get("/Leads", fields="id", per_page=2).json()["info"]["next_page_token"]
    params = {"fields": "id", "per_page": 2, "page_token": token}
    simulator.clock.advance(86_399)
    api.token = api.mint()["access_token"]
    assert api.get("/Leads", **params).status_code == 200
    simulator.clock.advance(1)
    expired = api.get("/Leads", **params)
    assert code_of(expired) == (400, "EXPIRED_VALUE")
    assert expired.json()["details"] == {"api_name": "page_token", "json_path": "$.query.page_token"}


def test_an_edit_in_mid_walk_skips_a_row_by_offset(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", leads(6))
    simulator.on_call(2, lambda: org.update("Leads", ids[0], {"City": "moved"}), "/Leads")
    rows = api.walk("Leads", fields="id", per_page=2, sort_by="Modified_Time", sort_order="asc")
    assert ids_of(rows) == [
        ids[0],
        ids[1],
        ids[3],
        ids[4],
        ids[5],
        ids[0],
    ]  # ids[2] moved to the page that was read before


def test_a_new_row_in_mid_walk_doubles_one_in_descending_order(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", leads(4))
    simulator.on_call(2, lambda: org.insert("Leads", {"Last_Name": "new"}), "/Leads")
    rows = ids_of(api.walk("Leads", fields="id", per_page=2))
    assert rows == [ids[3], ids[2], ids[2], ids[1], ids[0]]


@pytest.mark.parametrize(("mode", "skips"), [("offset", True), ("keyset", False), ("snapshot", False)])
def test_whether_a_deletion_makes_a_walk_skip_is_a_switch(
    api: Api, org: Org, simulator: Simulator, mode: str, skips: bool
) -> None:
    simulator.switches.page_tokens = mode
    ids = org.insert_many("Leads", leads(6))
    simulator.on_call(2, lambda: org.delete("Leads", ids[0]), "/Leads")
    rows = ids_of(api.walk("Leads", fields="id", per_page=2, sort_order="asc"))
    assert (ids[2] not in rows) is skips
    assert set(ids[3:]) <= set(rows)


def test_a_token_survives_a_saved_simulator(api: Api, org: Org, simulator: Simulator) -> None:
    """A token contains its own position. The simulator remembers only snapshots."""
    ids = org.insert_many("Leads", leads(3))
    token = api.get("/Leads", fields="id", per_page=2, sort_order="asc").json()["info"]["next_page_token"]
    simulator.hub.page_snapshots.clear()
    page = api.get("/Leads", fields="id", per_page=2, sort_order="asc", page_token=token).json()
    assert ids_of(page["data"]) == ids[2:]

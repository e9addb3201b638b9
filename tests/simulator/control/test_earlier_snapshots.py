"""A snapshot written by the simulator of version 0.1.0 (`FORMAT` 1) still loads, and the simulator continues from it.

`snapshots/format_1.jsonl` is that file. `format_1_rows.json` has the rows of every module as that simulator showed
them. Neither is written again: a new format gets its own file.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from zoho_pipeline.simulator import Org, Simulator

SNAPSHOTS = Path(__file__).parent / "snapshots"
DELETED, CHANGED, DEAL = "4876876030000300335", "4876876030000300337", "4876876030000300346"
SELLER, LAST_ID = "4876876030000300319", 4876876030000300349


@pytest.fixture
def restored() -> Iterator[Simulator]:
    with Simulator.start(state=SNAPSHOTS / "format_1.jsonl") as simulator:
        yield simulator


@pytest.fixture
def acme(restored: Simulator) -> Org:
    return restored.orgs[0]


def test_every_row_is_as_it_was(acme: Org) -> None:
    expected = json.loads((SNAPSHOTS / "format_1_rows.json").read_text())
    assert {module: acme.rows(module) for module in acme.modules} == expected
    assert len(expected["Leads"]) == 3


def test_settings_and_rights_are_as_they_were(restored: Simulator, acme: Org) -> None:
    assert restored.clock.now().isoformat() == "2026-01-20T07:00:00+00:00"
    assert (restored.switches.bulk_rows, restored.switches.page_tokens) == (77, "keyset")
    assert (acme.credits_used, acme.credit_limit) == (2, 5000)
    assert (acme.business_hours or {})["type"] == "24_by_7"
    assert [day["date"] for day in acme.holidays] == ["2026-01-26"]
    seen = acme.rows("Leads", SELLER)
    assert {row["Owner"]["id"] for row in seen} == {SELLER}
    assert all("Email" not in row for row in seen)


def test_the_refresh_token_still_works(restored: Simulator, acme: Org) -> None:
    (refresh_token,) = restored.hub.tokens.grants
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "1000.CLIENT"}
    answer = httpx.post(f"{restored.url}/oauth/v2/token", data=form | {"client_secret": "s3cret"}).json()
    headers = {"Authorization": f"Zoho-oauthtoken {answer['access_token']}"}
    shown = httpx.get(f"{restored.url}/crm/v7/Leads?fields=Last_Name&converted=both", headers=headers).json()
    assert [row["Last_Name"] for row in shown["data"]] == ["Lead 4", "Lead 1", "Lead 0"]
    gone = httpx.get(f"{restored.url}/crm/v7/Leads/deleted", headers=headers).json()["data"]
    assert sorted((row["type"], row["id"]) for row in gone) == [
        ("permanent", "4876876030000300336"),
        ("recycle", DELETED),
    ]


def test_the_simulator_continues(acme: Org) -> None:
    acme.restore("Leads", DELETED)
    assert acme.row("Leads", DELETED)["Last_Name"] == "Lead 2"
    stays = [
        row["Lead_Status"] for row in acme.rows("Lead_Status_History") if (row["Full_Name"] or {}).get("id") == DELETED
    ]
    assert stays == ["Not Contacted"]
    acme.update("Leads", CHANGED, {"Lead_Status": "Pre-Qualified"})
    closed = [row for row in acme.rows("Lead_Status_History") if row["Moved_To__s"] == "Pre-Qualified"]
    assert [row["Lead_Status"] for row in closed] == ["Contacted"]
    acme.update("Deals", DEAL, {"Stage": "Closed Won"})
    assert [row["Moved_To__s"] for row in acme.rows("DealHistory")] == ["Closed Won", None]
    assert int(acme.insert("Leads", {"Last_Name": "new"})) > LAST_ID

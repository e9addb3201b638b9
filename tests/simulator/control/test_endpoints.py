"""The control plane over HTTP and from Python, start and stop."""

from typing import Any

import httpx
import pytest

from tests.simulator.client import ALL_SCOPES, CLIENT, Api, leads
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.simulator.control.endpoints import OPERATIONS

HTTP = httpx.Client(verify=False)


def order(sim: Simulator, operation: str, **arguments: Any) -> Any:
    answer = HTTP.post(f"{sim.url}/_control/{operation}", json=arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def test_the_life_of_an_org_over_http(simulator: Simulator) -> None:
    made = order(simulator, "add_org", name="Acme", time_zone="UTC", currency="EUR")
    order(simulator, "add_custom_field", module="Leads", api_name="utm", label="UTM", org=made["id"])
    lead = order(simulator, "insert", module="Leads", values={"Last_Name": "Rao", "utm": "google"})
    order(simulator, "update", module="Leads", id=lead, values={"City": "Pune"})
    others = order(simulator, "insert_many", module="Leads", rows=[{"Last_Name": "a"}, {"Last_Name": "b"}])
    converted = order(simulator, "convert", id=lead, deal={"Amount": 5})
    order(simulator, "delete", module="Leads", id=others[0])
    order(simulator, "restore", module="Leads", id=others[0])
    order(simulator, "merge", module="Leads", winner=others[0], loser=others[1])
    order(simulator, "add_email", id=lead, subject="hello")
    rows = {row["id"]: row for row in order(simulator, "rows", module="Leads")}
    assert rows.keys() == {lead, others[0]}
    assert (rows[lead]["utm"], rows[lead]["Converted_Deal"]["id"]) == ("google", converted["Deals"])
    api = Api(simulator, order(simulator, "grant", scopes=ALL_SCOPES, **CLIENT))
    assert len(api.walk("Leads", fields="id", converted="both")) == 2
    assert order(simulator, "credits") == {"used": 1, "limit": 51_000}
    assert order(simulator, "credits", limit=7)["limit"] == 7
    (org,) = order(simulator, "orgs")
    assert (org["currency"], org["rows"]["Leads"], org["users"][0]["id"]) == ("EUR", 2, made["admin"])
    assert [call["path"] for call in order(simulator, "requests")] == ["/oauth/v2/token", "/crm/v7/Leads"]
    order(simulator, "clear_requests")
    assert order(simulator, "requests") == []


def test_users_and_visibility_over_http(simulator: Simulator) -> None:
    order(simulator, "add_org")
    user = order(simulator, "add_user", first_name="Ravi", time_zone="UTC")
    order(simulator, "update_user", user=user, last_name="Rao")
    first, second = order(simulator, "insert_many", module="Leads", rows=leads(2))
    order(simulator, "see", module="Leads", user=user, hide=[first])
    assert [row["id"] for row in order(simulator, "rows", module="Leads", user=user)] == [second]
    order(simulator, "see", module="Leads", user=user, rows="own", show=[first])
    assert order(simulator, "rows", module="Leads", user=user) == []
    order(simulator, "see", module="Leads", user=user, rows=[first])
    order(simulator, "see_field", module="Leads", field="City", visible=False, user=user)
    (row,) = order(simulator, "rows", module="Leads", user=user)
    assert "City" not in row
    order(simulator, "see_module", module="Deals", access="denied", user=user)
    assert simulator.orgs[0].users[user].denied_modules == {"Deals"}
    order(simulator, "see_module", module="Deals", access="hidden", user=user)
    assert simulator.orgs[0].users[user].hidden_modules == {"Deals"}
    order(simulator, "deactivate_user", user=user)
    order(simulator, "delete_user", user=user)
    assert simulator.orgs[0].users[user].deleted


def test_clock_switches_faults_and_hooks_over_http(simulator: Simulator) -> None:
    order(simulator, "add_org")
    assert order(simulator, "clock", set="2026-01-01T00:00:00Z", freeze=True) == "2026-01-01T00:00:00+00:00"
    assert order(simulator, "clock", advance=90) == "2026-01-01T00:01:30+00:00"
    assert order(simulator, "switches", bulk_rows=5, latency=0)["bulk_rows"] == 5
    order(simulator, "fault", n=2, kind="server_error", path="/org")
    assert simulator.faults.pending == 2
    order(simulator, "clear_faults")
    steps = [{"op": "insert", "module": "Leads", "values": {"Last_Name": "hooked"}}]
    order(simulator, "on_call", k=1, do=steps, path="/org")
    api = Api(simulator, simulator.orgs[0].grant(CLIENT["client_id"], CLIENT["client_secret"], ALL_SCOPES))
    api.get("/org")
    assert order(simulator, "rows", module="Leads")[0]["Last_Name"] == "hooked"


def test_shape_changes_over_http(simulator: Simulator) -> None:
    order(simulator, "add_org")
    order(simulator, "enable_status_history", api_name="Status_Track")
    order(simulator, "enable_multi_currency")
    order(simulator, "set_business_hours", hours={"type": "24_by_7"})
    order(simulator, "add_holiday", name="H", date="2026-01-26")
    order(simulator, "remove_field", module="Leads", api_name="Fax")
    order(simulator, "remove_module", module="Campaigns")
    org = simulator.orgs[0]
    assert "Status_Track" in org.modules
    assert "Campaigns" not in org.modules
    assert "Fax" not in org.modules["Leads"].fields
    assert "Currency" in org.modules["Deals"].fields
    assert (org.business_hours or {})["type"] == "24_by_7"
    assert org.holidays[0]["year"] == 2026


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("explode", {}, "unknown operation"),
        ("insert", {"module": "Leads"}, "missing a required argument"),
        ("insert", {"module": "Leads", "values": {}, "more": 1}, "unexpected keyword"),
        ("insert", {"module": "Nothing", "values": {}}, "unknown module Nothing"),
        ("switches", {"nothing": 1}, "unknown switch nothing"),
        ("switches", {"bulk_rows": "many"}, "takes a value of type int"),
        ("clock", {"set": "noon"}, "noon"),
        ("add_org", {"edition": "Gold"}, "unknown edition Gold"),
        ("on_call", {"k": 1, "do": [{"op": "explode"}]}, "unknown operation explode"),
    ],
)
def test_wrong_requests_are_400_and_say_why(
    simulator: Simulator, operation: str, arguments: dict[str, Any], words: str
) -> None:
    simulator.add_org()
    answer = HTTP.post(f"{simulator.url}/_control/{operation}", json=arguments)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_requests_without_an_org_say_so(simulator: Simulator) -> None:
    answer = HTTP.post(f"{simulator.url}/_control/rows", json={"module": "Leads"})
    assert "no org yet" in answer.json()["error"]


def test_python_has_the_same_operations(simulator: Simulator) -> None:
    simulator.control.add_org(name="Acme")
    lead = simulator.control.insert(module="Leads", values={"Last_Name": "Rao"})
    assert simulator.control.rows(module="Leads")[0]["id"] == lead
    with pytest.raises(AttributeError):
        simulator.control.explode()
    assert {"insert", "convert", "clock", "save", "reset"} <= OPERATIONS.keys()


def test_reset_empties_everything_but_the_address(simulator: Simulator) -> None:
    simulator.add_org()
    simulator.switches.bulk_rows = 1
    url = simulator.url
    order(simulator, "reset")
    assert simulator.orgs == []
    assert simulator.switches.bulk_rows == 200_000
    assert HTTP.get(f"{url}/_control/orgs").json() == {"result": []}


def test_a_stopped_simulator_frees_its_port(simulator: Simulator) -> None:
    port = int(simulator.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        Simulator.start(port)
    simulator.stop()
    simulator.stop()
    with Simulator.start(port) as again:
        assert again.url.endswith(str(port))


def test_bulk_loading_keeps_order_and_counts(simulator: Simulator) -> None:
    org = simulator.add_org()
    ids = org.insert_many("Leads", (row | {"City": "Pune"} for row in leads(20_000)))
    assert len(ids) == len(set(ids)) == len(org.module("Leads").rows) == 20_000
    assert org.module("Leads").by_modified.keys == sorted(org.module("Leads").by_modified.keys)

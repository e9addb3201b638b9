"""Notifications: subscriptions as `/actions/watch` keeps them, and what the courier sends."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.simulator.client import ALL_SCOPES, Api, code_of
from zoho_pipeline.simulator import Org, Simulator

SCOPES = f"{ALL_SCOPES} ZohoCRM.notifications.ALL"
WEEK = 604_800


class Receiver:
    """A web server that keeps what is posted, and answers with `status`."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(owner.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?tenant=acme"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    return connect(scopes=SCOPES)


def watch(api: Api, method: str, *entries: dict[str, Any]) -> Any:
    return api.http.request(method, "/crm/v7/actions/watch", json={"watch": list(entries)}, headers=api.headers)


def entry(receiver: Receiver, **values: Any) -> dict[str, Any]:
    return {
        "channel_id": 1000000068001,
        "events": ["Leads.all"],
        "notify_url": receiver.url,
        "token": "t" * 43,
    } | values


def told(simulator: Simulator, receiver: Receiver) -> list[dict[str, Any]]:
    assert simulator.courier.wait_until_idle()
    return receiver.bodies


def in_seconds(simulator: Simulator, seconds: int) -> str:
    return (simulator.clock.now() + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def test_a_change_is_told(simulator: Simulator, org: Org, api: Api, receiver: Receiver) -> None:
    answer = watch(api, "POST", entry(receiver, channel_expiry=in_seconds(simulator, WEEK)))
    assert answer.status_code == 201
    lead = org.insert("Leads", {"Last_Name": "Rao"})
    org.update("Leads", lead, {"Lead_Status": "Contacted"})
    org.update("Leads", lead, {"Lead_Status": "Lost"}, touch=False)
    org.delete("Leads", lead)
    org.insert("Contacts", {"Last_Name": "Nobody listens"})
    bodies = told(simulator, receiver)
    assert [body["operation"] for body in bodies] == ["insert", "update", "delete"]
    assert all(body["ids"] == [lead] and body["module"] == "Leads" for body in bodies)
    assert [body["affected_fields"] for body in bodies] == [[], [{lead: ["Lead_Status"]}], []]
    assert bodies[0]["channel_id"] == "1000000068001"
    assert bodies[0]["token"] == "t" * 43
    assert bodies[0]["query_params"] == {"tenant": "acme"}


def test_a_conversion_is_told_in_each_module(simulator: Simulator, org: Org, api: Api, receiver: Receiver) -> None:
    watch(api, "POST", entry(receiver, events=["Leads.edit", "Contacts.create", "Deals.create"]))
    lead = org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan"})
    org.convert(lead, deal={"Deal_Name": "Big", "Closing_Date": "2026-12-01"})
    assert {(b["module"], b["operation"]) for b in told(simulator, receiver)} == {
        ("Contacts", "insert"),
        ("Deals", "insert"),
        ("Leads", "update"),
    }


@pytest.mark.parametrize(("asked", "kept"), [(WEEK - 60, WEEK - 60), (WEEK + 60, 3600), (-5, 3600), (None, 3600)])
def test_an_expiry_beyond_a_week_becomes_an_hour(
    simulator: Simulator, org: Org, api: Api, receiver: Receiver, asked: int | None, kept: int
) -> None:
    simulator.clock.freeze()
    given = {} if asked is None else {"channel_expiry": in_seconds(simulator, asked)}
    assert watch(api, "POST", entry(receiver, **given)).status_code == 201
    assert org.subscriptions["1000000068001"].expires == simulator.clock.epoch() + kept
    simulator.clock.advance(kept - 1)
    org.insert("Leads", {"Last_Name": "In time"})
    assert len(told(simulator, receiver)) == 1
    simulator.clock.advance(1)
    org.insert("Leads", {"Last_Name": "Too late"})
    assert len(told(simulator, receiver)) == 1
    api.token = api.mint()["access_token"]
    refused = watch(api, "PUT", entry(receiver))
    assert refused.status_code == 400
    assert refused.json()["watch"][0]["code"] == "NOT_SUBSCRIBED"


def test_a_subscription_is_read_replaced_changed_and_ended(org: Org, api: Api, receiver: Receiver) -> None:
    assert api.get("/actions/watch").status_code == 204
    watch(api, "POST", entry(receiver, events=["Leads.create", "Deals.all"]))
    found = api.get("/actions/watch", channel_id="1000000068001").json()
    assert [row["resource_name"] for row in found["watch"]] == ["Leads", "Deals"]
    assert found["watch"][0]["token"] == "t" * 43
    assert watch(api, "PUT", entry(receiver, events=["Leads.edit"], token="new")).status_code == 200
    assert org.subscriptions["1000000068001"].events == ["Leads.edit"]
    change = {"channel_id": "1000000068001", "events": ["Calls.all", "Leads.edit"]}
    assert watch(api, "PATCH", change).status_code == 200
    assert watch(api, "PATCH", {**change, "events": ["Leads.edit"], "_delete_events": True}).status_code == 200
    kept = org.subscriptions["1000000068001"]
    assert (kept.events, kept.token, kept.notify_url) == (["Calls.all"], "new", receiver.url)
    ended = api.http.delete("/crm/v7/actions/watch", params={"channel_ids": "1000000068001,7"}, headers=api.headers)
    assert ended.status_code == 207
    assert not org.subscriptions


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"channel_id": None}, "MANDATORY_NOT_FOUND"),
        ({"channel_id": "12x"}, "INVALID_DATA"),
        ({"notify_url": ""}, "MANDATORY_NOT_FOUND"),
        ({"notify_url": "http://crm.example.com/hook"}, "INVALID_DATA"),
        ({"token": "t" * 51}, "INVALID_DATA"),
        ({"events": []}, "MANDATORY_NOT_FOUND"),
        ({"events": ["Notes.create"]}, "INVALID_DATA"),
        ({"events": ["Leads.read"]}, "INVALID_DATA"),
        ({"events": ["Meetings.all"]}, "INVALID_DATA"),
        ({"channel_expiry": "tomorrow"}, "INVALID_DATA"),
    ],
)
def test_a_wrong_entry_is_refused(api: Api, receiver: Receiver, values: dict[str, Any], code: str) -> None:
    refused = watch(api, "POST", entry(receiver, **values))
    assert (refused.status_code, refused.json()["watch"][0]["code"]) == (400, code)
    mixed = watch(api, "POST", entry(receiver, **values), entry(receiver, channel_id=5))
    assert mixed.status_code == 207


def test_meetings_may_have_their_other_name(simulator: Simulator, org: Org, api: Api, receiver: Receiver) -> None:
    simulator.switches.update(meetings_event="Meetings")
    assert watch(api, "POST", entry(receiver, events=["Events.all"])).status_code == 400
    assert watch(api, "POST", entry(receiver, events=["Meetings.all"])).status_code == 201
    org.insert("Events", {"Event_Title": "Demo"})
    assert [body["module"] for body in told(simulator, receiver)] == ["Events"]


def test_it_needs_its_scope(connect: Callable[..., Api], receiver: Receiver) -> None:
    assert code_of(watch(connect(), "POST", entry(receiver))) == (401, "OAUTH_SCOPE_MISMATCH")
    reader = connect(scopes=f"{ALL_SCOPES} ZohoCRM.notifications.READ")
    assert reader.get("/actions/watch").status_code == 204
    assert watch(reader, "POST", entry(receiver)).status_code == 401


def test_a_user_who_leaves_ends_the_subscription(
    simulator: Simulator, org: Org, connect: Callable[..., Api], receiver: Receiver
) -> None:
    user = org.add_user(profile="Administrator")
    watch(connect(user=user, scopes=SCOPES), "POST", entry(receiver))
    org.deactivate_user(user)
    org.insert("Leads", {"Last_Name": "Rao"})
    assert told(simulator, receiver) == []


def test_how_deliveries_may_differ(simulator: Simulator, org: Org, api: Api, receiver: Receiver) -> None:
    watch(api, "POST", entry(receiver))
    simulator.switches.update(push_paused=True, push_ids=2, push_affected="flat", push_echo="null", push_repeats=2)
    ids = org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(3)])
    org.update("Leads", ids[0], {"Lead_Status": "Contacted", "Company": "Dukan"})
    simulator.switches.update(push_paused=False, push_reversed=True)
    bodies = told(simulator, receiver)
    assert [len(body["ids"]) for body in bodies] == [1, 1, 1, 1, 2, 2]
    assert bodies[0]["affected_fields"] == ["Company", "Lead_Status"]
    assert bodies[0]["token"] is None
    simulator.switches.update(push_echo="absent", push_repeats=1)
    org.delete("Leads", ids[0])
    assert "token" not in told(simulator, receiver)[-1]


def test_a_failed_delivery_is_tried_again_where_that_is_switched_on(
    simulator: Simulator, org: Org, api: Api, receiver: Receiver
) -> None:
    watch(api, "POST", entry(receiver))
    receiver.status = 500
    org.insert("Leads", {"Last_Name": "Lost"})
    assert len(told(simulator, receiver)) == 1
    simulator.switches.update(push_retries=2)
    org.insert("Leads", {"Last_Name": "Tried"})
    assert len(told(simulator, receiver)) == 4
    assert [delivery.status for delivery in simulator.courier.sent] == [500] * 4


def test_restores_and_merges_are_told_by_switch(simulator: Simulator, org: Org, api: Api, receiver: Receiver) -> None:
    watch(api, "POST", entry(receiver))
    one, two = org.insert_many("Leads", [{"Last_Name": "One"}, {"Last_Name": "Two"}])
    for switched in (False, True):
        simulator.switches.update(push_on_restore=switched)
        org.delete("Leads", one)
        org.restore("Leads", one)
    assert [body["operation"] for body in told(simulator, receiver)][2:] == ["delete", "delete", "insert"]
    simulator.switches.update(push_on_merge=True)
    org.merge("Leads", one, two)
    assert [body["operation"] for body in told(simulator, receiver)][-2:] == ["update", "delete"]


def test_a_snapshot_keeps_the_subscriptions(
    simulator: Simulator, org: Org, api: Api, receiver: Receiver, tmp_path: Any
) -> None:
    watch(api, "POST", entry(receiver))
    simulator.save(tmp_path / "zoho.json")
    with Simulator.start(state=tmp_path / "zoho.json") as again:
        assert again.orgs[0].subscriptions == org.subscriptions
    assert "t" * 43 not in json.dumps(simulator.control.subscriptions())

"""Subscriptions at a Zoho that behaves in each way that is not settled: on, renewal, silence, off."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.channels.wire import Person
from tests.cli.conftest import CLIENT, Answer, environment_for, runner
from tests.ingest.conftest import ALL_SCOPES, QUICK
from tests.postgres import free_port
from tests.push.conftest import PUSH_SCOPES, PushBench
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.platform import push_subscriptions as rows
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.push import hooks
from zoho_pipeline.push.clock_watch import ClockWatch
from zoho_pipeline.push.subscribe import LIFE, Subscriber
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import PipelineError, Secret, UsageError
from zoho_pipeline.writeback.switch import has_scope
from zoho_pipeline.zoho.accounts.scopes import NOTIFICATION_SCOPES, WRITE_BACK_SCOPES
from zoho_pipeline.zoho.errors import ZohoError

ROOT = Path(__file__).resolve().parents[2]
DAY = timedelta(days=1)


def run(bench: PushBench, *words: str, **env: str) -> Answer:
    settings = bench.place.settings
    environment = {
        "ZOHO_PIPELINE_HOME": str(settings.home),
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": bench.place.sim.url}),
        "ZOHO_PIPELINE_LOG_LEVEL": "WARNING",
        "ZOHO_CLIENT_ID": CLIENT[0],
        "ZOHO_CLIENT_SECRET": CLIENT[1],
        "ZOHO_PIPELINE_PUBLIC_URL": bench.url,
    }
    return runner(environment)("push", *words, **env)


def subscription(bench: PushBench) -> Any:
    (found,) = bench.org.subscriptions.values()
    return found


def test_what_zoho_is_asked(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads", "Deals"])
    found, row, secrets = subscription(bench), bench.row(), bench.secrets()
    assert found.notify_url == f"{bench.url}/tenant/v1/zoho-crm/webhook/{secrets['hook']}"
    assert (found.token, found.with_values, found.on_related) == (secrets["token"], False, False)
    assert len(secrets["token"]) == len(secrets["hook"]) == 43
    assert found.events == ["Leads.all", "Deals.all"]
    assert int(found.channel_id).bit_length() == 62
    assert abs(found.expires - bench.place.sim.clock.epoch() - LIFE.total_seconds()) <= 2
    assert (row.state, row.events) == ("on", {"Leads.all": "subscribed", "Deals.all": "subscribed"})
    assert row.expires_at is not None
    assert int(row.expires_at.timestamp()) == found.expires
    assert bench.events() == [], "nothing was broken before"


@pytest.mark.parametrize(("name", "status"), [("Events", 201), ("Meetings", 202)])
def test_the_name_of_meetings_and_the_status_of_success_do_not_matter(bench: PushBench, name: str, status: int) -> None:
    bench.connect()
    bench.place.sim.switches.update(meetings_event=name, watch_status=status)
    bench.subscriber.turn_on("acme")
    row = bench.row()
    assert row.events[f"{name}.all"] == "subscribed"
    assert set(row.modules) == {"Leads", "Contacts", "Accounts", "Deals", "Calls", "Events", "Tasks", "Campaigns"}
    bench.subscriber.renew("acme")
    assert f"{name}.all" in subscription(bench).events


def test_a_module_that_the_org_hides_is_left_out_and_said(bench: PushBench) -> None:
    bench.connect().remove_module("Campaigns")
    bench.subscriber.turn_on("acme")
    outcomes = bench.row().events
    assert outcomes["Campaigns.all"].startswith("refused: INVALID_DATA")
    assert outcomes["Leads.all"] == "subscribed"
    bench.subscriber.renew("acme")
    assert bench.row().events["Campaigns.all"].startswith("refused"), "a renewal forgets no outcome"


def test_nothing_is_left_of_a_subscription_that_zoho_refuses(bench: PushBench) -> None:
    bench.connect().remove_module("Campaigns")
    with pytest.raises(PipelineError, match=r"Campaigns.all refused"):
        bench.subscriber.turn_on("acme", ["Campaigns"])
    assert not bench.org.subscriptions
    assert run(bench, "status", "acme", "--format", "json").json["state"] == "off"


def test_the_command_names_the_cure_of_missing_scopes(bench: PushBench) -> None:
    bench.connect(scopes=ALL_SCOPES)
    answer = run(bench, "on", "acme")
    assert answer.code == 1
    assert "zoho-pipeline connect acme --push" in answer.err
    assert "ZohoCRM.notifications.CREATE" in answer.err
    assert not bench.org.subscriptions


def test_scopes_that_zoho_never_named_are_tried(bench: PushBench) -> None:
    bench.connect(scopes=ALL_SCOPES)
    with bench.place.registry.database.write() as transaction:
        transaction.execute(channels.update().values(scopes=None))
    answer = run(bench, "on", "acme")
    assert answer.code == 1
    assert "connect acme --push" in answer.err
    assert "ZohoCRM.notifications.CREATE" in bench.place.registry.get("acme").missing_scopes


def test_zoho_must_reach_the_public_url(bench: PushBench) -> None:
    bench.connect()
    inside = ServiceSettings(public_url="http://10.0.0.5:8480")
    with pytest.raises(PipelineError, match="ZOHO_PIPELINE_PUBLIC_URL"):
        Subscriber(bench.place.settings, bench.place.registry, inside).turn_on("acme")
    assert run(bench, "on", "acme", ZOHO_PIPELINE_PUBLIC_URL="http://crm.example.com").code == 2
    with pytest.raises(UsageError, match="Notes"):
        bench.subscriber.turn_on("acme", ["Notes"])
    assert run(bench, "on", "acme", "--module", "Widgets").code == 2
    assert run(bench, "on", "nobody").code == 1


def test_the_commands(bench: PushBench) -> None:
    bench.connect()
    on = run(bench, "on", "acme", "--module", "Leads", "--format", "json")
    assert (on.code, on.json["state"], on.json["events"]) == (0, "on", {"Leads.all": "subscribed"})
    workflow = on.json["workflow"]
    assert len(workflow["url"]) < 200
    assert set(workflow["fields"]) == {"module", "id", "secret"}
    assert bench.http.post(workflow["url"], data=workflow["fields"] | {"id": "5"}).json() == {"accepted": 1}
    assert bench.secrets()["token"] not in on.out
    assert "workflow/" in run(bench, "status", "acme").out
    (listed,) = run(bench, "status", "--format", "json").json
    assert (listed["channel_id"], listed["waiting"], listed["deliveries"]) == ("acme", 1, 1)
    assert run(bench, "renew", "acme").code == 0
    off = run(bench, "off", "acme", "--format", "json").json
    assert (off["state"], off["was_on"]) == ("off", True)
    assert not bench.org.subscriptions
    assert run(bench, "off", "acme", "--format", "json").json["was_on"] is False
    assert run(bench, "renew", "acme").code == 1
    assert run(bench, "status", "acme", "--format", "json").json["state"] == "off"


def test_a_shorter_life_is_seen_and_renewed_at_its_half(bench: PushBench) -> None:
    sim = bench.place.sim
    sim.clock.freeze()
    bench.connect()
    sim.switches.update(watch_longest=7_200)
    bench.subscriber.turn_on("acme")
    row = bench.row()
    assert (row.state, (row.expires_at - sim.clock.now()).total_seconds()) == ("short", pytest.approx(3_600, abs=2))
    assert row.renew_at is not None
    assert (row.renew_at - sim.clock.now()).total_seconds() == pytest.approx(1_800, abs=2)
    sim.switches.update(watch_longest=604_800)
    bench.subscriber.renew("acme")
    assert bench.row().state == "on"


def test_a_renewal_in_time_keeps_the_hook_and_the_token(bench: PushBench) -> None:
    sim = bench.place.sim
    sim.clock.freeze()
    bench.connect()
    bench.subscriber.turn_on("acme")
    before, expires = bench.secrets(), subscription(bench).expires
    assert bench.subscriber.due() == []
    sim.clock.advance(3 * 86_400)
    bench.store(skew_seconds=bench.row().skew_seconds + 3 * 86_400)
    assert bench.subscriber.due() == []
    sim.clock.advance(86_400)
    bench.store(skew_seconds=bench.row().skew_seconds + 86_400)
    assert bench.subscriber.due() == ["acme"]
    bench.subscriber.renew("acme", only_if_due=True)
    assert bench.secrets() == before
    assert subscription(bench).expires == expires + 4 * 86_400
    assert bench.subscriber.due() == []
    assert queue.unfinished(bench.place.registry) == []
    assert bench.row().gap_since is None


def test_a_dead_subscription_gets_a_new_hook_and_a_sync_for_the_gap(bench: PushBench) -> None:
    sim = bench.place.sim
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    before, number = bench.secrets(), bench.row().zoho_channel_id
    sim.clock.advance(8 * 86_400)
    sim.expire_access_tokens()
    bench.subscriber.renew("acme")
    after = bench.secrets()
    assert {name for name in after if after[name] != before[name]} == {"hook", "token"}
    assert subscription(bench).channel_id == bench.row().zoho_channel_id == number
    assert subscription(bench).token == after["token"]
    (request,) = queue.unfinished(bench.place.registry)
    assert request.reason == "gap"
    assert bench.row().gap_since is not None
    assert bench.deliver([1], hook=before["hook"], token=before["token"]).status_code == 200
    assert bench.deliver([2], hook=after["hook"], token=after["token"]).status_code == 200


def test_a_number_that_zoho_refuses_is_replaced(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    before = bench.secrets()
    bench.store(zoho_channel_id=str(2**64))
    bench.subscriber.renew("acme")
    assert bench.row().zoho_channel_id in bench.org.subscriptions
    assert bench.row().state == "on"
    assert bench.secrets()["hook"] != before["hook"]
    assert bench.deliver([1], hook=before["hook"], token=before["token"]).status_code == 200, "heard for a day"


def test_a_failure_is_told_once_and_its_end_too(bench: PushBench) -> None:
    org = bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    user = org.admin
    org.deactivate_user(user)
    for tries in (1, 2, 3):
        with pytest.raises((ZohoError, PipelineError)):
            bench.subscriber.renew("acme")
        row = bench.row()
        assert (row.state, row.tries) == ("failed", tries)
        assert row.next_try_at is not None
        assert bench.subscriber.due() == [], "it waits"
    assert bench.events() == ["push.stopped"]
    org.update_user(user, status="active")
    token = org.grant(*CLIENT, PUSH_SCOPES, user)
    register_from_refresh_token(bench.place.registry, "acme", Secret(token), data_center="sim")
    bench.subscriber.renew("acme")
    assert bench.row().state == "on"
    assert bench.events() == ["push.stopped", "push.restored"]


def test_a_moment_of_trouble_at_zoho_is_no_failure(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    sim = bench.place.sim
    sim.faults.next(20, "server_error", path="/actions/watch")
    with pytest.raises(ZohoError):
        bench.subscriber.renew("acme")
    assert (bench.row().state, bench.row().tries) == ("on", 1)
    assert bench.events() == []


def test_changes_without_a_notification_for_a_day_are_told_once(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    database = bench.place.registry.database

    def judge(missed: timedelta | None, later: timedelta) -> str:
        now = database.now() + later
        with database.write() as transaction:
            known = rows.get(transaction, "acme")
            assert known is not None
            rows.judge_silence(transaction, known, None if missed is None else now - missed, now)
        return bench.row().state

    assert judge(None, timedelta(0)) == "on"
    assert judge(timedelta(0), timedelta(0)) == "on"
    assert judge(None, DAY / 2) == "on"
    assert bench.deliver([1]).status_code == 200
    assert judge(None, 2 * DAY) == "on", "a notification came after the change"
    assert judge(timedelta(0), timedelta(seconds=5)) == "on"
    assert judge(timedelta(0), DAY + timedelta(minutes=1)) == "stopped"
    assert judge(timedelta(0), 2 * DAY) == "stopped"
    bench.subscriber.renew("acme")
    assert bench.row().state == "stopped", "a renewal proves nothing"
    assert bench.events() == ["push.stopped"]
    assert bench.deliver([2]).status_code == 200
    assert bench.row().state == "on"
    assert bench.events() == ["push.stopped", "push.restored"]


def test_a_removed_channel_ends_its_subscription_first(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    answer = runner_of_channels(bench, "remove", "acme")
    assert answer.code == 0, answer.err
    assert not bench.org.subscriptions


def test_a_channel_that_is_removed_over_http_ends_its_subscription_first(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    secrets = bench.secrets()
    _, key = ApiKeys(bench.place.registry.database).add("boss", tenants=("acme-inc",), scopes=("admin",))
    answer = bench.http.delete("/v1/channels/acme", headers={"Authorization": f"Bearer {key.reveal()}"})
    assert (answer.status_code, answer.json()["revoked"]) == (200, True)
    assert not bench.org.subscriptions
    asked = [call.path for call in bench.place.sim.requests]
    ended = asked.index("/crm/v7/actions/watch", len(asked) - asked[::-1].index("/crm/v7/actions/watch") - 1)
    assert ended < asked.index("/oauth/v2/token/revoke"), "a revoked token could not end it"
    assert bench.deliver([1], hook=secrets["hook"], token=secrets["token"]).status_code == 401


def test_a_removal_does_not_wait_for_a_subscription_that_cannot_be_ended(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    secrets = bench.secrets()
    bench.place.sim.faults.next(50, "server_error", path="/actions/watch")
    answer = runner_of_channels(bench, "remove", "acme")
    assert answer.code == 0, answer.err
    assert len(bench.org.subscriptions) == 1, "Zoho ends it within a week"
    assert bench.deliver([1], hook=secrets["hook"], token=secrets["token"]).status_code == 401


@pytest.mark.long
def test_connect_asks_for_the_scopes_of_both_ways(bench: PushBench) -> None:
    """`connect --push --write-back` in a process, and a person who accepts; then `push on` needs nothing more."""
    org, port = bench.place.sim.add_org(name="Both"), free_port()
    bench.place.sim.add_client(*CLIENT, [f"http://localhost:{port}/callback"])
    environment = {
        **environment_for(bench.place.sim, bench.place.settings.home),
        "ZOHO_PIPELINE_PUBLIC_URL": bench.url,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }
    words = ("connect", "both", "--data-center", "sim", "--port", str(port), "--no-browser", "--no-sync")
    command = (sys.executable, "-c", "from zoho_pipeline.cli import main; main()", *words, "--push", "--write-back")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if "/oauth/v2/auth" in line)
        asked = dict(parse_qsl(urlsplit(url).query))["scope"].split(",")
        assert Person(org, org.admin)(url)
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    wanted = {*NOTIFICATION_SCOPES, *WRITE_BACK_SCOPES}
    assert wanted <= set(asked)
    channel = bench.place.registry.get("both")
    assert channel.scopes is not None
    assert wanted <= set(channel.scopes)
    assert bench.subscriber.turn_on("both", ["Leads"]).state == "on"
    assert has_scope(channel)


def test_a_reading_that_shows_another_end_counts(bench: PushBench) -> None:
    bench.connect()
    sim = bench.place.sim

    def shorten() -> None:
        for known in bench.org.subscriptions.values():
            known.expires = int(sim.clock.seconds()) + 7_200

    sim.on_call(2, shorten, path="/actions/watch", after=True)
    bench.subscriber.turn_on("acme", ["Leads"])
    row = bench.row()
    assert row.state == "short"
    assert row.expires_at is not None
    assert row.expires_at - row.zoho_now(bench.place.registry.database.now()) < timedelta(hours=2, seconds=5)


def test_a_dead_subscription_that_zoho_wakes_is_a_gap_too(bench: PushBench) -> None:
    """Nobody was told of the changes between its end and the renewal."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    before = bench.secrets()
    bench.store(expires_at=bench.row().created_at - timedelta(hours=1))
    bench.subscriber.renew("acme")
    assert bench.secrets() == before, "the renewal by PUT was accepted"
    assert bench.row().gap_since is not None
    assert [request.reason for request in queue.unfinished(bench.place.registry)] == ["gap"]


def runner_of_channels(bench: PushBench, *words: str) -> Answer:
    environment = {
        "ZOHO_PIPELINE_HOME": str(bench.place.settings.home),
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": bench.place.sim.url}),
        "ZOHO_CLIENT_ID": CLIENT[0],
        "ZOHO_CLIENT_SECRET": CLIENT[1],
    }
    return runner(environment)("channels", *words)


def test_off_keeps_everything_when_zoho_does_not_answer(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    bench.place.sim.faults.next(20, "server_error", path="/actions/watch")
    with pytest.raises(ZohoError):
        bench.subscriber.turn_off("acme")
    assert bench.row().state == "on"
    bench.place.sim.faults.clear()
    assert bench.subscriber.turn_off("acme")
    assert not bench.org.subscriptions


def test_a_second_switching_on_takes_the_place_of_the_first(bench: PushBench) -> None:
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads", "Deals"])
    before = bench.secrets()
    bench.subscriber.turn_on("acme", ["Leads"])
    assert subscription(bench).events == ["Leads.all"]
    assert bench.row().modules == ("Leads",)
    assert bench.secrets()["hook"] != before["hook"]
    assert bench.deliver([1], hook=before["hook"], token=before["token"]).status_code == 200


@pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
def test_many_subscriptions_are_looked_at_quickly(bench: PushBench) -> None:
    """No time is asserted: the look is one query, however many there are."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    database = bench.place.registry.database
    with database.write() as transaction:
        row = dict(transaction.execute(tables.push_subscriptions.select()).mappings().one())
        channel = dict(transaction.execute(channels.select()).mappings().one())
        transaction.execute(
            channels.insert(), [channel | {"channel_id": f"c{n}", "org_id": str(n)} for n in range(500)]
        )
        transaction.execute(tables.push_subscriptions.insert(), [row | {"channel_id": f"c{n}"} for n in range(500)])
        transaction.execute(
            tables.push_subscriptions.update()
            .where(tables.push_subscriptions.c.channel_id == "c7")
            .values(renew_at=row["renew_at"] - 5 * DAY)
        )
    assert bench.subscriber.due() == ["c7"]
    bench.store(renew_at=row["renew_at"] - 5 * DAY)
    with database.write() as transaction:
        soon = tables.push_subscriptions.update().where(tables.push_subscriptions.c.channel_id == "c9")
        transaction.execute(soon.values(expires_at=row["expires_at"] - 3 * DAY))
    assert bench.subscriber.due()[:2] == ["c9", "acme"], "the one that ends first"


def test_a_clock_that_moved_is_seen_before_a_renewal_is_too_late(bench: PushBench) -> None:
    """Zoho's clock stands for ours: only the difference counts."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    registry, steady = bench.place.registry, [0.0]

    def now() -> float:
        return registry.database.now().timestamp() - steady[0]

    clock = ClockWatch(bench.place.settings, registry, QUICK.pacing, now, retry_seconds=0.0)
    bench.place.sim.clock.advance(4 * 86_400)
    assert bench.subscriber.due() == [], "nobody knows it yet"
    assert clock.look(), "a worker that starts asks once"
    assert bench.row().skew_seconds == pytest.approx(4 * 86_400, abs=120)
    assert bench.subscriber.due() == ["acme"]
    asked = len(bench.place.sim.requests)
    assert not clock.look()
    assert len(bench.place.sim.requests) == asked
    bench.place.sim.clock.advance(-4 * 86_400)
    steady[0] = 4 * 86_400  # our clock was set
    bench.place.sim.faults.next(9, "server_error", path="/actions/watch")
    assert clock.look()
    assert bench.subscriber.due() == ["acme"], "Zoho did not answer"
    bench.place.sim.faults.clear()
    assert clock.look(), "so it is asked again"
    assert bench.subscriber.due() == []


def test_secrets_are_random_and_safe_in_a_url() -> None:
    made = {hooks.new_secret().reveal() for _ in range(50)}
    assert len(made) == 50
    assert all(len(secret) == 43 and secret.replace("-", "").replace("_", "").isalnum() for secret in made)
    assert len({hooks.new_channel_id() for _ in range(50)}) == 50
    assert PUSH_SCOPES.endswith("notifications.ALL")

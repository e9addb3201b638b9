"""When Zoho and the registry disagree about a subscription: on its secrets, its modules, or whether it is silent."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.ingest.conftest import QUICK
from tests.params import choice
from tests.push.conftest import PushBench
from tests.push.test_lanes import sync
from tests.push.test_subscription import DAY, runner_of_channels, subscription
from tests.writeback.conftest import PACING as WRITE_PACING
from tests.writeback.conftest import QUICK as QUICK_WRITES
from tests.writeback.conftest import WORDS
from zoho_pipeline.channels.platform import push_subscriptions as rows
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.push.agree import UNCONFIRMED
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.switch import switch_on

WATCH = "/actions/watch"


def by_fault(bench: PushBench) -> None:
    bench.place.sim.faults.next(20, "server_error", path=WATCH, after=1)


def by_refusal(bench: PushBench) -> None:
    bench.org.remove_module("Leads")


@pytest.mark.parametrize("fails", choice([by_fault, by_refusal], [by_fault]))
def test_a_second_switching_on_that_fails_is_mended_by_the_worker(
    bench: PushBench, fails: Callable[[PushBench], None]
) -> None:
    """Zoho went on with the first hook. It was heard for a day, and then each notification was refused for days."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads", "Deals"])
    fails(bench)
    with pytest.raises(PipelineError):
        bench.subscriber.turn_on("acme", ["Leads"])
    bench.place.sim.faults.clear()
    assert bench.secrets()["hook"] not in subscription(bench).notify_url
    bench.store(next_try_at=None)
    with bench.place.registry.database.write() as transaction:
        gone = bench.place.registry.database.now_in(transaction) - timedelta(seconds=1)
        transaction.execute(update(tables.push_old_hooks).values(until=gone))
    assert bench.subscriber.due() == ["acme"]
    bench.subscriber.renew("acme", only_if_due=True)
    assert (bench.row().state, bench.subscriber.due()) == ("on", [])
    assert bench.secrets()["hook"] in subscription(bench).notify_url
    assert "Deals.all" in subscription(bench).events, "what was subscribed before the failure"


@pytest.mark.parametrize("at", [1, 2])
def test_nothing_is_left_at_zoho_of_a_first_switching_on_whose_answer_was_lost(bench: PushBench, at: int) -> None:
    """Zoho went on to deliver to a hook that nobody heard, for a week, and `push off` did not know of it."""
    bench.connect()
    tries = QUICK.pacing.attempts
    bench.place.sim.faults.next(tries, "reset_after", path=WATCH, after=at)  # the change, or the reading after it
    used, calls = bench.place.registry.credits_used("acme"), len(bench.place.sim.requests)
    with pytest.raises(PipelineError):
        bench.subscriber.turn_on("acme", ["Leads"])
    assert (bench.place.sim.faults.pending, list(bench.org.subscriptions)) == (0, [])
    answered = [call for call in bench.place.sim.requests[calls:] if WATCH in call.path][: at + 1]
    assert bench.place.registry.credits_used("acme") - used == len(answered), "what failed was not counted"
    bench.subscriber.turn_on("acme", ["Leads"])
    assert len(bench.org.subscriptions) == 1


def test_an_answer_that_names_one_module_is_completed_by_the_reading(bench: PushBench) -> None:
    """The other modules were never asked for again, and Zoho forgot them with the next renewal."""
    bench.place.sim.switches.update(watch_names="first", meetings_event="Meetings")
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads", "Deals", "Events"])
    assert set(bench.row().modules) == {"Leads", "Deals", "Events"}
    bench.subscriber.renew("acme")
    assert sorted(subscription(bench).events) == ["Deals.all", "Leads.all", "Meetings.all"]
    assert (bench.row().gap_since, bench.row().detail) == (None, None)


def test_a_module_that_the_reading_lacks_is_asked_for_again_within_an_hour(bench: PushBench) -> None:
    """It counted as subscribed for half a week, although nobody was told of its changes."""
    bench.connect()
    sim = bench.place.sim
    for change in (2, 5):  # of the calls, and a reading is before and after each change
        sim.on_call(change, lambda: subscription(bench).events.remove("Deals.all"), path=WATCH, after=True)
    bench.subscriber.turn_on("acme", ["Leads", "Deals"])
    row = bench.row()
    assert row.events == {"Leads.all": "subscribed", "Deals.all": UNCONFIRMED}
    assert row.detail is not None
    assert "Deals.all" in row.detail
    assert row.renew_at is not None
    assert timedelta(minutes=59) < row.renew_at - row.zoho_now(row.renewed_at) < timedelta(minutes=61)
    bench.subscriber.renew("acme")
    assert bench.row().events["Deals.all"] == UNCONFIRMED
    assert bench.row().gap_since is None, "a whole sync per hour would cost more than it finds"
    bench.subscriber.renew("acme")
    assert bench.row().events["Deals.all"] == "subscribed"
    assert [request.reason for request in queue.unfinished(bench.place.registry)] == ["gap"]
    assert bench.row().gap_since is not None


def judged(bench: PushBench, missed: timedelta | None, at: timedelta = timedelta(0)) -> str:
    """The state after a whole sync whose earliest unnamed change was so long ago. `at`: how much later than now."""
    database = bench.place.registry.database
    with database.write() as transaction:
        known, now = rows.get(transaction, "acme"), database.now() + at
        assert known is not None
        rows.judge_silence(transaction, known, None if missed is None else now - missed, now)
    return bench.row().state


def test_a_new_subscription_is_not_silent_because_the_old_one_was(bench: PushBench) -> None:
    """The sync that closed a gap of days ended the new subscription within seconds, and told the platform so."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    bench.org.subscriptions.clear()
    old = bench.row().created_at - 9 * DAY
    bench.store(created_at=old, renewed_at=old, last_delivery_at=old, renew_at=old, expires_at=old + 7 * DAY)
    bench.subscriber.renew("acme", only_if_due=True)
    assert judged(bench, 5 * DAY) == "on"
    assert judged(bench, 2 * DAY, DAY - timedelta(hours=1)) == "on"
    assert judged(bench, timedelta(0), DAY + timedelta(hours=1)) == "stopped", "a day after the renewal"
    assert bench.events() == ["push.stopped"]


def test_a_machine_that_slept_is_not_told_at_once_that_zoho_is_silent(bench: PushBench) -> None:
    """The subscription lived, and the server slept. The first sync saw the changes of two days at once."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    bench.store(renewed_at=bench.row().renewed_at - 3 * DAY)
    assert judged(bench, 2 * DAY) == "on"
    assert judged(bench, None, 2 * DAY) == "on", "without a change there is nothing to hear"
    assert judged(bench, timedelta(0), timedelta(hours=11)) == "on"
    assert judged(bench, timedelta(0), timedelta(hours=13)) == "stopped"


@pytest.mark.long
@pytest.mark.parametrize("is_told", [True, False])
def test_a_change_of_ours_that_zoho_does_not_tell_us_of_was_not_missed(synced: PushBench, is_told: bool) -> None:
    """Where write-back alone changed leads, the subscription counted as stopped after a day."""
    place, org, ids = synced.place, synced.org, [row["id"] for row in synced.org.rows("Leads")]
    place.sim.switches.update(push_own_changes=is_told)
    switch_on(place.registry, place.registry.get("acme"), WORDS, pacing=WRITE_PACING)
    sync(synced)
    place.sim.clock.advance(2)
    wishes.ask(place.registry, "acme", wishes.Wish(KnownLead(ids[0], None, False, None), "contacted"), "key:test")
    (claimed,) = claims.claim(place.registry, "w", 1, QUICK_WRITES)
    Sending(place.registry, "w", QUICK_WRITES).send(claimed)
    assert org.row("Leads", ids[0])["Lead_Status"] == "Contacted"
    org_events = list(org.subscriptions)
    synced.told()
    sync(synced)
    assert (synced.row().missed, synced.row().silent_since) == (0, None)
    del org.subscriptions[org_events[0]]
    place.sim.clock.advance(2)  # that Zoho's clock jumps makes the first notification of this lead look newer
    org.update("Leads", ids[1 if is_told else 0], {"Company": "Untold"})  # by a person
    sync(synced)
    assert (synced.row().missed, synced.row().silent_since is None) == (1, False)


@pytest.mark.long
def test_a_persons_edit_in_the_second_of_our_change_was_missed(synced: PushBench) -> None:
    """Both have one Modified_Time. The edit counted as a change of ours, so nobody saw that it was not told."""
    place, org, ids = synced.place, synced.org, [row["id"] for row in synced.org.rows("Leads")]
    place.sim.switches.update(push_own_changes=False)
    switch_on(place.registry, place.registry.get("acme"), WORDS, pacing=WRITE_PACING)
    sync(synced)
    org.subscriptions.clear()
    asha = org.add_user(first_name="Asha", last_name="Rao")
    place.sim.clock.advance(2)
    place.sim.clock.freeze()
    for lead_id in ids[:2]:
        wish = wishes.Wish(KnownLead(lead_id, None, False, None), "contacted")
        wishes.ask(place.registry, "acme", wish, "key:test")
    for claimed in claims.claim(place.registry, "w", 2, QUICK_WRITES):
        Sending(place.registry, "w", QUICK_WRITES).send(claimed)
    org.update("Leads", ids[0], {"Company": "Untold", "Modified_By": {"id": asha.id}})
    place.sim.clock.resume()
    sync(synced)
    assert (synced.row().missed, synced.row().silent_since is None) == (1, False)


def test_a_channel_whose_token_no_key_decrypts_can_be_removed_with_push_on(bench: PushBench) -> None:
    """The command ended with an error each time, so only the registry's database could mend it."""
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    (bench.place.settings.home / "secret.key").unlink()
    answer = runner_of_channels(bench, "remove", "acme")
    assert answer.code == 0, answer.err
    assert "no key decrypts it" in answer.out
    assert bench.place.registry.list() == ()

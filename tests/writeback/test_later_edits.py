"""A person edits the lead after Zoho had carried out our change. The attempt that made it goes on later, or never."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.params import combined
from tests.writeback.conftest import Bench
from tests.writeback.test_waiting import PATH, forced
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.writeback import wishes
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.switch import switch_off
from zoho_pipeline.zoho.connection.server_clock import parse_time


def edits(bench: Bench, status: str, seconds: int = 3) -> Callable[[], None]:
    """An edit by a person, so many seconds later by Zoho's clock."""

    def edit() -> None:
        bench.sim.clock.advance(seconds)
        bench.org.update("Leads", bench.lead, {"Lead_Status": status})

    return edit


def written_unread(bench: Bench) -> Writeback:
    """Zoho confirmed the change, and could not be read after it."""
    bench.sim.clock.freeze()
    bench.sim.faults.next(2, "server_error", PATH, after=2)
    wish = bench.ask("contacted")
    bench.turn()
    assert bench.path(wish)[-2:] == [("sending", "written"), ("sending", "zoho_unreachable")]
    return wish


@pytest.mark.parametrize("how", ["server_error", "concurrency", "paused", "no rounds left"])
def test_an_edit_of_a_later_second_is_kept_by_the_next_attempt_too(bench: Bench, how: str) -> None:
    """The time of our change was known to the attempt alone. The next one wrote over the edit."""
    bench.sim.clock.freeze()
    bench.sim.on_call(2, edits(bench, "Not Contacted"), PATH, after=True)
    if how == "paused":
        bench.sim.on_call(3, lambda: bench.registry.pause("acme"), PATH)
    elif how == "no rounds left":
        bench.limit(rounds=0)
    else:
        bench.sim.faults.next(2, how, PATH, after=3)
    wish = bench.ask("contacted")
    bench.turn()
    assert (bench.get(wish).state, ("queued", "lost") in bench.path(wish)) == ("queued", True)
    if how == "paused":
        bench.registry.resume("acme")
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.code, bench.status()) == ("conflict", "changed_in_zoho", "Not Contacted")
    assert "after it" in str(found.detail), "it says that the change was carried out"
    assert len(bench.puts()) == 1


def test_a_change_that_was_not_sent_leaves_the_time_of_the_one_before(bench: Bench) -> None:
    wish = written_unread(bench)
    edits(bench, "Not Contacted", 0)()  # of the same second, so it is written again
    bench.sim.faults.next(2, "concurrency", PATH, after=1)
    bench.turn()
    assert ("sending", "not_sent") in bench.path(wish)
    edits(bench, "Not Contacted")()
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("conflict", "Not Contacted")


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_decision_holds_for_no_other_status_that_comes_after_the_change(bench: Bench, seconds: int) -> None:
    """The status that was found after the lost change counted as the one that the person had seen."""
    bench.sim.clock.freeze()
    wish = forced(bench)
    bench.sim.on_call(2, edits(bench, "Attempted to Contact", seconds), PATH, after=True)
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.zoho_status, bench.status()) == ("conflict", *["Attempted to Contact"] * 2)
    assert found.waits_for_a_person


def test_a_decision_holds_for_no_status_that_a_policy_of_before_would_write_over(bench: Bench) -> None:
    wish = forced(bench)
    bench.on(policy="platform_wins")
    edits(bench, "Attempted to Contact")()
    bench.sim.faults.next(2, "concurrency", PATH, after=1)
    bench.turn()
    assert bench.path(wish)[-3:] == [
        ("sending", "platform_wins"),
        ("queued", "not_sent"),
        ("queued", "zoho_unreachable"),
    ]
    bench.on(policy="hold")
    bench.drain()
    assert (bench.get(wish).waits_for_a_person, bench.status()) == (True, "Attempted to Contact")


@pytest.mark.parametrize(
    ("seconds", "was_read", "expected"),
    combined(
        [0, 3],
        [True, False],
        ["contacted", None],
        quick=[(0, True, "contacted"), (0, False, None), (3, False, "contacted"), (3, True, None)],
    ),
)
def test_a_newer_wish_does_not_write_over_an_edit_that_followed_the_older_one(
    bench: Bench, seconds: int, was_read: bool, expected: str | None
) -> None:
    """The newer one took over what the older one had expected, or goes by the published lead, and the edit restored
    just that. The older one counted as never carried out."""
    bench.sim.clock.freeze()
    published, newer = bench.known(), list[Writeback]()
    bench.sim.clock.advance(2)  # the lead is older than our change
    bench.sim.on_call(2, edits(bench, "Not Contacted", seconds), PATH, after=True)
    if was_read:
        bench.sim.on_call(3, lambda: newer.append(bench.ask("lost", expected, published)), PATH)
        older = bench.ask("contacted")
    else:
        older = written_unread(bench)
        newer.append(bench.ask("lost", expected, published))
    bench.drain()
    if seconds:
        assert (bench.get(older).state, bench.get(older).code) == ("done", "not_read")
        assert (bench.get(newer[0]).state, bench.status()) == ("conflict", "Not Contacted")
        assert bench.kinds() == ["writeback.done", "writeback.conflict"]
    else:
        assert bench.get(older).state == "superseded"
        assert (bench.get(newer[0]).state, bench.status()) == ("done", "Lost Lead")
    assert len(bench.puts()) == (1 if seconds else 2)


@pytest.mark.parametrize("end", ["refused", "failed"])
def test_a_newer_wish_is_no_conflict_because_the_older_one_ended_unsent(bench: Bench, end: str) -> None:
    """It said that somebody had changed the lead, and nobody had."""
    if end == "refused":
        bench.org.refuse_writes(bench.lead, "RECORD_LOCKED")
    else:
        bench.limit(life=timedelta(0))
        bench.sim.faults.next(1, "server_error", PATH, after=1)
    newer: list[Writeback] = []
    bench.sim.on_call(2, lambda: newer.append(bench.ask("lost", expected="contacted")), PATH)
    older = bench.ask("contacted")
    bench.turn()
    assert bench.get(older).state == end
    bench.limit(life=timedelta(hours=1))
    bench.drain()
    found = bench.get(newer[0])
    assert (found.state, found.code) == (("refused", "locked") if end == "refused" else ("done", None))


@pytest.mark.parametrize("then", ["converted", "deleted", "off"])
def test_a_change_that_zoho_confirmed_is_done_whatever_comes_after_it(bench: Bench, then: str) -> None:
    """It ended as refused, and the platform heard that nothing was changed."""
    wish = written_unread(bench)
    edits(bench, "Lost Lead")()
    if then == "converted":
        bench.org.convert(bench.lead)
    elif then == "deleted":
        bench.org.delete("Leads", bench.lead)
    else:
        switch_off(bench.registry, "acme", "key:boss")
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == ("done", "not_read")
    assert (bench.kinds(), len(bench.puts())) == (["writeback.done"], 1)


def test_nobody_is_asked_about_a_wish_that_a_newer_one_followed_in_this_moment(bench: Bench) -> None:
    """The change is in doubt, so the newer wish does not end the older one. It comes when the worker has just read."""
    bench.on(policy="hold")
    bench.sim.faults.next(1, "server_error", PATH, after=1)
    older = bench.ask("contacted")
    bench.turn()
    edits(bench, "Lost Lead")()
    newer: list[Writeback] = []
    bench.sim.on_call(1, lambda: newer.append(bench.ask("new", expected="lost")), PATH, after=True)
    bench.drain()
    assert (bench.get(older).state, bench.get(newer[0]).state, bench.status()) == (
        "superseded",
        "done",
        "Not Contacted",
    )
    assert bench.kinds() == ["writeback.done"]


def lost_unread(bench: Bench, seconds: int = 3) -> Writeback:
    """Zoho carried out the change, a person restored what was expected, and then Zoho could not be read."""
    bench.sim.clock.freeze()
    bench.sim.on_call(2, edits(bench, "Not Contacted", seconds), PATH, after=True)
    bench.sim.faults.next(2, "server_error", PATH, after=3)
    wish = bench.ask("contacted")
    bench.turn()
    assert bench.path(wish)[-2:] == [("queued", "lost"), ("queued", "zoho_unreachable")]
    return wish


@pytest.mark.parametrize("seconds", [0, 3])
@pytest.mark.parametrize("expected", ["contacted", None])
def test_a_wish_that_comes_after_the_loss_does_not_write_over_the_edit(
    bench: Bench, expected: str | None, seconds: int
) -> None:
    """It took the place of the older one at once, and what that one knew of the edit was forgotten."""
    published = bench.known()
    bench.sim.clock.advance(2)
    older = lost_unread(bench, seconds)
    newer = bench.ask("lost", expected, published)
    bench.drain()
    if seconds:
        assert (bench.get(older).state, bench.get(older).code) == ("done", "not_read")
        assert (bench.get(newer).state, bench.status()) == ("conflict", "Not Contacted")
    else:
        assert (bench.get(older).state, bench.get(newer).state) == ("superseded", "done")


@pytest.mark.parametrize("expected", ["contacted", None])
def test_a_newer_wish_does_not_answer_what_a_person_is_asked(bench: Bench, expected: str | None) -> None:
    """A person is asked about an edit that followed our change. The newer wish wrote over it, unseen."""
    published = bench.known()
    bench.sim.clock.advance(2)
    bench.on(policy="hold")
    older = lost_unread(bench)
    bench.drain()
    assert bench.get(older).waits_for_a_person
    newer = bench.ask("lost", expected, published)
    bench.drain()
    assert (bench.get(older).state, bench.get(older).code) == ("done", "not_read")
    assert (bench.get(newer).waits_for_a_person, bench.status()) == (True, "Not Contacted")


def test_an_edit_that_a_policy_of_before_would_write_over_is_kept_by_the_policy_of_now(bench: Bench) -> None:
    """The mark of a change that was not sent stored the time of the edit as the time of our own change."""
    bench.on(policy="platform_wins")
    wish = lost_unread(bench)
    bench.sim.faults.next(2, "concurrency", PATH, after=1)
    bench.turn()
    assert bench.path(wish)[-3:-1] == [("sending", "platform_wins"), ("queued", "not_sent")]
    bench.on(policy="zoho_wins")
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("conflict", "Not Contacted")
    assert [call.status for call in bench.puts()] == [200, 429, 429]


def test_a_decision_holds_for_no_edit_that_restores_what_was_expected_at_first(bench: Bench) -> None:
    bench.on(policy="hold")
    bench.sim.clock.freeze()
    bench.sim.on_call(2, edits(bench, "Lost Lead"), PATH, after=True)
    wish = bench.ask("contacted")
    bench.drain()
    assert (bench.get(wish).waits_for_a_person, bench.get(wish).zoho_status) == (True, "Lost Lead")
    wishes.resolve(bench.registry, wish.id, "force", "key:boss")
    edits(bench, "Not Contacted")()
    bench.drain()
    assert (bench.get(wish).waits_for_a_person, bench.status()) == (True, "Not Contacted")
    wishes.resolve(bench.registry, wish.id, "force", "key:boss")
    bench.sim.clock.advance(2)
    bench.org.update("Leads", bench.lead, {"Company": "Bazaar"})
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted"), "nobody is asked twice about one status"


def test_our_clock_may_be_set_back_after_the_wish(bench: Bench) -> None:
    """The steps of the journal were older than the wish then, so nobody knew of the change."""
    wish = bench.ask("contacted")
    with bench.registry.database.write() as transaction:
        later = bench.registry.database.now() + timedelta(minutes=5)
        transaction.execute(update(writebacks).where(writebacks.c.id == wish.id).values(queued_at=later))
    bench.sim.clock.freeze()
    bench.sim.on_call(2, edits(bench, "Not Contacted"), PATH, after=True)
    bench.drain()
    assert (bench.get(wish).state, bench.status(), len(bench.puts())) == ("conflict", "Not Contacted", 1)


def test_a_newer_wish_expects_nothing_of_an_older_one_that_failed_after_its_change(bench: Bench) -> None:
    older = lost_unread(bench)
    newer = bench.ask("lost", "contacted")
    bench.limit(life=timedelta(0))
    bench.sim.faults.next(2, "server_error", PATH)
    bench.turn()
    assert bench.get(older).state == "failed"
    bench.limit(life=timedelta(hours=1))
    bench.drain()
    assert (bench.get(newer).state, bench.status()) == ("conflict", "Not Contacted")


@pytest.mark.parametrize("policy", ["zoho_wins", "hold"])
@pytest.mark.parametrize("again", [False, True])
def test_a_further_edit_in_the_second_of_the_reading_is_not_written_over(
    bench: Bench, policy: str, again: bool
) -> None:
    """Its Modified_Time is the one that was read, so Zoho's precondition passed."""
    bench.sim.clock.freeze()
    bench.on(policy=policy)
    bench.limit(settle_seconds=0.001)  # a clock that stands still needs no longer wait
    edits(bench, "Not Contacted")()
    later = edits(bench, "Not Contacted", 1 if again else 0)
    bench.sim.on_call(1, later, PATH, after=True)
    bench.sim.on_call(2, edits(bench, "Lost Lead", 0), PATH, after=again)
    wish, used = bench.ask("contacted"), bench.registry.credits_used("acme")
    bench.turn()
    assert (bench.get(wish).state, bench.status(), bench.puts()) == ("conflict", "Lost Lead", [])
    readings = [call for call in bench.sim.requests if PATH in call.path]
    assert bench.registry.credits_used("acme") - used == len(readings) == 2 + again


def test_a_change_comes_after_the_second_of_the_last_edit(bench: Bench) -> None:
    bench.limit(settle_seconds=3.0)
    bench.sim.clock.freeze()
    edits(bench, "Not Contacted", 2)()
    bench.sim.clock.resume()
    edited = parse_time(bench.org.row("Leads", bench.lead)["Modified_Time"])
    changed: list[float] = []
    for n in (2, 3):
        bench.sim.on_call(n, lambda: changed.append(bench.sim.clock.seconds()), PATH)
    wish = bench.ask("contacted")
    bench.turn()
    assert bench.get(wish).state == "done"
    assert changed[1] >= edited.timestamp() + 1


def test_an_org_whose_lead_is_changed_in_each_second_is_asked_a_few_times(bench: Bench) -> None:
    bench.sim.clock.freeze()
    bench.limit(settle_seconds=0.001)
    for n in range(1, 20):
        bench.sim.on_call(n, edits(bench, "Not Contacted", 1), PATH)
    wish = bench.ask("contacted")
    bench.turn()
    assert (bench.get(wish).state, bench.get(wish).code) == ("queued", "changed_meanwhile")
    assert [call.method for call in bench.sim.requests if PATH in call.path] == ["GET"] * 4


@pytest.mark.parametrize("seconds", [0, 3])
def test_the_third_wish_knows_of_the_edit_that_followed_the_first(bench: Bench, seconds: int) -> None:
    """The second one is never sent, and the third one takes over what it expected."""
    first = lost_unread(bench, seconds)
    second = bench.ask("lost", "contacted")
    third = bench.ask("contacted", "lost")
    assert [bench.get(wish).state for wish in (first, second, third)] == ["queued", "superseded", "queued"]
    bench.drain()
    if seconds:
        assert [bench.get(wish).state for wish in (first, third)] == ["done", "conflict"]
        assert (bench.status(), bench.kinds()) == ("Not Contacted", ["writeback.done", "writeback.conflict"])
    else:
        assert [bench.get(wish).state for wish in (first, third)] == ["superseded", "done"]
        assert (bench.status(), bench.kinds()) == ("Contacted", ["writeback.done"])


def test_the_journal_of_an_older_version_leads_to_no_lost_edit(bench: Bench) -> None:
    """It stored the time of the lead before the lost change, so each later state is news: it is told, and kept."""
    wish = lost_unread(bench, 0)
    before = parse_time(bench.org.row("Leads", bench.lead)["Created_Time"])
    with bench.registry.database.write() as transaction:
        transaction.execute(update(writebacks).where(writebacks.c.id == wish.id).values(zoho_modified_at=before))
    edits(bench, "Not Contacted")()
    bench.drain()
    assert (bench.get(wish).state, bench.status(), len(bench.puts())) == ("conflict", "Not Contacted", 1)

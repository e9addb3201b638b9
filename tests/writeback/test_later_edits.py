"""A person edits the lead after Zoho had carried out our change. The attempt that made it goes on later, or never."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.writeback.conftest import Bench
from tests.writeback.test_waiting import PATH, forced
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.switch import switch_off


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


@pytest.mark.parametrize("expected", ["contacted", None])
@pytest.mark.parametrize("was_read", [True, False])
@pytest.mark.parametrize("seconds", [0, 3])
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

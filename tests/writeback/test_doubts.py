"""Wishes whose change is in doubt, or was confirmed and could not be read: no end says what nobody knows."""

from datetime import timedelta

import pytest

from tests.writeback.conftest import Bench
from tests.writeback.test_waiting import PATH, in_doubt, reverting
from zoho_pipeline.writeback.switch import switch_of


def state_of_switch(bench: Bench) -> str:
    found = switch_of(bench.registry, "acme")
    assert found is not None
    return found.state


@pytest.mark.parametrize("policy", ["zoho_wins", "platform_wins", "hold"])
def test_no_person_is_asked_about_a_wish_that_a_newer_one_follows(bench: Bench, policy: str) -> None:
    """The older wish became a conflict, and the platform was told, although it was out of date already."""
    bench.sim.clock.freeze()
    bench.on(policy=policy)
    bench.limit(losses=1)
    reverting(bench, 1, 0)
    bench.sim.on_call(2, lambda: bench.ask("lost"), PATH, after=True)
    first = bench.ask("contacted")
    bench.drain()
    assert (bench.get(first).state, bench.status()) == ("superseded", "Lost Lead")
    assert ("queued", "lost") in bench.path(first), "that Zoho had carried it out is on record"
    assert bench.kinds() == ["writeback.done"]


@pytest.mark.parametrize(("fault", "code"), [("scope", "scope_missing"), ("no_permission", "no_permission")])
@pytest.mark.parametrize("answer", ["lost", "read", "not arrived"])
def test_a_change_in_doubt_outlasts_a_refusal_to_show_the_lead(
    bench: Bench, answer: str, fault: str, code: str
) -> None:
    """It ended as refused, and Zoho had the status."""
    if answer == "not arrived":
        wish = in_doubt(bench)
        bench.sim.faults.next(1, fault, PATH)
    elif answer == "lost":
        bench.sim.faults.next(1, "reset_after", PATH, after=1)
        wish = bench.ask("contacted")
        bench.turn()
        bench.sim.faults.next(1, fault, PATH)
    else:
        bench.sim.faults.next(1, fault, PATH, after=2)
        wish = bench.ask("contacted")
    bench.turn()
    assert (bench.get(wish).state, bench.get(wish).code) == ("sending", code)
    assert bench.get(wish).sending_since is not None
    assert (state_of_switch(bench), bench.kinds(), bench.turn()) == ("broken", ["writeback.broken"], None)
    bench.on()
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")
    assert len(bench.puts()) == (2 if answer == "not arrived" else 1)
    assert bench.kinds() == ["writeback.broken", "writeback.restored", "writeback.done"]


@pytest.mark.parametrize("fault", ["server_error", "credits", "scope"])
def test_a_confirmed_change_that_nobody_could_read_is_no_failure(bench: Bench, fault: str) -> None:
    """After a day it ended as failed, and the platform heard that it was refused."""
    bench.limit(life=timedelta(0))
    bench.sim.faults.next(9, fault, PATH, after=2)
    wish = bench.ask("contacted")
    bench.turn()
    found = bench.get(wish)
    assert (found.state, found.code, bench.status()) == ("done", "not_read", "Contacted")
    assert found.detail is not None
    assert "could not be read" in found.detail
    assert bench.kinds().count("writeback.done") == 1
    assert "writeback.refused" not in bench.kinds()


def test_a_change_that_nobody_confirmed_fails_with_its_doubt(bench: Bench) -> None:
    bench.limit(life=timedelta(0))
    bench.sim.faults.next(1, "reset_after", PATH, after=1)
    wish = bench.ask("contacted")
    bench.turn()
    found = bench.get(wish)
    assert (found.state, found.detail is not None and "It is unknown" in found.detail) == ("failed", True)

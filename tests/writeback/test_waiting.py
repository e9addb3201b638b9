"""What happens in Zoho, or to the switch, while a wish waits."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, PLAIN_SCOPES
from tests.params import combined
from tests.push.conftest import wait_for
from tests.writeback.conftest import Bench
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.settings import Secret
from zoho_pipeline.writeback import wishes
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.status_map import StatusMap
from zoho_pipeline.writeback.switch import switch_of, switch_off, switch_on

PATH = "/crm/v7/Leads"


def merged_away(bench: Bench) -> None:
    other = bench.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Contacted"})
    bench.org.merge("Leads", other, bench.lead)


def merged_into(bench: Bench) -> None:
    other = bench.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Contacted"})
    bench.org.merge("Leads", bench.lead, other)


def restored(bench: Bench) -> None:
    bench.org.delete("Leads", bench.lead)
    bench.org.restore("Leads", bench.lead)


def refused_with(code: str) -> Callable[[Bench], None]:
    return lambda bench: bench.org.refuse_writes(bench.lead, code)


def queued(bench: Bench) -> Writeback:
    return bench.ask("contacted")


def in_doubt(bench: Bench) -> Writeback:
    """A change was sent, Zoho did not carry it out, and no answer said so."""
    bench.sim.faults.next(1, "server_error", PATH, after=1)
    wish = bench.ask("contacted")
    found = bench.turn()
    assert found is not None
    assert found.state == "sending"
    return wish


def forced(bench: Bench) -> Writeback:
    bench.on(policy="hold")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    wish = bench.ask("contacted")
    bench.drain()
    return wishes.resolve(bench.registry, wish.id, "force", "key:boss")


HAPPENINGS: dict[str, tuple[Callable[[Bench], None], str, str | None]] = {
    "merged away": (merged_away, "refused", "not_found"),
    "merged into": (merged_into, "done", None),
    "restored": (restored, "done", None),
    "deleted": (lambda bench: bench.org.delete("Leads", bench.lead), "refused", "not_found"),
    "gone": (lambda bench: bench.org.delete("Leads", bench.lead, permanent=True), "refused", "not_found"),
    "converted": (lambda bench: bench.org.convert(bench.lead), "refused", "converted"),
    "locked": (refused_with("RECORD_LOCKED"), "refused", "locked"),
    "not approved": (refused_with("NOT_APPROVED"), "refused", "not_approved"),
    "not reviewed": (refused_with("NOT_REVIEWED"), "refused", "not_reviewed"),
    "in a blueprint": (refused_with("RECORD_IN_BLUEPRINT"), "refused", "in_blueprint"),
}


@pytest.mark.parametrize(
    ("waits", "happening"),
    combined(
        [queued, in_doubt, forced],
        HAPPENINGS,
        quick=[
            *((queued, happening) for happening in ("merged away", "restored", "converted", "locked")),
            *((in_doubt, happening) for happening in ("merged into", "deleted", "not approved")),
            *((forced, happening) for happening in ("gone", "in a blueprint")),
        ],
    ),
)
def test_the_lead_changes_while_the_wish_waits(
    bench: Bench, waits: Callable[[Bench], Writeback], happening: str
) -> None:
    happens, state, code = HAPPENINGS[happening]
    wish = waits(bench)
    bench.sim.clock.advance(2)
    happens(bench)
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.code, found.sending_since is None) == (state, code, state == "refused")
    assert bench.kinds()[-1] == f"writeback.{state}"


def reverting(bench: Bench, reverts: int, seconds: int) -> None:
    """An automation of Zoho that takes the wished status back, so many times, so many seconds after the change."""
    left = [reverts]

    def revert() -> None:
        if left[0] and bench.org.row("Leads", bench.lead)["Lead_Status"] == "Contacted":
            left[0] -= 1
            bench.sim.clock.advance(seconds)
            bench.org.update("Leads", bench.lead, {"Lead_Status": "Not Contacted"})

    for n in range(2, 200):
        bench.sim.on_call(n, revert, PATH, after=True)


@pytest.mark.parametrize(
    ("policy", "seconds", "reverts"),
    combined(
        ["zoho_wins", "platform_wins", "hold"],
        [0, 1],
        [1, 2, 3, 50],
        quick=[
            *[("zoho_wins", 0, 50), ("zoho_wins", 1, 1), ("hold", 0, 3), ("hold", 0, 50), ("hold", 1, 2)],
            *[("platform_wins", 0, 1), ("platform_wins", 1, 3), ("platform_wins", 1, 50)],
        ],
    ),
)
def test_an_automation_that_reverts_the_change(bench: Bench, policy: str, reverts: int, seconds: int) -> None:
    """Within the same second it cannot be told from a change that was lost there, so no policy ends it at once. It used
    to cost twelve credits per try, for a day."""
    bench.sim.clock.freeze()
    bench.on(policy=policy)
    reverting(bench, reverts, seconds)
    wish = bench.ask("contacted")
    bench.drain()
    found, puts = bench.get(wish), len(bench.puts())
    if seconds and policy != "platform_wins":
        assert (found.state, found.code, puts, bench.status()) == ("conflict", "changed_in_zoho", 1, "Not Contacted")
    elif reverts < 4:
        assert (found.state, puts, bench.status()) == ("done", reverts + 1, "Contacted")
    else:
        assert (found.state, found.code, found.tries, puts) == ("conflict", "changed_back", 0, 4)
        assert found.sending_since is None
        assert found.waits_for_a_person == (policy != "zoho_wins")
        assert bench.kinds() == ["writeback.conflict"]


def test_a_person_decides_about_a_status_that_is_taken_back_each_time(bench: Bench) -> None:
    """Forced again while the automation runs, it is written a few times again; without it, it stays."""
    bench.sim.clock.freeze()
    bench.on(policy="platform_wins")
    reverting(bench, 5, 0)
    wish = bench.ask("contacted")
    bench.drain()
    assert bench.get(wish).waits_for_a_person
    wishes.resolve(bench.registry, wish.id, "force", "key:boss")
    bench.drain()
    assert (bench.get(wish).state, bench.status(), len(bench.puts())) == ("done", "Contacted", 4 + 2)
    assert bench.kinds() == ["writeback.conflict", "writeback.done"]


def test_a_status_that_is_taken_back_while_write_back_is_switched_off(bench: Bench) -> None:
    """The wish is not left as a conflict that nobody could force."""
    bench.sim.clock.freeze()
    bench.limit(losses=1)
    reverting(bench, 50, 0)
    bench.sim.on_call(3, lambda: switch_off(bench.registry, "acme", "key:boss"), PATH)
    wish = bench.ask("contacted")
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == ("refused", "writeback_off")


@pytest.mark.parametrize("back", [3_600, 60])
def test_the_newer_wish_wins_although_the_clock_was_set_back(bench: Bench, back: int) -> None:
    """The first one is in doubt, so it is not superseded at once. By its time of creation it came later."""
    first = in_doubt(bench)
    with bench.registry.database.write() as transaction:
        later = bench.registry.database.now() + timedelta(seconds=back)
        own = writebacks.c.id == first.id
        transaction.execute(update(writebacks).where(own).values(created_at=later, queued_at=later))
    second = bench.ask("lost", expected="new")
    bench.drain()
    assert (bench.get(first).state, bench.get(second).state, bench.status()) == ("superseded", "done", "Lost Lead")


@pytest.mark.parametrize("arrived", [False, True])
def test_a_change_in_doubt_is_settled_after_write_back_was_switched_off(bench: Bench, arrived: bool) -> None:
    """Nothing is sent any more, and a later `on` does not send the old wish either."""
    wish = in_doubt(bench)
    if arrived:
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Contacted"})
    assert switch_off(bench.registry, "acme", "key:boss") == 0
    bench.drain()
    end = ("done", "found") if arrived else ("refused", "writeback_off")
    assert (bench.get(wish).state, bench.get(wish).code) == end
    bench.on()
    bench.drain()
    assert (len(bench.puts()), bench.kinds()) == (1, [f"writeback.{end[0]}"])


def test_a_wish_that_goes_back_to_the_queue_after_the_switching_off_is_refused(bench: Bench) -> None:
    def touch() -> None:
        bench.sim.clock.advance(2)
        bench.org.update("Leads", bench.lead, {"Company": "Bazaar"})
        switch_off(bench.registry, "acme", "key:boss")

    bench.sim.on_call(2, touch, PATH)
    wish = bench.ask("contacted")
    bench.drain()
    bench.on()
    bench.drain()
    states = [("queued", None), ("sending", None), ("queued", "already_modified"), ("refused", "writeback_off")]
    assert (bench.path(wish), bench.status()) == (states, "Not Contacted")


@pytest.mark.parametrize("policy", ["zoho_wins", "platform_wins"])
def test_a_conflict_that_waits_for_a_person_outlasts_a_new_policy(bench: Bench, policy: str) -> None:
    bench.on(policy="hold")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    wish = bench.ask("contacted")
    bench.drain()
    bench.on(policy=policy)
    bench.drain()
    assert bench.get(wish).waits_for_a_person
    wishes.resolve(bench.registry, wish.id, "keep", "key:boss")
    assert (bench.get(wish).state, bench.status()) == ("kept", "Lost Lead")


@pytest.mark.parametrize("edits", [{"Company": "Bazaar"}, {"Lead_Status": "Lost Lead"}])
def test_a_person_who_forces_writes_over_the_status_that_was_shown(bench: Bench, edits: dict[str, str]) -> None:
    wish = forced(bench)
    bench.sim.clock.advance(2)
    bench.org.update("Leads", bench.lead, edits)
    bench.drain()
    assert bench.path(wish)[-2:] == [("sending", "forced"), ("done", None)]
    assert "'Lost Lead'" in str(wishes.steps(bench.registry, wish.id)[-2].detail), "what was written over is on record"


@pytest.mark.parametrize(
    ("policy", "at"),
    combined(
        ["hold", "zoho_wins", "platform_wins"],
        [0, 1, 2],
        quick=[("hold", 0), ("zoho_wins", 1), ("platform_wins", 1), ("platform_wins", 2)],
    ),
)
def test_an_edit_after_the_decision_is_not_written_over_unseen(bench: Bench, policy: str, at: int) -> None:
    """It comes before the worker looks, between its look and its change, or while an answer is lost."""

    def edit() -> None:
        bench.sim.clock.advance(2)
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Attempted to Contact"})

    wish = forced(bench)
    bench.on(policy=policy)
    if at == 2:
        bench.sim.faults.next(1, "server_error", PATH, after=1)
        bench.turn()
    if at == 1:
        bench.sim.on_call(2, edit, PATH)
    else:
        edit()
    bench.drain()
    found = bench.get(wish)
    if policy == "platform_wins":
        assert (found.state, bench.status()) == ("done", "Contacted")
        return
    assert (found.state, found.zoho_status, bench.status()) == ("conflict", *["Attempted to Contact"] * 2)
    assert found.waits_for_a_person == (policy == "hold")
    if policy == "hold":
        wishes.resolve(bench.registry, wish.id, "force", "key:boss")
        bench.drain()
        assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")


@pytest.mark.parametrize(("word", "state", "code"), [("Lost Lead", "done", None), (None, "refused", "unmapped")])
def test_the_map_changes_while_the_wish_waits(bench: Bench, word: str | None, state: str, code: str | None) -> None:
    wish = bench.ask("contacted")
    words = StatusMap({"new": "Not Contacted"} | ({"contacted": word} if word else {}), {})
    switch_on(bench.registry, bench.registry.get("acme"), words)
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == (state, code)
    assert bench.status() == (word or "Not Contacted")


@pytest.mark.parametrize("waits", [queued, in_doubt, forced])
def test_a_wish_waits_for_a_channel_whose_token_was_revoked(bench: Bench, waits: Callable[[Bench], Writeback]) -> None:
    wish = waits(bench)
    puts = len(bench.puts())
    with bench.sim.hub.lock:
        bench.sim.hub.tokens.drop_user(bench.org.id, bench.org.admin.id)
    bench.drain()
    assert (bench.get(wish).code, bench.registry.get("acme").status) == ("reconnect_needed", "reconnect_needed")
    assert (bench.turn(), len(bench.puts())) == (None, puts), "nothing is tried before somebody connects it again"
    token = bench.org.grant(CLIENT, CLIENT_SECRET, PLAIN_SCOPES, None)
    register_from_refresh_token(bench.registry, "acme", Secret(token), data_center="sim", tenant="acme-inc")
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")


def test_the_newest_of_many_wishes_is_sent_once(bench: Bench) -> None:
    """The newer ones come before the claim, after it, and while the change is under way."""
    first = bench.ask("contacted")
    second = bench.ask("lost", expected="contacted")
    made: list[Writeback] = []
    bench.sim.on_call(1, lambda: made.append(bench.ask("contacted", expected="lost")), PATH)
    bench.sim.on_call(3, lambda: made.append(bench.ask("lost", expected="contacted")), PATH)
    bench.drain()
    assert [bench.get(wish).state for wish in (first, second, *made)] == ["superseded", "superseded", "done", "done"]
    assert (bench.status(), len(bench.puts())) == ("Lost Lead", 2)


@pytest.mark.parametrize("registry_env", ["postgres"], indirect=True)
def test_two_persons_switch_on_and_a_third_one_off_at_the_same_time(bench: Bench) -> None:
    """All three wait for the row, and then go on one after the other."""
    database = bench.registry.database
    switch_rows = select(writeback_settings.c.state).with_for_update()
    waiting = text("select count(*) from pg_locks where not granted")
    with ThreadPoolExecutor(3) as pool:
        with database.write() as transaction:
            transaction.execute(switch_rows).all()
            jobs: list[Future[Any]] = [pool.submit(bench.on), pool.submit(bench.on, policy="hold")]
            jobs.append(pool.submit(switch_off, bench.registry, "acme", "key:boss"))
            wait_for(lambda: transaction.scalar(waiting) == 3)
        for job in jobs:
            job.result(60)
    found = switch_of(bench.registry, "acme")
    assert found is not None
    assert found.state in ("on", "off")

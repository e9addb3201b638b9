"""Each line of the steps that send a wish, against the simulator over HTTP."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.params import combined, each_nth
from tests.writeback.conftest import Bench
from zoho_pipeline.channels.access.client_factory import org_limits_of
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.judge import REASONS
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.switch import switch_of, switch_off
from zoho_pipeline.zoho.write.lead_status import REFUSAL_CODES

BOTH = pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
PATH = "/crm/v7/Leads/"


def edit(bench: Bench, status: str, at: int, *, after: bool = False) -> None:
    """Let a person edit the lead at the k-th call: 1 the first reading, 2 the change, 3 the reading after it."""
    bench.sim.on_call(at, lambda: bench.org.update("Leads", bench.lead, {"Lead_Status": status}), PATH, after=after)


@BOTH
def test_a_wish_is_written_and_told_once(bench: Bench) -> None:
    bench.sim.clock.advance(60)
    before = bench.org.row("Leads", bench.lead)
    used = bench.registry.credits_used("acme")
    wish = bench.ask("contacted")
    assert (wish.state, wish.desired) == ("queued", "Contacted")
    bench.drain()
    done = bench.get(wish)
    after = bench.org.row("Leads", bench.lead)
    assert (done.state, done.zoho_status, bench.status()) == ("done", "Contacted", "Contacted")
    assert done.zoho_modified_at is not None
    assert before["Modified_Time"] < after["Modified_Time"]
    assert after["Company"] == "Dukan"
    assert bench.path(wish) == [("queued", None), ("sending", None), ("done", None)]
    assert bench.told() == [
        (
            "writeback.done",
            {
                "tenant": "acme-inc",
                "channel_id": "acme",
                "seq": bench.told()[0][1]["seq"],
                "writeback_id": wish.id,
                "lead_id": bench.lead,
                "state": "done",
                "code": None,
                "status": "contacted",
                "zoho_status": "Contacted",
                "found_status": "Contacted",
            },
        )
    ]
    assert bench.org.automation == []
    assert bench.registry.credits_used("acme") - used == 3
    assert (done.sending_since is None) == (done.sending_precondition is None)


def test_a_wish_that_zoho_has_already_changes_nothing(bench: Bench) -> None:
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Contacted"})
    wish = bench.ask("contacted")
    bench.drain()
    assert bench.get(wish).state == "unchanged"
    assert (bench.puts(), bench.kinds()) == ([], [])


def test_the_precondition_is_the_time_that_was_read(bench: Bench) -> None:
    seen: list[Any] = []
    bench.sim.on_call(2, lambda: seen.append(bench.get(wish)), PATH)
    bench.sim.clock.advance(5)
    known = bench.known().known_at
    wish = bench.ask("contacted")
    bench.drain()
    (marked,) = seen
    assert marked.state == "sending"
    assert marked.sending_since is not None
    assert marked.sending_precondition == known


def test_the_workflow_runs_only_if_it_is_wanted(bench: Bench) -> None:
    bench.on(trigger="workflow")
    bench.ask("contacted")
    bench.drain()
    assert [found["ran"] for found in bench.org.automation] == [["workflow"]]


@pytest.mark.parametrize(
    ("policy", "state", "resolution", "status"),
    [
        ("zoho_wins", "conflict", "zoho_wins", "Lost Lead"),
        ("platform_wins", "done", None, "Contacted"),
        ("hold", "conflict", None, "Lost Lead"),
    ],
)
def test_an_edit_that_nobody_saw_goes_by_the_policy(
    bench: Bench, policy: str, state: str, resolution: str | None, status: str
) -> None:
    bench.on(policy=policy)
    wish = bench.ask("contacted")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.resolution, bench.status()) == (state, resolution, status)
    assert (found.finished_at is None) == (policy == "hold")
    assert bench.kinds() == ["writeback.done" if policy == "platform_wins" else "writeback.conflict"]
    if state == "conflict":
        assert (found.code, found.zoho_status) == ("changed_in_zoho", "Lost Lead")


def test_keep_and_force(bench: Bench) -> None:
    bench.on(policy="hold")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    for choice, state, resolution, status in (
        ("keep", "kept", "kept", "Lost Lead"),
        ("force", "done", "forced", "Contacted"),
    ):
        wish = bench.ask("contacted")
        bench.drain()
        wishes.resolve(bench.registry, wish.id, choice, "key:boss")  # type: ignore[arg-type]
        bench.drain()
        found = bench.get(wish)
        assert (found.state, found.resolution, bench.status()) == (state, resolution, status)
        with pytest.raises(wishes.NotWaiting):
            wishes.resolve(bench.registry, wish.id, choice, "key:boss")  # type: ignore[arg-type]
    assert bench.kinds() == ["writeback.conflict", "writeback.conflict", "writeback.done"]


def test_what_the_user_saw_counts_in_the_words_of_the_platform(bench: Bench) -> None:
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Attempted to Contact"})
    wish = bench.ask("lost", expected="contacted")  # two words of Zoho are `contacted` here
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Lost Lead")
    other = bench.ask("new", expected="contacted")
    bench.drain()
    assert (bench.get(other).state, bench.status()) == ("conflict", "Lost Lead")


def test_412_begins_again_and_an_edit_of_another_field_is_no_conflict(bench: Bench) -> None:
    def touch() -> None:
        bench.sim.clock.advance(2)
        bench.org.update("Leads", bench.lead, {"Company": "Bazaar"})

    bench.sim.on_call(2, touch, PATH)
    wish = bench.ask("contacted")
    bench.drain()
    codes = [code for _, code in bench.path(wish)]
    assert (bench.get(wish).state, codes) == ("done", [None, None, "already_modified", None, None])
    assert bench.org.row("Leads", bench.lead)["Company"] == "Bazaar"
    assert [call.status for call in bench.puts()] == [412, 200]


def test_after_three_repetitions_the_wish_waits(bench: Bench) -> None:
    def touch() -> None:
        bench.sim.clock.advance(2)
        bench.org.update("Leads", bench.lead, {"Company": str(bench.sim.clock.now())})

    for k in range(2, 9, 2):
        bench.sim.on_call(k, touch, PATH)
    wish = bench.ask("contacted")
    waiting = bench.turn()
    assert waiting is not None
    assert (waiting.state, waiting.code, waiting.tries) == ("queued", "changed_meanwhile", 1)
    assert [call.status for call in bench.puts()] == [412] * 4
    assert waiting.sending_since is None
    bench.drain()
    assert bench.get(wish).state == "done"


def test_a_status_lost_in_the_same_second_is_seen(bench: Bench) -> None:
    bench.sim.clock.freeze()
    edit(bench, "Lost Lead", 2, after=True)
    wish = bench.ask("contacted")
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.resolution, bench.status()) == ("conflict", "zoho_wins", "Lost Lead")
    assert ("queued", "lost") in bench.path(wish)


def test_an_edit_of_a_later_second_that_restores_the_expected_status_is_kept(bench: Bench) -> None:
    def restore() -> None:
        bench.sim.clock.advance(3)
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Not Contacted"})

    bench.sim.on_call(2, restore, PATH, after=True)
    wish = bench.ask("contacted")
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("conflict", "Not Contacted")
    assert len(bench.puts()) == 1


def test_such_an_edit_is_kept_even_if_the_look_failed(bench: Bench) -> None:
    def restore() -> None:
        bench.sim.clock.advance(3)
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Not Contacted"})

    bench.sim.on_call(2, restore, PATH, after=True)
    bench.sim.faults.next(2, "server_error", PATH, after=2)
    wish = bench.ask("contacted")
    bench.drain()
    assert (bench.get(wish).state, bench.status(), len(bench.puts())) == ("conflict", "Not Contacted", 1)


@pytest.mark.parametrize(
    "fault", each_nth(2, ["reset_after", "truncated", "bad_json", "empty_body", "wrong_content_type"])
)
def test_an_answer_that_was_lost_is_never_sent_again_blindly(bench: Bench, fault: str) -> None:
    """Zoho carries the change out, and its answer does not arrive as it should."""
    bench.sim.faults.next(1, fault, PATH, after=1)
    wish = bench.ask("contacted")
    doubt = bench.turn()
    assert doubt is not None
    assert (doubt.state, doubt.code, doubt.tries) == ("sending", "unknown", 1)
    assert doubt.sending_since is not None
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code, bench.status()) == ("done", "found", "Contacted")
    assert len(bench.puts()) == 1
    assert bench.kinds() == ["writeback.done"]
    assert bench.path(wish) == [("queued", None), ("sending", None), ("sending", "unknown"), ("done", "found")]


@pytest.mark.parametrize("fault", ["server_error", "bad_gateway"])
def test_a_5xx_is_a_doubt_too(bench: Bench, fault: str) -> None:
    bench.sim.faults.next(1, fault, PATH, after=1)
    wish = bench.ask("contacted")
    doubt = bench.turn()
    assert doubt is not None
    assert (doubt.state, doubt.code) == ("sending", "unknown")
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")


def test_a_change_in_doubt_that_comes_late_is_our_own(bench: Bench) -> None:
    """The first change arrives after the second reading: the second change gets 412, and the wish is done."""
    bench.sim.faults.next(1, "server_error", PATH, after=1)
    wish = bench.ask("contacted")
    bench.turn()

    def late() -> None:
        bench.sim.clock.advance(2)
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Contacted"})

    bench.sim.on_call(2, late, PATH)
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == ("done", "found")
    assert bench.kinds() == ["writeback.done"]


@pytest.mark.parametrize(
    ("zoho_code", "code"),
    each_nth(
        2,
        [
            ("RECORD_IN_BLUEPRINT", "in_blueprint"),
            ("RECORD_LOCKED", "locked"),
            ("NOT_APPROVED", "not_approved"),
            ("NOT_REVIEWED", "not_reviewed"),
            ("CONVERTED_RECORD", "converted"),
            ("NOT_ALLOWED", "converted"),
            ("AUTHORIZATION_FAILED", "no_permission"),
        ],
    ),
)
def test_a_refusal_is_told_and_never_tried_again(bench: Bench, zoho_code: str, code: str) -> None:
    bench.org.refuse_writes(bench.lead, zoho_code)
    wish = bench.ask("contacted")
    bench.drain()
    found = bench.get(wish)
    assert (found.state, found.code, found.tries) == ("refused", code, 0)
    assert found.detail is not None
    assert zoho_code in found.detail
    assert len(bench.puts()) == 1
    assert bench.kinds()[0] == "writeback.refused"
    switch = switch_of(bench.registry, "acme")
    assert switch is not None
    assert switch.state == ("broken" if code == "no_permission" else "on")


@pytest.mark.parametrize("converted_code", ["CONVERTED_RECORD", "NOT_ALLOWED"])
def test_a_converted_lead_is_refused_before_a_call(bench: Bench, converted_code: str) -> None:
    bench.sim.switches.update(converted_write_code=converted_code)
    wish = bench.ask("contacted")
    bench.org.convert(bench.lead)
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code, bench.puts()) == ("refused", "converted", [])


def test_a_lead_that_is_converted_between_reading_and_change(bench: Bench) -> None:
    bench.sim.switches.update(conversion_bumps_modified=False)
    bench.sim.on_call(2, lambda: bench.org.convert(bench.lead), PATH)
    wish = bench.ask("contacted")
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == ("refused", "converted")


def test_a_deleted_lead_is_refused(bench: Bench) -> None:
    wish = bench.ask("contacted")
    bench.org.delete("Leads", bench.lead)
    bench.drain()
    assert (bench.get(wish).state, bench.get(wish).code) == ("refused", "not_found")


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    ("fault", "code"), each_nth(2, [("scope", "scope_missing"), ("no_permission", "no_permission")])
)
def test_a_refusal_of_the_whole_call_breaks_the_switch_once(bench: Bench, fault: str, code: str, at: int) -> None:
    other = bench.org.insert("Leads", {"Last_Name": "Sen", "Company": "B", "Lead_Status": "Not Contacted"})
    first, second = bench.ask("contacted"), bench.ask("contacted", known=bench.known(other))
    claimed = [bench.claim("w1"), bench.claim("w2")]
    assert {wish.id for wish in claimed if wish} == {first.id, second.id}
    bench.sim.faults.next(9, fault, PATH, after=at)
    for worker, wish in zip(("w1", "w2"), claimed, strict=True):
        assert wish is not None
        Sending(bench.registry, worker, bench.limits).send(wish)
    assert (bench.get(first).state, bench.get(first).code) == ("refused", code)
    switch = switch_of(bench.registry, "acme")
    assert switch is not None
    assert switch.state == "broken"
    assert bench.kinds().count("writeback.broken") == 1
    assert claims.next_due(bench.registry) is False
    with pytest.raises((wishes.WritebackOff, wishes.ScopeMissing)):
        bench.ask("contacted")


@pytest.mark.parametrize(("fault", "code"), [("concurrency", "zoho_unreachable"), ("credits", "credits")])
@pytest.mark.parametrize("at", [0, 1])
def test_limits_make_the_wish_wait_without_a_doubt(bench: Bench, fault: str, code: str, at: int) -> None:
    bench.sim.faults.next(2, fault, PATH, after=at)
    wish = bench.ask("contacted")
    waiting = bench.turn()
    assert waiting is not None
    assert (waiting.state, waiting.code, waiting.tries) == ("queued", code, 1)
    assert waiting.sending_since is None
    assert bench.status() == "Not Contacted"
    assert bench.get(wish).lease_until is None


def test_the_budget_stop_counts_changes(bench: Bench) -> None:
    limits = org_limits_of(bench.settings, bench.registry, bench.registry.get("acme"))
    assert limits.daily_credits is not None
    limits.answered(int(limits.daily_credits * limits.budget), None)
    wish = bench.ask("contacted")
    waiting = bench.turn()
    assert waiting is not None
    assert (waiting.state, waiting.code) == ("queued", "credits")
    assert bench.puts() == []
    assert bench.get(wish).next_try_at is not None


@pytest.mark.parametrize("how", ["paused", "off"])
def test_a_channel_that_stops_after_the_claim_sends_nothing(bench: Bench, how: str) -> None:
    """The wish is given back at once, so that it waits for nobody's lease when the channel works again."""
    wish = bench.ask("contacted")
    claimed = bench.claim()
    assert claimed is not None
    if how == "paused":
        bench.registry.pause("acme")
    else:
        switch_off(bench.registry, "acme", "test")
    Sending(bench.registry, "w", bench.limits).send(claimed)
    assert bench.puts() == []
    assert bench.status() == "Not Contacted"
    if how == "off":
        assert (bench.get(wish).state, bench.get(wish).code) == ("refused", "writeback_off")
        return
    bench.registry.resume("acme")
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")


@pytest.mark.parametrize(
    ("registry_env", "at"),
    combined(["sqlite", "postgres"], [1, 2, 3], quick=[("sqlite", 1), ("sqlite", 2), ("postgres", 3)]),
    indirect=["registry_env"],
)
def test_a_channel_that_is_removed_amid_a_wish_stores_nothing(
    bench: Bench, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its credits cannot be counted any more, which was told as a registry that cannot be used."""
    caplog.set_level(logging.WARNING, "zoho_pipeline")  # an earlier test of the process may have set another one
    bench.ask("contacted")
    bench.sim.on_call(at, lambda: bench.registry.remove("acme"), PATH)
    claimed = bench.claim()
    assert claimed is not None
    Sending(bench.registry, "w", bench.limits).send(claimed)
    assert len(bench.puts()) == (at > 1)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("zoho_pipeline")] == []


@pytest.mark.parametrize("is_doubtful", [False, True])
@pytest.mark.parametrize("how", ["paused", "off", "another policy"])
def test_a_channel_that_stops_between_the_reading_and_the_change_sends_nothing(
    bench: Bench, how: str, is_doubtful: bool
) -> None:
    def stop() -> None:
        if how == "paused":
            bench.registry.pause("acme")
        elif how == "off":
            switch_off(bench.registry, "acme", "test")
        else:  # what `writeback on` stores; the simulator does not answer while this runs
            with bench.registry.database.write() as transaction:
                now = bench.registry.database.now_in(transaction)
                transaction.execute(update(writeback_settings).values(policy="zoho_wins", changed_at=now))

    bench.on(policy="platform_wins")
    wish = bench.ask("contacted", "new")
    if is_doubtful:
        bench.sim.faults.next(1, "server_error", PATH, after=1)
        bench.turn()
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    puts = len(bench.puts())
    bench.sim.on_call(1, stop, PATH, after=True)
    bench.drain()
    assert (len(bench.puts()), bench.status()) == (puts, "Lost Lead")
    if how == "paused":
        assert bench.get(wish).state == ("sending" if is_doubtful else "queued")
        bench.registry.resume("acme")
        bench.drain()
        assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")
    else:
        assert bench.get(wish).state == ("refused" if how == "off" else "conflict")


def test_a_refusal_after_the_claim_was_lost_ends_quietly(bench: Bench) -> None:
    bench.ask("contacted")
    claimed = bench.claim()
    assert claimed is not None
    bench.sim.faults.next(1, "scope", PATH)
    bench.sim.on_call(1, lambda: switch_off(bench.registry, "acme", "test"), PATH)
    Sending(bench.registry, "w", bench.limits).send(claimed)


def test_the_waits_double_up_to_an_hour_and_end_after_a_day(bench: Bench) -> None:
    bench.limit(first_wait=timedelta(seconds=5), longest_wait=timedelta(hours=1))
    waits = [bench.limits.wait(tries).total_seconds() for tries in range(1, 14)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    wish = bench.ask("contacted")
    bench.sim.faults.next(9, "server_error", PATH)
    first = bench.turn()
    assert first is not None
    assert first.next_try_at is not None
    assert bench.turn() is None  # it waits
    day = timedelta(hours=24)
    aged = {"queued_at": wish.queued_at - day, "next_try_at": first.next_try_at - day}
    with bench.registry.database.write() as transaction:
        transaction.execute(update(writebacks).where(writebacks.c.id == wish.id).values(aged))
    last = bench.turn()
    assert last is not None
    assert (last.state, last.tries) == ("failed", 1)
    assert bench.kinds() == ["writeback.refused"]


def test_a_wish_that_nobody_can_send_ends_after_its_time(bench: Bench) -> None:
    wish = bench.ask("contacted")
    bench.registry.pause("acme")
    assert bench.turn() is None
    assert claims.expire(bench.registry, bench.limits) == 0
    with bench.registry.database.write() as transaction:
        old = {"queued_at": wish.queued_at - timedelta(hours=25)}
        transaction.execute(update(writebacks).where(writebacks.c.id == wish.id).values(old))
    assert claims.expire(bench.registry, bench.limits) == 1
    assert (bench.get(wish).state, bench.get(wish).code) == ("failed", "expired")


def test_every_refusal_has_a_reason_for_a_person() -> None:
    assert set(REASONS) == set(REFUSAL_CODES)

"""A damaged row of one wish, or of one switch, costs that one alone: a worker goes on with all others."""

from typing import Any

import pytest
from sqlalchemy import select, text

from tests.writeback.conftest import WORDS, Bench
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.errors import NotWaiting
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.switch import known_switch, switch_of, switch_off

DAMAGES = ("expected_zoho = '{'", "expected_zoho = '[1]'")
ONLY_SQLITE = ("created_at = 'no time'", "desired = x'ff'", "tries = 'many'")
"""Postgres has no such values in a typed column."""


def change(bench: Bench, statement: str) -> None:
    with bench.registry.database.write() as transaction:
        transaction.execute(text(statement))


def spoil(bench: Bench, wish: Writeback, damage: str) -> None:
    change(bench, f"update registry_writebacks set {damage} where id = '{wish.id}'")


def another(bench: Bench) -> Writeback:
    """A wish for another lead of the channel."""
    lead = bench.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Not Contacted"})
    return bench.ask("contacted", known=bench.known(lead))


def told(bench: Bench) -> list[dict[str, Any]]:
    with bench.registry.database.read() as transaction:
        query = select(channel_events.c.data).where(channel_events.c.type == "writeback.refused")
        return list(transaction.scalars(query))


@pytest.mark.parametrize("damage", [*DAMAGES, *ONLY_SQLITE])
def test_a_worker_ends_it_and_sends_the_others(bench: Bench, damage: str) -> None:
    if damage in ONLY_SQLITE and bench.registry.database.is_postgres:
        return
    bench.on()
    damaged, whole = bench.ask("contacted"), another(bench)
    spoil(bench, damaged, damage)
    assert [row.id for row in wishes.page(bench.registry, "acme", 1)] == [whole.id]
    with bench.registry.database.read() as transaction:
        assert wishes.unfinished(transaction, "acme", 9) == ([bench.get(whole)], [damaged.id])
    bench.drain()
    assert bench.get(whole).state == "done"
    ended = bench.get(damaged)
    assert (ended.state, ended.code) == ("failed", "damaged")
    assert [(data["writeback_id"], data["code"]) for data in told(bench)] == [(damaged.id, "damaged")]
    assert bench.status() == "Not Contacted"


def test_it_keeps_no_page_of_the_list_from_the_next(bench: Bench) -> None:
    bench.on()
    first, damaged, last = bench.ask("contacted"), another(bench), another(bench)
    spoil(bench, damaged, DAMAGES[0])
    assert [row.id for row in wishes.page(bench.registry, "acme", 2)] == [last.id, first.id]


def test_it_ends_where_its_time_is_over(bench: Bench) -> None:
    bench.on()
    damaged = bench.ask("contacted")
    spoil(bench, damaged, "expected_zoho = '{', queued_at = '2020-01-01 00:00:00.000000'")
    assert claims.expire(bench.registry, bench.limits) == 1
    assert bench.get(damaged).code == "damaged"


def test_a_newer_wish_and_a_person_end_it(bench: Bench) -> None:
    bench.on()
    damaged = bench.ask("contacted")
    spoil(bench, damaged, DAMAGES[0])
    newer = bench.ask("contacted")
    assert bench.get(damaged).code == "damaged"
    spoil(bench, newer, DAMAGES[1])
    with pytest.raises(NotWaiting, match="damaged, so it has failed"):
        wishes.resolve(bench.registry, newer.id, "keep", "test")
    assert bench.get(newer).code == "damaged"
    last = bench.ask("contacted")
    spoil(bench, last, DAMAGES[0])
    assert switch_off(bench.registry, "acme", "test") == 1


def test_an_older_wish_is_sent_before_a_damaged_newer_one(bench: Bench) -> None:
    bench.on()
    bench.sim.faults.next(1, "server_error", "/crm/v7/Leads", after=1)
    older = bench.ask("contacted")
    bench.turn()
    newer = bench.ask("lost")
    spoil(bench, newer, DAMAGES[0])
    bench.drain()
    assert (bench.get(older).state, bench.get(newer).code) == ("done", "damaged")


@pytest.mark.parametrize("damage", ["to_zoho = '{'", "picklist = '7'", "state = 'later'", "policy = 'later'"])
def test_a_damaged_switch_can_be_switched_on_and_off_again(bench: Bench, damage: str) -> None:
    bench.on()
    change(bench, f"update registry_writeback_settings set {damage}")
    assert known_switch(bench.registry, "acme") is None
    bench.on()
    found = switch_of(bench.registry, "acme")
    assert found is not None
    assert (found.state, found.words) == ("on", WORDS)
    change(bench, f"update registry_writeback_settings set {damage}")
    switch_off(bench.registry, "acme", "test")
    found = switch_of(bench.registry, "acme")
    assert found is not None
    assert found.state == "off"

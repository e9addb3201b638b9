"""Random lives of an org whose changes are also named by notifications, and whose leads the platform changes too.

Notifications are true, forged, late, repeated, or missing. Processes die in a reading, and between a change at Zoho and
its record. After each complete sync, raw equals the ledger, and each wish that is done stands for its change.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy import select, update

from tests.ingest import ledger
from tests.ingest.sync.test_random_lives import FAULTS, QUERY_SCOPES, SMALL, Lives, part_of_lives, pick, run
from tests.push.conftest import PUSH_LIMITS
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_queue import Hint
from zoho_pipeline.channels.registry.platform_tables import lead_changes, push_dirty, writebacks
from zoho_pipeline.push import hooks
from zoho_pipeline.push.record_lane import RecordLane
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.status_map import StatusMap
from zoho_pipeline.writeback.switch import switch_on

WORDS = StatusMap({"new": "Not Contacted", "contacted": "Contacted", "lost": "Lost Lead"})
NO_WAIT = timedelta(0)
WRITES = WritebackLimits(first_wait=NO_WAIT, longest_wait=NO_WAIT, settle_seconds=0.001, pacing=SMALL.pacing)


class PushLives(Lives):
    """The lives of an org, with notifications and wishes."""

    scopes = f"{QUERY_SCOPES},ZohoCRM.notifications.ALL"
    is_ready = False

    def ready(self) -> None:
        """Subscribe and switch write-back on, once, without a web server."""
        if not self.is_ready:
            registry = self.bench.registry
            given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
            store = SubscriptionStore(registry)
            store.insert("acme", "4711", given, registry.database.now())
            now = registry.database.now()
            life = (now + timedelta(days=7), now + timedelta(days=7))
            store.succeeded("acme", {f"{m}.all": "subscribed" for m in ("Leads", "Deals")}, now, life, anew=True)
            switch_on(registry, registry.get("acme"), WORDS, pacing=SMALL.pacing)
            self.is_ready = True

    def lane(self) -> RecordLane:
        opened = (self.bench.settings, self.bench.registry, self.bench.warehouse)
        return RecordLane(*opened, 0.0, PUSH_LIMITS, SMALL)

    @rule(
        numbers=st.lists(pick, min_size=1, max_size=4),
        operation=st.sampled_from(("insert", "update", "delete")),
        is_trusted=st.booleans(),
        unknown=st.booleans(),
        times=st.integers(1, 2),
    )
    def a_notification_comes(
        self, numbers: list[int], operation: str, is_trusted: bool, unknown: bool, times: int
    ) -> None:
        """Of leads that exist or do not exist any more, true or forged."""
        self.ready()
        store = self.org.modules["Leads"]
        ids = [*store.rows, *store.bin, *(["999000111"] if unknown else [])]
        named: Sequence[str] = [ids[number % len(ids)] for number in numbers] if ids else []
        database = self.bench.registry.database
        for _ in range(times):
            with database.write() as transaction:
                now = database.now_in(transaction)
                hints = (Hint("acme", "Leads", id_, operation, is_trusted, now) for id_ in named)
                push_queue.add(transaction, hints, now)

    @rule()
    def named_records_are_read(self) -> None:
        self.ready()
        self.lane().serve("acme")

    @rule(kind=st.sampled_from(FAULTS), after=st.integers(0, 3), times=st.integers(1, 9))
    def named_records_are_read_with_faults(self, kind: str, after: int, times: int) -> None:
        self.ready()
        self.sim.faults.next(times, kind, after=after)
        with suppress(PipelineError):
            self.lane().serve("acme")
        self.sim.faults.clear()

    @rule(call=st.integers(1, 4), number=pick)
    def named_records_are_read_during_changes(self, call: int, number: int) -> None:
        self.ready()
        changes = (self.edit_one, self.delete_one, self.create_one)
        self.sim.on_call(call, lambda: changes[number % 3](number))
        self.lane().serve("acme")
        self.sim.hub.hooks.clear()

    @rule(word=st.sampled_from(sorted(WORDS.to_zoho)), number=pick)
    def the_platform_wishes(self, word: str, number: int) -> None:
        self.ready()
        if (id_ := self.lead(number, converted=False)) is not None:
            status = self.org.row("Leads", id_)["Lead_Status"]
            wishes.ask(self.bench.registry, "acme", wishes.Wish(KnownLead(id_, status, False, None), word), "key:test")

    @rule()
    def wishes_are_sent(self) -> None:
        self.ready()
        while claimed := claims.claim(self.bench.registry, "w", 1, WRITES):
            Sending(self.bench.registry, "w", WRITES).send(claimed[0])

    @rule(at=st.integers(1, 3), after=st.booleans())
    def a_sender_dies(self, at: int, after: bool) -> None:
        """Its claim ends during a call, so nothing of what follows is stored: as if it was killed there."""
        self.ready()
        claimed = claims.claim(self.bench.registry, "w", 1, WRITES)
        if claimed:
            self.sim.on_call(at, self.end_leases, path="/crm/v7/Leads/", after=after)
            Sending(self.bench.registry, "w", WRITES).send(claimed[0])
            self.sim.hub.hooks.clear()
            self.end_leases()

    def end_leases(self) -> None:
        with self.bench.registry.database.write() as transaction:
            past = self.bench.registry.database.now_in(transaction) - timedelta(seconds=1)
            transaction.execute(update(writebacks).values(lease_until=past))

    @rule()
    def everything_ends(self) -> None:
        """Nobody changes anything: wishes end, the sync ends what was named, and no announcement is left."""
        self.ready()
        self.wishes_are_sent()
        self.check()
        report = self.bench.sync()  # only a sync of all modules settles what was named
        assert report.complete, report
        with self.bench.registry.database.read() as transaction:
            assert transaction.execute(lead_changes.select()).all() == []
            waiting = select(push_dirty.c.record_id).where(push_dirty.c.state == push_queue.NEW)
            assert transaction.scalars(waiting).all() == []
            rows: list[Any] = list(transaction.execute(writebacks.select().order_by(writebacks.c.created_at)))
        assert {row.state for row in rows} <= {"done", "unchanged", "refused", "conflict", "superseded"}
        changed = {(call.path, call.status) for call in self.sim.requests if call.method == "PUT"}
        for row in rows:
            if row.state == "done":
                assert (f"/crm/v7/Leads/{row.lead_id}", 200) in changed
        for module in ("Leads", "Deals"):
            ledger.assert_equal(self.bench, module)


def test_raw_equals_the_ledger_with_notifications_and_wishes() -> None:
    run(PushLives, int(os.environ.get("LIVES", "1")), int(os.environ.get("LIVES_STEPS", "6")))


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_thousands_of_steps_with_notifications_and_wishes(part: int) -> None:
    run(part_of_lives(PushLives, part), int(os.environ.get("LIVES", "10")), int(os.environ.get("LIVES_STEPS", "25")))

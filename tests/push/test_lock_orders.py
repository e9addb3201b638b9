"""On Postgres, everything that changes a subscription or its queue takes its locks in one order: nothing deadlocks.

A deadlock would end one of the two transactions: a delivery would be answered with 503, or a turn of the worker lost.
"""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Event
from time import monotonic, sleep

import pytest

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, QUICK
from tests.push.conftest import PUSH_LIMITS, PUSH_SCOPES
from tests.worker.conftest import Place
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.errors import ChannelBusy, UnknownChannel
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_queue import Hint
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.push import hooks
from zoho_pipeline.push.clock_watch import ClockWatch
from zoho_pipeline.push.hooks import Heard
from zoho_pipeline.push.publication import note_publication
from zoho_pipeline.push.record_lane import RecordLane
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.push.writer import PushWriter
from zoho_pipeline.settings import Secret

CHANNELS = ("a", "b", "c")
ROUNDS = 60
RECORDS = 40


@pytest.mark.parametrize("registry_env", ["postgres"], indirect=True)
@pytest.mark.long
def test_deliveries_the_record_lane_publications_and_removals_never_block_each_other(place: Place) -> None:
    """`a` was synced, so its records are read and marked. `b` was not, so they are postponed. `c` comes and goes."""
    registry, database = place.registry, place.registry.database
    store, given = SubscriptionStore(registry), {}
    for name in CHANNELS:
        place.orgs[name] = place.sim.add_org(name=name)
        place.orgs[name].insert_many("Leads", [{"Last_Name": f"{n}", "Company": "Co"} for n in range(RECORDS)])

    def add(name: str) -> None:
        token = place.orgs[name].grant(CLIENT, CLIENT_SECRET, PUSH_SCOPES, None)
        register_from_refresh_token(registry, name, Secret(token), data_center="sim")
        given[name] = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
        store.insert(name, hooks.new_channel_id(), given[name], database.now())

    for name in CHANNELS:
        add(name)
    sync_channel(place.settings, registry, place.warehouse, "a", limits=QUICK)
    ids = {name: [row["id"] for row in place.orgs[name].rows("Leads")] for name in CHANNELS}
    limits = replace(QUICK, lock_wait=5.0)
    lane = RecordLane(place.settings, registry, place.warehouse, 0.0, PUSH_LIMITS, limits)
    ended, done = Event(), Counter[str]()
    dice = random.Random(7)

    def deliver() -> None:
        writer = PushWriter(database.keeping_connections())
        for _ in range(ROUNDS):
            futures = []
            for name in dice.sample(CHANNELS, 3):
                secrets = given[name]
                heard = Heard(name, *(hooks.digest(secrets[kind].reveal()) for kind in ("hook", "token")))
                named = dice.sample(ids[name], 12)
                futures.append(writer.put(heard, [Hint(name, "Leads", id_, "update", True, None) for id_ in named]))
            for future in futures:
                done["stored"] += future.result(60)

    def read(name: str) -> None:
        lane.serve(name)

    def publish() -> None:
        note_publication(registry, CHANNELS, datetime.now(UTC), whole=dice.random() < 0.5)

    def prune() -> None:
        with database.write() as transaction:
            push_queue.prune(transaction, database.now_in(transaction) + push_queue.KEPT)

    def come_and_go() -> None:
        registry.remove("c")
        add("c")

    def look() -> None:
        assert ClockWatch(place.settings, registry, QUICK.pacing).look()

    def sync() -> None:
        sync_channel(place.settings, registry, place.warehouse, "a", modules=None, limits=limits)

    jobs: dict[str, Callable[[], None]] = {"a": lambda: read("a"), "b": lambda: read("b"), "publish": publish}
    jobs |= {"prune": prune, "come and go": come_and_go, "look": look, "sync": sync}
    begin = Barrier(len(jobs) + 2)

    def repeat(name: str) -> None:
        begin.wait()
        while not ended.is_set():
            try:
                jobs[name]()
            except (ChannelBusy, UnknownChannel):
                continue
            done[name] += 1
            sleep(0.01)  # without it, a sync that ends takes the lock again before anybody who waits for it

    def send() -> None:
        begin.wait()
        deliver()

    with ThreadPoolExecutor(len(jobs) + 2) as pool:
        others = [pool.submit(repeat, name) for name in jobs]
        senders = [pool.submit(send) for _ in range(2)]
        try:
            for sender in senders:
                sender.result(120)
            waited = monotonic() + 120  # a job whose turn a sync took gets another one
            while not all(done[name] for name in jobs) and monotonic() < waited:
                sleep(0.05)
        finally:
            ended.set()
        for other in others:
            other.result(120)
    assert all(done[name] for name in (*jobs, "stored")), done

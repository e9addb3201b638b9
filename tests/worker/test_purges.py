"""The rows of a removed channel: a worker deletes them, from the raw tables and from what people read."""

import threading
import time
from threading import Event, Thread

import pytest

from tests.worker.conftest import Place
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import ChannelBusy
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.worker.purges import purge_removed


def leads(place: Place) -> dict[str, int]:
    rows = place.published("select channel_id, count(*) as n from marts.lead group by channel_id")
    return {row["channel_id"]: row["n"] for row in rows}


def raw_leads(place: Place, channel_id: str) -> int:
    sql = "select count(*) as n from zoho_raw.leads where channel_id = ?"
    with place.warehouse.connect(read_only=True) as connection:
        return int(connection.rows(sql, (channel_id,))[0]["n"])


@pytest.mark.long
def test_a_worker_deletes_the_rows_and_publishes_without_them(place: Place) -> None:
    for channel_id in ("acme", "beta"):
        place.connect(channel_id)
    assert place.worker().run(once=True)
    assert leads(place) == {"acme": 3, "beta": 3}
    place.registry.remove("acme", purge_for="key:x")
    assert place.worker().run(once=True)
    assert leads(place) == {"beta": 3}
    assert (raw_leads(place, "acme"), raw_leads(place, "beta")) == (0, 3)
    assert Purges(place.registry.database).waiting() == []
    place.connect("acme")  # the id is free again
    assert place.worker().run(once=True)
    assert leads(place) == {"acme": 3, "beta": 3}


def test_a_channel_that_is_in_use_waits(place: Place) -> None:
    place.connect("acme")
    place.registry.remove("acme", purge_for="key:x")
    held, over = Event(), Event()

    def hold() -> None:
        with channel_lock(place.settings, "acme", kind="content"):
            held.set()
            over.wait(30)

    holder = Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        assert purge_removed(place.settings, place.registry, place.warehouse, wait=0.1) == []
        assert Purges(place.registry.database).waiting() == ["acme"]
    finally:
        over.set()
        holder.join()
    assert purge_removed(place.settings, place.registry, place.warehouse) == ["acme"]
    assert purge_removed(place.settings, place.registry, place.warehouse) == []


@pytest.mark.long
def test_a_channel_removed_without_its_rows_keeps_them(place: Place) -> None:
    place.connect("acme")
    assert place.worker().run(once=True)
    place.registry.remove("acme")
    assert purge_removed(place.settings, place.registry, place.warehouse) == []
    assert raw_leads(place, "acme") == 3


def is_in_use(place: Place, channel_id: str) -> bool:
    try:
        with channel_lock(place.settings, channel_id, wait=0, kind="content"):
            return False
    except ChannelBusy:
        return True


def test_a_stop_waits_for_no_purge(place: Place) -> None:
    place.connect("acme")
    place.registry.remove("acme", purge_for="key:x")
    worker = place.worker()
    running = Thread(target=worker.run)
    with place.warehouse.exclusive():  # as a long load of another process
        running.start()
        end = time.monotonic() + 60
        while not is_in_use(place, "acme"):
            assert time.monotonic() < end, "the purge did not begin"
            time.sleep(0.02)
        worker.stop(quickly=True)
        running.join(60)
        assert not running.is_alive()
        assert worker.hangs, "the process ends without this thread"
    for thread in threading.enumerate():
        if thread.name == "purges":
            thread.join(60)
    assert Purges(place.registry.database).waiting() == []

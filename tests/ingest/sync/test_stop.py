"""A sync that another thread stops: what was loaded stays, nothing counts as failed, the next sync does the rest."""

from dataclasses import replace
from threading import Event

import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.ingest.report import Silent
from zoho_pipeline.ingest.sync.worker_pool import SyncStopped


class StopAtFirstRows(Silent):
    def __init__(self) -> None:
        self.stop = Event()

    def advance(self, module: str, rows: int) -> None:
        self.stop.set()


def uncounted(bench: SyncBench) -> float:
    """The credits that Zoho counts and the registry does not."""
    return bench.org.state.credits.used(bench.sim.clock.epoch()) - bench.registry.credits_used("acme")


@pytest.mark.long
def test_a_stopped_sync_ends_at_its_next_checkpoint(bench: SyncBench) -> None:
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(900)])
    bench.limits = replace(bench.limits, rows_per_table=200, rows_per_checkpoint=200, rows_per_load=200)
    progress = StopAtFirstRows()
    before = uncounted(bench)
    with pytest.raises(SyncStopped):
        bench.sync(progress=progress, stop=progress.stop)
    channel = bench.registry.get("acme")
    assert uncounted(bench) <= before, "its credits count all the same"
    assert channel.problems == (), "it is no failure"
    assert channel.last_complete_sync_at is None
    assert bench.sync(stop=Event()).complete
    assert len(bench.live("leads", "Leads")) == 900


def test_a_sync_that_is_stopped_before_it_reads_loads_nothing(bench: SyncBench) -> None:
    bench.org.insert_many("Leads", [{"Last_Name": "L", "Company": "Co"}])
    stop = Event()
    stop.set()
    with pytest.raises(SyncStopped):
        bench.sync(stop=stop)
    assert bench.live("leads", "Leads") == {}
    assert bench.sync().complete

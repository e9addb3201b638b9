"""The endings of several syncs are written together: what refuses one of them, and what refuses all."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

from tests.ingest.conftest import SyncBench
from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.channels.registry.sync_records import Run
from zoho_pipeline.ingest.finish.ending import Ending
from zoho_pipeline.ingest.finish.group_writer import GroupWriter
from zoho_pipeline.ingest.load.sync_log import record_failure
from zoho_pipeline.warehouse.connection import Connection, WarehouseBusy
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

NAMES = ("first", "second", "third")


class Impatient(DuckDBWarehouse):
    """It waits for the file for a moment instead of ten minutes, and counts the sessions that it could not open."""

    refused = 0

    @contextmanager
    def connect(self, read_only: bool = True, timeout: float = 0.2) -> Iterator[Connection]:
        try:
            with super().connect(read_only, timeout) as connection:
                yield connection
        except WarehouseBusy:
            self.refused += 1
            raise


def test_a_file_that_stays_in_use_is_waited_for_once_per_group(bench: SyncBench) -> None:
    """One by one, 25 endings would wait for ten minutes each, and all other channels with them."""
    assert isinstance(bench.warehouse, DuckDBWarehouse)
    for name in NAMES:
        bench.connect(channel_id=name)
    warehouse = Impatient.from_url(bench.warehouse.url)
    assert isinstance(warehouse, Impatient)
    writer = GroupWriter(bench.registry, warehouse, gather=60.0)
    failed: dict[str, BaseException] = {}

    def end(name: str) -> None:
        sync = cast("Any", SimpleNamespace(channel=SimpleNamespace(id=name), run_id="r"))
        try:
            writer.write(Ending(sync, [], Run("r", whole=True, parts=[]), bench.registry.database.now()))
        except WarehouseBusy as error:
            failed[name] = error
        finally:
            writer.end()

    threads = [Thread(target=end, args=(name,)) for name in NAMES]
    for _ in NAMES:
        writer.begin()
    with bench.warehouse.exclusive():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed.keys() == set(NAMES)
    assert warehouse.refused == 1


def test_a_run_whose_end_is_stored_gets_no_second_row(bench: SyncBench) -> None:
    """The server of the registry restarts after the warehouse has the end: the lock is lost, and the sync fails."""
    report, lost = bench.sync("Leads"), LockLost("channel acme: the lock was lost")
    assert report.started_at is not None
    record_failure(bench.registry, bench.warehouse, "acme", ["Leads"], report.run_id, report.started_at, lost, spent=0)
    logged = bench.rows("select outcome from zoho_raw.sync_runs where run_id = ? and module = 'Leads'", report.run_id)
    assert logged == [{"outcome": "complete"}]
    record_failure(bench.registry, bench.warehouse, "acme", ["Leads"], "another run", report.started_at, lost, spent=0)
    assert bench.rows("select outcome from zoho_raw.sync_runs where run_id = 'another run'") == [{"outcome": "failed"}]

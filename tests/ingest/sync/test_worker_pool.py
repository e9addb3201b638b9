"""The threads that read, and what they keep in memory."""

import time
import weakref
from collections.abc import Iterator
from threading import Event

from zoho_pipeline.ingest.extract.checkpoints import Checkpoint
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.sync.worker_pool import WorkerPool

PATIENCE = 30.0


def test_rows_that_are_taken_over_are_kept_by_nobody_else() -> None:
    """The rows of a checkpoint have up to 16 MB, and the engine needs that memory while it loads them."""
    loaded = Event()

    def read() -> Iterator[Checkpoint]:
        yield Checkpoint("Leads", {}, ModuleState())
        loaded.wait(PATIENCE)

    with WorkerPool(SyncLimits()) as workers:
        workers.start("Leads", read)
        items = workers.items()
        item = next(items)
        assert isinstance(item, Checkpoint)
        kept = weakref.ref(item)
        del item
        until = time.monotonic() + PATIENCE
        while kept() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert kept() is None
        loaded.set()
        list(items)

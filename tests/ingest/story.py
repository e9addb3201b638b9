"""`python -m tests.ingest.story`: a short life of an org. Every known mistake of an ingestion fails it.

It runs on copies of the package in which one mistake was made on purpose (test_mutants_sync). Raw must equal
the ledger after each sync.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.ingest import ledger
from tests.ingest.conftest import CLIENT, CLIENT_SECRET, PLAIN_SCOPES, SyncBench
from tests.ingest.early import LateChanges
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError, load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse

BIG_ID = 4_876_876_000_000_300_001


def begin(sim: Simulator, home: Path) -> SyncBench:
    env = {
        "ZOHO_PIPELINE_HOME": str(home),
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": f'{{"sim": "{sim.url}"}}',
    }
    settings = load_settings(env)
    os.umask(0o077)
    settings.ensure_home()
    bench = SyncBench(sim, sim.add_org(name="Acme"), settings, Registry(settings), open_warehouse(settings))
    bench.connect(PLAIN_SCOPES)
    return bench


def check(bench: SyncBench) -> None:
    report = bench.sync("Leads")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")


def by_lists(bench: SyncBench) -> None:
    org, sim = bench.org, bench.sim
    old = int(sim.clock.seconds()) - 1_000_000
    ties = [{"Last_Name": f"L{n}", "Created_Time": old + n // 3, "Modified_Time": old + n // 3} for n in range(650)]
    ids = org.insert_many("Leads", ties)
    sim.faults.next(50, "server_error", path="/crm/v7/Leads", after=2)  # the sync stops in the middle
    with suppress(PipelineError):
        bench.sync("Leads")
    sim.faults.clear()
    check(bench)
    sim.clock.advance(86_400)
    org.convert(ids[5], deal={"Stage": "Qualification"})
    org.delete("Leads", ids[6])
    check(bench)
    late = int(sim.clock.seconds()) - 100  # its Modified_Time is before the last sync, and it is visible only now
    org.insert("Leads", {"Last_Name": "Late", "Created_Time": late, "Modified_Time": late})
    check(bench)
    sim.clock.advance(86_400)
    edited = int(sim.clock.seconds()) - 50_000
    for turn, id_ in enumerate(ids[100:560]):
        org.update("Leads", id_, {"Company": f"C{turn}", "Modified_Time": edited + turn})
    sim.on_call(3, lambda: org.update("Leads", ids[101], {"Company": "amid"}), path="/crm/v7/Leads")
    bench.sync("Leads")  # an edit between two pages moves rows one place up
    check(bench)


def by_queries(bench: SyncBench) -> None:
    bench.connect(f"{PLAIN_SCOPES},ZohoCRM.coql.READ")
    bench.sim.clock.advance(86_400)
    bench.sim.clock.freeze()
    lead = bench.org.insert("Leads", {"Last_Name": "Still"})
    check(bench)
    bench.org.update("Leads", lead, {"Company": "same second"})
    check(bench)


def by_early_reads(sim: Simulator, home: Path) -> None:
    for route in ("bulk", "records"):
        late = LateChanges.furnish(begin(sim, home / route), route)
        late.check(late.sync())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Simulator.start() as sim:
        sim.switches.update(page_tokens="offset")
        bench = begin(sim, Path(folder) / "home")
        by_lists(bench)
        by_queries(bench)
        sim.clock.resume()
        by_early_reads(sim, Path(folder))


if __name__ == "__main__":
    main()

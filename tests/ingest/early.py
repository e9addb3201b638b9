"""A long read whose last changes become visible only after its rows were read, and before its window is settled."""

from dataclasses import dataclass, replace

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from zoho_pipeline.ingest.report import SyncReport

LAG = 5.0
"""A loaded machine must read two pages in this time: the changes come after that reading."""
SCOPES = {"bulk": ALL_SCOPES, "coql": f"{PLAIN_SCOPES},ZohoCRM.coql.READ", "records": PLAIN_SCOPES}
LAST_READ = {"bulk": ("/result", 1), "coql": ("/coql", 3), "records": ("/crm/v7/Leads", 1)}
"""By route: the last call of the early read. A list ends it where a page reaches the last minute.
Two queries come before: one for the totals, one counts the tail."""


@dataclass
class LateChanges:
    """250 leads of the last days, 55 of them from the last seconds. The second page of a list begins there."""

    bench: SyncBench
    route: str
    leads: list[str]
    stamp: int
    within_second: bool = True
    happened: bool = False

    @classmethod
    def furnish(cls, bench: SyncBench, route: str) -> "LateChanges":
        bench.connect(SCOPES[route])
        bench.settings = replace(bench.settings, sync_lag_seconds=LAG)
        bench.limit(job_credits=0, queries_from=1, list_credits=1_000)
        now = int(bench.sim.clock.seconds())
        stamps = [*(now - 90_000 + 60 * n for n in range(195)), now - 4, now - 3, now - 3, *52 * [now - 1]]
        rows = [{"Last_Name": f"L{at}", "Created_Time": at, "Modified_Time": at} for at in stamps]
        return cls(bench, route, bench.org.insert_many("Leads", rows), stamp=now - 1)

    def happen(self) -> None:
        """What was written a second before the sync began becomes visible now. Its times are those of the write."""
        org, ids, at = self.bench.org, self.leads, self.stamp
        org.insert("Leads", {"Last_Name": "late", "Created_Time": at, "Modified_Time": at})
        org.insert("Leads", {"Last_Name": "later", "Created_Time": at - 1, "Modified_Time": at - 1})
        org.update("Leads", ids[5], {"Company": "an old record", "Modified_Time": at})
        org.update("Leads", ids[195], {"Company": "edited twice", "Modified_Time": at})
        if self.within_second:  # its version is the one that was read: both edits are of one second
            org.update("Leads", ids[196], {"Company": "within its second", "Modified_Time": at - 2})
        org.delete("Leads", ids[7])
        self.happened = True

    def sync(self, *, full: bool = False) -> SyncReport:
        path, turn = LAST_READ[self.route]
        self.bench.sim.on_call(turn, self.happen, path=path, after=True)
        report = self.bench.sync("Leads", full=full)
        assert self.happened
        return report

    def check(self, report: SyncReport) -> None:
        assert report.complete, report
        assert "compared" not in report.modules[0].detail  # the comparison at the end would hide what was not read
        ledger.assert_equal(self.bench, "Leads")

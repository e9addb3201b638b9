"""A long read whose last changes become visible only after its rows were read, and before its window is settled."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from zoho_pipeline.ingest.report import SyncReport

LAG = 5.0
"""A loaded machine must read two pages in this time: the changes come after that reading."""
QUERY_SCOPES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
SCOPES = {"bulk": ALL_SCOPES, "coql": QUERY_SCOPES, "records": QUERY_SCOPES}
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
    happened: bool = False

    @classmethod
    def furnish(cls, bench: SyncBench, route: str, scopes: str = "") -> "LateChanges":
        bench.connect(scopes or SCOPES[route])
        bench.settings = replace(bench.settings, sync_lag_seconds=LAG)
        bench.limit(job_credits=0, queries_from=10**9 if route == "records" else 1, list_credits=1_000)
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
        # its version is the one that was read: both edits are of one second
        org.update("Leads", ids[196], {"Company": "within its second", "Modified_Time": at - 2})
        org.delete("Leads", ids[7])
        self.happened = True

    def delete_one(self) -> None:
        """Before the sync: a record is in the recycle bin, and what is restored or converted leaves Modified_Time."""
        self.bench.sim.switches.update(restore_bumps_modified=False, conversion_bumps_modified=False)
        self.bench.org.delete("Leads", self.leads[20])

    def happen_without_trace(self, kind: str) -> None:
        """What was done a second before the sync began becomes visible now. No list of changes shows it."""
        org, ids = self.bench.org, self.leads
        org.convert(ids[22], at=self.stamp)
        if kind == "restore":
            org.restore("Leads", ids[20], at=self.stamp)
        else:  # the count of a restore and of a merge together would not change
            self.bench.sim.switches.update(merge_bumps_modified=False, merge_in_deleted=False)
            org.merge("Leads", ids[24], ids[26], at=self.stamp)
        self.happened = True

    def sync(self, happen: Callable[[], None] | None = None, *, full: bool = False) -> SyncReport:
        path, turn = LAST_READ[self.route]
        self.bench.sim.on_call(turn, happen or self.happen, path=path, after=True)
        report = self.bench.sync("Leads", full=full)
        assert self.happened
        return report

    def check(self, report: SyncReport) -> None:
        assert report.complete, report
        assert "compared" not in report.modules[0].detail  # the comparison at the end would hide what was not read
        ledger.assert_equal(self.bench, "Leads")

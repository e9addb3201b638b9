"""Random changes before, while and after an early read: no record is lost, and none is invented.

A change becomes visible at a random call, up to the lag after its own time. Syncs are first, full or resumed ones, by
jobs of several files, by queries or by lists, under a right or a wrong `Date`. They are stopped, fail, or lose their
queries in the middle. The variable LIVES makes the test long.
"""

import os
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.ingest.early import QUERY_SCOPES
from zoho_pipeline.settings import PipelineError

ROUTES = {"bulk": ALL_SCOPES, "coql": QUERY_SCOPES, "records": QUERY_SCOPES, "lists": PLAIN_SCOPES}


@dataclass
class EarlyLife:
    bench: SyncBench
    chance: random.Random
    route: str
    lag: int = 1
    began: float = 0.0
    happened: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance, bench = self.chance, self.bench
        bench.connect(ROUTES[self.route])
        self.lag = chance.randint(1, 4)
        self.traceless = chance.choice(["restore", "merge"])  # one of each would leave the count as it was
        bench.settings = replace(bench.settings, sync_lag_seconds=float(self.lag))
        most = 10**9 if self.route in ("records", "lists") else 1
        bench.limit(job_credits=0, queries_from=most, list_credits=1_000, rows_per_load=50, rows_per_table=60)
        bench.limit(rows_per_checkpoint=60, rows_per_bulk_batch=60)
        bench.sim.switches.update(
            bulk_rows=chance.choice([60, 100, 1_000]), bulk_downloads_per_minute=10**6,
            page_tokens=chance.choice(["keyset", "snapshot"]), restore_bumps_modified=chance.random() < 0.3,
            conversion_bumps_modified=self.route == "lists" or chance.random() < 0.3,
            merge_bumps_modified=chance.random() < 0.5, merge_in_deleted=self.route == "lists" or chance.random() < 0.3,
            modified_since_inclusive=chance.random() < 0.5,
        )  # fmt: skip
        if self.route == "lists":  # in every later sync too, a restore without a new Modified_Time waits
            bench.sim.switches.update(restore_bumps_modified=True)
        now = int(bench.sim.clock.seconds())
        stamps = [now - 200_000 + 700 * n for n in range(chance.choice([210, 260]))]
        stamps += [now - chance.randint(0, 90) for _ in range(chance.choice([0, 3, 30]))]
        rows = [{"Last_Name": "L", "Created_Time": at, "Modified_Time": at} for at in stamps]
        ids = bench.org.insert_many("Leads", rows)
        for id_ in chance.sample(ids, 5):
            bench.org.delete("Leads", id_)

    def happen(self, at: int | None = None) -> None:
        """Something changes. `at`: its time. None: a random one of the last seconds, fewer than the lag."""
        org, chance = self.bench.org, self.chance
        now = self.bench.sim.clock.epoch()
        at = at or now - chance.randint(0, self.lag - 1)
        rows = org.modules["Leads"].rows
        ids = list(rows)
        recent = [id_ for id_ in ids if now - 5 <= rows[id_]["Modified_Time"] <= at] or ids
        kind = chance.choice(["insert", "edit", "edit", "same second", "delete", "convert", self.traceless])
        id_ = chance.choice(ids)
        if kind == "insert":
            org.insert("Leads", {"Last_Name": "new", "Created_Time": at, "Modified_Time": at})
        elif kind == "edit":
            id_ = chance.choice([id_, chance.choice(recent)])
            at = max(at, rows[id_]["Modified_Time"])
            org.update("Leads", id_, {"Company": f"c{chance.random()}", "Modified_Time": at})
        elif kind == "same second":
            id_ = chance.choice(recent)
            same = rows[id_]["Modified_Time"]
            if same > now - self.lag:
                org.update("Leads", id_, {"Company": f"s{chance.random()}", "Modified_Time": same})
        elif kind == "delete":
            org.delete("Leads", id_, at=at)
        elif kind == "convert" and not rows[id_].get("Converted__s"):
            org.convert(id_, at=max(at, rows[id_]["Modified_Time"]))
        elif kind == "restore" and (binned := list(org.modules["Leads"].bin)):
            org.restore("Leads", chance.choice(binned), at=at)
        elif kind == "merge" and id_ != (other := chance.choice(ids)):
            org.merge("Leads", id_, other, at=max(at, rows[id_]["Modified_Time"]))
        else:
            return
        self.happened.append(f"{kind} {id_} {at - int(self.began)}")

    def sync(self) -> None:
        """One sync during changes. It may be stopped, fail, or lose its queries."""
        chance, sim, stop = self.chance, self.bench.sim, Event()
        trouble = chance.choice(["", "", "stop", "fails", "no queries", "no jobs"])
        offset = chance.choice([0.0, 0.0, 0.0, 60.0, -60.0])
        sim.switches.update(date_offset=offset)
        self.began = sim.clock.seconds()
        self.happened.append(f"sync {trouble} {offset}")
        for turn in chance.sample(range(1, 16), 6):
            sim.on_call(turn, self.happen, path=chance.choice(["/Leads", "/crm/"]), after=chance.random() < 0.5)
        paths = {"stop": "", "fails": "/crm/", "no queries": "/coql", "no jobs": "/bulk"}
        kind = "no_permission" if trouble.startswith("no") else "server_error"
        trip = stop.set if trouble == "stop" else lambda: sim.faults.next(300, kind, path=paths[trouble])
        if trouble:
            place = chance.choice(["/crm/", "/result", "/coql"])
            sim.on_call(chance.randint(1, 12 if place == "/crm/" else 4), trip, path=place, after=True)
        with suppress(PipelineError):
            report = self.bench.sync("Leads", full=chance.random() < 0.4, stop=stop)
            self.happened.append(f"{report.modules[0].route} {report.modules[0].outcome} {report.modules[0].detail}")
        sim.hub.hooks.clear()
        sim.faults.clear()
        sim.switches.update(date_offset=0.0)

    def live(self) -> None:
        for _ in range(self.chance.randint(1, 2)):
            self.sync()
            for _ in range(self.chance.randint(0, 3)):
                self.happen()
            self.bench.sim.clock.advance(self.chance.choice([0, 0, 5, 400, 100_000]))
        self.bench.sim.clock.advance(self.lag)
        self.bench.settings = replace(self.bench.settings, sync_lag_seconds=0.0)
        report = self.bench.sync("Leads")
        self.happened.append(f"last {report.modules[0].route} {report.modules[0].detail}")
        assert report.complete, (report, self.happened)
        try:
            ledger.assert_equal(self.bench, "Leads")
        except AssertionError as error:
            raise AssertionError(self.route, self.lag, self.happened) from error


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("seed", range(int(os.environ.get("LIVES", "1"))))
@pytest.mark.long
def test_raw_equals_the_ledger_after_early_reads(bench: SyncBench, route: str, seed: int) -> None:
    EarlyLife(bench, random.Random(f"{route} {seed}"), route).live()

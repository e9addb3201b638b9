"""Several channels are synced at the same time on Postgres, and a failure of one stops no other."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.ingest.conftest import ALL_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import ChannelBusy
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.zoho.errors import CreditsExhausted


def several(bench: SyncBench, count: int) -> list[str]:
    names = [f"channel-{n}" for n in range(count)]
    for n, name in enumerate(names):
        bench.org = bench.sim.add_org(name=name)
        bench.org.insert_many("Leads", [{"id": str(row + 1), "Last_Name": name} for row in range(200 + n)])
        bench.connect(ALL_SCOPES, channel_id=name)
    return names


@both_engines()
def test_channels_load_side_by_side(bench: SyncBench) -> None:
    """Threads of one process sync orgs with the same ids at the same time."""
    names = several(bench, 4)

    def sync(name: str) -> bool:
        return sync_channel(
            bench.settings, bench.registry, bench.warehouse, name, modules=["Leads"], limits=bench.limits
        ).complete

    with ThreadPoolExecutor(len(names)) as pool:
        assert all(pool.map(sync, names))
    found = bench.rows(
        "select channel_id, count(*) as n, min(last_name) as a, max(last_name) as z from zoho_raw.leads"
        " group by channel_id order by channel_id"
    )
    assert [(r["channel_id"], r["n"], r["a"], r["z"]) for r in found] == [
        (name, 200 + n, name, name) for n, name in enumerate(names)
    ]


@pytest.mark.long
def test_used_up_credits_stop_one_channel_and_are_reported(bench: SyncBench) -> None:
    """With a day-long 429, and with our own budget: loaded rows are kept, and the syncs of other channels continue."""
    first, second, third = several(bench, 3)
    over_budget = bench.sim.orgs[2]
    over_budget.state.credits.spend(bench.sim.clock.epoch(), int(over_budget.credit_limit * 0.9))
    bench.sim.faults.next(10_000, "credits", path="/Leads")
    for name in (first, second):
        if name == second:
            bench.sim.faults.clear()
        with suppress(CreditsExhausted):  # if not even the user can be read
            report = sync_channel(bench.settings, bench.registry, bench.warehouse, name, limits=bench.limits)
            stopped = [part for part in report.modules if part.outcome == "stopped"]
            assert stopped
            assert all("credits" in part.detail for part in stopped)
        assert bench.registry.get(name).last_complete_sync_at is None
    runs = bench.rows(
        "select outcome, detail from zoho_raw.sync_runs where channel_id = ? and module = 'Leads'", second
    )
    assert [row["outcome"] for row in runs] == ["stopped"]
    assert "credits" in runs[0]["detail"]
    assert bench.registry.get(second).modules["Leads"].outcome == "stopped"
    report = sync_channel(bench.settings, bench.registry, bench.warehouse, third, limits=bench.limits)
    assert report.complete
    assert bench.rows("select count(*) as n from zoho_raw.leads where channel_id = ?", third) == [{"n": 202}]


def test_two_syncs_of_a_channel_never_overlap(bench: SyncBench) -> None:
    bench.limit(lock_wait=0.1)
    with channel_lock(bench.settings, "acme", wait=0.1), pytest.raises(ChannelBusy), ThreadPoolExecutor(1) as pool:
        pool.submit(bench.sync).result()

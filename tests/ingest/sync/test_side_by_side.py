"""Channels that are synced at the same time: each is as if it were alone, and waits for no other."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET, SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.report import Silent, SyncReport
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.ingest.sync.side_by_side import SWITCH_SECONDS, side_by_side
from zoho_pipeline.ingest.sync.sync_group import SyncGroup
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org, Simulator

Outcome = SyncReport | BaseException


def connect(bench: SyncBench, name: str, leads: int, simulator: Simulator | None = None, center: str = "sim") -> Org:
    org = (simulator or bench.sim).add_org(name=name)
    org.insert_many("Leads", [{"Last_Name": f"{name} {n}", "Company": name} for n in range(leads)])
    token = Secret(org.grant(CLIENT, CLIENT_SECRET, ALL_SCOPES))
    register_from_refresh_token(bench.registry, name, token, data_center=center)
    return org


def sync_all(
    bench: SyncBench,
    names: list[str],
    progress: Callable[[str], Silent | None] = lambda _: None,
    ended: Callable[[str], object] = lambda _: None,
) -> dict[str, Outcome]:
    """Sync these channels side by side. Returns the report or the error of each, in the order of their ends."""
    group, services = SyncGroup(bench.registry, bench.warehouse), (bench.settings, bench.registry, bench.warehouse)

    def sync(name: str) -> SyncReport:
        return sync_channel(*services, name, limits=bench.limits, progress=progress(name), group=group, stop=group.stop)

    found: dict[str, Outcome] = {}
    with bench.warehouse.kept_open(), bench.registry.database.kept_open():
        for one in side_by_side(names, sync, len(names), group.stop):
            found[one.channel_id] = one.error or one.value()
            ended(one.channel_id)
    return found


def assert_true(bench: SyncBench, name: str) -> None:
    """The log of the runs, the warehouse's as-of and the registry say the same of a channel."""
    [row] = bench.rows("select last_complete_sync_at as at from zoho_raw.channels where channel_id = ?", name)
    assert row["at"] == bench.registry.get(name).last_complete_sync_at
    [logged] = bench.rows(
        "select max(window_end) as at from zoho_raw.sync_runs where channel_id = ? and outcome = 'complete'", name
    )
    assert row["at"] is None or row["at"] <= logged["at"], "as-of is never ahead of sync_runs"


def loads(bench: SyncBench) -> int:
    return int(bench.rows("select count(*) as n from zoho_raw._dlt_loads")[0]["n"])


@pytest.fixture
def hanging(bench: SyncBench) -> Iterator[Simulator]:
    """A second Zoho, in the data centre `far`."""
    with Simulator.start() as far:
        bench.settings = replace(bench.settings, data_centers={**bench.settings.data_centers, "far": far.url})
        bench.registry = Registry(bench.settings)
        yield far


@both_engines()
def test_one_hangs_one_fails_one_is_new_and_the_others_are_quiet(bench: SyncBench, hanging: Simulator) -> None:
    orgs = {name: connect(bench, name, 3) for name in ("quiet-1", "quiet-2", "failing")}
    connect(bench, "hanging", 2, hanging, "far")
    known = [*orgs, "hanging"]
    for _ in range(2):  # the second sync reads the newest seconds again
        bench.sim.clock.advance(60)
        hanging.clock.advance(60)
        assert all(isinstance(found, SyncReport) and found.complete for found in sync_all(bench, known).values())
    connect(bench, "new", 900)
    bench.sim.clock.advance(60)
    orgs["failing"].admin.api_access = False
    before, release = loads(bench), Event()
    others = {"quiet-1", "quiet-2", "failing", "new"}
    hanging.on_call(2, lambda: release.wait(120))

    def ended(name: str) -> None:
        others.discard(name)
        if not others:
            release.set()

    found = sync_all(bench, [*known, "new"], ended=ended)
    assert list(found)[-1] == "hanging", "the others ended while it was waiting for its Zoho"
    for name in ("quiet-1", "quiet-2", "new", "hanging"):
        report = found[name]
        assert isinstance(report, SyncReport)
        assert report.complete, report
        assert_true(bench, name)
    quiet = found["quiet-1"]
    assert isinstance(quiet, SyncReport)
    assert {m.route for m in quiet.modules if m.module in ("Leads", "Contacts", "Deals")} == {"unchanged"}
    failing = found["failing"]
    assert not (isinstance(failing, SyncReport) and failing.complete)
    assert_true(bench, "failing")
    rows = bench.rows("select channel_id, count(*) as n from zoho_raw.leads group by channel_id")
    assert {row["channel_id"]: row["n"] for row in rows} == {**dict.fromkeys(orgs, 3), "hanging": 2, "new": 900}
    assert loads(bench) > before, "the new channel was loaded"


class LosesItsLock(Silent):
    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def finish(self, module: str) -> None:
        del module
        for file in self._folder.glob(f"channel-{self._name}.*"):
            file.unlink(missing_ok=True)


def test_a_lost_lock_costs_only_its_channel(bench: SyncBench) -> None:
    for name in ("first", "second", "third"):
        connect(bench, name, 2)
    bench.sim.clock.advance(60)
    folder = bench.registry.database.locks_folder
    assert folder is not None
    found = sync_all(
        bench,
        ["first", "second", "third"],
        progress=lambda name: LosesItsLock(folder, name) if name == "second" else None,
    )
    assert isinstance(found["second"], LockLost)
    for name in ("first", "third"):
        report = found[name]
        assert isinstance(report, SyncReport)
        assert report.complete
        assert_true(bench, name)
    assert bench.registry.get("second").last_complete_sync_at is None


def test_threads_wait_longer_for_the_interpreter_until_the_last_batch_ends() -> None:
    usual = sys.getswitchinterval()
    during: list[float] = []

    def look(_: str) -> None:
        during.append(sys.getswitchinterval())

    first, second = (side_by_side(["a", "b"], look, at_once=2) for _ in range(2))
    next(first)
    next(second)
    list(first)
    between = sys.getswitchinterval()
    second.close()  # the caller leaves early
    assert [*during, between] == pytest.approx([SWITCH_SECONDS] * (len(during) + 1))
    assert usual < SWITCH_SECONDS
    assert sys.getswitchinterval() == usual

"""Random lives of an org, with syncs, faults and crashes in between: no record is lost, and none is invented.

After each complete sync, raw equals the ledger of the simulator. The variables LIVES and LIVES_STEPS make the test
long: 200 lives of 30 steps are thousands of events.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET, PLAIN_SCOPES, QUICK, SyncBench
from tests.params import choice
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.model import FLAT
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.load.purge import purge_channel
from zoho_pipeline.ingest.report import SyncReport
from zoho_pipeline.ingest.sync.side_by_side import side_by_side
from zoho_pipeline.ingest.sync.sync_group import SyncGroup
from zoho_pipeline.settings import PipelineError, Secret, load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse

MODULES = ("Leads", "Contacts", "Deals")
CHOSEN = "Webinars"
QUERY_SCOPES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
FAULTS = (
    "concurrency", "credits", "server_error", "bad_gateway", "reset", "reset_after", "truncated", "bad_json",
    "wrong_content_type", "empty_body", "expired_token", "scope", "no_permission",
)  # fmt: skip
SMALL = replace(QUICK, job_credits=1, rows_per_load=50)
"""If Bulk Read is allowed, it is used from forty rows on, and a load has fifty rows."""
pick = st.integers(0, 10**6)
words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=5)
"""Texts without NUL: Postgres accepts no NUL in a text, and raw leaves it out."""


class Lives(RuleBasedStateMachine):
    """One org and one channel. Every rule is something that happens to real orgs."""

    scopes = QUERY_SCOPES
    modules: tuple[str, ...] = (*MODULES, CHOSEN)
    switches: dict[str, Any] = {}  # noqa: RUF012
    environment: dict[str, str] = {}  # noqa: RUF012
    neighbours: tuple[str, ...] = ()
    """Other channels, with orgs of their own, that are synced beside the one of the life."""

    @initialize(
        inclusive=st.booleans(), restore=st.booleans(), conversion=st.booleans(), merge_listed=st.booleans(),
        tokens=st.sampled_from(("offset", "keyset", "snapshot")),
    )  # fmt: skip
    def begin(self, inclusive: bool, restore: bool, conversion: bool, merge_listed: bool, tokens: str) -> None:
        self.sim = Simulator.start()
        self.sim.switches.update(
            modified_since_inclusive=inclusive,
            restore_bumps_modified=restore,
            conversion_bumps_modified=conversion or "coql" not in self.scopes,
            merge_in_deleted=merge_listed,
            page_tokens=tokens,
            **self.switches,
        )
        home = Path(tempfile.mkdtemp()) / "home"
        env = {
            "ZOHO_PIPELINE_HOME": str(home),
            "ZOHO_CLIENT_ID": CLIENT,
            "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
            "ZOHO_PIPELINE_SYNC_LAG": "0",
            "ZOHO_PIPELINE_DATA_CENTERS": f'{{"sim": "{self.sim.url}"}}',
            **self.environment,
        }
        loaded = load_settings(env)
        umask = os.umask(0o077)
        loaded.ensure_home()
        os.umask(umask)
        org = self.sim.add_org(name="Acme")
        org.add_custom_field("Leads", "UTM_Source1", "UTM Source")
        self.bench = SyncBench(self.sim, org, loaded, Registry(loaded), open_warehouse(loaded), limits=SMALL)
        self.bench.connect(self.scopes)
        self.choose(self.bench)
        self.beside = [self.neighbour(name) for name in self.neighbours]
        self.traceless = False
        self.pending: list[Callable[[], None]] = []

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.sim.stop()
        for name in ("acme", *self.neighbours) if hasattr(self, "bench") else ():
            purge_channel(self.bench.warehouse, name)  # its own life, also in a database that other lives used

    def neighbour(self, name: str) -> SyncBench:
        org = self.sim.add_org(name=name)
        org.insert_many("Leads", [{"Last_Name": f"{name} {n}"} for n in range(3)])
        token = org.grant(CLIENT, CLIENT_SECRET, self.scopes)
        register_from_refresh_token(self.bench.registry, name, Secret(token), data_center="sim")
        bench = replace(self.bench, org=org, channel_id=name)
        self.choose(bench)
        return bench

    @staticmethod
    def choose(bench: SyncBench) -> None:
        """Let a channel read a module that its org has made itself."""
        bench.org.add_module(CHOSEN, "Name:text! Seats:integer")
        bench.choose(**{CHOSEN: FLAT})

    def sync(self) -> list[SyncReport | BaseException]:
        """Sync the modules of every channel, side by side if there are several; the life's own comes first."""
        benches = {bench.channel_id: bench for bench in (self.bench, *self.beside)}
        if len(benches) == 1:
            return [self.bench.sync(*self.modules)]
        group = SyncGroup(self.bench.registry, self.bench.warehouse)

        def one(name: str) -> SyncReport:
            return benches[name].sync(*self.modules, group=group, stop=group.stop)

        with self.bench.warehouse.kept_open(), self.bench.registry.database.kept_open():
            ends = {end.channel_id: end for end in side_by_side(list(benches), one, len(benches), group.stop)}
        return [ends[name].error or ends[name].value() for name in benches]

    @property
    def org(self) -> Any:
        return self.bench.org

    def lead(self, number: int, *, converted: bool | None = None) -> str | None:
        rows = self.org.modules["Leads"].rows
        ids = [i for i, row in rows.items() if converted is None or bool(row.get("Converted__s")) is converted]
        return ids[number % len(ids)] if ids else None

    @rule(count=st.sampled_from((1, 3, 210)), source=st.sampled_from(("Web", "Chat", None)))
    def create(self, count: int, source: str | None) -> None:
        rows = [{"Last_Name": f"L{n}", "Company": "C", "Lead_Source": source, "UTM_Source1": "x"} for n in range(count)]
        self.org.insert_many("Leads", rows)

    @rule(number=pick, company=st.none() | words)
    def edit(self, number: int, company: str | None) -> None:
        if (id_ := self.lead(number)) is not None:
            self.org.update("Leads", id_, {"Company": company})

    @rule(number=pick, deal=st.booleans())
    def convert(self, number: int, deal: bool) -> None:
        if (id_ := self.lead(number, converted=False)) is not None:
            self.org.convert(id_, deal={"Stage": "Qualification", "Amount": 10.5} if deal else None)

    @rule(number=pick, permanent=st.booleans())
    def delete(self, number: int, permanent: bool) -> None:
        if (id_ := self.lead(number)) is not None:
            self.org.delete("Leads", id_, permanent=permanent)

    @rule(number=pick)
    def restore(self, number: int) -> None:
        binned = list(self.org.modules["Leads"].bin)
        if binned:
            self.org.restore("Leads", binned[number % len(binned)])

    @rule(number=pick, other=pick)
    def merge(self, number: int, other: int) -> None:
        winner, loser = self.lead(number, converted=False), self.lead(other, converted=False)
        if winner is not None and loser is not None and winner != loser:
            self.org.merge("Leads", winner, loser)
            self.traceless = True

    @rule(number=pick, change=st.sampled_from(("create", "create many", "edit", "delete", "restore")))
    def change_a_webinar(self, number: int, change: str) -> None:
        store = self.org.modules[CHOSEN]
        ids, binned = list(store.rows), list(store.bin)
        if change.startswith("create") or not ids:
            rows = [{"Name": f"W{number}", "Seats": n} for n in range(90 if "many" in change else 1)]
            self.org.insert_many(CHOSEN, rows)
        elif change == "edit":
            self.org.update(CHOSEN, ids[number % len(ids)], {"Seats": number})
        elif change == "delete":
            self.org.delete(CHOSEN, ids[number % len(ids)])
        elif binned:
            self.org.restore(CHOSEN, binned[number % len(binned)])

    @rule(seconds=st.sampled_from((1, 61, 400)))
    def wait(self, seconds: int) -> None:
        self.sim.clock.advance(seconds)

    @rule(calls=st.lists(st.integers(1, 14), max_size=3, unique=True), number=pick)
    def sync_during_changes(self, calls: list[int], number: int) -> None:
        """Records change between two calls of a sync. A later sync without changes must find them all."""
        changes = (self.edit_one, self.delete_one, self.create_one)
        for turn, call in enumerate(calls):
            self.sim.on_call(call, lambda change=changes[(number + turn) % 3]: change(number), path="/Leads")
        self.sync()
        self.sim.hub.hooks.clear()
        self.check()

    def edit_one(self, number: int) -> None:
        if (id_ := self.lead(number)) is not None:
            self.org.update("Leads", id_, {"Company": "amid"})

    def delete_one(self, number: int) -> None:
        if (id_ := self.lead(number)) is not None:
            self.org.delete("Leads", id_)

    def create_one(self, number: int) -> None:
        self.org.insert("Leads", {"Last_Name": f"amid {number}"})

    @rule(number=pick)
    def hide_or_show(self, number: int) -> None:
        """The connected user may see fewer records, or all again. Zoho does not report this."""
        ids = list(self.org.modules["Leads"].rows)
        self.org.admin.show_rows("Leads", set(ids))
        if ids and number % 2:
            self.org.admin.hide_rows("Leads", set(ids[number % len(ids) :: 7]))
        self.traceless = True

    @rule(kind=st.sampled_from(FAULTS), after=st.integers(0, 6), times=st.integers(1, 9))
    def sync_with_faults(self, kind: str, after: int, times: int) -> None:
        """Retries get past a few faults, and many faults fail the module. In both cases nothing is lost."""
        self.sim.faults.next(times, kind, after=after)
        with suppress(PipelineError):
            self.bench.sync(*self.modules)
        self.sim.faults.clear()
        # a process remembers for a while that credits are used up; the next one asks Zoho (a budget has its own limits)
        settings = self.bench.settings
        self.bench.settings = replace(settings, credit_budget=settings.credit_budget + 1e-9)
        self.bench.registry.settings = self.bench.settings  # write-back takes them from there

    @rule(after=st.integers(1, 8))
    def sync_broken_off(self, after: int) -> None:
        """Zoho refuses a call in the middle. The sync fails or reports it, and loses nothing."""
        self.sim.on_call(after, lambda: self.sim.expire_access_tokens(), path="/Leads")
        with suppress(PipelineError):
            self.bench.sync("Leads")
        self.sim.hub.hooks.clear()

    @rule(seconds=st.sampled_from((-90_000, -300, -20, 20, 300, 90_000)), number=pick, amid=st.integers(0, 9))
    def sync_under_a_wrong_date(self, seconds: int, number: int, amid: int) -> None:
        """The Date header jumps, from the first call of a sync or from a later one, and an edit follows.

        Then the header is right again."""
        self.sim.on_call(amid + 1, lambda: self.sim.switches.update(date_offset=float(seconds)))
        with suppress(PipelineError):
            self.bench.sync(*self.modules)
        self.edit_one(number)
        self.sim.hub.hooks.clear()
        self.sim.switches.update(date_offset=0.0)

    @rule(kind=st.sampled_from(("header", "half", "twice", "repeated")), lies=st.booleans(), full=st.booleans())
    def sync_by_short_files(self, kind: str, lies: bool, full: bool) -> None:
        """Bulk files lack rows, or have too many. A sync that is reported as complete has all rows."""
        self.sim.switches.update(bulk_file=kind, bulk_count_lies=lies)
        report = self.bench.sync(*self.modules, full=full)
        self.sim.switches.update(bulk_file="whole", bulk_count_lies=False)
        if report.complete and not self.traceless:
            for module in self.modules:
                ledger.assert_equal(self.bench, module)

    @rule()
    @precondition(lambda self: hasattr(self, "bench"))
    def check(self) -> None:
        """Sync while nothing else happens: raw equals the ledger."""
        if self.traceless:
            self.bench.reconcile(*self.modules)
            self.traceless = False
        else:
            for report in self.sync():
                assert isinstance(report, SyncReport), report
                assert report.complete, report
            for bench in self.beside:
                ledger.assert_equal(bench, "Leads")
        for module in self.modules:
            ledger.assert_equal(self.bench, module)


class LivesSideBySide(Lives):
    """The same beside two other channels, whose leads change too."""

    neighbours = ("beta", "gamma")

    @rule(number=pick)
    def change_a_neighbour(self, number: int) -> None:
        org = self.beside[number % len(self.beside)].org
        ids = list(org.modules["Leads"].rows)
        if number % 3 == 0 or not ids:
            org.insert("Leads", {"Last_Name": f"new {number}"})
        elif number % 3 == 1:
            org.update("Leads", ids[number % len(ids)], {"Company": f"changed {number}"})
        else:
            org.delete("Leads", ids[number % len(ids)])

    @rule(kind=st.sampled_from(FAULTS), after=st.integers(0, 20), times=st.integers(1, 30), number=pick)
    def sync_all_with_faults(self, kind: str, after: int, times: int, number: int) -> None:
        """Many faults meet any of the channels, and one changes meanwhile. Nothing is lost in any of them."""
        self.sim.on_call(after + 1, lambda: self.change_a_neighbour(number), path="/Leads")
        self.sim.faults.next(times, kind, after=after)
        self.sync()
        self.sim.faults.clear()
        self.sim.hub.hooks.clear()
        settings = self.bench.settings
        for bench in (self.bench, *self.beside):
            bench.settings = replace(settings, credit_budget=settings.credit_budget + 1e-9)


class PlainLives(Lives):
    """The same without queries: Get Records reads everything."""

    scopes = PLAIN_SCOPES


class JobLives(Lives):
    """The same with Bulk Read for many rows: files of sixty rows, several loads per sync."""

    scopes = ALL_SCOPES
    switches = {"bulk_rows": 60, "bulk_downloads_per_minute": 10**6}  # noqa: RUF012


class LaggedLives(JobLives):
    """The same with a lag: full syncs begin to read before their window is settled."""

    environment = {"ZOHO_PIPELINE_SYNC_LAG": "1"}  # noqa: RUF012

    @rule(calls=st.lists(st.integers(1, 14), max_size=3, unique=True), number=pick, queries=st.booleans())
    def full_sync_during_changes(self, calls: list[int], number: int, queries: bool) -> None:
        self.org.insert_many("Leads", [{"Last_Name": f"F{n}", "Company": "C"} for n in range(210)])
        self.sim.clock.advance(400)
        changes = (self.edit_one, self.delete_one, self.create_one)
        for turn, call in enumerate(calls):
            self.sim.on_call(call, lambda change=changes[(number + turn) % 3]: change(number), path="/Leads")
        self.bench.limits = replace(SMALL, job_credits=9, queries_from=1, list_credits=9) if queries else SMALL
        self.bench.sync(*self.modules, full=True)
        self.bench.limits = SMALL
        self.sim.hub.hooks.clear()
        self.check()


def run(machine: type[Lives], examples: int, steps: int) -> None:
    quiet = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
    profile = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(quiet),
        derandomize=True, print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=profile)


@pytest.mark.parametrize("machine", choice([Lives, LivesSideBySide, PlainLives, JobLives], [LivesSideBySide, JobLives]))
def test_raw_equals_the_ledger_after_each_sync(machine: type[Lives]) -> None:
    run(machine, int(os.environ.get("LIVES", "1")), int(os.environ.get("LIVES_STEPS", "6")))


def part_of_lives(machine: type[Lives], part: int) -> type[Lives]:
    """The same machine with a seed of its own. Parts run on several cores: sixty lives in one test took 45 minutes."""
    return seed(part)(type(f"{machine.__name__}{part}", (machine,), {}))


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("machine", [Lives, LivesSideBySide, PlainLives, JobLives, LaggedLives])
def test_thousands_of_steps(machine: type[Lives], part: int) -> None:
    run(part_of_lives(machine, part), int(os.environ.get("LIVES", "15")), int(os.environ.get("LIVES_STEPS", "25")))


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("machine", [Lives, LivesSideBySide, JobLives])
def test_hundreds_of_steps_on_postgres(machine: type[Lives], part: int, postgres_url: str) -> None:
    class OnPostgres(machine):  # type: ignore[misc, valid-type]
        environment = {"ZOHO_PIPELINE_WAREHOUSE": postgres_url}  # noqa: RUF012

    run(part_of_lives(OnPostgres, part), int(os.environ.get("LIVES", "10")), int(os.environ.get("LIVES_STEPS", "20")))

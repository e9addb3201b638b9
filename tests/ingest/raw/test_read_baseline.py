"""What a sync reads of the stored rows: the summaries of many channels in one query, and the overlap."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.catalog.chosen_modules import records_of
from zoho_pipeline.ingest.catalog.tables import BY_MODULE, DELETED_RECORDS
from zoho_pipeline.ingest.extract.modules import ModuleSpec, lead_history
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.raw.queries import NOTHING, Summary, known_deletions, summaries
from zoho_pipeline.ingest.raw.read_baseline import BaselineRequest, overlap_start, read_baselines
from zoho_pipeline.ingest.raw.small_tables import insert_rows
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.window import OVERLAP, OVERLAP_ROWS, Window

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TABLES = {module: BY_MODULE[module] for module in ("Leads", "Deals", "Notes")} | {
    module: records_of(module) for module in ("Webinars", "Products")
}
CHANNELS = ("a", "b", "empty", "it's 4")
Row = dict[str, Any]


def test_the_overlap_shrinks_if_it_contains_many_rows() -> None:
    few = [("1", NOON - timedelta(seconds=3))]
    assert overlap_start(NOON, few) == NOON - OVERLAP
    many = [(str(n), NOON - timedelta(seconds=n)) for n in range(1, OVERLAP_ROWS + 2)]
    assert overlap_start(NOON, many) == NOON - timedelta(seconds=OVERLAP_ROWS - 1)
    tied = [(str(n), NOON - timedelta(seconds=1)) for n in range(OVERLAP_ROWS + 1)]
    assert overlap_start(NOON, tied) == NOON


def some_time(rng: random.Random) -> datetime | None:
    return None if rng.random() < 0.1 else NOON + timedelta(minutes=rng.randint(-60, 60))


def some_rows(rng: random.Random, module: str, channel: str) -> list[Row]:
    return [
        {
            **TABLES[module].constants,
            "channel_id": channel,
            "id": str(n),
            "modified_time": some_time(rng),
            "created_time": some_time(rng),
        }
        | ({"converted_date_time": some_time(rng)} if module == "Leads" else {})
        for n in range(rng.randint(1, 12))
    ]


def some_deletions(rng: random.Random, module: str, rows: list[Row]) -> list[Row]:
    return [
        {"channel_id": row["channel_id"], "module": module, "id": row["id"], "deletion_type": "recycle"}
        | {"deleted_time": NOON, "restored_at": rng.choice([None, NOON]), "synced_at": NOON}
        for row in rows
        if rng.random() < 0.3
    ]


def latest(rows: list[Row], column: str) -> datetime | None:
    return max((row[column] for row in rows if row.get(column) is not None), default=None)


def expected(rows: list[Row], deleted: set[str], before: datetime) -> Summary:
    """The summary of a channel's rows, by a plain reading of its definition."""
    live = [row for row in rows if row["id"] not in deleted]
    live = [row for row in live if row["created_time"] is None or row["created_time"] < before]
    totals = Totals(len(live), latest(live, "modified_time"), latest(live, "converted_date_time"))
    return Summary(len(rows), latest(rows, "modified_time"), latest(rows, "converted_date_time"), totals)


@both_engines("duckdb")
@pytest.mark.parametrize("seed", range(4))
def test_many_channels_are_summed_up_in_one_query_each_by_its_own_instant(bench: SyncBench, seed: int) -> None:
    rng = random.Random(seed)
    rows = {(c, m): some_rows(rng, m, c) if c != "empty" else [] for c in CHANNELS for m in TABLES}
    deletions = [row for (_, m), own in rows.items() if m != "Notes" for row in some_deletions(rng, m, own)]
    before = {channel: NOON + timedelta(minutes=rng.randint(-30, 30)) for channel in CHANNELS}
    Loader(bench.settings, bench.warehouse, "a").ensure_tables()
    with bench.warehouse.connect(read_only=False) as connection:
        for (_, module), own in rows.items():
            insert_rows(connection, TABLES[module], [{"synced_at": NOON} | row for row in own])
        insert_rows(connection, DELETED_RECORDS, deletions)
    with bench.warehouse.connect() as connection:
        known = known_deletions(connection, CHANNELS)
        of_one_module = known_deletions(connection, ["a"], "Deals")
        named = {module for of_channel in known.values() for module in of_channel}
        asked = list(TABLES.items())
        of_some, of_all = (summaries(connection, asked, before, deleted) for deleted in (named, None))
        alone = summaries(connection, asked, {"b": before["b"]})
    open_ones = {(r["channel_id"], r["module"], r["id"]) for r in deletions if r["restored_at"] is None}
    assert {(c, m, i) for c, ms in known.items() for m, ids in ms.items() for i in ids} == open_ones
    assert of_one_module["a"].get("Deals", {}).keys() == known["a"].get("Deals", {}).keys()
    wanted = {
        (c, m, TABLES[m].name): expected(own, {i for oc, om, i in open_ones if (oc, om) == (c, m)}, before[c])
        for (c, m), own in rows.items()
    }
    assert of_some == of_all == wanted
    assert alone == {key: summary for key, summary in wanted.items() if key[0] == "b"}
    assert wanted["empty", "Leads", "leads"] == NOTHING


@both_engines("duckdb")
def test_one_name_can_be_another_module_in_another_channel(bench: SyncBench) -> None:
    """One channel chose a module of its own; beside it, another one has a tracker of Zoho's of that name."""
    Loader(bench.settings, bench.warehouse, "a").ensure_tables()
    chosen, tracker = ModuleSpec("Status_History", records_of("Status_History")), lead_history("Status_History")
    row = {"channel_id": "chose it", "module": "Status_History", "id": "1", "modified_time": NOON}
    with bench.warehouse.connect(read_only=False) as connection:
        insert_rows(connection, chosen.table, [row | {"created_time": NOON, "synced_at": NOON}])
    window, state = Window(NOON + timedelta(days=1), 5), ChannelState({"Status_History": ModuleState(cursor=NOON)})
    requests = [
        BaselineRequest(channel, [spec], state, window, SyncLimits())
        for channel, spec in (("chose it", chosen), ("has a tracker", tracker))
    ]
    with bench.warehouse.connect() as connection:
        together = read_baselines(connection, requests)
        alone = [read_baselines(connection, [request])[0] for request in requests]
    assert together == alone
    assert [found["Status_History"].empty for found in together] == [False, True]

"""Compares first loads and increments of leads with the plainest way to fetch and to load the same rows.

Our side is a whole sync in a separate process (without imports and without making empty tables). Every figure is
given in wall-clock seconds and in CPU seconds of the process that reads and loads; a busy machine and a slow simulator
do not change the latter. Rounds are interleaved, and medians are shown. `INGEST_ROWS` (100,000), `INGEST_ROUNDS` (3)
and `INGEST_GROWTH` (1,000,000, the largest first load) change the size. AIRBYTE_PYTHON names an interpreter that has
Airbyte's connector.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import Figure
from benchmarks._baselines import (
    Spent,
    fetch_jobs,
    fetch_lists,
    field_names,
    merge_csv,
    merge_json,
    merge_postgres,
    timed,
)
from benchmarks._sdk import read_by_sdk
from benchmarks._simulator_process import CLIENT, CLIENT_SECRET, RunningSimulator, running_simulator
from benchmarks._sync_process import run

ROWS = int(os.environ.get("INGEST_ROWS", "100000"))
ROUNDS = int(os.environ.get("INGEST_ROUNDS", "3"))
GROWTH = int(os.environ.get("INGEST_GROWTH", "1000000"))
AIRBYTE = os.environ.get("AIRBYTE_PYTHON", "")
POSTGRES_ROWS = 3 * ROWS
"""With fewer rows, the two seconds that a sync waits (for the end of its window and for its job) dominate."""
OTHERS_ROWS = 2_000
"""The leads that Airbyte's connector and the SDK read: pages by number end there."""
ALL_LEADS, ALL_OTHERS = 20_000, 2_800
"""A first load of every module: the leads, and the rows of each of five other modules. Together 34,000 rows."""
LATENCY = 0.2
"""The seconds that an answer of Zoho is assumed to take: nobody publishes them, and on loopback they are near 0."""


def measure() -> Iterator[Figure]:
    yield from _against_baseline()
    yield from _against_others(0.0)
    yield from _against_others(LATENCY)
    yield from _all_modules()
    yield from _growth()
    yield from _postgres()


def _against_baseline() -> Iterator[Figure]:
    ours, baseline = _Rounds(), _Rounds()
    with running_simulator(ROWS) as zoho, tempfile.TemporaryDirectory() as folder:
        fields = field_names(zoho)
        for number in range(ROUNDS):
            at = Path(folder) / str(number)
            ours.add("bulk", _ours(at / "bulk", zoho, zoho.token))
            jobs, pages = at / "jobs", at / "pages"
            baseline.add(
                "bulk", timed(lambda at=jobs: fetch_jobs(zoho, fields, at)), timed(lambda at=jobs: merge_csv(at))
            )
            ours.add("lists", _ours(at / "lists", zoho, zoho.lists_token))
            fetched = timed(lambda at=pages: fetch_lists(zoho, fields, at))
            baseline.add("lists", fetched, timed(lambda at=pages: merge_json(at)))
    for route in ("bulk", "lists"):
        yield from _compared(f"{ROWS} leads for the first time by {route}, DuckDB", ours, baseline, route, bar=2.0)


def _against_others(latency: float) -> Iterator[Figure]:
    """Rows per second: our sync reads and loads, the others only read."""
    ours, others = _Rounds(), _Rounds()
    with running_simulator(ROWS, latency) as zoho, tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            at = Path(folder) / str(number)
            ours.add("bulk", _ours(at, zoho, zoho.token))
            others.add("the official SDK", read_by_sdk(zoho, OTHERS_ROWS, Path(folder) / f"sdk{number}"))
            if AIRBYTE:
                others.add("Airbyte's connector", _read_by_airbyte(zoho))
    speed = {"wall": ROWS / ours.seconds("bulk"), "CPU": ROWS / ours.cpu("bulk")}
    for name in others.names:
        for clock, theirs in (("wall", others.seconds(name)), ("CPU", others.cpu(name))):
            their_speed = OTHERS_ROWS / theirs
            barred = "Airbyte" in name and latency > 0 and clock == "wall"
            yield Figure(
                f"{ROWS} leads read and loaded, {1000 * latency:.0f} ms per answer: leads per {clock} second / {name}",
                f"{speed[clock]:,.0f}",
                f"{their_speed:,.0f} reading {OTHERS_ROWS} only",
                speed[clock] / their_speed,
                bar=10.0 if barred else None,
                at_least=True,
            )


def _all_modules() -> Iterator[Figure]:
    """Rows per second of a first load with the default settings, the waiting for its window included."""
    ours, others = _Rounds(), _Rounds()
    rows = ALL_LEADS + 5 * ALL_OTHERS
    with running_simulator(ALL_LEADS, others=ALL_OTHERS) as zoho, tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            synced = run(Path(folder) / str(number), zoho.url, zoho.token, scope="all")
            if synced["rows"] < rows:
                raise RuntimeError(f"{synced['rows']} rows came instead of {rows}")
            ours.add("all", Spent(synced["seconds"], synced["cpu"]))
            others.add("the official SDK", read_by_sdk(zoho, OTHERS_ROWS, Path(folder) / f"sdk{number}"))
            if AIRBYTE:
                others.add("Airbyte's connector", _read_by_airbyte(zoho))
    speed = rows / ours.seconds("all")
    for name in others.names:
        theirs = OTHERS_ROWS / others.seconds(name)
        yield Figure(
            f"{rows} rows of all modules for the first time, default settings, {ours.seconds('all'):.2f} s, "
            f"{ours.cpu('all'):.2f} s of CPU: rows per second / {name}",
            f"{speed:,.0f}",
            f"{theirs:,.0f} reading {OTHERS_ROWS} leads only",
            speed / theirs,
            bar=5.0 if "Airbyte" in name else 2.0,
            at_least=True,
        )


def _growth() -> Iterator[Figure]:
    seconds_per_row: dict[int, float] = {}
    smallest = GROWTH // 100
    for rows in (smallest, GROWTH // 10, GROWTH):
        with running_simulator(rows) as zoho, tempfile.TemporaryDirectory() as folder:
            first = run(Path(folder) / "home", zoho.url, zoho.token)
            seconds_per_row[rows] = first["seconds"] / rows
            yield Figure(
                f"{rows} leads, {first['route']}, {first['credits']} credits, peak {first['peak_mb']:.0f} MB,"
                f" {first['seconds']:.1f} s, {first['cpu']:.1f} s of CPU: time per lead",
                f"{seconds_per_row[rows] * 1e6:.0f} µs",
                f"{seconds_per_row[smallest] * 1e6:.0f} µs of {smallest} leads",
                seconds_per_row[rows] / seconds_per_row[smallest],
                bar=1.3,
            )
            if rows > smallest:
                yield from _increments(zoho, Path(folder) / "home", rows, first)


def _increments(zoho: RunningSimulator, home: Path, rows: int, first: dict[str, Any]) -> Iterator[Figure]:
    for changed in (0, 1_000, rows // 100):
        if changed:
            zoho.touch(changed)
        synced = run(home, zoho.url, zoho.token)
        if synced["rows"] != changed:
            raise RuntimeError(f"{synced['rows']} rows came instead of {changed}")
        yield Figure(
            f"{changed} of {rows} leads changed, {synced['route']}, {synced['credits']} credits,"
            f" {synced['cpu']:.2f} CPU s",
            f"{synced['seconds']:.2f} s",
            f"{first['seconds']:.1f} s the first time",
            synced["seconds"] / first["seconds"],
        )


def _postgres() -> Iterator[Figure]:
    ours, baseline = _Rounds(), _Rounds()
    with running_simulator(POSTGRES_ROWS) as zoho, tempfile.TemporaryDirectory() as folder, _postgres_urls() as fresh:
        fields = field_names(zoho)
        for number in range(ROUNDS):
            at = Path(folder) / str(number)
            url = fresh()
            ours.add("Postgres", _ours(at / "home", zoho, zoho.token, url, POSTGRES_ROWS))
            jobs, url = at / "jobs", fresh()
            fetched = timed(lambda at=jobs: fetch_jobs(zoho, fields, at))
            baseline.add("Postgres", fetched, timed(lambda at=jobs, url=url: merge_postgres(at, url)))
        yield from _compared(
            f"{POSTGRES_ROWS} leads for the first time, Postgres", ours, baseline, "Postgres", 2.0, cpu_bar=None
        )
        home, url = Path(folder) / "increment", fresh()
        _ours(home, zoho, zoho.token, url, POSTGRES_ROWS)
        zoho.touch(POSTGRES_ROWS // 100)
        synced = run(home, zoho.url, zoho.token, url)
        first = ours.seconds("Postgres")
        yield Figure(
            f"{synced['rows']} of {POSTGRES_ROWS} leads changed, Postgres, {synced['credits']} credits",
            f"{synced['seconds']:.2f} s",
            f"{first:.1f} s the first time",
            synced["seconds"] / first,
        )


class _Rounds:
    """What each round of each program took. A program may have several parts, which run one after the other."""

    def __init__(self) -> None:
        self._spent: dict[str, list[tuple[Spent, ...]]] = {}

    def add(self, name: str, *parts: Spent) -> None:
        self._spent.setdefault(name, []).append(parts)

    @property
    def names(self) -> list[str]:
        return list(self._spent)

    def seconds(self, name: str) -> float:
        return median(sum(part.seconds for part in parts) for parts in self._spent[name])

    def cpu(self, name: str) -> float:
        return median(sum(part.cpu for part in parts) for parts in self._spent[name])

    def parts(self, name: str, clock: str) -> str:
        """The median of each part, as a text: `2.72 + 1.46`."""
        parts = zip(*self._spent[name], strict=True)
        return " + ".join(f"{median(getattr(spent, clock) for spent in part):.2f}" for part in parts)


def _compared(
    what: str, ours: _Rounds, baseline: _Rounds, name: str, bar: float, cpu_bar: float | None = 2.0
) -> Iterator[Figure]:
    """Yield the wall-clock and the CPU figure. Postgres works in its own process, so our CPU time says little there."""
    against = "s fetching + merging"
    ratio = ours.seconds(name) / baseline.seconds(name)
    yield Figure(what, f"{ours.seconds(name):.2f} s", f"{baseline.parts(name, 'seconds')} {against}", ratio, bar)
    ratio = ours.cpu(name) / baseline.cpu(name)
    yield Figure(f"{what}, CPU", f"{ours.cpu(name):.2f} s", f"{baseline.parts(name, 'cpu')} {against}", ratio, cpu_bar)


def _ours(home: Path, zoho: RunningSimulator, token: str, warehouse: str = "-", rows: int = ROWS) -> Spent:
    synced = run(home, zoho.url, token, warehouse)
    if synced["rows"] != rows:
        raise RuntimeError(f"{synced['rows']} rows came instead of {rows}")
    return Spent(synced["seconds"], synced["cpu"])


def _read_by_airbyte(zoho: RunningSimulator) -> Spent:
    script = Path(__file__).parents[1] / "tests" / "zoho" / "other_clients" / "airbyte_connector.py"
    command = [AIRBYTE, str(script), zoho.url, CLIENT, CLIENT_SECRET, "timed"]
    ran = subprocess.run(command, input=zoho.lists_token, capture_output=True, text=True, check=True)
    printed = json.loads(ran.stdout.splitlines()[-1])
    if printed["rows"] != OTHERS_ROWS:
        raise RuntimeError(f"the connector read {printed['rows']} leads instead of {OTHERS_ROWS}")
    return Spent(printed["seconds"], printed["cpu"])


@contextmanager
def _postgres_urls() -> Iterator[Callable[[], str]]:
    """Yield a function that makes an empty database on a separate server and returns its URL."""
    from scripts.production import make_database
    from tests.postgres import running_postgres

    with running_postgres() as url:
        numbers = count()
        yield lambda: make_database(url, f"bench_{next(numbers)}")

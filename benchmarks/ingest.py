"""First loads and increments of leads, beside the plainest way to fetch and to load the same rows.

Ours is a whole sync in a process of its own (imports and the making of empty tables apart). Every figure is told in
wall-clock seconds and in seconds of CPU of the process that reads and loads, which a busy machine and a slow simulator
leave alone. Rounds are interleaved, medians told. `INGEST_ROWS` (100,000), `INGEST_ROUNDS` (3) and `INGEST_GROWTH`
(1,000,000, the largest) change the size; AIRBYTE_PYTHON names an interpreter with Airbyte's connector.
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
from benchmarks._floors import (
    Spent,
    fetch_jobs,
    fetch_lists,
    field_names,
    merge_csv,
    merge_json,
    merge_postgres,
    timed,
)
from benchmarks._run import run
from benchmarks._sdk import read_by_sdk
from benchmarks._serving import CLIENT, CLIENT_SECRET, Served, served

ROWS = int(os.environ.get("INGEST_ROWS", "100000"))
ROUNDS = int(os.environ.get("INGEST_ROUNDS", "3"))
GROWTH = int(os.environ.get("INGEST_GROWTH", "1000000"))
AIRBYTE = os.environ.get("AIRBYTE_PYTHON", "")
POSTGRES_ROWS = 3 * ROWS
"""With fewer the two seconds a sync waits (for its window's end, for its job) weigh more than the rows."""
OTHERS_ROWS = 2_000
"""What Airbyte's connector and the SDK read: offset pages end there."""
LATENCY = 0.2
"""Seconds an answer of Zoho is assumed to take: nobody publishes it, and on loopback it is nothing."""


def race() -> Iterator[Figure]:
    yield from _against_floors()
    yield from _against_others(0.0)
    yield from _against_others(LATENCY)
    yield from _growth()
    yield from _postgres()


def _against_floors() -> Iterator[Figure]:
    ours, floors = _Rounds(), _Rounds()
    with served(ROWS) as zoho, tempfile.TemporaryDirectory() as folder:
        fields = field_names(zoho)
        for number in range(ROUNDS):
            at = Path(folder) / str(number)
            ours.add("bulk", _ours(at / "bulk", zoho, zoho.token))
            jobs, pages = at / "jobs", at / "pages"
            floors.add(
                "bulk", timed(lambda at=jobs: fetch_jobs(zoho, fields, at)), timed(lambda at=jobs: merge_csv(at))
            )
            ours.add("lists", _ours(at / "lists", zoho, zoho.lists_token))
            fetched = timed(lambda at=pages: fetch_lists(zoho, fields, at))
            floors.add("lists", fetched, timed(lambda at=pages: merge_json(at)))
    for route in ("bulk", "lists"):
        yield from _compared(f"{ROWS} leads for the first time by {route}, DuckDB", ours, floors, route, bar=2.0)


def _against_others(latency: float) -> Iterator[Figure]:
    """Rows a second: ours while loading, theirs while only reading."""
    ours, others = _Rounds(), _Rounds()
    with served(ROWS, latency) as zoho, tempfile.TemporaryDirectory() as folder:
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
                f"{ROWS} leads read and loaded, {1000 * latency:.0f} ms an answer: leads a {clock} second, by {name}",
                f"{speed[clock]:,.0f}",
                f"{their_speed:,.0f} reading {OTHERS_ROWS} only",
                speed[clock] / their_speed,
                bar=10.0 if barred else None,
                at_least=True,
            )


def _growth() -> Iterator[Figure]:
    a_row: dict[int, float] = {}
    smallest = GROWTH // 100
    for rows in (smallest, GROWTH // 10, GROWTH):
        with served(rows) as zoho, tempfile.TemporaryDirectory() as folder:
            first = run(Path(folder) / "home", zoho.url, zoho.token)
            a_row[rows] = first["seconds"] / rows
            yield Figure(
                f"{rows} leads, {first['route']}, {first['credits']} credits, peak {first['peak_mb']:.0f} MB,"
                f" {first['seconds']:.1f} s, {first['cpu']:.1f} s of CPU: a lead",
                f"{a_row[rows] * 1e6:.0f} µs",
                f"{a_row[smallest] * 1e6:.0f} µs of {smallest}",
                a_row[rows] / a_row[smallest],
                bar=1.3,
            )
            if rows > smallest:
                yield from _increments(zoho, Path(folder) / "home", rows, first)


def _increments(zoho: Served, home: Path, rows: int, first: dict[str, Any]) -> Iterator[Figure]:
    for changed in (0, 1_000, rows // 100):
        if changed:
            zoho.touch(changed)
        told = run(home, zoho.url, zoho.token)
        if told["rows"] != changed:
            raise RuntimeError(f"{told['rows']} rows came instead of {changed}")
        yield Figure(
            f"{changed} of {rows} leads changed, {told['route']}, {told['credits']} credits, {told['cpu']:.2f} CPU s",
            f"{told['seconds']:.2f} s",
            f"{first['seconds']:.1f} s the first time",
            told["seconds"] / first["seconds"],
        )


def _postgres() -> Iterator[Figure]:
    ours, floors = _Rounds(), _Rounds()
    with served(POSTGRES_ROWS) as zoho, tempfile.TemporaryDirectory() as folder, _postgres_urls() as fresh:
        fields = field_names(zoho)
        for number in range(ROUNDS):
            at = Path(folder) / str(number)
            url = fresh()
            ours.add("Postgres", _ours(at / "home", zoho, zoho.token, url, POSTGRES_ROWS))
            jobs, url = at / "jobs", fresh()
            fetched = timed(lambda at=jobs: fetch_jobs(zoho, fields, at))
            floors.add("Postgres", fetched, timed(lambda at=jobs, url=url: merge_postgres(at, url)))
        yield from _compared(
            f"{POSTGRES_ROWS} leads for the first time, Postgres", ours, floors, "Postgres", 2.0, cpu_bar=None
        )
        home, url = Path(folder) / "increment", fresh()
        _ours(home, zoho, zoho.token, url, POSTGRES_ROWS)
        zoho.touch(POSTGRES_ROWS // 100)
        told = run(home, zoho.url, zoho.token, url)
        first = ours.seconds("Postgres")
        yield Figure(
            f"{told['rows']} of {POSTGRES_ROWS} leads changed, Postgres, {told['credits']} credits",
            f"{told['seconds']:.2f} s",
            f"{first:.1f} s the first time",
            told["seconds"] / first,
        )


class _Rounds:
    """What each round of each racer took; several parts of one are run one after the other."""

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

    def told(self, name: str, clock: str) -> str:
        parts = zip(*self._spent[name], strict=True)
        return " + ".join(f"{median(getattr(spent, clock) for spent in part):.2f}" for part in parts)


def _compared(
    what: str, ours: _Rounds, floors: _Rounds, name: str, bar: float, cpu_bar: float | None = 2.0
) -> Iterator[Figure]:
    """Postgres does its work in a process of its own, so the CPU of ours says little there."""
    against = "s fetching + merging"
    ratio = ours.seconds(name) / floors.seconds(name)
    yield Figure(what, f"{ours.seconds(name):.2f} s", f"{floors.told(name, 'seconds')} {against}", ratio, bar)
    ratio = ours.cpu(name) / floors.cpu(name)
    yield Figure(f"{what}, CPU", f"{ours.cpu(name):.2f} s", f"{floors.told(name, 'cpu')} {against}", ratio, cpu_bar)


def _ours(home: Path, zoho: Served, token: str, warehouse: str = "-", rows: int = ROWS) -> Spent:
    told = run(home, zoho.url, token, warehouse)
    if told["rows"] != rows:
        raise RuntimeError(f"{told['rows']} rows came instead of {rows}")
    return Spent(told["seconds"], told["cpu"])


def _read_by_airbyte(zoho: Served) -> Spent:
    script = Path(__file__).parents[1] / "tests" / "zoho" / "airbyte_connector.py"
    command = [AIRBYTE, str(script), zoho.url, CLIENT, CLIENT_SECRET, "timed"]
    ran = subprocess.run(command, input=zoho.lists_token, capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout.splitlines()[-1])
    if told["rows"] != OTHERS_ROWS:
        raise RuntimeError(f"the connector read {told['rows']} leads instead of {OTHERS_ROWS}")
    return Spent(told["seconds"], told["cpu"])


@contextmanager
def _postgres_urls() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a server of its own."""
    from scripts.production import make_database
    from tests.postgres import running_postgres

    with running_postgres() as url:
        numbers = count()
        yield lambda: make_database(url, f"bench_{next(numbers)}")

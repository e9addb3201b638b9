"""First loads and increments of leads, beside the plainest way to fetch and to load the same rows.

Seconds are of CPU of the process that reads and loads (the simulator's are not counted), so that a busy machine
tells the same as an idle one. `INGEST_ROWS` (100,000) and `INGEST_ROUNDS` (3) change the size, `INGEST_GROWTH`
(1,000,000) is the largest.
"""

import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import httpx

from benchmarks import Figure
from benchmarks._run import run
from benchmarks._sdk import read_by_sdk
from benchmarks._serving import CLIENT, CLIENT_SECRET, Served, served

ROWS = int(os.environ.get("INGEST_ROWS", "100000"))
ROUNDS = int(os.environ.get("INGEST_ROUNDS", "3"))
GROWTH = int(os.environ.get("INGEST_GROWTH", "1000000"))
SDK_ROWS = 2_000
FIELDS = [
    "Last_Name",
    "First_Name",
    "Company",
    "Email",
    "Phone",
    "Lead_Source",
    "Lead_Status",
    "City",
    "Annual_Revenue",
    "No_of_Employees",
    "UTM_Source1",
    "Owner",
    "Created_By",
    "Modified_By",
    "Created_Time",
    "Modified_Time",
    "Converted__s",
    "Full_Name",
    "Website",
    "Industry",
    "Rating",
]


def race() -> Iterator[Figure]:
    """The bars: half the speed of fetching and loading bare; a price a row that does not grow."""
    yield from _against_floors()
    yield from _growth()
    yield from _postgres()


def _against_floors() -> Iterator[Figure]:
    ours, fetched, merged, by_sdk = [], [], [], []
    with served(ROWS) as zoho, tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            home = Path(folder) / f"home{number}"
            ours.append(run(home, zoho.url, zoho.token)["cpu"])
            file = Path(folder) / f"{number}.csv"
            fetched.append(_cpu(lambda file=file: _fetch(zoho, file)))
            merged.append(_cpu(lambda file=file: _merge(file)))
            by_sdk.append(read_by_sdk(zoho, SDK_ROWS, Path(folder) / f"sdk{number}"))
    floor = median(fetched) + median(merged)
    told = f"{median(fetched):.2f} s fetching + {median(merged):.2f} s merging"
    yield Figure(
        f"{ROWS} leads for the first time, DuckDB", f"{median(ours):.2f} s", told, median(ours) / floor, bar=2.0
    )
    a_row = median(ours) / ROWS
    sdk = median(by_sdk) / SDK_ROWS
    yield Figure(
        "a lead by the official SDK, reading only", f"{a_row * 1e6:.0f} µs", f"{sdk * 1e6:.0f} µs", a_row / sdk
    )


def _growth() -> Iterator[Figure]:
    a_row: dict[int, float] = {}
    for rows in (GROWTH // 100, GROWTH // 10, GROWTH):
        with served(rows) as zoho, tempfile.TemporaryDirectory() as folder:
            first = run(Path(folder) / "home", zoho.url, zoho.token)
            a_row[rows] = first["cpu"] / rows
            smallest = GROWTH // 100
            yield Figure(
                f"{rows} leads, {first['route']}, {first['credits']} credits, peak {first['peak_mb']:.0f} MB: a lead",
                f"{a_row[rows] * 1e6:.0f} µs",
                f"{a_row[smallest] * 1e6:.0f} µs of {smallest}",
                a_row[rows] / a_row[smallest],
                bar=1.3,
            )
            if rows == GROWTH:
                yield from _increment(zoho, Path(folder) / "home", rows, first["cpu"])


def _increment(zoho: Served, home: Path, rows: int, first: float) -> Iterator[Figure]:
    quiet = run(home, zoho.url, zoho.token)
    zoho.touch(rows // 100)
    changed = run(home, zoho.url, zoho.token)
    for what, told in (("nothing new", quiet), ("1 % changed", changed)):
        yield Figure(
            f"{what} of {rows} leads, {told['route']}, {told['credits']} credits",
            f"{told['seconds']:.2f} s",
            f"{first:.2f} s the first time",
            told["cpu"] / first,
        )


def _postgres() -> Iterator[Figure]:
    seconds: dict[str, list[float]] = {"duckdb": [], "postgres": []}
    with served(ROWS) as zoho, tempfile.TemporaryDirectory() as folder, _postgres_urls() as fresh:
        for number in range(ROUNDS):
            home = Path(folder)
            seconds["duckdb"].append(run(home / f"d{number}", zoho.url, zoho.token)["cpu"])
            seconds["postgres"].append(run(home / f"p{number}", zoho.url, zoho.token, fresh())["cpu"])
    ours, other = median(seconds["postgres"]), median(seconds["duckdb"])
    yield Figure(f"{ROWS} leads for the first time, Postgres", f"{ours:.2f} s", f"{other:.2f} s DuckDB", ours / other)


@contextmanager
def _postgres_urls() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a server of its own."""
    import psycopg2

    from tests.postgres import running_postgres

    with running_postgres() as url:
        made: list[str] = []

        def fresh() -> str:
            name = f"bench_{len(made)}"
            connection = psycopg2.connect(url)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"create database {name}")
            connection.close()
            made.append(name)
            return f"{url.rsplit('/', 1)[0]}/{name}"

        yield fresh


def _cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _fetch(zoho: Served, file: Path) -> None:
    """The same job as ours, by bare httpx, its file unpacked and nothing else done to it."""
    grant = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": CLIENT_SECRET}
    with httpx.Client(base_url=zoho.url, timeout=600) as http:
        token = http.post("/oauth/v2/token", data={**grant, "refresh_token": zoho.token}).json()["access_token"]
        http.headers["Authorization"] = f"Zoho-oauthtoken {token}"
        query = {"query": {"module": {"api_name": "Leads"}, "fields": FIELDS, "page": 1}}
        job = http.post("/crm/bulk/v7/read", json=query).json()["data"][0]["details"]["id"]
        while http.get(f"/crm/bulk/v7/read/{job}").json()["data"][0]["state"] != "COMPLETED":
            time.sleep(0.1)
        zipped = file.with_suffix(".zip")
        zipped.write_bytes(http.get(f"/crm/bulk/v7/read/{job}/result").content)
    with zipfile.ZipFile(zipped) as archive, archive.open(archive.namelist()[0]) as packed, file.open("wb") as plain:
        while block := packed.read(1 << 20):
            plain.write(block)


def _merge(file: Path) -> None:
    """DuckDB reads the file and merges it by its key into a table in a file of its own."""
    with duckdb.connect(str(file.with_suffix(".duckdb"))) as connection:
        connection.execute(f"create table staged as select * from read_csv('{file}')")
        connection.execute(
            'create table leads as select * from staged limit 0; alter table leads add primary key ("Id")'
        )
        connection.execute("insert or replace into leads select * from staged; drop table staged")

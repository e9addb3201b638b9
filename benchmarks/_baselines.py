"""The baselines of a first load: bare httpx fetches the same pages, and the engine alone merges the same rows."""

import re
import time
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx

from benchmarks._simulator_process import CLIENT, CLIENT_SECRET, RunningSimulator


@dataclass(frozen=True)
class Spent:
    """Wall-clock seconds, and CPU seconds of this process."""

    seconds: float
    cpu: float


def timed(work: Callable[[], Any]) -> Spent:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - began, time.process_time() - used)


@contextmanager
def _signed_in(zoho: RunningSimulator, token: str) -> Any:
    grant = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": CLIENT_SECRET, "refresh_token": token}
    with httpx.Client(base_url=zoho.url, timeout=600) as http:
        access = http.post("/oauth/v2/token", data=grant).json()["access_token"]
        http.headers["Authorization"] = f"Zoho-oauthtoken {access}"
        yield http


def field_names(zoho: RunningSimulator) -> list[str]:
    """Return the name of every field of leads, as a sync requests them."""
    with _signed_in(zoho, zoho.token) as http:
        fields = http.get("/crm/v7/settings/fields", params={"module": "Leads"}).json()["fields"]
        return [field["api_name"] for field in fields]


def fetch_jobs(zoho: RunningSimulator, fields: list[str], folder: Path) -> None:
    """Fetch all leads by Bulk Read, one job after another. The files are unpacked and otherwise left as they are."""
    folder.mkdir()
    with _signed_in(zoho, zoho.token) as http:
        query: dict[str, Any] = {"module": {"api_name": "Leads"}, "fields": fields, "page": 1}
        for number in range(1_000):
            job = http.post("/crm/bulk/v7/read", json={"query": query}).json()["data"][0]["details"]["id"]
            while (shown := http.get(f"/crm/bulk/v7/read/{job}").json()["data"][0])["state"] != "COMPLETED":
                time.sleep(0.1)
            zipped = folder / f"{number}.zip"
            zipped.write_bytes(http.get(f"/crm/bulk/v7/read/{job}/result").content)
            with zipfile.ZipFile(zipped) as archive:
                Path(archive.extract(archive.namelist()[0], folder)).rename(folder / f"{number}.csv")
            if not shown["result"]["more_records"]:
                return
            query = {"page_token": shown["result"]["next_page_token"]}


def fetch_lists(zoho: RunningSimulator, fields: list[str], folder: Path) -> None:
    """Fetch all leads by lists of 200, one call after another. A regular expression finds the next page token."""
    folder.mkdir()
    parameters = {"fields": ",".join(fields[:50]), "per_page": "200", "sort_by": "Modified_Time", "sort_order": "asc"}
    with _signed_in(zoho, zoho.lists_token) as http:
        for number in range(1_000_000):
            answer = http.get("/crm/v7/Leads", params={**parameters, "converted": "both"}).content
            (folder / f"{number}.json").write_bytes(answer)
            token = re.search(rb'"next_page_token":\s*"([^"]+)"', answer)
            if token is None:
                return
            parameters["page_token"] = token[1].decode()


def merge_csv(folder: Path) -> None:
    _merge(folder, f"select * from read_csv('{folder}/*.csv')", '"Id"')


def merge_json(folder: Path) -> None:
    records = f"select unnest(data) as record from read_json('{folder}/*.json', maximum_object_size = 100000000)"
    _merge(folder, f"select record.* from ({records})", "id")


def _merge(folder: Path, rows: str, key: str) -> None:
    """Let DuckDB read the files and merge them by key into a table of a separate file."""
    with duckdb.connect(str(folder / "baseline.duckdb")) as connection:
        connection.execute(f"create table staged as {rows}; create table leads as select * from staged limit 0")
        connection.execute(
            f"merge into leads using staged on (leads.{key} = staged.{key}) when matched then update when not matched"
            " then insert"
        )
        connection.execute("drop table staged")


def merge_postgres(folder: Path, url: str) -> None:
    """Let Postgres copy the files into a table of texts and merge them by key."""
    import psycopg2

    files = sorted(folder.glob("*.csv"))
    names = files[0].open().readline().strip().split(",")
    columns = ", ".join(f'"{name}" text' for name in names)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f'create table leads ({columns}, primary key ("Id")); create temp table staged (like leads)')
        for file in files:
            with file.open("rb") as stream:
                cursor.copy_expert("copy staged from stdin with (format csv, header)", stream)
        updates = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name != "Id")
        cursor.execute(f'insert into leads select * from staged on conflict ("Id") do update set {updates}')
    connection.close()

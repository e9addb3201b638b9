"""What the page of a channel reads, on both engines: the same numbers as the API, in few queries."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg2
import pytest

from tests.web.world import HOSTILE, LONG, NAMES
from zoho_pipeline.reading.channel_numbers import HAS_DATA, read_contents, read_numbers
from zoho_pipeline.reading.insight import read_from
from zoho_pipeline.reading.leads import page
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection
from zoho_pipeline.web.pages.page_numbers import PageNumbers, read_page_numbers

MARTS = (
    "channel_insight", "lead", "recent_lead", "lead_volume", "conversion_rate", "topic_performance",
    "time_to_first_contact", "content_performance",
)  # fmt: skip
EARLIER = "insert into {0} select * replace (as_of_date - 1 as as_of_date) from {0} where channel_id = 'acme'"


@pytest.fixture(params=["duckdb", "postgres"])
def marts(request: pytest.FixtureRequest, world: Path, tmp_path: Path) -> Iterator[Connection]:
    """The marts of the world. `acme` also has the rows of an earlier day."""
    file = shutil.copy(world, tmp_path / "published.duckdb")
    with closing(duckdb.connect(str(file))) as raw:
        raw.execute("use marts")
        for mart in ("channel_insight", "conversion_rate", "topic_performance", "time_to_first_contact"):
            raw.execute(EARLIER.format(mart))
        if request.param == "duckdb":
            yield DuckDBConnection(raw)
            return
        with closing(psycopg2.connect(request.getfixturevalue("postgres_url"))) as server:
            _copy(raw, server)
            yield PostgresConnection(server)


def _copy(raw: duckdb.DuckDBPyConnection, server: "psycopg2.extensions.connection") -> None:
    with server.cursor() as cursor:
        for mart in MARTS:
            columns = raw.execute(f"select column_name, data_type from duckdb_columns() where table_name = '{mart}'")
            typed = ", ".join(
                f"{name} {kind.replace('VARCHAR', 'text').replace('DOUBLE', 'double precision')}"
                for name, kind in columns.fetchall()
            )
            cursor.execute(f"create table {mart} ({typed})")
            for row in raw.execute(f"select * from {mart}").fetchall():
                cursor.execute(f"insert into {mart} values ({', '.join(['%s'] * len(row))})", row)


@pytest.mark.parametrize("channel", [*NAMES, "unknown"])
def test_they_are_the_numbers_of_the_api(marts: Connection, channel: str) -> None:
    found = read_page_numbers(marts, channel, 20, 5)
    assert found.numbers == read_numbers(marts, [channel]).get(channel)
    leads, _ = page(marts, channel, 20)
    shown = ("full_name", "company", "lead_status", "lead_source", "content_id", "content_title", "is_converted")
    assert [[row[name] for name in shown] for row in found.leads] == [[row[name] for name in shown] for row in leads]
    assert [row["created_local"].isoformat() for row in found.leads] == [row["created_local"] for row in leads]
    try:
        insight = read_from(marts, channel)
    except NotPublished:
        insight = {"data_status": "never_synced"}
    assert (found.insight is None) == (insight["data_status"] not in HAS_DATA)
    if found.insight is None:
        assert found.contents == ()
        return
    assert found.contents == read_contents(marts, channel, 5)
    lists = {
        "weeks": [row for row in insight["lead_volume"] if row["grain"] == "week"],
        "source_rates": [
            row
            for row in insight["conversion_rate"]
            if (row["stage"], row["definition"], row["dimension"]) == ("deal", "matured_30d", "lead_source")
        ],
        "topic_rates": insight["topic_performance"],
        "first_contact": [row for row in insight["time_to_first_contact"] if row["dimension"] == "all"],
    }
    for name, rows in lists.items():
        own = found.insight[name]
        assert rows or channel != "acme", f"the world has no {name}, so nothing is tested"
        keys = [*own[0]] if own else []
        assert sorted(map(repr, own)) == sorted(repr({key: row[key] for key in keys}) for row in rows), name
    own, other = (
        [(row["lead_channel"], row["n_leads"]) for row in rows]
        for rows in (found.insight["lead_channels"], insight["lead_channels"])
    )
    assert own == other
    assert own or channel != "acme"
    plain = {name: value for name, value in found.insight.items() if not isinstance(value, list)}
    shared = plain.keys() & insight.keys()
    assert plain.keys() - shared == {"channel_id", "as_of_date", "as_of_utc"} - shared
    assert {name: plain[name] for name in shared} == {name: insight[name] for name in shared}


def test_leads_after_as_of_count_beyond_the_list(marts: Connection) -> None:
    found = read_page_numbers(marts, "acme", 3, 1)
    assert [len(found.leads), len(found.contents)] == [3, 1]
    assert found.numbers is not None
    assert found.numbers.newer_than_as_of == 30


def test_the_size_holds_the_texts_of_a_tenant(marts: Connection) -> None:
    found = read_page_numbers(marts, "acme", 40, 5)
    assert LONG in [row["company"] for row in found.leads]
    assert HOSTILE in [row["full_name"] for row in found.leads]
    assert found.size > len(LONG) + PageNumbers(found.numbers, found.insight).size > 2 * PageNumbers().size

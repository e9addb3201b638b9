"""What the page of a channel reads, on both engines: the same numbers as the API, packed or in few queries."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg2
import pytest

from tests.params import combined
from tests.web.world import LONG, NAMES
from zoho_pipeline.reading.channel_numbers import HAS_DATA, read_numbers
from zoho_pipeline.reading.insight import read_from
from zoho_pipeline.reading.leads import page
from zoho_pipeline.transform.channel_pages import CONTENTS, LEADS
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


@pytest.fixture(params=["packed", "duckdb", "postgres"])
def marts(request: pytest.FixtureRequest, world: Path, tmp_path: Path) -> Iterator[Connection]:
    """The marts of the world. `acme` also has the rows of an earlier day."""
    file = shutil.copy(world, tmp_path / "published.duckdb")
    with closing(duckdb.connect(str(file))) as raw:
        raw.execute("use marts")
        for mart in ("channel_insight", "conversion_rate_counts", "topic_performance", "time_to_first_contact"):
            raw.execute(EARLIER.format(mart))
        if request.param != "packed":  # as in a publication of an older version
            for table in ("channel_pages", "insight_rates", "packed_insights"):
                raw.execute(f"drop table pipeline_state.{table}")
        if request.param != "postgres":
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


@pytest.mark.parametrize(
    ("marts", "channel"),
    combined(
        ["packed", "duckdb", "postgres"],
        [*NAMES, "unknown"],
        quick=[
            *(("packed", channel) for channel in [*NAMES, "unknown"]),
            *((marts, channel) for marts in ("duckdb", "postgres") for channel in ("acme", "unknown")),
        ],
    ),
    indirect=["marts"],
)
def test_they_are_the_numbers_of_the_api(marts: Connection, channel: str) -> None:
    found = read_page_numbers(marts, channel)
    assert found.numbers == read_numbers(marts, [channel]).get(channel)
    leads, _ = page(marts, channel, LEADS)
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
    assert found.contents == earned(marts, channel)
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


def earned(marts: Connection, channel: str) -> list[dict[str, object]]:
    """The content items with the most leads by last touch, from all rows of the mart."""
    rows = [row for row in marts.rows("select * from content_performance") if row["channel_id"] == channel]
    found = [row for row in rows if row["model"] == "last_touch" and row["content_id"] != "(none)"]
    found = sorted((row for row in found if row["credited_leads"]), key=lambda row: -row["credited_leads"])
    names = {"credited_leads": "leads", "credited_won_deals": "won", "won_revenue": "revenue", "currency": "currency"}
    assert found or channel != "acme"
    return [
        {"title": row["title"] or row["content_id"]} | {name: row[column] for column, name in names.items()}
        for row in found[:CONTENTS]
    ]


def test_leads_after_as_of_count_beyond_the_list(marts: Connection) -> None:
    found = read_page_numbers(marts, "acme")
    assert len(found.leads) == LEADS
    assert found.numbers is not None
    assert found.numbers.newer_than_as_of == 30


def test_the_size_holds_the_texts_of_a_tenant(marts: Connection) -> None:
    found = read_page_numbers(marts, "acme")
    one = PageNumbers(leads=[{**found.leads[0], "company": LONG}])
    assert one.size > len(LONG) + PageNumbers().size
    assert found.size > PageNumbers(found.numbers, found.insight, found.contents).size
    assert PageNumbers(found.numbers, found.insight).size > 2 * PageNumbers().size


@pytest.mark.parametrize("marts", ["packed"], indirect=True)
@pytest.mark.parametrize("content", ["null", "'{'", "'null'", "'{}'", "replace(content, ':\"20', ':\"x')"])
@pytest.mark.long
def test_a_damaged_packed_row_hides_no_number(marts: Connection, content: str) -> None:
    before = read_page_numbers(marts, "acme")
    marts.execute(f"update pipeline_state.channel_pages set content = {content}")
    assert read_page_numbers(marts, "acme") == before

"""Pages of leads: no lead twice, none left out, also while leads arrive, are counted and are deleted."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.reading.leads import LeadFilter, Position, page
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection

BEGIN = datetime.fromisoformat("2026-06-01T00:00:00")
LISTED = 12
"""As `recent_lead` has at least one lead more than the largest page, here: 12 leads and pages of 8."""

TABLES = {
    "recent_lead": "zoho_lead_id text, lead_rank bigint, created_at timestamp, created_local timestamp, full_name text,"
    " email text, phone text, company text, lead_status text, lead_source text, owner_name text, content_id text,"
    " content_title text, is_converted boolean, is_newer_than_as_of boolean, captured_by text",
    "lead": "zoho_lead_id text, created_at timestamp, created_local timestamp, company text, lead_status text,"
    " lead_source text, owner_name text, is_converted boolean, captured_by text",
    "lead_contact": "person_id text, kind text, full_name text, email text, phone text, mobile text",
    "lead_source_attribution": "zoho_lead_id text, content_id text",
    "content_performance": "content_id text, model text, title text",
}


@dataclass(frozen=True)
class Lead:
    id: str
    second: int | None
    status: str
    source: str

    @property
    def created_at(self) -> datetime | None:
        return None if self.second is None else BEGIN + timedelta(seconds=self.second)

    @property
    def place(self) -> tuple[datetime, str]:
        return (self.created_at or BEGIN - timedelta(days=1), self.id)


def captured_by(lead: Lead) -> str:
    return "landing_page" if lead.source == "a" else "zoho_crm"


def newest_first(leads: Sequence[Lead]) -> list[Lead]:
    return sorted(leads, key=lambda lead: lead.place, reverse=True)


def publish(connection: Connection, leads: Sequence[Lead], as_of: int) -> None:
    """Write the marts of these leads, as a transform at `as_of` does. Another channel has the same leads."""
    until = BEGIN + timedelta(seconds=as_of)
    rows: dict[str, list[Sequence[Any]]] = {table: [] for table in TABLES}
    for channel in ("c", "other"):
        for rank, lead in enumerate(newest_first(leads)[:LISTED], 1):
            later = lead.created_at is not None and lead.created_at > until
            where = ("post", "A post") if not later and lead.status == "a" else (None, None)
            at = (lead.created_at, lead.created_at)
            person = (f"N {lead.id}", f"{lead.id}@x.example", f"+91 {lead.id}", "Firm")
            found = (channel, lead.id, rank, *at, *person, lead.status, lead.source, "Asha", *where, False, later)
            rows["recent_lead"].append((*found, None if later else captured_by(lead)))
        for lead in leads:
            if lead.created_at is None or lead.created_at <= until:
                found = (channel, lead.id, lead.created_at, lead.created_at, "Firm", lead.status, lead.source)
                rows["lead"].append((*found, "Asha", False, captured_by(lead)))
                name, mail = f"N {lead.id}", f"{lead.id}@x.example"
                rows["lead_contact"].append((channel, lead.id, "lead", name, mail, None, f"+91 {lead.id}"))
                rows["lead_contact"].append((channel, lead.id, "contact", "Somebody else", None, None, None))
                credited = "post" if lead.status == "a" else None
                rows["lead_source_attribution"].append((channel, lead.id, credited))
        rows["content_performance"] += [(channel, "post", model, "A post") for model in ("linear", "last_touch")]
    for table, columns in TABLES.items():
        connection.execute(f"drop table if exists {table}")
        connection.execute(f"create table {table} (channel_id text, {columns})")
        insert(connection, table, rows[table])


def insert(connection: Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        connection.execute(f"insert into {table} values {', '.join([one] * len(rows))}", values)


@pytest.fixture(scope="module")
def duckdb_session() -> Iterator[Connection]:
    with closing(duckdb.connect()) as raw:
        yield DuckDBConnection(raw)


def walk(connection: Connection, limit: int, only: LeadFilter | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    rows, after = page(connection, "c", limit, None, only)
    found += rows
    while after is not None:
        assert len(rows) == limit
        rows, after = page(connection, "c", limit, after, only)
        found += rows
    return found


seconds = st.one_of(st.none(), st.integers(0, 20))
words = st.sampled_from(["a", "b"])
few_leads = st.lists(
    st.builds(Lead, st.integers(0, 999).map(str), seconds, words, words), max_size=30, unique_by=lambda lead: lead.id
)


def within_the_list(leads: Sequence[Lead], as_of: int) -> bool:
    return sum(1 for lead in leads if lead.second is not None and lead.second > as_of) <= LISTED


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(few_leads, st.integers(0, 22), st.integers(1, 8))
def test_all_pages_together_are_the_whole_list(leads: list[Lead], as_of: int, limit: int) -> None:
    leads = leads if within_the_list(leads, as_of) else leads[:LISTED]
    with closing(duckdb.connect()) as raw:
        connection = DuckDBConnection(raw)
        publish(connection, leads, as_of)
        found = walk(connection, limit)
        assert [row["id"] for row in found] == [lead.id for lead in newest_first(leads)]
        wanted = {lead.id: lead for lead in leads}
        for row in found:
            lead = wanted[row["id"]]
            later = lead.second is not None and lead.second > as_of
            assert row["is_newer_than_as_of"] is later
            assert (row["full_name"], row["email"]) == (f"N {lead.id}", f"{lead.id}@x.example")
            assert row["phone"] == f"+91 {lead.id}"
            assert row["captured_by"] == (None if later else captured_by(lead))
            assert row["content_title"] == ("A post" if lead.status == "a" and not later else None)
        for only, test in (
            (LeadFilter(status="a"), lambda lead: lead.status == "a"),
            (LeadFilter(source="b", content_id="post"), lambda lead: lead.source == "b" and lead.status == "a"),
        ):
            counted = [lead for lead in newest_first(leads) if lead.second is None or lead.second <= as_of]
            assert [row["id"] for row in walk(connection, limit, only)] == [lead.id for lead in counted if test(lead)]


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(few_leads, few_leads, st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.data())
def test_a_walk_while_leads_come_and_go(
    leads: list[Lead], more: list[Lead], as_of: int, later: int, limit: int, data: st.DataObject
) -> None:
    """New leads are created after the first page, so they are newer than each lead that stood at the start."""
    leads = leads if within_the_list(leads, as_of) else leads[:LISTED]
    known = {lead.id for lead in leads}
    arriving = [Lead(f"9{lead.id}", 30, lead.status, lead.source) for lead in more if f"9{lead.id}" not in known]
    gone = data.draw(st.sets(st.sampled_from(sorted(known))) if known else st.just(set()))
    stay = [lead for lead in leads if lead.id not in gone]
    now = stay + arriving
    # the sync that brought them moved as_of; so all that stood at the start is counted, or still in the list
    bound = max(as_of, later) if len(arriving) + sum(1 for x in stay if (x.second or 0) > as_of) <= LISTED else 60
    with closing(duckdb.connect()) as raw:
        connection = DuckDBConnection(raw)
        publish(connection, leads, as_of)
        rows, after = page(connection, "c", limit)
        found = list(rows)
        publish(connection, now, bound)
        while after is not None:
            rows, after = page(connection, "c", limit, after)
            found += rows
    ids = [row["id"] for row in found]
    assert len(ids) == len(set(ids))
    assert {lead.id for lead in stay} <= set(ids)
    assert not {lead.id for lead in arriving} & set(ids)


def test_the_same_on_postgres(postgres_url: str) -> None:
    leads = [
        Lead(str(number), number % 7 if number % 11 else None, "ab"[number % 2], "ab"[number % 3 % 2])
        for number in range(30)
    ]
    with closing(psycopg2.connect(postgres_url)) as raw:
        connection = PostgresConnection(raw)
        publish(connection, leads, 5)
        assert [row["id"] for row in walk(connection, 7)] == [lead.id for lead in newest_first(leads)]
        only = LeadFilter(status="a", source="b", content_id="post")
        counted = [x for x in newest_first(leads) if (x.second or 0) <= 5 and (x.status, x.source) == ("a", "b")]
        found = [(row["id"], row["captured_by"]) for row in walk(connection, 2, only)]
        assert found == [(lead.id, "zoho_crm") for lead in counted]
        for table in ("lead", "recent_lead"):  # as an older version published them
            connection.execute(f"alter table {table} drop column captured_by")
        assert {row["captured_by"] for row in walk(connection, 7)} == {None}


def test_a_position_survives_microseconds(duckdb_session: Connection) -> None:
    publish(duckdb_session, [], 0)
    moments = [BEGIN + timedelta(microseconds=place) for place in range(5)]
    leads = [("c", str(place), at, at, None, None, None, None, False, "zoho_crm") for place, at in enumerate(moments)]
    insert(duckdb_session, "lead", leads)
    after: Position = (f"{moments[3].isoformat()}Z", "3")
    rows, _ = page(duckdb_session, "c", 5, after)
    assert [row["id"] for row in rows] == ["2", "1", "0"]

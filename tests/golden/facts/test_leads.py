"""Live leads, local months, lead sources, people, and channels without data."""
# ruff: noqa: E501 (tables)

import pytest

from tests.golden.conftest import Builder
from tests.golden.facts.text_tables import Marts

RAW = {
    "channels": """
        channel_id | timezone         | currency | last_complete_sync_at | leads_readable
        live       | Asia/Kolkata     | INR      | 2026-11-30 12:00:00   | true
        source     | America/New_York | USD      | 2026-11-30 12:00:00   |
        stale      | UTC              | EUR      | 2026-11-29 11:59:59   | true
        fresh      | UTC              | EUR      | 2026-11-29 12:00:00   | true
        never      | UTC              | EUR      |                       | true
        missing    | UTC              | EUR      | 2026-11-30 12:00:00   | false
        empty      | UTC              | EUR      | 2026-11-30 12:00:00   | true
        nodeals    | UTC              | EUR      | 2026-11-30 12:00:00   | true
    """,
    "sync_runs": """
        channel_id | run_id | module | started_at          | outcome
        nodeals    | r1     | Deals  | 2026-11-29 12:00:00 | complete
        nodeals    | r2     | Deals  | 2026-11-30 12:00:00 | skipped
        nodeals    | r2     | Calls  | 2026-11-30 12:00:00 | skipped
        nodeals    | r2     | Events | 2026-11-30 12:00:00 | skipped
        nodeals    | r2     | Tasks  | 2026-11-30 12:00:00 | skipped
        live       | r1     | Deals  | 2026-11-29 12:00:00 | skipped
        live       | r2     | Deals  | 2026-11-30 12:00:00 | complete
    """,
    "leads": """
        channel_id | id | created_time        | record_status | email    | owner_id | owner_name | company | converted | converted_date_time | converted_contact_id | lead_source
        live       | 1  | 2026-03-31 18:29:59 | Available     | A@x.com  | u1       | Asha       | Acme    | true      | 2026-04-02 00:00:00 | c1                   |
        live       | 2  | 2026-03-31 18:30:00 |               | a@X.com  | u2       |            |         | true      | 2026-04-01 00:00:00 | c1                   |
        live       | 3  | 2026-04-01 00:00:00 | Trash         | a@x.com  |          |            |         |           |                     |                      |
        live       | 4  | 2026-04-01 00:00:00 | Draft         |          |          |            |         |           |                     |                      |
        live       | 5  | 2026-04-01 00:00:00 | Available     | b@x.com  |          |            |         |           |                     |                      |
        live       | 6  | 2026-04-01 00:00:00 | Available     | b@x.com  |          |            |         |           |                     |                      |
        live       | 7  | 2026-11-30 12:00:00 | Available     |          |          |            |         |           |                     |                      |
        live       | 8  | 2026-11-30 12:00:01 | Available     |          |          |            |         |           |                     |                      |
        stale      | 1  | 2026-11-01 00:00:00 |               |          |          |            |         |           |                     |                      |
        fresh      | 1  | 2026-11-01 00:00:00 |               |          |          |            |         |           |                     |                      |
        never      | 1  | 2026-11-01 00:00:00 |               |          |          |            |         |           |                     |                      |
        missing    | 1  | 2026-11-01 00:00:00 |               |          |          |            |         |           |                     |                      |
        nodeals    | 1  | 2026-11-01 00:00:00 |               |          |          |            |         | true      | 2026-11-02 00:00:00 | c1                   | Chat
    """,
    "users": """
        channel_id | id | full_name
        live       | u2 | Bela
    """,
    "contacts": """
        channel_id | id | full_name | account_name_name | account_name_id | created_time
        live       | c1 | Asha      | Acme Ltd          | a1              | 2026-04-01 00:00:00
        live       | c2 | Gone      |                   |                 | 2026-04-01 00:00:00
        live       | c3 | Later     |                   |                 | 2026-12-01 00:00:00
    """,
    "deleted_records": """
        channel_id | module   | id | restored_at
        live       | Leads    | 5  |
        live       | Leads    | 6  | 2026-05-01 00:00:00
        live       | Contacts | c2 |
        live       | Contacts | 1  |
    """,
    "channel_field_map": """
        channel_id | field_key   | api_name | basis
        source     | utm_source  | Src      | set
        source     | referrer    | Ref      | set
        source     | landing_url | Land     | set
    """,
    "channel_lead_source_map": """
        channel_id | raw_value | lead_source
        source     | Fb        | Meta
        live       | chat      | Talk
    """,
    "content_items": """
        channel_id | content_id | content_type | published_at
        never      | p1         | blog_post    | 2026-01-01 00:00:00
        empty      | p1         | blog_post    | 2026-01-01 00:00:00
    """,
}
RAW["leads"] += "\n".join(
    f"        source | {n} | 2026-03-08 06:30:00 | | | | | | | | | {source}"
    for n, source in enumerate(["Web Download", "-None-", "", "", "LINKEDIN", "LinkedIn", "", "", "chat", ""], 1)
)
FIELDS = [
    "{}",
    '{"Src": "LinkedIn"}',
    '{"Ref": "https://www.Google.com:443/search?q=a"}',
    "{}",
    '{"Src": "google"}',
    '{"Ref": "lnkd.in/abc"}',
    '{"Src": "FB"}',
    '{"Src": "Partner%20Blog"}',
    '{"Src": " "}',
    '{"Land": "https://me.com/?utm_source=Bing", "Ref": "https://google.com"}',
]


def _with_fields(text: str) -> str:
    """Return the lead rows with the column custom_fields. Those of the source channel come from FIELDS, in order."""
    header, *rows = [line for line in text.splitlines() if line.strip()]
    fields = iter(FIELDS)
    return "\n".join(
        [f"{header} | custom_fields"]
        + [f"{row} | {next(fields) if row.split('|')[0].strip() == 'source' else ''}" for row in rows]
    )


RAW["leads"] = _with_fields(RAW["leads"])


def test_live_leads_in_local_time(fact_marts: Marts) -> None:
    """Midnight in Kolkata is 18:30 UTC; leads in the bin, drafts, deleted leads and leads after as_of do not count."""
    fact_marts.expect(
        "lead",
        "live",
        """
        zoho_lead_id | source   | created_local       | is_converted | owner_name | company | is_duplicate_email | as_of_utc
        1            | zoho_crm | 2026-03-31 23:59:59 | yes          | Asha       | Acme    | yes                | 2026-11-30 12:00:00
        2            | zoho_crm | 2026-04-01 00:00:00 | yes          | Bela       |         | yes                | 2026-11-30 12:00:00
        6            | zoho_crm | 2026-04-01 05:30:00 | no           |            |         | no                 | 2026-11-30 12:00:00
        7            | zoho_crm | 2026-11-30 17:30:00 | no           |            |         | no                 | 2026-11-30 12:00:00
        """,
    )
    fact_marts.expect(
        "lead_source_attribution",
        "live",
        """
        zoho_lead_id | created_month | lead_source | n_deals
        1            | 2026-03-01    | Unknown     | 0
        2            | 2026-04-01    | Unknown     | 0
        6            | 2026-04-01    | Unknown     | 0
        7            | 2026-11-01    | Unknown     | 0
        """,
    )


def test_people(fact_marts: Marts) -> None:
    """A contact's lead is the one that created it: lead 2 converted first."""
    fact_marts.expect(
        "lead_contact",
        "live",
        """
        person_id | kind    | full_name | email   | company  | account_id | zoho_lead_id
        1         | lead    |           | A@x.com | Acme     |            | 1
        2         | lead    |           | a@X.com |          |            | 2
        6         | lead    |           | b@x.com |          |            | 6
        7         | lead    |           |         |          |            | 7
        c1        | contact | Asha      |         | Acme Ltd | a1         | 2
        """,
    )


def test_lead_sources(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution",
        "source",
        """
        zoho_lead_id | lead_source  | lead_source_raw | lead_source_basis | lead_source_conflict
        1            | Web Download | Web Download    | picklist          | no
        2            | LinkedIn     | LinkedIn        | utm_source        | no
        3            | Google       | google.com      | referrer          | no
        4            | Unknown      |                 | unknown           | no
        5            | LinkedIn     | LINKEDIN        | picklist          | yes
        6            | LinkedIn     | LinkedIn        | picklist          | no
        7            | Meta         | FB              | utm_source        | no
        8            | Partner Blog | Partner%20Blog  | utm_source        | no
        9            | chat         | chat            | picklist          | no
        10           | Bing         | Bing            | utm_source        | no
        """,
    )


def test_no_data_is_not_zero(fact_marts: Marts) -> None:
    for channel_id in ("never", "missing", "empty"):
        assert fact_marts.cells("lead", ["zoho_lead_id"], channel_id) == []
    for channel_id in ("stale", "fresh"):
        assert fact_marts.cells("lead", ["zoho_lead_id"], channel_id) == [{"zoho_lead_id": "1"}]
    columns = ["content_id", "credited_leads", "credited_deals", "won_revenue", "n_leads", "conversion_rate"]
    for channel_id, leads, revenue in (("never", "", ""), ("empty", "0.0000000000", "0.00")):
        rows = fact_marts.cells("content_performance", columns, channel_id)
        assert len(rows) == 10
        assert {tuple(row.values())[1:] for row in rows} == {(leads, leads, revenue, leads, "")}


def test_an_absent_module_nulls_what_derives_from_it(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution",
        "nodeals",
        """
        zoho_lead_id | lead_source | is_converted | has_deal | n_deals | deal_within_30d | is_won | won_revenue_all
        1            | Chat        | yes          |          |         |                 |        |
        """,
    )
    fact_marts.expect(
        "lead_first_contact",
        "nodeals",
        "zoho_lead_id | is_contacted | contact_status | observed_seconds\n1 | | |",
    )


@pytest.mark.long
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_an_earlier_as_of_leaves_out_what_came_later(build_marts: Builder, engine: str) -> None:
    earlier = build_marts(engine, RAW, "2026-04-01T00:00:00+05:30")
    earlier.expect(
        "lead",
        "live",
        """
        zoho_lead_id | is_converted | as_of_utc
        1            | yes          | 2026-03-31 18:30:00
        2            | yes          | 2026-03-31 18:30:00
        """,
    )
    later = build_marts(engine, RAW, "2027-01-01T00:00:00Z")
    assert later.cells("lead", ["as_of_utc"], "live")[0] == {"as_of_utc": "2026-11-30 12:00:00"}

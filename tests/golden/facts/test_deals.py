"""Deals: the lead they belong to, the meaning of their stage, their amount in home currency, their share of revenue."""
# ruff: noqa: E501 (tables)

import pytest

from tests.golden.facts.text_tables import Marts, rows_of, shown

RAW = {
    "channels": """
        channel_id | timezone      | currency | last_complete_sync_at
        sales      | Europe/Berlin | EUR      | 2026-06-30 00:00:00
        turned     | UTC           | INR      | 2026-06-30 00:00:00
        unset      | UTC           |          | 2026-06-30 00:00:00
    """,
    "channel_parameters": """
        channel_id | name                    | value
        turned     | exchange_rate_direction | multiply
    """,
    "channel_field_map": """
        channel_id | field_key          | api_name | basis
        sales      | landing_url        | L        | set
        sales      | first_visited_url  | U        | set
        sales      | first_visited_time | T        | set
    """,
    "content_items": """
        channel_id | content_id | content_type | published_at        | canonical_url
        sales      | a          | blog_post    | 2026-01-01 00:00:00 | s.com/a
        sales      | b          | blog_post    | 2026-01-01 00:00:00 | s.com/b
    """,
    # 'Closed Won' is open here and 'Kalt' is won: the name of a stage decides nothing.
    "deal_stages": """
        channel_id | pipeline | stage      | forecast_type | probability
        sales      | Std      | Closed Won | Open          | 90
        sales      | Std      | Kalt       | Closed Won    | 0
        sales      | Std      | Weg        | Closed Lost   | 0
        sales      | Std      | P100       |               | 100
        sales      | Std      | P0         |               | 0
        sales      | Std      | P50        |               | 50
        sales      | Std      | Both       | Open          | 50
        sales      | New      | Both       | Closed Won    | 100
        turned     | ''       | Won        | Closed Won    | 100
        unset      | ''       | Won        | Closed Won    | 100
    """,
    "leads": """
        channel_id | id | created_time        | converted | converted_date_time | converted_contact_id | converted_deal_id | custom_fields
        sales      | 1  | 2026-03-01 00:00:00 | true  | 2026-03-31 00:00:00 | c1 | d1  | {"L": "s.com/b", "U": "s.com/a", "T": "2026-02-22T00:00:00Z"}
        sales      | 2  | 2026-03-01 00:00:00 | true  | 2026-03-31 00:00:01 | c2 | d2  |
        sales      | 3  | 2026-03-01 00:00:00 | true  | 2026-03-10 00:00:00 | c3 |     |
        sales      | 4  | 2026-03-05 00:00:00 | true  | 2026-03-12 00:00:00 | c3 |     |
        sales      | 50 | 2026-03-05 00:00:00 | true  | 2026-03-12 00:00:00 | c5 |     |
        sales      | 6  | 2026-03-05 00:00:00 | true  | 2026-03-12 00:00:00 | c5 |     |
        sales      | 7  | 2026-03-05 00:00:00 | true  | 2026-03-12 10:00:00 | c7 |     |
        sales      | 8  | 2026-03-05 00:00:00 | true  | 2026-03-12 00:00:00 | c8 |     |
        sales      | 9  | 2026-03-05 00:00:00 | true  | 2026-03-12 00:00:00 | c9 | d9  |
        sales      | 10 | 2026-06-20 00:00:00 | false |                     |    |     |
        turned     | 1  | 2026-03-01 00:00:00 | true  | 2026-03-02 00:00:00 | c1 | d1  |
        unset      | 1  | 2026-03-01 00:00:00 | true  | 2026-03-02 00:00:00 | c1 | d1  |
    """,
    "deals": """
        channel_id | id  | pipeline | stage      | amount | currency | exchange_rate | closing_date | contact_name_id | created_time
        sales      | d1  | Std      | Kalt       | 10.01  | USD      | 2             | 2026-04-10   | c1 | 2026-03-31 00:00:00
        sales      | d1b | Std      | P100       | 90.00  |          |               | 2026-04-10   | c1 | 2026-05-01 00:00:00
        sales      | d1c | Std      | Kalt       | 70.00  | USD      |               | 2026-04-10   | c1 | 2026-05-02 00:00:00
        sales      | d2  | Std      | Closed Won | 500    | EUR      |               |              | c2 | 2026-03-31 00:00:01
        sales      | d3  | Std      | Weg        | 100    | EUR      |               |              | c3 | 2026-03-11 00:00:00
        sales      | d4  | Std      | P0         | 100    | EUR      |               |              | c3 | 2026-03-12 00:00:00
        sales      | d5  | Std      | P50        | 100    | EUR      |               |              | c5 | 2026-03-13 00:00:00
        sales      | d7  | Std      | P50        | 100    | EUR      |               |              | c7 | 2026-03-12 09:00:00
        sales      | d7b | Std      | P50        | 100    | EUR      |               |              | c7 | 2026-03-12 08:59:59
        sales      | d8  | Nope     | Both       | 100    | EUR      |               |              | c8 | 2026-03-13 00:00:00
        sales      | d9  | New      | Both       | 1      | EUR      | 8             |              | c9 | 2026-03-12 00:00:00
        sales      | dx  | Nope     | Kalt       | 55.55  | EUR      | 1             |              |    | 2026-03-12 00:00:00
        sales      | dd  | Std      | Kalt       | 77     | EUR      | 1             |              | c9 | 2026-03-13 00:00:00
        turned     | d1  |          | Won        | 10.01  | USD      | 84.5          |              | c1 | 2026-03-02 00:00:00
        unset      | d1  |          | Won        | 10.01  | USD      |               |              | c1 | 2026-03-02 00:00:00
    """,
    # d1 was won, re-opened and won again: the second win counts.
    "deal_stage_history": """
        channel_id | id | deal_id | stage      | modified_time       | basis
        sales      | h1 | d1      | Closed Won | 2026-03-31 00:00:00 | tracker
        sales      | h2 | d1      | Kalt       | 2026-04-01 00:00:00 | tracker
        sales      | h3 | d1      | Closed Won | 2026-04-02 00:00:00 | tracker
        sales      | h4 | d1      | Kalt       | 2026-04-03 00:00:00 | tracker
        sales      | h5 | d1      | Kalt       | 2026-04-04 00:00:00 | tracker
    """,
    "deleted_records": """
        channel_id | module | id
        sales      | Deals  | dd
    """,
}


@pytest.mark.long
def test_deals_of_each_lead(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution",
        "sales",
        """
        zoho_lead_id | has_deal | deal_linked_at      | days_to_deal | deal_within_30d | is_mature_30d | n_deals | n_open_deals | n_won_deals | n_lost_deals | is_won
        1            | yes      | 2026-03-31 00:00:00 | 30.00        | yes             | yes           | 3       | 0            | 3           | 0            | yes
        2            | yes      | 2026-03-31 00:00:01 | 30.00        | no              | yes           | 1       | 1            | 0           | 0            | no
        3            | yes      | 2026-03-11 00:00:00 | 10.00        | yes             | yes           | 1       | 0            | 0           | 1            | no
        4            | yes      | 2026-03-12 00:00:00 | 7.00         | yes             | yes           | 1       | 0            | 0           | 1            | no
        50           | no       |                     |              | no              | yes           | 0       | 0            | 0           | 0            | no
        6            | yes      | 2026-03-13 00:00:00 | 8.00         | yes             | yes           | 1       | 1            | 0           | 0            | no
        7            | yes      | 2026-03-12 09:00:00 | 7.38         | yes             | yes           | 1       | 1            | 0           | 0            | no
        8            | yes      | 2026-03-13 00:00:00 | 8.00         | yes             | yes           | 1       | 0            | 0           | 0            | no
        9            | yes      | 2026-03-12 00:00:00 | 7.00         | yes             | yes           | 1       | 0            | 1           | 0            | yes
        10           | no       |                     |              | no              | no            | 0       | 0            | 0           | 0            | no
        """,
    )


def test_revenue_in_home_currency(fact_marts: Marts) -> None:
    """10.01 / 2 is 5.005, so 5.01; 1 / 8 is 0.125, so 0.13; dollars without a rate are missing, not 70."""
    expected = """
        zoho_lead_id | won_revenue_originating | won_revenue_all | currency | won_deals_missing_amount
        1            | 5.01                    | 95.01           | EUR      | 1
        9            | 0.13                    | 0.13            | EUR      | 0
    """
    columns = list(rows_of(expected)[0])
    won = [
        row for row in fact_marts.cells("lead_source_attribution", columns, "sales") if row["won_revenue_all"] != "0.00"
    ]
    assert won == rows_of(expected)


def test_the_direction_of_the_rate_is_a_parameter(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution", "turned", "zoho_lead_id | won_revenue_all | currency\n1 | 845.85 | INR"
    )  # 10.01 * 84.5 = 845.845


def test_home_currency_unknown(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution",
        "unset",
        "zoho_lead_id | won_revenue_all | currency | won_deals_missing_amount\n1 | 0.00 | | 1",
    )


def test_revenue_of_the_touches(fact_marts: Marts) -> None:
    """95.01 in halves: 47.51 rounded twice is a cent too much. It is taken from the first of the equal credits."""
    rows = [row for row in fact_marts.all_rows("lead_touch_credit") if row["channel_id"] == "sales"]
    shares = {
        (row["model"], row["content_id"]): shown(row["won_revenue"]) for row in rows if row["zoho_lead_id"] == "1"
    }
    assert shares == {
        ("first_touch", "a"): "95.01",
        ("first_touch", "b"): "0.00",
        ("last_touch", "a"): "0.00",
        ("last_touch", "b"): "95.01",
        ("linear", "a"): "47.50",
        ("linear", "b"): "47.51",
        ("position_based", "a"): "47.50",
        ("position_based", "b"): "47.51",
        ("time_decay", "a"): "31.67",
        ("time_decay", "b"): "63.34",
    }


def test_performance_of_content(fact_marts: Marts) -> None:
    """Cohort: created 60 to 30 days before. Only lead 10 is newer, and it is too young, so there is no rate."""
    fact_marts.expect(
        "content_performance",
        "sales",
        """
        content_id | model          | credited_leads | credited_deals | credited_won_deals | won_revenue | n_leads      | n_converted  | conversion_rate
        a          | first_touch    | 1.0000000000   | 3.0000000000   | 3.0000000000       | 95.01       | 0.0000000000 | 0.0000000000 |
        b          | first_touch    | 0.0000000000   | 0.0000000000   | 0.0000000000       | 0.00        | 0.0000000000 | 0.0000000000 |
        (none)     | first_touch    | 9.0000000000   | 7.0000000000   | 1.0000000000       | 0.13        | 0.0000000000 | 0.0000000000 |
        a          | last_touch     | 0.0000000000   | 0.0000000000   | 0.0000000000       | 0.00        | 0.0000000000 | 0.0000000000 |
        b          | last_touch     | 1.0000000000   | 3.0000000000   | 3.0000000000       | 95.01       | 0.0000000000 | 0.0000000000 |
        (none)     | last_touch     | 9.0000000000   | 7.0000000000   | 1.0000000000       | 0.13        | 0.0000000000 | 0.0000000000 |
        a          | linear         | 0.5000000000   | 1.5000000000   | 1.5000000000       | 47.50       | 0.0000000000 | 0.0000000000 |
        b          | linear         | 0.5000000000   | 1.5000000000   | 1.5000000000       | 47.51       | 0.0000000000 | 0.0000000000 |
        (none)     | linear         | 9.0000000000   | 7.0000000000   | 1.0000000000       | 0.13        | 0.0000000000 | 0.0000000000 |
        a          | position_based | 0.5000000000   | 1.5000000000   | 1.5000000000       | 47.50       | 0.0000000000 | 0.0000000000 |
        b          | position_based | 0.5000000000   | 1.5000000000   | 1.5000000000       | 47.51       | 0.0000000000 | 0.0000000000 |
        (none)     | position_based | 9.0000000000   | 7.0000000000   | 1.0000000000       | 0.13        | 0.0000000000 | 0.0000000000 |
        a          | time_decay     | 0.3333333333   | 0.9999999999   | 0.9999999999       | 31.67       | 0.0000000000 | 0.0000000000 |
        b          | time_decay     | 0.6666666667   | 2.0000000001   | 2.0000000001       | 63.34       | 0.0000000000 | 0.0000000000 |
        (none)     | time_decay     | 9.0000000000   | 7.0000000000   | 1.0000000000       | 0.13        | 0.0000000000 | 0.0000000000 |
        """,
    )

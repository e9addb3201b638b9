"""First contact: which activities count, to which lead they belong, business hours across clock changes and holidays."""
# ruff: noqa: E501 (tables)

from tests.golden.facts.text_tables import Marts

# berlin: clocks go forward on Sunday 29 March; default hours, Monday to Friday 9 to 18.
# kolkata: half-hour offset, its own business hours. ny: open all day, clocks go back on 1 November.
RAW = {
    "channels": """
        channel_id | timezone         | last_complete_sync_at
        berlin     | Europe/Berlin    | 2026-04-20 10:00:00
        kolkata    | Asia/Kolkata     | 2026-04-20 10:00:00
        ny         | America/New_York | 2026-11-10 12:00:00
    """,
    "leads": """
        channel_id | id  | created_time        | converted | converted_date_time | converted_contact_id | converted_deal_id
        berlin     | 1   | 2026-03-27 16:30:00 |           |                     |     |
        berlin     | 2   | 2026-04-02 15:00:00 |           |                     |     |
        berlin     | 3   | 2026-04-10 00:00:00 |           |                     |     |
        berlin     | 4   | 2026-04-13 08:00:00 |           |                     |     |
        berlin     | 5   | 2026-04-13 08:00:00 |           |                     |     |
        berlin     | 6   | 2026-04-14 08:00:00 | true      | 2026-04-15 08:00:00 | c6  |
        berlin     | 7   | 2026-04-14 10:00:00 | true      | 2026-04-14 11:00:00 | c7  | d7
        berlin     | 8   | 2026-04-15 06:00:00 |           |                     |     |
        berlin     | 9   | 2026-04-16 10:00:00 |           |                     |     |
        berlin     | 10  | 2026-04-16 08:00:00 |           |                     |     |
        berlin     | 11  | 2026-04-20 09:00:00 |           |                     |     |
        berlin     | 12  | 2026-04-20 09:00:00 |           |                     |     |
        berlin     | 13  | 2026-04-17 08:00:00 |           |                     |     |
        berlin     | 14  | 2026-04-17 08:00:00 | true      | 2026-04-17 09:00:00 | c14 |
        berlin     | 15  | 2026-04-17 08:30:00 | true      | 2026-04-17 09:10:00 | c14 |
        kolkata    | 1   | 2026-04-04 13:45:00 |           |                     |     |
        ny         | 1   | 2026-11-01 03:30:00 |           |                     |     |
    """,
    "calls": """
        channel_id | id  | call_type | call_start_time     | call_duration | call_duration_in_seconds | outgoing_call_status | call_status | who_id | what_id | se_module
        berlin     | k1  | Outbound  | 2026-03-30 07:30:00 | 01:10 |    | Completed |           |     | 1  | Leads
        berlin     | k2  | Outbound  | 2026-04-06 07:10:00 |       | 0  |           |           |     | 2  | Leads
        berlin     | s1  | Outbound  | 2026-04-10 01:00:00 |       |    | Scheduled |           |     | 3  | Leads
        berlin     | s2  | Outbound  | 2026-04-10 02:00:00 | 00:30 |    |           | Cancelled |     | 3  | Leads
        berlin     | s3  | Outbound  | 2026-04-10 02:00:00 |       |    | Overdue   |           |     | 3  | Leads
        berlin     | s4  | Missed    | 2026-04-10 02:00:00 |       |    |           |           |     | 3  | Leads
        berlin     | s5  | Inbound   | 2026-04-10 02:00:00 | 00:00 | 0  |           |           |     | 3  | Leads
        berlin     | s6  | Outbound  | 2026-04-10 02:00:00 | 00:30 |    | Completed |           |     | 3  | Accounts
        berlin     | k4  | Inbound   | 2026-04-13 07:55:00 |       | 30 |           |           |     | 4  | Leads
        berlin     | k5  | Outbound  | 2026-04-13 07:54:59 | 00:30 |    | Completed |           |     | 5  | Leads
        berlin     | k5b | Outbound  | 2026-04-13 09:00:00 | 00:30 |    | Completed |           |     | 5  | Leads
        berlin     | ka  | Outbound  | 2026-04-16 09:00:00 | 00:30 |    | Completed |           |     | 10 | Leads
        berlin     | kb  | Outbound  | 2026-04-16 10:00:00 | 00:30 |    | Completed |           |     | 10 | Leads
        berlin     | k11 | Outbound  | 2026-04-20 10:00:01 | 00:30 |    | Completed |           |     | 11 | Leads
        berlin     | k12 | Outbound  | 2026-04-20 10:00:00 | 00:30 |    | Completed |           |     | 12 | Leads
        berlin     | 10  | Outbound  | 2026-04-17 09:00:00 | 00:30 |    | Completed |           |     | 13 | Leads
        berlin     | 9   | Outbound  | 2026-04-17 09:00:00 | 00:00 |    | Completed |           |     | 13 | Leads
        berlin     | k14 | Outbound  | 2026-04-17 09:20:00 | 00:30 |    | Completed |           | c14 |    |
        kolkata    | 1   | Outbound  | 2026-04-06 04:45:00 | 00:30 |    | Completed |           |     | 1  | Leads
        ny         | 1   | Outbound  | 2026-11-01 08:00:00 | 00:30 |    | Completed |           |     | 1  | Leads
    """,
    "events": """
        channel_id | id  | start_datetime      | event_cancelled | who_id | what_id | se_module
        berlin     | e1  | 2026-04-10 03:00:00 | true            |        | 3       | Leads
        berlin     | e2  | 2026-04-21 03:00:00 | false           |        | 3       | Leads
        berlin     | e7  | 2026-04-14 09:00:00 | false           | c7     |         |
    """,
    "tasks": """
        channel_id | id  | subject                | status      | closed_time         | who_id | what_id | se_module
        berlin     | t3  | Call them              | In Progress | 2026-04-10 03:00:00 |        | 3       | Leads
        berlin     | t3b | Call them              | Completed   |                     |        | 3       | Leads
        berlin     | t7  | Follow-Up with client  | Completed   | 2026-04-14 12:00:00 |        | d7      | Deals
        berlin     | t8  | Recall emailing basics | Completed   | 2026-04-15 06:30:00 | 8      |         |
        berlin     | t8b | Send WhatsApp, please  | Completed   | 2026-04-15 07:00:36 | 8      |         |
    """,
    "notes": """
        channel_id | id  | parent_id | created_time
        berlin     | n3  | 3         | 2026-04-10 03:00:00
    """,
    "emails": """
        channel_id | id  | module | record_id | source   | sent  | sent_time
        berlin     | m3  | Leads  | 3         |          | false | 2026-04-10 03:00:00
        berlin     | m3b | Leads  | 3         | Workflow | true  | 2026-04-10 03:00:00
        berlin     | m9  | Leads  | 9         | gmail    | true  | 2026-04-16 10:00:18
    """,
    "deleted_records": """
        channel_id | module | id | restored_at
        berlin     | Calls  | ka |
        berlin     | Calls  | kb | 2026-04-18 00:00:00
        berlin     | Leads  | k1 |
    """,
    "holidays": """
        channel_id | id | date       | type
        berlin     | h1 | 2026-04-03 | business_holiday
        berlin     | h2 | 2026-04-06 | shift_holiday
    """,
    "business_intervals": """
        channel_id | iso_weekday | start_second | end_second
        kolkata    | 1           | 36000        | 70200
        kolkata    | 5           | 36000        | 70200
        kolkata    | 6           | 36000        | 70200
        ny         | 6           | 0            | 86400
        ny         | 7           | 0            | 86400
    """,
}


def test_first_contact_of_each_lead(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_first_contact",
        "berlin",
        """
        zoho_lead_id | contact_status | first_contact_activity_id | first_contact_type | seconds_to_first_contact | business_seconds_to_first_contact | hours_to_first_contact | observed_seconds | is_contacted
        1  | contacted                        | k1  | call  | 226800 | 3600 | 63.00 | 226800 | yes
        2  | contacted                        | k2  | call  | 317400 | 4200 | 88.17 | 317400 | yes
        3  | uncontacted                      |     |       |        |      |       | 900000 | no
        4  | contacted                        | k4  | call  | 0      | 0    | 0.00  | 0      | yes
        5  | contact_before_creation          | k5  | call  |        |      |       |        | no
        6  | converted_without_logged_contact |     |       |        |      |       | 86400  | no
        7  | contacted                        | t7  | task  | 7200   | 7200 | 2.00  | 7200   | yes
        8  | contacted                        | t8b | task  | 3636   | 36   | 1.01  | 3636   | yes
        9  | contacted                        | m9  | email | 18     | 18   | 0.01  | 18     | yes
        10 | contacted                        | kb  | call  | 7200   | 7200 | 2.00  | 7200   | yes
        11 | uncontacted                      |     |       |        |      |       | 3600   | no
        12 | contacted                        | k12 | call  | 3600   | 3600 | 1.00  | 3600   | yes
        13 | contacted                        | 9   | call  | 3600   | 3600 | 1.00  | 3600   | yes
        14 | contacted                        | k14 | call  | 4800   | 4800 | 1.33  | 4800   | yes
        15 | contacted                        | k14 | call  | 3000   | 3000 | 0.83  | 3000   | yes
        """,
    )


def test_conversations_are_two_way(fact_marts: Marts) -> None:
    found = fact_marts.cells("lead_first_contact", ["zoho_lead_id", "first_conversation_at"], "berlin")
    talks = {row["zoho_lead_id"]: row["first_conversation_at"] for row in found if row["first_conversation_at"]}
    assert talks == {
        "1": "2026-03-30 07:30:00",
        "4": "2026-04-13 07:55:00",
        "5": "2026-04-13 07:54:59",
        "10": "2026-04-16 10:00:00",
        "12": "2026-04-20 10:00:00",
        "13": "2026-04-17 09:00:00",
        "14": "2026-04-17 09:20:00",
        "15": "2026-04-17 09:20:00",
    }


def test_own_business_hours_in_a_half_hour_zone(fact_marts: Marts) -> None:
    """Saturday 19:15 to Monday 10:15, open 10:00 to 19:30: a quarter of an hour on either day."""
    fact_marts.expect(
        "lead_first_contact",
        "kolkata",
        """
        zoho_lead_id | seconds_to_first_contact | business_seconds_to_first_contact
        1            | 140400                   | 1800
        """,
    )


def test_open_all_day_counts_the_repeated_hour(fact_marts: Marts) -> None:
    """From 23:30 summer time to 03:00 winter time are four and a half hours, all of them open."""
    fact_marts.expect(
        "lead_first_contact",
        "ny",
        """
        zoho_lead_id | seconds_to_first_contact | business_seconds_to_first_contact
        1            | 16200                    | 16200
        """,
    )

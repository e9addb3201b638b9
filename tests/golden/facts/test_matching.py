"""The content match with its eight rules, eligibility and normalisation, and the credit of the touches."""
# ruff: noqa: E501 (tables)

from tests.golden.facts.text_tables import Marts

RAW = {
    "channels": """
        channel_id | timezone | currency | last_complete_sync_at
        match      | UTC      | EUR      | 2026-06-30 00:00:00
        touch      | UTC      | EUR      | 2026-06-30 00:00:00
        other      | UTC      | EUR      | 2026-06-30 00:00:00
    """,
    "channel_field_map": """
        channel_id | field_key          | api_name           | basis
        match      | utm_source         | UTM_Source1        | found
        match      | utm_medium         | utm medium         | found
        match      | utm_campaign       | Camp               | found
        match      | utm_content        | utm_content__c     | found
        match      | utm_id             | utm_id             | found
        match      | activity_id        | Website            | set
        match      | landing_url        | Landing            | found
        match      | referrer           | Referrer           | found
        touch      | landing_url        | L                  | found
        touch      | first_visited_url  | First_Visited_URL  | found
        touch      | first_visited_time | First_Visited_Time | found
    """,
    "content_items": """
        channel_id | content_id | source_activity_id | content_type | published_at        | canonical_url                             | utm_source | utm_medium | utm_campaign | utm_content
        match      | p1         | ACT-1              | blog_post    | 2026-01-01 00:00:00 | https://www.Example.com/Blog/One/?x=1#top | LinkedIn   | social     | spring       | hero
        match      | p2         | ACT-2              | social_post  | 2026-02-01 00:00:00 | example.com/two                           | linkedin   | Social     | Spring       | side
        match      | p3         | ACT-3              | ad           | 2026-06-15 12:00:00 | example.com/three                         | google     | cpc        | brand        | ad
        match      | p4         |                    | newsletter   | 2026-01-01 00:00:00 | example.com/four                          | email      | newsletter | june         |
        match      | p5         |                    | video        | 2026-01-02 00:00:00 |                                           |            |            | c5           | dup
        match      | p6         |                    | video        | 2026-01-02 00:00:00 |                                           |            |            | c6           | dup
        match      | p7         |                    | video        | 2026-01-02 00:00:00 |                                           | facebook   | paid       | Für uns      |
        match      | p8         | tie                | video        | 2026-03-01 00:00:00 |                                           | a          | b          | tie          |
        match      | p9         | tie                | video        | 2026-03-01 00:00:00 |                                           | a          | b          | tie          |
        touch      | a          |                    | blog_post    | 2026-01-01 00:00:00 | site.com/a                                |            |            | ca           |
        touch      | b          |                    | blog_post    | 2026-01-01 00:00:00 | site.com/b                                |            |            |              |
        other      | p1         | ACT-9              | blog_post    | 2026-01-01 00:00:00 |                                           |            |            |              |
    """,
    "leads": """
        channel_id | id | created_time        | website | custom_fields
        match      | 1  | 2026-06-01 00:00:00 |         | {"utm_content__c": " act-1 "}
        match      | 2  | 2026-06-01 00:00:00 | P4      | {}
        match      | 3  | 2026-06-01 00:00:00 |         | {"utm_content__c": "HERO", "Camp": "Spring"}
        match      | 4  | 2026-06-01 00:00:00 |         | {"utm_content__c": "hero", "Camp": "autumn"}
        match      | 5  | 2026-06-01 00:00:00 |         | {"utm_content__c": "hero", "Camp": " "}
        match      | 6  | 2026-06-01 00:00:00 |         | {"utm_content__c": "dup"}
        match      | 7  | 2026-06-01 00:00:00 |         | {"utm_content__c": "dup", "Landing": "http://example.com/two/?y=2"}
        match      | 8  | 2026-06-01 00:00:00 |         | {"Landing": "HTTPS://WWW.EXAMPLE.COM/Blog/One#z"}
        match      | 9  | 2026-06-01 00:00:00 |         | {"Landing": "https://example.com/blog/one"}
        match      | 10 | 2026-06-01 00:00:00 |         | {"UTM_Source1": "EMAIL", "utm medium": "Newsletter", "Camp": "June"}
        match      | 11 | 2026-06-01 00:00:00 |         | {"UTM_Source1": "linkedin", "utm medium": "social", "Camp": "spring"}
        match      | 12 | 2026-06-01 00:00:00 |         | {"UTM_Source1": "linkedin", "utm medium": "social", "Camp": "spring", "Referrer": "https://example.com/Blog/One"}
        match      | 13 | 2026-06-01 00:00:00 |         | {"Camp": "june"}
        match      | 14 | 2026-06-01 00:00:00 |         | {"Camp": "spring"}
        match      | 15 | 2026-06-14 12:00:00 |         | {"UTM_Source1": "google", "utm medium": "cpc", "Camp": "brand"}
        match      | 16 | 2026-06-14 11:59:59 |         | {"UTM_Source1": "google", "utm medium": "cpc", "Camp": "brand"}
        match      | 17 | 2026-01-15 00:00:00 |         | {"UTM_Source1": "linkedin", "utm medium": "social", "Camp": "spring"}
        match      | 18 | 2026-06-01 00:00:00 |         | {"Landing": "https://x.org/?utm_source=Email&utm_medium=newsletter&utm_campaign=June%20"}
        match      | 19 | 2026-06-01 00:00:00 |         | {"Landing": "https://x.org/?my_utm_campaign=june"}
        match      | 20 | 2026-06-01 00:00:00 |         | {"Camp": "f%C3%BCr+uns"}
        match      | 21 | 2026-06-01 00:00:00 |         | {"utm_id": "act-1"}
        match      | 22 | 2026-06-01 00:00:00 | p4      | {"utm_content__c": "act-1"}
        match      | 23 | 2026-06-01 00:00:00 |         | {"UTM_Source1": "a", "utm medium": "b", "Camp": "tie"}
        match      | 24 | 2026-06-01 00:00:00 |         | {"utm_content__c": "act-9"}
        match      | 25 | 2026-06-01 00:00:00 |         |
        match      | 26 | 2026-06-01 00:00:00 |         | {"Landing": "https://example.com/#utm_campaign=june"}
        match      | 27 | 2026-06-01 00:00:00 |         | {"Camp": "june", "Landing": "https://example.com/two?utm_campaign=spring"}
        touch      | 1  | 2026-06-10 00:00:00 |         | {"L": "site.com/b", "First_Visited_URL": "http://site.com/a", "First_Visited_Time": "2026-06-03T05:30:00+05:30"}
        touch      | 2  | 2026-06-10 00:00:00 |         | {"L": "site.com/b", "First_Visited_URL": "http://site.com/zzz", "First_Visited_Time": "2026-06-03T00:00:00Z"}
        touch      | 3  | 2026-06-10 00:00:00 |         | {"L": "site.com/c", "First_Visited_URL": "http://site.com/?utm_campaign=CA", "First_Visited_Time": "2026-03-12T00:00:00Z"}
        touch      | 4  | 2026-06-10 00:00:00 |         | {"L": "site.com/b", "First_Visited_URL": "http://site.com/a", "First_Visited_Time": "2026-03-11T23:59:59Z"}
        touch      | 5  | 2026-06-10 00:00:00 |         | {"L": "site.com/b", "First_Visited_URL": "http://site.com/a", "First_Visited_Time": "2026-06-10T00:00:00Z"}
        touch      | 6  | 2026-06-10 00:00:00 |         | {"First_Visited_URL": "http://site.com/a", "First_Visited_Time": "2026-02-30T00:00:00Z"}
        touch      | 7  | 2026-06-10 00:00:00 |         | {"L": "site.com/b", "First_Visited_URL": "http://site.com/a", "First_Visited_Time": "2026-06-09 00:00:00"}
    """,
}


def test_each_rule(fact_marts: Marts) -> None:
    fact_marts.expect(
        "lead_source_attribution",
        "match",
        """
        zoho_lead_id | match_rule           | content_id | match_confidence | is_ambiguous | attribution_level | source_activity_id
        1            | activity_id          | p1         | 1.00             | no           | content           | ACT-1
        2            | activity_id          | p4         | 1.00             | no           | content           |
        3            | utm_content          | p1         | 0.95             | no           | content           | ACT-1
        4            | utm_content          | p1         | 0.85             | no           | content           | ACT-1
        5            | utm_content          | p1         | 0.95             | no           | content           | ACT-1
        6            | none                 |            | 0.00             | no           | none              |
        7            | landing_url          | p2         | 0.80             | no           | content           | ACT-2
        8            | landing_url          | p1         | 0.80             | no           | content           | ACT-1
        9            | none                 |            | 0.00             | no           | none              |
        10           | utm_triple           | p4         | 0.70             | no           | content           |
        11           | utm_triple_ambiguous | p2         | 0.40             | yes          | content           | ACT-2
        12           | referrer_url         | p1         | 0.60             | no           | content           | ACT-1
        13           | utm_campaign         | p4         | 0.55             | no           | content           |
        14           | none                 |            | 0.00             | no           | none              |
        15           | utm_triple           | p3         | 0.70             | no           | content           | ACT-3
        16           | none                 |            | 0.00             | no           | none              |
        17           | utm_triple           | p1         | 0.70             | no           | content           | ACT-1
        18           | utm_triple           | p4         | 0.70             | no           | content           |
        19           | none                 |            | 0.00             | no           | none              |
        20           | utm_campaign         | p7         | 0.55             | no           | content           |
        21           | activity_id          | p1         | 1.00             | no           | content           | ACT-1
        22           | none                 |            | 0.00             | no           | none              |
        23           | utm_triple_ambiguous | p8         | 0.40             | yes          | content           | tie
        24           | none                 |            | 0.00             | no           | none              |
        25           | none                 |            | 0.00             | no           | none              |
        26           | utm_campaign         | p4         | 0.55             | no           | content           |
        27           | landing_url          | p2         | 0.80             | no           | content           | ACT-2
        """,
    )


def test_credits_of_two_touches(fact_marts: Marts) -> None:
    """At a half-life of seven days, the first visit gets a third and the creation two thirds."""
    rows = fact_marts.cells(
        "lead_touch_credit", ["zoho_lead_id", "model", "touch_seq", "touch_type", "content_id", "credit"], "touch"
    )
    first = {
        (row["model"], row["touch_seq"]): (row["touch_type"], row["content_id"], row["credit"])
        for row in rows
        if row["zoho_lead_id"] == "1"
    }
    assert first == {
        ("first_touch", "1"): ("first_visit", "a", "1.0000000000"),
        ("first_touch", "2"): ("lead_creation", "b", "0.0000000000"),
        ("last_touch", "1"): ("first_visit", "a", "0.0000000000"),
        ("last_touch", "2"): ("lead_creation", "b", "1.0000000000"),
        ("linear", "1"): ("first_visit", "a", "0.5000000000"),
        ("linear", "2"): ("lead_creation", "b", "0.5000000000"),
        ("position_based", "1"): ("first_visit", "a", "0.5000000000"),
        ("position_based", "2"): ("lead_creation", "b", "0.5000000000"),
        ("time_decay", "1"): ("first_visit", "a", "0.3333333333"),
        ("time_decay", "2"): ("lead_creation", "b", "0.6666666667"),
    }


def test_which_first_visits_are_touches(fact_marts: Marts) -> None:
    """A too old or undated visit is no touch, nor is one at the creation. Exactly ninety days before, it is.

    A touch without content takes no credit if the other one has content, but it is numbered.
    """
    rows = fact_marts.cells(
        "lead_touch_credit", ["zoho_lead_id", "model", "touch_seq", "touch_at", "content_id"], "touch"
    )
    linear = sorted(
        (row["zoho_lead_id"], row["touch_seq"], row["touch_at"], row["content_id"])
        for row in rows
        if row["model"] == "linear"
    )
    assert linear == [
        ("1", "1", "2026-06-03 00:00:00", "a"),
        ("1", "2", "2026-06-10 00:00:00", "b"),
        ("2", "2", "2026-06-10 00:00:00", "b"),
        ("3", "1", "2026-03-12 00:00:00", "a"),
        ("4", "1", "2026-06-10 00:00:00", "b"),
        ("5", "1", "2026-06-10 00:00:00", "b"),
        ("6", "1", "2026-06-10 00:00:00", ""),
        ("7", "1", "2026-06-09 00:00:00", "a"),
        ("7", "2", "2026-06-10 00:00:00", "b"),
    ]


def test_content_performance_counts_every_lead_once(fact_marts: Marts) -> None:
    fact_marts.expect(
        "content_performance",
        "touch",
        """
        content_id | model          | credited_leads | credited_deals | won_revenue | n_leads      | conversion_rate
        a          | first_touch    | 3.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        b          | first_touch    | 3.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        (none)     | first_touch    | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        a          | last_touch     | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        b          | last_touch     | 5.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        (none)     | last_touch     | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        a          | linear         | 2.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        b          | linear         | 4.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        (none)     | linear         | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        a          | position_based | 2.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        b          | position_based | 4.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        (none)     | position_based | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        a          | time_decay     | 1.8085982845   | 0.0000000000   | 0.00        | 0.0000000000 |
        b          | time_decay     | 4.1914017155   | 0.0000000000   | 0.00        | 0.0000000000 |
        (none)     | time_decay     | 1.0000000000   | 0.0000000000   | 0.00        | 0.0000000000 |
        """,
    )

"""Mutants of the SQL of the facts: each must break a row that a pair of CSV files expects."""

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, broken_in, given
from tests.golden.sql_lab import SqlLab
from tests.params import choice

MUTANTS = {
    "months of UTC": (
        "lead_source_attribution",
        "date_trunc('month', leads.created_local)",
        "date_trunc('month', leads.created_at)",
    ),
    "deleted leads counted": ("stg_leads", "where deleted.record_id is null", ""),
    "restored leads left out": ("stg_deleted_records", "where source.restored_at is null", ""),
    "leads in the bin counted": ("int_live_leads", "normal in ('trash', 'draft')", "normal in ('draft')"),
    "leads after as_of counted": (
        "int_live_leads",
        "and coalesce(leads.created_at <= clock.as_of_utc, true)",
        "",
    ),
    "converted is a deal": (
        "int_lead_outcomes",
        "then figures.zoho_lead_id is not null end as has_deal",
        "then leads.is_converted end as has_deal",
    ),
    "ever instead of 30 days": (
        "int_lead_outcomes",
        "coalesce(figures.deal_linked_at <= leads.created_at + interval '30 days', false)",
        "coalesce(figures.deal_linked_at is not null, false)",
    ),
    "hard-coded stage names": (
        "int_stage_meanings",
        "when types.normal = 'closed won' then 'won'",
        "when stages.stage = 'Closed Won' then 'won'",
    ),
    "the first win of a re-opened deal": (
        "int_stage_meanings",
        "when types.normal = 'open' then 'open'",
        "when types.normal = 'open' then 'won'",
    ),
    "currency ignored": (
        "int_deals",
        "when (estimate + 0.5) * exchange_rate <= units then estimate + 1",
        "when true then cast(units as decimal(20, 0))",
    ),
    "amounts in cents": ("int_channel_units", "when 3 then 1000", "when 3 then 100"),
    "amounts of every currency in cents": (
        "int_channel_units",
        "cast(seed_currencies.decimal_places as bigint), 2)",
        "2)",
    ),
    "the settings of the org ignored": ("int_channel_units", "coalesce(settings.decimal_places, ", "coalesce("),
    "halves go down": (
        "int_deals",
        "(estimate + 0.5) * exchange_rate <= units",
        "(estimate + 0.5) * exchange_rate < units",
    ),
    "halves go down without a rate": (
        "int_deals",
        "deal_currency = home_currency then cast(units as",
        "deal_currency = home_currency then cast(units - 0.1 as",
    ),
    "quotients as doubles": (
        "int_deals",
        "first_estimate\n        + cast(",
        "first_estimate\n        + 0 * cast(",
    ),
    "credits in cents": (
        "lead_touch_credit",
        "cast(won_revenue_all * units_per_currency * (1 - credit) as decimal(20, 0)) * unit",
        "cast(won_revenue_all * (1 - credit) as decimal(20, 2))",
    ),
    "foreign amount without a rate taken as home": (
        "int_deals",
        "when deal_currency is null or deal_currency = home_currency then",
        "when true then",
    ),
    "deals before the conversion's hour": (
        "int_lead_deals",
        "- parameters.deal_before_conversion_seconds * interval '1 second'",
        "- interval '1 day'",
    ),
    "a deal under the first lead of a contact": (
        "int_lead_deals",
        "abs(date_diff('second', converted_at, deal_created_at))",
        "converted_at",
    ),
    "deals joined by contact alone": (
        "int_lead_deals",
        "leads.channel_id = deals.channel_id\n            and leads.converted_contact_id",
        "leads.converted_contact_id",
    ),
    "lead-id-only join": (
        "int_lead_activities",
        "parties.channel_id = links.channel_id\n        and parties.party_id",
        "parties.party_id",
    ),
    "ids of another module": (
        "int_lead_activities",
        "and coalesce(links.linked_module, parties.party_module) = parties.party_module",
        "",
    ),
    "the contact's past counted": (
        "int_lead_activities",
        "and coalesce(links.activity_at >= parties.counts_from, true)",
        "",
    ),
    "scheduled calls as contact": ("int_activities", "not did_not_happen and (", "("),
    "future activities as contact": ("int_activities", "<= clock.as_of_utc, true)", "is not null, true)"),
    "missed calls as contact": (
        "int_activities",
        "where normal = 'outbound'",
        "where normal in ('outbound', 'missed')",
    ),
    "unanswered calls as contact": ("int_activities", "is_inbound and duration_seconds > 0", "true"),
    "cancelled meetings as contact": ("int_activities", "not coalesce(is_cancelled, false)", "true"),
    "meetings count when booked": (
        "int_activities",
        "event_id as activity_id,\n        started_at",
        "event_id as activity_id,\n        created_at",
    ),
    "open tasks as contact": (
        "int_activities",
        "status in (select value from int_normal_texts where normal = 'completed')",
        "true",
    ),
    "due dates as contact": (
        "int_activities",
        "closed_at as activity_at",
        "cast(due_date as timestamp) as activity_at",
    ),
    "any task as contact": (
        "int_activities",
        "on strpos(subjects.words, (' ' || kinds.phrase || ' ')) > 0",
        "on true",
    ),
    "parts of words as task kinds": ("int_activities", "(' ' || kinds.phrase || ' ')", "kinds.phrase"),
    "received mail as contact": ("int_activities", "emails.is_sent and ", ""),
    "workflow mail as contact": ("int_activities", "and automatic.email_source is null", ""),
    "a note as contact": (
        "int_activities",
        "from stg_tasks\n",
        "from stg_tasks union all select channel_id, 'note', note_id, created_at, true, false, null, null, null,"
        " parent_id, parent_module, null, null, null from stg_notes\n",
    ),
    "early contacts by a second more": (
        "int_lead_contacts",
        "first_contact_at < created_at - contact",
        "first_contact_at <= created_at - contact",
    ),
    "converted leads wait on": (
        "int_lead_contacts",
        "when is_converted then 'converted_without_logged_contact'",
        "",
    ),
    "leads converted at an unknown time wait on": (
        "int_lead_contacts",
        "coalesce(leads.converted_at <= leads.as_of_utc, true)",
        "coalesce(leads.converted_at <= leads.as_of_utc, false)",
    ),
    "leads converted at an unknown time are observed until now": (
        "int_lead_contacts",
        "when is_converted and converted_at is null then null",
        "when is_converted and converted_at is null then as_of_utc",
    ),
    "conversions at an unknown time are never in time": (
        "metric_lead_conversions",
        "coalesce(facts.converted_at, facts.deal_linked_at)",
        "facts.converted_at",
    ),
    "holidays open": ("int_business_exceptions", "holiday_date is not null\n        and ", "false and "),
    "holidays open on their own day": ("int_lead_business_seconds", "and not days.is_holiday", ""),
    "any holiday closes": ("int_business_exceptions", "where normal = 'business_holiday'", ""),
    "the shift of a holiday goes on": (
        "int_lead_business_seconds",
        "and (intervals.is_own or not days.is_after_holiday)",
        "",
    ),
    "the day after a holiday closed": (
        "int_business_exceptions",
        "and (days.is_holiday or not intervals.is_own)",
        "",
    ),
    "overlaps counted twice": (
        "int_business_intervals",
        "select\n    parts.channel_id,\n    parts.iso_weekday,\n    parts.start_second,\n    parts.end_second,",
        "select\n    parts.channel_id,\n    parts.iso_weekday,\n    parts.start_second - 1 as start_second,"
        "\n    parts.end_second,",
    ),
    "office hours of UTC": (
        "int_business_moments",
        "instants.instant_at + spans.utc_offset_seconds * interval '1 second'",
        "instants.instant_at",
    ),
    "skipped hours count": ("int_lead_business_seconds", "+ coalesce(repeated.repeated_seconds, 0)", ""),
    "an unknown zone is another one": ("int_channel_clock", "coalesce(zones.timezone, 'UTC')", "'Asia/Kolkata'"),
    "times of the year 1000 count": ("stg_leads", "source.created_time >= timestamptz '1900-01-01'", "true"),
    "calls of the year 33 count": ("stg_calls", "source.call_start_time >= timestamptz '1900-01-01'", "true"),
    "the id (none) is an item": ("stg_content_items", "where source.content_id <> '(none)'", ""),
    "a contact without creation is none": ("int_lead_contacts", "when created_at is null then null", ""),
    "impossible calls are not named": (
        "data_problem",
        "call_id as record_id, impossible_times",
        "call_id as record_id, ''",
    ),
    "rejected times are not named": (
        "data_problem",
        "record_id, impossible_times as detail from int",
        "record_id, '' as detail from int",
    ),
    "a rejected creation is missing": ("data_problem", "where rejected.record_id is null", ""),
    "known zones are unknown": ("data_problem", "where not coalesce(zones.is_known, false)", ""),
    "openings that touch overlap": (
        "int_overlapping_openings",
        "later.start_second < earlier.end_second",
        "later.start_second <= earlier.end_second",
    ),
    "case-sensitive UTM": ("int_touch_inputs", "coalesce(campaigns.normal", "coalesce(campaigns.shown"),
    "UTM left encoded": ("int_touch_inputs", "coalesce(campaigns.normal", "coalesce(lower(campaigns.raw)"),
    "parameters before fields": (
        "int_touch_inputs",
        "coalesce(campaigns.normal, landings.utm_campaign_normal)",
        "coalesce(landings.utm_campaign_normal, campaigns.normal)",
    ),
    "a blank field hides the parameter": (
        "int_touch_inputs",
        "coalesce(sources.normal, landings.utm_source_normal)",
        "case when sources.value is not null then sources.normal else landings.utm_source_normal end",
    ),
    "landing pages as they are spelled": ("int_touch_inputs", "landings.page as", "touches.landing_url as"),
    "hosts instead of pages": ("int_touch_inputs", "referrers.page as", "referrers.host as"),
    "publish date ignored": ("int_touch_matches", "and touch_keys.touch_at >= content_keys.eligible_from", ""),
    "published by the touch itself": (
        "int_content_keys",
        "all_keys.published_at - parameters.content_grace_hours * interval '1 hour'",
        "all_keys.published_at",
    ),
    "catalogue pages as they are spelled": ("int_content_inputs", "    pages.page", "    items.canonical_url as page"),
    "catalogue texts as they are spelled": ("int_content_inputs", "campaigns.normal as", "items.utm_campaign as"),
    "clash ignored": (
        "int_touch_matches",
        "when is_campaign_clash then 0.85 else 0.95",
        "when false then 0.85 else 0.95",
    ),
    "a guess among several campaigns": (
        "int_touch_matches",
        "where is_single or rule_order = 4",
        "where is_single or rule_order in (4, 6)",
    ),
    "one of several ids": (
        "int_touch_matches",
        "min(content_id) = max(content_id) and max(key_rank) = 1 as is_single",
        "max(key_rank) = 1 as is_single",
    ),
    "the older of one key": ("int_touch_matches", "        key_rank = 1 as is_single\n", "        true as is_single\n"),
    "revenue of half a lead": (
        "lead_touch_credit",
        "when credit = 1 or won_revenue_all = 0 then",
        "when credit >= 0.5 or won_revenue_all = 0 then",
    ),
    "shares of touches that stand alone": ("lead_touch_credit", "when not is_shared then 1\n", ""),
    "ambiguous before referrer": ("int_touch_matches", "rule_order else 7 end", "rule_order else 4 end"),
    "another channel's catalogue": (
        "int_touch_matches",
        "touch_keys.channel_id = content_keys.channel_id\n            and touch_keys.kind",
        "touch_keys.kind",
    ),
    "visits of any age": (
        "int_touch_inputs",
        "and visits.visited_at >= visits.created_at - parameters.touch_window_days * interval '1 day'",
        "",
    ),
    "a lost cent": (
        "lead_touch_credit",
        "when has_residual_cent\n",
        "when false\n",
    ),
    "revenue of the converted deal alone": (
        "int_lead_outcomes",
        "sum(case when deal_state = 'won' then home_amount end) as won_revenue_all",
        "sum(case when deal_state = 'won' and link_basis = 'converted_deal' then home_amount end) as won_revenue_all",
    ),
    "utm before the picklist": (
        "int_lead_sources",
        "coalesce(declared_own.source_key, declared_common.source_key,",
        "coalesce(observed_own.source_key, observed_common.source_key, observed.observed_name,"
        " declared_own.source_key, declared_common.source_key,",
    ),
    "common names before the channel's": (
        "int_lead_sources",
        "coalesce(observed_own.source_key, observed_common.source_key,",
        "coalesce(observed_common.source_key, observed_own.source_key,",
    ),
    "recent leads up to as_of alone": (
        "recent_lead",
        "clock.has_data\n",
        "clock.has_data and leads.created_at <= as_of_utc\n",
    ),
    "recent leads in the bin": ("recent_lead", "in ('trash', 'draft')", "in ('draft')"),
    "missing words are recent sources": (
        "recent_lead",
        "case when missing.name is null then declared.shown end",
        "declared.shown",
    ),
    "recent leads of a channel without data": ("recent_lead", "clock.has_data\n", "true\n"),
    "no name of an owner who is no user for recent leads": (
        "recent_lead",
        "coalesce(users.full_name, live.owner_name)",
        "users.full_name",
    ),
    "the old name of the owner for recent leads": (
        "recent_lead",
        "coalesce(users.full_name, live.owner_name)",
        "coalesce(live.owner_name, users.full_name)",
    ),
    "the old owner of a lead": ("lead", "users.full_name, leads.owner_name", "leads.owner_name, users.full_name"),
    "the oldest of one instant first": ("recent_lead", 'collate "C" desc', 'collate "C"'),
    "a lead at as_of is newer": (
        "recent_lead",
        "live.created_at > live.as_of_utc",
        "live.created_at >= live.as_of_utc",
    ),
    "recent creation in UTC": (
        "recent_lead",
        "(live.created_at at time zone 'UTC') at time zone live.timezone",
        "live.created_at",
    ),
    "the raw source of a recent lead": (
        "recent_lead",
        "coalesce(attribution.lead_source,",
        "coalesce(live.lead_source,",
    ),
    "sources by spelling": (
        "int_lead_sources",
        "declared_common.source_key, observed.declared_name)",
        "declared_common.source_key, observed.declared_raw)",
    ),
    "sources in their smallest spelling": ("int_lead_sources", "order by count(*) desc, shown", "order by shown"),
    "topics by spelling": (
        "int_content_topics",
        "topics.content_id,\n    ranked.topic",
        "topics.content_id,\n    topics.topic",
    ),
    "topics in their smallest spelling": ("int_content_topics", "order by count(*) desc, topic", "order by topic"),
    "addresses by spelling": ("lead", "and emails.normal = addresses.address", "and leads.email = addresses.address"),
    "zero for no data": (
        "content_performance",
        "case when clock.has_data then coalesce(totals.leads, 0) end as leads",
        "coalesce(totals.leads, 0) as leads",
    ),
    "stale an hour too soon": (
        "int_channel_clock",
        "stale_after_hours * interval",
        "(stale_after_hours - 1) * interval",
    ),
}


@pytest.fixture(scope="module")
def facts_lab() -> SqlLab:
    return SqlLab(given(), BUILD_AT)


def test_the_right_models_break_nothing(facts_lab: SqlLab) -> None:
    found = {mart: broken_in(mart, facts_lab.rows(mart)) for mart in facts_lab.project.marts}
    assert {mart: wrong for mart, wrong in found.items() if wrong} == {}
    assert facts_lab.failing() == []


@pytest.mark.parametrize("name", choice(MUTANTS, list(MUTANTS)[::5]))
def test_a_mistake_breaks_a_row(name: str, facts_lab: SqlLab) -> None:
    with facts_lab.mutated(*MUTANTS[name]) as marts:
        assert any(broken_in(mart, facts_lab.rows(mart)) for mart in marts)

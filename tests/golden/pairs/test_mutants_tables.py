"""Mutants of the SQL of channels, deals, activities, owners and campaigns: each must break an expected row."""

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, broken_in, given
from tests.golden.sql_lab import SqlLab

TABLES = ("channel", "deal", "activity", "owner", "campaign")
LINKED = "order by link_order, lead_created_at desc nulls last, length(zoho_lead_id)"
NAMES = {order: f"            max(case when name_order = {order} then name end),\n" for order in (1, 2, 3)}
MUTANTS = {
    "the zone as it was set": ("channel", "clock.timezone", "channels.timezone"),
    "the creation of the rows for the consent": ("stg_channels", "source.connected_at at", "source.synced_at at"),
    "amounts in paise": ("deal", "cast(source.amount as decimal(20, 4))", "cast(source.amount as decimal(20, 2))"),
    "large amounts are null": ("deal", "abs(source.amount) < 9999999999999999.99995", "abs(source.amount) < 1e12"),
    "home amounts as the deal's": ("deal", "cast(source.amount as decimal", "cast(deals.home_amount as decimal"),
    "currencies as they were typed": (
        "deal",
        "coalesce(currencies.shown, deals.currency)",
        "coalesce(source.currency, deals.currency)",
    ),
    "no currency without one": ("deal", "coalesce(currencies.shown, deals.currency)", "currencies.shown"),
    "the home currency everywhere": ("deal", "coalesce(currencies.shown, deals.currency)", "deals.currency"),
    "no name of a former owner of a deal": ("deal", "coalesce(users.full_name, source.owner_name)", "users.full_name"),
    "the old name of the owner of a deal": (
        "deal",
        "coalesce(users.full_name, source.owner_name)",
        "coalesce(source.owner_name, users.full_name)",
    ),
    "days since the creation": ("deal", "coalesce(last_changes.changed_at, deals.created_at)", "deals.created_at"),
    "no days without a history": (
        "deal",
        "coalesce(last_changes.changed_at, deals.created_at)",
        "last_changes.changed_at",
    ),
    "repeated stages as changes": ("deal", "where not is_repeated", "where true"),
    "the first stay for the last": ("deal", "max(entered_at) as changed_at", "min(entered_at) as changed_at"),
    "changes after as_of": (
        "deal",
        "where history.entered_at <= clock.as_of_utc",
        "where history.entered_at is not null",
    ),
    "days on the calendar": (
        "deal",
        "'second', coalesce(last_changes.changed_at, deals.created_at), date_trunc('second', clock.as_of_utc)\n"
        "        ) // 86400 as bigint",
        "'day', coalesce(last_changes.changed_at, deals.created_at), date_trunc('second', clock.as_of_utc)\n"
        "        ) as bigint",
    ),
    "stays in the order of their texts": (
        "deal",
        'length(history.history_id), history.history_id collate "C"',
        'history.history_id collate "C"',
    ),
    "the rule of a deal is its state": ("deal", "links.link_basis as varchar", "links.deal_state as varchar"),
    "the source of the deal": ("deal", "attribution.lead_source,", "source.lead_source,"),
    "deals of deleted leads": (
        "int_lead_deals",
        "from int_live_leads as leads\n    inner join int_deals",
        "from (select *, converted_deal_id as d from stg_leads union all by name select *, converted_deal_id as d"
        " from (select l.channel_id, l.id as zoho_lead_id, l.converted_deal_id from zoho_raw.leads as l)) as leads"
        "\n    inner join int_deals",
    ),
    "deals in the bin listed": ("int_deals", "normal in ('trash', 'draft')", "normal in ('draft')"),
    "deleted deals listed": ("stg_deals", "where deleted.record_id is null", ""),
    "deals after as_of listed": ("int_deals", "and coalesce(deals.created_at <= clock.as_of_utc, true)", ""),
    "deals that cannot be read listed": ("int_deals", "        and clock.deals_readable\n", ""),
    "missed calls have no direction": ("int_activities", "is_inbound or is_missed then", "is_inbound then"),
    "received mail is outbound": ("int_activities", "when not emails.is_sent then 'inbound'", "else 'outbound'"),
    "unknown mail is inbound": ("int_activities", "when not emails.is_sent then 'inbound'", "else 'inbound'"),
    "meetings backwards": ("int_activities", "when ended_at >= started_at then", "when true then"),
    "meetings in minutes": ("int_activities", "date_diff('second', started_at", "date_diff('minute', started_at"),
    "calls without a length are 0": (
        "int_activities",
        "        duration_seconds,\n        who_id,",
        "        coalesce(duration_seconds, 0) as duration_seconds,\n        who_id,",
    ),
    "open tasks left out": ("int_activities", "<= clock.as_of_utc, true)", "<= clock.as_of_utc, false)"),
    "activities by their creation": (
        "int_activities",
        "coalesce(activities.activity_at, activities.created_at) <=",
        "coalesce(activities.created_at, activities.activity_at) <=",
    ),
    "a contact without a time": (
        "int_activities",
        "activities.is_contact and activities.activity_at is not null, false)",
        "activities.is_contact, false)",
    ),
    "a call that never was is a conversation": (
        "int_activities",
        "coalesce(activities.is_contact and activities.activity_at is not null and activities.is_two_way, false)",
        "coalesce(activities.is_two_way, false)",
    ),
    "activities that cannot be read": ("int_activities", "    and clock.activities_readable\n", ""),
    "activities of a channel without data": ("int_activities", "    clock.has_data\n    and ", "    "),
    "the first lead of a contact": ("activity", LINKED, LINKED.replace("desc nulls last", "nulls last")),
    "a lead without a creation first": ("activity", LINKED, LINKED.replace("desc nulls last", "desc nulls first")),
    "leads in the order of their texts": ("activity", ", length(zoho_lead_id)", ""),
    "the contact before the deal": ("int_lead_activities", "2 as link_order", "4 as link_order"),
    "the deal before the lead": ("int_lead_activities", "2 as link_order", "0 as link_order"),
    "the contact before the lead": ("int_lead_activities", "3 as link_order", "0 as link_order"),
    "the worst link counts": ("int_lead_activities", "min(parties.link_order)", "max(parties.link_order)"),
    "activities of each lead": ("activity", "        and ranked.lead_rank = 1\n", ""),
    "kinds of activities confused": ("activity", "        and activities.activity_type = ranked.activity_type\n", ""),
    "deals of any module": ("activity", "        and coalesce(activities.about_module, 'deals') = 'deals'\n", ""),
    "deals only with their module": (
        "activity",
        "coalesce(activities.about_module, 'deals') = 'deals'",
        "activities.about_module = 'deals'",
    ),
    "deleted deals of activities": ("activity", "deals.deal_id as zoho_deal_id", "activities.what_id as zoho_deal_id"),
    "no name of a former owner of an activity": (
        "activity",
        "coalesce(users.full_name, activities.owner_name)",
        "users.full_name",
    ),
    "the old name of the owner of an activity": (
        "activity",
        "coalesce(users.full_name, activities.owner_name)",
        "coalesce(activities.owner_name, users.full_name)",
    ),
    "modules as they are spelled": (
        "int_activities",
        "modules.normal as about_module",
        "lower(activities.se_module) as about_module",
    ),
    "users without leads left out": (
        "owner",
        "    from stg_users as users\n",
        "    from (select * from stg_users where user_id in (select owner_id from int_live_leads)) as users\n",
    ),
    "owners of deals left out": (
        "owner",
        "    from deal\n    where owner_id is not null",
        "    from deal\n    where false",
    ),
    "owners of leads left out": (
        "owner",
        "    from int_live_leads\n    where owner_id is not null",
        "    from int_live_leads\n    where false",
    ),
    "no row (none)": ("owner", "    from int_channel_clock\n", "    from int_channel_clock where false\n"),
    "deleted users are active": ("owner", "and not coalesce(users.is_deleted, false) as is_active", "as is_active"),
    "only one spelling of active": ("owner", "statuses.normal = 'active'", "users.status = 'active'"),
    "unknown users are former ones": (
        "owner",
        "max(case when is_active then 1 when not is_active then 0 end)",
        "max(case when is_active then 1 else 0 end)",
    ),
    "names of leads before those of users": (
        "owner",
        NAMES[1] + NAMES[2],
        NAMES[2] + NAMES[1],
    ),
    "names of deals before those of leads": (
        "owner",
        NAMES[2] + NAMES[3],
        NAMES[3] + NAMES[2],
    ),
    "no id for a name": ("owner", "            owner_id\n        ) as name", "            null\n        ) as name"),
    "revenue of all time": ("owner", "deals.won_at > clock.as_of_utc - interval '90 days'", "deals.won_at is not null"),
    "revenue of 90 days and a second": (
        "owner",
        "deals.won_at > clock.as_of_utc - interval '90 days'",
        "deals.won_at >= clock.as_of_utc - interval '90 days'",
    ),
    "deals that close later": ("owner", "or clock.as_of_utc = clock.last_complete_sync_at", ""),
    "deals without an owner": (
        "owner",
        "    group by deals.channel_id, coalesce(deals.owner_id, '(none)')",
        "and deals.owner_id <> ''    group by deals.channel_id, coalesce(deals.owner_id, '(none)')",
    ),
    "the revenue of the owner of the lead": (
        "owner",
        "    from deal as deals\n",
        "    from (select d.* exclude (owner_id), l.owner_id from deal as d left join int_live_leads as l"
        " on d.channel_id = l.channel_id and d.zoho_lead_id = l.zoho_lead_id) as deals\n",
    ),
    "unknown revenue is 0": ("owner", "when clock.has_data and clock.deals_readable\n", "when true\n"),
    "unknown waiting leads are 0": (
        "owner",
        "when clock.has_data and clock.activities_readable then",
        "when true then",
    ),
    "unknown leads are 0": (
        "owner",
        "case when clock.has_data then coalesce(times.n_leads, 0) end",
        "coalesce(times.n_leads, 0)",
    ),
    "unknown matured leads are 0": (
        "owner",
        "case when clock.has_data then coalesce(rates.n_leads, 0) end",
        "coalesce(rates.n_leads, 0)",
    ),
    "hours of the clock for business hours": (
        "owner",
        "times.median_contacted_business_hours as",
        "times.median_contacted_hours as",
    ),
    "rates of wins": ("owner", "rates.stage = 'deal'", "rates.stage = 'won'"),
    "rates of the last 30 days": ("owner", "rates.definition = 'matured_30d'", "rates.definition = 'rolling_30d'"),
    "rates of any owner": ("owner", "        and rates.dimension = 'owner'\n", ""),
    "campaigns of recent leads": (
        "campaign",
        "    group by leads.channel_id, coalesce(",
        "    where leads.created_at > leads.as_of_utc - interval '90 days'\n    group by leads.channel_id, coalesce(",
    ),
    "leads without a time left out": ("campaign", "count(*) as n_leads", "count(leads.created_at) as n_leads"),
    "won deals for deals": ("campaign", "sum(leads.n_deals)", "sum(leads.n_won_deals)"),
    "revenue of the first deal": ("campaign", "sum(leads.won_revenue_all)", "sum(leads.won_revenue_originating)"),
    "the first lead last": ("campaign", "max(leads.created_at)", "min(leads.created_at)"),
    "campaigns of the touch": (
        "campaign",
        "left join int_lead_campaigns as campaigns",
        "left join (select channel_id, zoho_lead_id, max(utm_campaign_shown) as campaign from int_touch_inputs"
        " where touch_type = 'first_visit' group by 1, 2) as campaigns",
    ),
    "unknown deals are 0": (
        "campaign",
        "case when clock.has_data and clock.deals_readable then cast(coalesce(totals.n_deals",
        "case when true then cast(coalesce(totals.n_deals",
    ),
    "unknown campaign revenue is 0": ("campaign", "when clock.has_data and clock.deals_readable\n", "when true\n"),
    "unknown campaign leads are 0": ("campaign", "case when clock.has_data then cast", "case when true then cast"),
    "every definition of a rate": ("campaign", "    and rates.definition = 'matured_30d'\n", ""),
    "the wide window": ("campaign", "rates.definition = 'matured_30d'", "rates.definition = 'matured_30d_wide'"),
    "rates of conversions": ("campaign", "rates.stage = 'deal'", "rates.stage = 'any_conversion'"),
}


@pytest.fixture(scope="module")
def tables_lab() -> SqlLab:
    return SqlLab(given(), BUILD_AT)


@pytest.mark.long
def test_the_right_models_break_nothing(tables_lab: SqlLab) -> None:
    assert [wrong for mart in TABLES for wrong in broken_in(mart, tables_lab.rows(mart))] == []
    assert tables_lab.failing() == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_breaks_a_row(name: str, tables_lab: SqlLab) -> None:
    with tables_lab.mutated(*MUTANTS[name]) as marts:
        assert any(broken_in(mart, tables_lab.rows(mart)) for mart in marts if mart in TABLES)

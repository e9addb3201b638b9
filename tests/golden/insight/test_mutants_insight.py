"""Mutants of the SQL of the insight: each must change a number of the worlds that the other tests use."""

import pytest

from tests.golden.insight.edge_channels import BUILD, edge_world
from tests.golden.insight.insight_world import INSIGHT_MARTS
from tests.golden.insight.test_worked_example import example
from tests.golden.sql_lab import Row, SqlLab
from tests.params import choice

MUTANTS = {
    "months of UTC": (
        "metric_month_counts",
        "date_trunc('month', as_of_local) as this_month",
        "date_trunc('month', as_of_utc) as this_month",
    ),
    "a month is thirty days": (
        "metric_month_counts",
        "as_of_local - interval '1 month' as same_point",
        "as_of_local - interval '30 days' as same_point",
    ),
    "zero for no data": (
        "channel_insight",
        "case when clock.has_data then cast(months.leads_this_month as bigint) end",
        "cast(months.leads_this_month as bigint)",
    ),
    "ever instead of 30 days": (
        "metric_conversion_counts",
        "stage = 'deal' and is_matured and is_reached_30d",
        "stage = 'deal' and is_matured and is_reached",
    ),
    "converted is a deal": (
        "metric_lead_conversions",
        "attribution.has_deal,\n        attribution.deal_linked_at,",
        "attribution.is_converted as has_deal,\n        attribution.converted_at as deal_linked_at,",
    ),
    "leads without time enough": (
        "metric_lead_window",
        "- interval '30 days'\n        and attribution.created_at > clock.as_of_utc - interval '60 days'",
        "\n        and attribution.created_at > clock.as_of_utc - interval '60 days'",
    ),
    "a wide window of 60 days": (
        "metric_lead_window",
        "created_at > clock.as_of_utc - interval '90 days' as is_matured_wide",
        "created_at > clock.as_of_utc - interval '60 days' as is_matured_wide",
    ),
    "the long window begins a second late": (
        "metric_lead_window",
        "created_at <= clock.as_of_utc - interval '90 days' as is_matured_90d",
        "created_at < clock.as_of_utc - interval '90 days' as is_matured_90d",
    ),
    "the long window closed at both ends": (
        "metric_lead_window",
        "created_at > clock.as_of_utc - interval '180 days'",
        "created_at >= clock.as_of_utc - interval '180 days'",
    ),
    "30 days for 90": (
        "metric_conversion_counts",
        "stage = 'deal' and is_matured_90d and is_reached_90d",
        "stage = 'deal' and is_matured_90d and is_reached_30d",
    ),
    "91 days for 90": (
        "metric_lead_conversions",
        "created_at + interval '90 days'",
        "created_at + interval '91 days'",
    ),
    "old leads in the rates of 90 days": (
        "metric_conversion_counts",
        "count(leads.recent) as n_leads",
        "count(*) as n_leads",
    ),
    "old leads watched": ("metric_survival_steps", "    where dimensions.is_recent\n", ""),
    "old leads wait for a contact": ("metric_contact_facts", "where leads.is_recent", ""),
    "topics of the headline's window": (
        "metric_topic_counts",
        "        leads.is_matured_wide\n",
        "        leads.is_matured\n",
    ),
    "a base rate of the headline's window": (
        "metric_matured_counts",
        "and leads.is_matured_wide",
        "and leads.is_matured",
    ),
    "a window closed at both ends": (
        "metric_lead_window",
        "created_at > clock.as_of_utc - interval '60 days'",
        "created_at >= clock.as_of_utc - interval '60 days'",
    ),
    "censored leads forgotten": (
        "metric_survival_steps",
        "count(*) as n_leaving",
        "sum(case when observations.is_event then 1 else 0 end) as n_leaving",
    ),
    "a survival nobody watched": (
        "metric_conversion_survival",
        "when reaches_30d = 1 then",
        "else",
    ),
    "z of 1.96": ("conversion_rate", "1.959963984540054", "1.96"),
    "z of 1.96 for topics": ("metric_topic_rates", "1.959963984540054", "1.96"),
    "early contacts on the clock": (
        "metric_contact_facts",
        "in ('contacted', 'uncontacted')",
        "in ('contacted', 'uncontacted', 'contact_before_creation')",
    ),
    "converted leads on the clock": (
        "metric_contact_facts",
        "in ('contacted', 'uncontacted')",
        "in ('contacted', 'uncontacted', 'converted_without_logged_contact')",
    ),
    "all leads in the contacted rate": (
        "time_to_first_contact",
        "cast(counted.n_contacted + counted.n_uncontacted as double)",
        "cast(counted.n_leads as double)",
    ),
    "waiting leads alone in the contacted rate": (
        "time_to_first_contact",
        "cast(counted.n_contacted + counted.n_uncontacted as double)",
        "cast(greatest(counted.n_uncontacted, 1) as double)",
    ),
    "no early contacts counted": (
        "metric_contact_facts",
        "contacts.contact_status = 'contact_before_creation'",
        "contacts.contact_status = ''",
    ),
    "conversions without contact counted as early": (
        "metric_contact_facts",
        "contacts.contact_status = 'contact_before_creation'",
        "contacts.contact_status like 'con%e%_%o%'",
    ),
    "Wilson's lower bound for km_30d": ("conversion_rate", "when definition = 'km_30d' then km_ci_low\n", ""),
    "Wilson's upper bound for km_30d": ("conversion_rate", "when definition = 'km_30d' then km_ci_high\n", ""),
    "the rest with the topic": (
        "topic_performance",
        "case when base_n > n then (base_x - x) / (base_n - n) end",
        "case when base_n > n then base_x / base_n end",
    ),
    "evidence by the interval": (
        "topic_performance",
        "case when is_strong then",
        "case when ci_low > base_rate then",
    ),
    "the number of tests for tested topics alone": (
        "topic_performance",
        "coalesce(max(tests.n_tested) over (partition by topics.channel_id), 0)",
        "coalesce(tests.n_tested, 0)",
    ),
    "tests without deals": (
        "topic_performance",
        "case when has_data and x_base is not null then cast(n_tested",
        "case when has_data then cast(n_tested",
    ),
    "all leads against the topic in the reason": (
        "topic_performance",
        "cast(n_base - n_leads as varchar)",
        "cast(n_base as varchar)",
    ),
    "all deals against the topic in the reason": (
        "topic_performance",
        "cast(x_base - n_converted as varchar)",
        "cast(x_base as varchar)",
    ),
    "an untested topic is not marked": (
        "topic_performance",
        "' (too few leads for a test; '",
        "' ('",
    ),
    "the cohort from a date of UTC": ("metric_cohort_dates", "coalesce(first_span.utc_offset_seconds, 0)", "0"),
    "the cohort to a date of UTC": ("metric_cohort_dates", "coalesce(last_span.utc_offset_seconds, 0)", "0"),
    "the cohort from 90 days": ("metric_cohort_dates", "interval '60 days'", "interval '90 days'"),
    "the cohort to today": ("metric_cohort_dates", "as_of_utc - interval '30 days'", "as_of_utc"),
    "dates without data": (
        "channel_insight",
        "case when clock.has_data then dates.matured_from end",
        "dates.matured_from",
    ),
    "young leads in the first hour's share": (
        "metric_contact_times",
        "contacts.is_on_clock and contacts.is_1h_old then 1",
        "contacts.is_on_clock then 1",
    ),
    "Unknown is a source like others": (
        "metric_top_sources",
        "leads.lead_source <> 'Unknown' as is_known",
        "true as is_known",
    ),
    "the running week in the trend": (
        "metric_trends",
        "date_trunc('week', as_of_local) as this_week",
        "date_trunc('week', as_of_local) + interval '7 days' as this_week",
    ),
    "a topic at the base rate suggested": ("topic_performance", "and lift > 1", "and lift >= 1"),
    "lift before evidence": ("topic_performance", "case when evidence = 'strong' then 0 else 1 end,", ""),
    "empty weeks left out": (
        "lead_volume",
        "left join counts\n    on\n        periods.channel_id",
        "inner join counts\n    on\n        periods.channel_id",
    ),
}


@pytest.fixture(scope="module")
def insight_lab() -> SqlLab:
    both = example()
    for name, rows in edge_world().rows.items():
        both.rows[name] += rows
    return SqlLab(both.rows, BUILD)


@pytest.fixture(scope="module")
def right_marts(insight_lab: SqlLab) -> dict[str, list[Row]]:
    assert insight_lab.failing() == []
    return insight_lab.marts()


@pytest.mark.parametrize("name", choice(MUTANTS, list(MUTANTS)[::5]))
def test_a_mistake_changes_a_number(name: str, insight_lab: SqlLab, right_marts: dict[str, list[Row]]) -> None:
    with insight_lab.mutated(*MUTANTS[name]) as marts:
        assert any(
            mart in INSIGHT_MARTS and sorted(insight_lab.rows(mart), key=repr) != right_marts[mart] for mart in marts
        )

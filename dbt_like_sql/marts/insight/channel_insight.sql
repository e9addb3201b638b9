-- One row per channel and day: what the owner of the channel should know.
with deal_rates as (
    select *
    from conversion_rate
    where stage = 'deal' and dimension = 'all'
),

-- The suggested topics in one row per channel and day.
suggested as (
    select
        channel_id,
        as_of_date,
        max(case when suggestion_rank = 1 then topic end) as suggested_topic_1,
        max(case when suggestion_rank = 1 then reason end) as suggested_topic_1_reason,
        max(case when suggestion_rank = 2 then topic end) as suggested_topic_2,
        max(case when suggestion_rank = 2 then reason end) as suggested_topic_2_reason,
        max(case when suggestion_rank = 3 then topic end) as suggested_topic_3,
        max(case when suggestion_rank = 3 then reason end) as suggested_topic_3_reason
    from topic_performance
    group by channel_id, as_of_date
)

select
    clock.channel_id,
    clock.as_of_date,
    clock.as_of_utc,
    clock.timezone,
    cast(clock.data_status as varchar) as data_status,
    run.is_weekly,
    case when clock.has_data then cast(months.leads_this_month as bigint) end as leads_this_month,
    case when clock.has_data then cast(months.leads_last_month_same_point as bigint) end
        as leads_last_month_same_point,
    case when clock.has_data then cast(months.leads_last_month_full as bigint) end as leads_last_month_full,
    case
        when clock.has_data and months.leads_last_month_same_point > 0
            then
                cast(months.leads_this_month - months.leads_last_month_same_point as double)
                / cast(months.leads_last_month_same_point as double)
    end as leads_change_rate,
    case
        when not clock.has_data then 'no_data'
        when months.leads_last_month_same_point > 0 then 'ok'
        when months.leads_this_month > 0 then 'new'
        else 'no_leads_either_month'
    end as change_status,
    case when clock.has_data then sources.period end as top_sources_period,
    cast(sources.top_source_1 as varchar) as top_source_1,
    cast(sources.top_source_1_leads as bigint) as top_source_1_leads,
    cast(sources.top_source_2 as varchar) as top_source_2,
    cast(sources.top_source_2_leads as bigint) as top_source_2_leads,
    cast(sources.top_source_3 as varchar) as top_source_3,
    cast(sources.top_source_3_leads as bigint) as top_source_3_leads,
    sources.is_tie_at_cutoff as top_sources_tie_at_cutoff,
    case when clock.has_data then cast(sources.other_sources_leads as bigint) end as other_sources_leads,
    case when clock.has_data then cast(sources.unknown_source_leads as bigint) end as unknown_source_leads,
    matured.conversion_rate as conversion_rate_30d,
    matured.n_leads as conversion_rate_30d_n,
    matured.n_converted as conversion_rate_30d_x,
    matured.ci_low as conversion_rate_30d_ci_low,
    matured.ci_high as conversion_rate_30d_ci_high,
    rolling.conversion_rate as conversion_rate_30d_rolling,
    km.conversion_rate as conversion_rate_30d_km,
    case when clock.has_data then dates.matured_from end as conversion_cohort_from,
    case when clock.has_data then dates.matured_to end as conversion_cohort_to,
    contact.avg_contacted_seconds as avg_seconds_to_first_contact,
    contact.avg_contacted_hours as avg_hours_to_first_contact,
    contact.median_contacted_seconds as median_seconds_to_first_contact,
    contact.median_contacted_hours as median_hours_to_first_contact,
    contact.km_median_seconds as km_median_seconds_to_first_contact,
    contact.km_median_hours as km_median_hours_to_first_contact,
    contact.contacted_rate,
    contact.n_uncontacted,
    contact.oldest_uncontacted_seconds,
    contact.oldest_uncontacted_hours,
    -- Without data there are no live leads, so that this is insufficient_data.
    cast(trends.direction as varchar) as trend_direction,
    trends.dispersion as trend_dispersion,
    case when clock.has_data then trends.leads_newer_weeks end as leads_last_4_weeks,
    case when clock.has_data then trends.leads_older_weeks end as leads_previous_4_weeks,
    cast(suggested.suggested_topic_1 as varchar) as suggested_topic_1,
    cast(suggested.suggested_topic_1_reason as varchar) as suggested_topic_1_reason,
    cast(suggested.suggested_topic_2 as varchar) as suggested_topic_2,
    cast(suggested.suggested_topic_2_reason as varchar) as suggested_topic_2_reason,
    cast(suggested.suggested_topic_3 as varchar) as suggested_topic_3,
    cast(suggested.suggested_topic_3_reason as varchar) as suggested_topic_3_reason,
    case
        when not clock.has_data or not clock.deals_readable then 'insufficient_data'
        when base.n_leads = 0 then 'no_matured_leads'
        when base.n_converted = 0 then 'no_conversions_in_matured_cohort'
        when suggested.suggested_topic_1 is null then 'insufficient_data'
        else 'ok'
    end as topic_status
from int_channel_clock as clock
cross join run_parameters as run
inner join metric_month_counts as months
    on clock.channel_id = months.channel_id
inner join metric_top_sources as sources
    on clock.channel_id = sources.channel_id
inner join metric_trends as trends
    on clock.channel_id = trends.channel_id
inner join metric_cohort_dates as dates
    on clock.channel_id = dates.channel_id
inner join metric_matured_counts as base
    on clock.channel_id = base.channel_id
left join suggested
    on
        clock.channel_id = suggested.channel_id
        and clock.as_of_date = suggested.as_of_date
left join deal_rates as matured
    on
        clock.channel_id = matured.channel_id
        and clock.as_of_date = matured.as_of_date
        and matured.definition = 'matured_30d'
left join deal_rates as rolling
    on
        clock.channel_id = rolling.channel_id
        and clock.as_of_date = rolling.as_of_date
        and rolling.definition = 'rolling_30d'
left join deal_rates as km
    on
        clock.channel_id = km.channel_id
        and clock.as_of_date = km.as_of_date
        and km.definition = 'km_30d'
left join time_to_first_contact as contact
    on
        clock.channel_id = contact.channel_id
        and clock.as_of_date = contact.as_of_date
        and contact.dimension = 'all'

with suggestions as (
    select
        performance.channel_id,
        performance.as_of_date,
        sum(case when performance.is_suggested then 1 else 0 end) as n_suggested,
        max(parameters.topic_max_suggestions) as topic_max_suggestions
    from topic_performance as performance
    inner join int_parameters as parameters
        on performance.channel_id = parameters.channel_id
    group by performance.channel_id, performance.as_of_date
)

select
    insight.channel_id,
    insight.as_of_date
from channel_insight as insight
left join suggestions
    on
        insight.channel_id = suggestions.channel_id
        and insight.as_of_date = suggestions.as_of_date
where
    (insight.data_status in ('ok', 'stale')) <> (insight.leads_this_month is not null)
    or (insight.data_status in ('ok', 'stale')) <> (insight.conversion_rate_30d_n is not null)
    or (insight.change_status = 'no_data') <> (insight.leads_this_month is null)
    or (insight.change_status = 'ok') <> (insight.leads_change_rate is not null)
    or (insight.conversion_rate_30d_n > 0 and insight.conversion_rate_30d_x is not null) <> (insight.conversion_rate_30d is not null)
    or (insight.trend_direction = 'insufficient_data') <> (insight.trend_dispersion is null)
    or (insight.data_status in ('ok', 'stale')) <> (insight.conversion_cohort_from is not null)
    or (insight.topic_status = 'ok') <> (insight.suggested_topic_1 is not null)
    or suggestions.n_suggested > suggestions.topic_max_suggestions

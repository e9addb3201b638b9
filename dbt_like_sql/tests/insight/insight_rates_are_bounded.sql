with rates as (
    select
        channel_id,
        'conversion_rate' as model,
        dimension_value as subject,
        definition = 'km_30d' as may_lack_bounds,
        n_leads,
        n_converted,
        conversion_rate,
        ci_low,
        ci_high
    from conversion_rate
    union all
    select
        channel_id,
        'topic_performance' as model,
        topic as subject,
        false as may_lack_bounds,
        n_leads,
        n_converted,
        conversion_rate,
        ci_low,
        ci_high
    from topic_performance
)

select
    channel_id,
    model,
    subject
from rates
where
    n_converted > n_leads
    or n_converted < 0
    or conversion_rate < ci_low
    or conversion_rate > ci_high
    or ci_low < 0
    or ci_high > 1
    or (conversion_rate is null and ci_low is not null)
    or (conversion_rate is not null and ci_low is null and not may_lack_bounds)
    or (ci_low is null) <> (ci_high is null)
union all
select
    channel_id,
    'topic_performance' as model,
    topic as subject
from topic_performance
where
    p_value < 0
    or p_value > 1
    or (evidence = 'strong' and coalesce(p_value > 0.05, n_topics_tested is not null))
    or rest_rate < 0
    or rest_rate > 1

with rates as (
    select
        channel_id,
        'conversion_rate' as model,
        dimension_value as subject,
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
    or (conversion_rate is null) <> (ci_low is null)
    or (conversion_rate is null) <> (ci_high is null)

-- One row per topic: its rate with the Wilson 95 % bounds, limited to [0, 1]. If Deals cannot be read, conversions and rates
-- are unknown. The bounds of conversion_rate are computed in the same way.
with wilson as (
    select
        channel_id,
        topic,
        case when n_leads > 0 then cast(n_converted as double) / cast(n_leads as double) end as rate,
        cast(n_leads as double) as n,
        cast(1.959963984540054 as double) as z
    from metric_topic_counts
),

bounds as (
    select
        *,
        case when rate is not null then (rate + z * z / (2 * n)) / (1 + z * z / n) end as center,
        case
            when rate is not null
                then z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        end as half_width
    from wilson
)

select
    channel_id,
    topic,
    rate,
    -- The rate is a limit too: at 0 and 1 the exact bound equals the rate, and a floating number may differ in its
    -- last digit.
    case
        when rate is null then null
        when center - half_width < 0 then cast(0 as double)
        when center - half_width > rate then rate
        else center - half_width
    end as ci_low,
    case
        when rate is null then null
        when center + half_width > 1 then cast(1 as double)
        when center + half_width < rate then rate
        else center + half_width
    end as ci_high
from bounds

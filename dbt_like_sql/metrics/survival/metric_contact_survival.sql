-- One row per channel, dimension and value: the time by which half of the leads had been contacted (Kaplan-Meier).
with curves as (
    select
        channel_id,
        dimension,
        dimension_value,
        observed_seconds,
        n_events = n_at_risk as is_zero,
        -- No time is null; BigQuery accepts no other order of nulls in a running sum.
        sum(case when n_events < n_at_risk then ln((n_at_risk - n_events) / n_at_risk) else 0 end) over (
            partition by channel_id, dimension, dimension_value
            order by observed_seconds nulls first
            rows between unbounded preceding and current row
        ) as log_survival
    from metric_survival_steps
    where event = 'contact'
)

-- S = 0.5 counts as half, although the computed product may be a little larger than 0.5.
select
    channel_id,
    dimension,
    dimension_value,
    min(
        case when is_zero or exp(log_survival) <= 0.5 + 0.000000001 then observed_seconds end
    ) as median_seconds
from curves
group by
    channel_id,
    dimension,
    dimension_value

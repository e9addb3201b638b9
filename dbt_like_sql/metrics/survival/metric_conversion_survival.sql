-- One row per channel, stage, dimension and value: the share of leads that convert within 30 days (Kaplan-Meier).
-- S is the product of (1 - d/n) over the times with events, computed as exp(sum(ln())). Where d = n, S is 0, because
-- ln(0) has no value.
with curves as (
    select
        channel_id,
        event as stage,
        dimension,
        dimension_value,
        max(case when n_events = n_at_risk then 1 else 0 end) as reaches_zero,
        max(case when observed_seconds >= 2592000 then 1 else 0 end) as reaches_30d,
        sum(case when n_events < n_at_risk then ln((n_at_risk - n_events) / n_at_risk) else 0 end) as log_survival
    from metric_survival_steps
    where event <> 'contact'
    group by
        channel_id,
        event,
        dimension,
        dimension_value
)

-- The rate is rounded to 12 decimals, because each engine adds floating numbers in its own order.
select
    channel_id,
    stage,
    dimension,
    dimension_value,
    case
        when reaches_zero = 1 then cast(1 as double)
        when reaches_30d = 1 then cast(cast(1 - exp(log_survival) as decimal(18, 12)) as double)
    end as converted_rate
from curves

-- One row per channel, stage, dimension and value: the share of leads that convert within 30 days (Kaplan-Meier), with
-- Greenwood's 95 % interval on the scale of log(-log S), which never leaves [0, 1].
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
        sum(n_events) as n_events,
        sum(case when n_events < n_at_risk then ln((n_at_risk - n_events) / n_at_risk) else 0 end) as log_survival,
        sum(case when n_events < n_at_risk then n_events / (n_at_risk * (n_at_risk - n_events)) else 0 end)
            as greenwood_sum
    from metric_survival_steps
    where event <> 'contact'
    group by
        channel_id,
        event,
        dimension,
        dimension_value
),

-- The standard deviation of log(-log S) is sqrt(sum of d / (n (n - d))) / |ln S|. It has no value without an event, and
-- none where S is 0.
spread as (
    select
        *,
        case
            when n_events > 0 and reaches_zero = 0 and reaches_30d = 1
                then exp(1.959963984540054 * sqrt(greenwood_sum) / -log_survival)
        end as factor
    from curves
)

-- Rates and bounds are rounded to 12 decimals, because each engine adds floating numbers in its own order.
select
    channel_id,
    stage,
    dimension,
    dimension_value,
    case
        when reaches_zero = 1 then cast(1 as double)
        when reaches_30d = 1 then cast(cast(1 - exp(log_survival) as decimal(18, 12)) as double)
    end as converted_rate,
    cast(cast(1 - exp(log_survival / factor) as decimal(18, 12)) as double) as ci_low,
    cast(cast(1 - exp(log_survival * factor) as decimal(18, 12)) as double) as ci_high
from spread

-- Kaplan-Meier: one row per channel, stage, dimension and value with the share that converts within 30 days.
-- S is the product of (1 - d/n) over the times with events, as exp(sum(ln())); at d = n it is 0, where ln has no value.
with at_times as (
    select
        dimensions.channel_id,
        conversions.stage,
        dimensions.dimension,
        dimensions.dimension_value,
        conversions.observed_seconds,
        count(*) as n_leaving,
        sum(case when conversions.is_reached_30d then 1 else 0 end) as n_events
    from metric_lead_dimensions as dimensions
    inner join metric_lead_conversions as conversions
        on
            dimensions.channel_id = conversions.channel_id
            and dimensions.zoho_lead_id = conversions.zoho_lead_id
    group by
        dimensions.channel_id,
        conversions.stage,
        dimensions.dimension,
        dimensions.dimension_value,
        conversions.observed_seconds
),

at_risk as (
    select
        channel_id,
        stage,
        dimension,
        dimension_value,
        observed_seconds,
        cast(n_events as double) as n_events,
        cast(
            sum(n_leaving) over (
                partition by channel_id, stage, dimension, dimension_value
                order by observed_seconds desc
                rows between unbounded preceding and current row
            ) as double
        ) as n_at_risk
    from at_times
),

curves as (
    select
        channel_id,
        stage,
        dimension,
        dimension_value,
        max(case when n_events = n_at_risk then 1 else 0 end) as reaches_zero,
        max(case when observed_seconds >= 2592000 then 1 else 0 end) as reaches_30d,
        sum(case when n_events < n_at_risk then ln((n_at_risk - n_events) / n_at_risk) else 0 end) as log_survival
    from at_risk
    group by
        channel_id,
        stage,
        dimension,
        dimension_value
)

-- 12 decimals: the order in which a floating sum is taken is the engine's own affair
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

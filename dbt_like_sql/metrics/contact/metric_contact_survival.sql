-- Kaplan-Meier: one row per channel, dimension and value with the time by which half of the leads had been contacted.
-- Leads contacted before their creation left the clock: they have no observed time and are not at risk.
-- Nulls first, though there are none: BigQuery knows no other order in a running sum.
with at_times as (
    select
        dimensions.channel_id,
        dimensions.dimension,
        dimensions.dimension_value,
        contacts.observed_seconds,
        count(*) as n_leaving,
        sum(case when contacts.is_contacted then 1 else 0 end) as n_events
    from metric_lead_dimensions as dimensions
    inner join metric_contact_facts as contacts
        on
            dimensions.channel_id = contacts.channel_id
            and dimensions.zoho_lead_id = contacts.zoho_lead_id
    where contacts.is_on_clock
    group by
        dimensions.channel_id,
        dimensions.dimension,
        dimensions.dimension_value,
        contacts.observed_seconds
),

at_risk as (
    select
        channel_id,
        dimension,
        dimension_value,
        observed_seconds,
        cast(n_events as double) as n_events,
        cast(
            sum(n_leaving) over (
                partition by channel_id, dimension, dimension_value
                order by observed_seconds desc
                rows between unbounded preceding and current row
            ) as double
        ) as n_at_risk
    from at_times
),

curves as (
    select
        channel_id,
        dimension,
        dimension_value,
        observed_seconds,
        n_events = n_at_risk as is_zero,
        sum(case when n_events < n_at_risk then ln((n_at_risk - n_events) / n_at_risk) else 0 end) over (
            partition by channel_id, dimension, dimension_value
            order by observed_seconds nulls first
            rows between unbounded preceding and current row
        ) as log_survival
    from at_risk
)

-- S = 0.5 counts as half although the product of its parts may come out a hair above
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

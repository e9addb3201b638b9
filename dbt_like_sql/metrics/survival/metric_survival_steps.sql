-- The steps of the Kaplan-Meier curves: one row per channel, event, dimension value and observed time. The event is
-- the first contact ('contact') or a conversion stage. A row counts the leads that are still observed just before
-- that time, and those that have the event at it.
with observations as (
    select
        lead_no,
        stage as event,
        observed_seconds,
        is_reached_30d as is_event
    from metric_lead_conversions
    union all
    -- Leads that were contacted before their creation, or converted without a contact, are never at risk.
    select
        lead_no,
        'contact' as event,
        observed_seconds,
        is_contacted as is_event
    from metric_contact_facts
    where is_on_clock
),

at_times as (
    select
        dimensions.channel_id,
        observations.event,
        dimensions.dimension,
        dimensions.dimension_value,
        observations.observed_seconds,
        count(*) as n_leaving,
        sum(case when observations.is_event then 1 else 0 end) as n_events
    from metric_lead_dimensions as dimensions
    inner join observations
        on dimensions.lead_no = observations.lead_no
    where dimensions.is_recent
    group by
        dimensions.channel_id,
        observations.event,
        dimensions.dimension,
        dimensions.dimension_value,
        observations.observed_seconds
)

select
    channel_id,
    event,
    dimension,
    dimension_value,
    observed_seconds,
    cast(n_events as double) as n_events,
    cast(
        sum(n_leaving) over (
            partition by channel_id, event, dimension, dimension_value
            order by observed_seconds desc
            rows between unbounded preceding and current row
        ) as double
    ) as n_at_risk
from at_times

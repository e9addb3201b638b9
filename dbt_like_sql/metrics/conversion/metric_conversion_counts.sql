-- One row per channel, stage, dimension and value: the leads and conversions of every definition.
with placed as (
    select
        dimensions.channel_id,
        conversions.stage,
        dimensions.dimension,
        dimensions.dimension_value,
        case
            when dimensions.dimension = 'all' then leads.is_headline
            else leads.is_mature
        end as is_in_cohort,
        not leads.is_mature as is_immature,
        conversions.is_reached_ever,
        conversions.is_reached,
        conversions.is_reached_30d
    from metric_lead_dimensions as dimensions
    inner join metric_lead_window as leads
        on
            dimensions.channel_id = leads.channel_id
            and dimensions.zoho_lead_id = leads.zoho_lead_id
    inner join metric_lead_conversions as conversions
        on
            dimensions.channel_id = conversions.channel_id
            and dimensions.zoho_lead_id = conversions.zoho_lead_id
)

select
    channel_id,
    stage,
    dimension,
    dimension_value,
    sum(case when is_in_cohort then 1 else 0 end) as n_matured,
    sum(case when is_in_cohort and is_reached_30d then 1 else 0 end) as x_matured,
    sum(case when is_immature then 1 else 0 end) as n_immature,
    sum(case when is_immature and is_reached then 1 else 0 end) as x_immature,
    count(*) as n_leads,
    sum(case when is_reached_30d then 1 else 0 end) as x_30d,
    sum(case when is_reached_ever then 1 else 0 end) as x_ever
from placed
group by
    channel_id,
    stage,
    dimension,
    dimension_value

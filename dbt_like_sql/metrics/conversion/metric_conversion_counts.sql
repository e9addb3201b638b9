-- One row per channel, stage, dimension and value: the leads and conversions of every definition.
select
    dimensions.channel_id,
    conversions.stage,
    dimensions.dimension,
    dimensions.dimension_value,
    sum(case when conversions.is_matured then 1 else 0 end) as n_matured,
    sum(case when conversions.is_matured and conversions.is_reached_30d then 1 else 0 end) as x_matured,
    sum(case when conversions.is_matured_wide then 1 else 0 end) as n_matured_wide,
    sum(case when conversions.is_matured_wide and conversions.is_reached_30d then 1 else 0 end) as x_matured_wide,
    sum(case when conversions.is_matured_90d then 1 else 0 end) as n_matured_90d,
    sum(case when conversions.is_matured_90d and conversions.is_reached_90d then 1 else 0 end) as x_matured_90d,
    sum(case when conversions.is_immature then 1 else 0 end) as n_immature,
    sum(case when conversions.is_immature and conversions.is_reached then 1 else 0 end) as x_immature,
    sum(case when conversions.is_recent then 1 else 0 end) as n_leads,
    sum(case when conversions.is_recent and conversions.is_reached_30d then 1 else 0 end) as x_30d,
    sum(case when conversions.is_recent and conversions.is_reached_ever then 1 else 0 end) as x_ever
from metric_lead_dimensions as dimensions
inner join metric_lead_conversions as conversions
    on
        dimensions.channel_id = conversions.channel_id
        and dimensions.zoho_lead_id = conversions.zoho_lead_id
group by
    dimensions.channel_id,
    conversions.stage,
    dimensions.dimension,
    dimensions.dimension_value

-- One row per channel, dimension and value: the leads and conversions of every stage and definition. The stages of a lead
-- are put beside each other first, because a lead has many more dimensions than that.
with leads as (
    select
        lead_no,
        max(case when is_matured then 1 end) as matured,
        max(case when is_matured_wide then 1 end) as matured_wide,
        max(case when is_matured_90d then 1 end) as matured_90d,
        max(case when is_immature then 1 end) as immature,
        max(case when is_recent then 1 end) as recent,
        max(case when stage = 'any_conversion' and is_matured and is_reached_30d then 1 end) as any_matured,
        max(case when stage = 'any_conversion' and is_matured_wide and is_reached_30d then 1 end) as any_matured_wide,
        max(case when stage = 'any_conversion' and is_matured_90d and is_reached_90d then 1 end) as any_matured_90d,
        max(case when stage = 'any_conversion' and is_immature and is_reached then 1 end) as any_immature,
        max(case when stage = 'any_conversion' and is_recent and is_reached_30d then 1 end) as any_30d,
        max(case when stage = 'any_conversion' and is_recent and is_reached_ever then 1 end) as any_ever,
        max(case when stage = 'deal' and is_matured and is_reached_30d then 1 end) as deal_matured,
        max(case when stage = 'deal' and is_matured_wide and is_reached_30d then 1 end) as deal_matured_wide,
        max(case when stage = 'deal' and is_matured_90d and is_reached_90d then 1 end) as deal_matured_90d,
        max(case when stage = 'deal' and is_immature and is_reached then 1 end) as deal_immature,
        max(case when stage = 'deal' and is_recent and is_reached_30d then 1 end) as deal_30d,
        max(case when stage = 'deal' and is_recent and is_reached_ever then 1 end) as deal_ever,
        max(case when stage = 'won' and is_matured and is_reached_30d then 1 end) as won_matured,
        max(case when stage = 'won' and is_matured_wide and is_reached_30d then 1 end) as won_matured_wide,
        max(case when stage = 'won' and is_matured_90d and is_reached_90d then 1 end) as won_matured_90d,
        max(case when stage = 'won' and is_immature and is_reached then 1 end) as won_immature,
        max(case when stage = 'won' and is_recent and is_reached_30d then 1 end) as won_30d,
        max(case when stage = 'won' and is_recent and is_reached_ever then 1 end) as won_ever
    from metric_lead_conversions
    group by lead_no
)

-- Each column counts the leads in which it is not null.
select
    dimensions.channel_id,
    dimensions.dimension,
    dimensions.dimension_value,
    count(leads.matured) as n_matured,
    count(leads.matured_wide) as n_matured_wide,
    count(leads.matured_90d) as n_matured_90d,
    count(leads.immature) as n_immature,
    count(leads.recent) as n_leads,
    count(leads.any_matured) as any_matured,
    count(leads.any_matured_wide) as any_matured_wide,
    count(leads.any_matured_90d) as any_matured_90d,
    count(leads.any_immature) as any_immature,
    count(leads.any_30d) as any_30d,
    count(leads.any_ever) as any_ever,
    count(leads.deal_matured) as deal_matured,
    count(leads.deal_matured_wide) as deal_matured_wide,
    count(leads.deal_matured_90d) as deal_matured_90d,
    count(leads.deal_immature) as deal_immature,
    count(leads.deal_30d) as deal_30d,
    count(leads.deal_ever) as deal_ever,
    count(leads.won_matured) as won_matured,
    count(leads.won_matured_wide) as won_matured_wide,
    count(leads.won_matured_90d) as won_matured_90d,
    count(leads.won_immature) as won_immature,
    count(leads.won_30d) as won_30d,
    count(leads.won_ever) as won_ever
from metric_lead_dimensions as dimensions
inner join leads
    on dimensions.lead_no = leads.lead_no
group by dimensions.channel_id, dimensions.dimension, dimensions.dimension_value

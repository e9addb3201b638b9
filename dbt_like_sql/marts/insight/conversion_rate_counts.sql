-- One row per channel, day and dimension value: what conversion_rate is computed from. A catalogue has many values without a
-- lead, and conversion_rate has 18 rows for each value. Stored, those rows took half of the published file.
with survival as (
    select
        channel_id,
        dimension,
        dimension_value,
        max(case when stage = 'any_conversion' then converted_rate end) as any_conversion_km_rate,
        max(case when stage = 'any_conversion' then ci_low end) as any_conversion_km_ci_low,
        max(case when stage = 'any_conversion' then ci_high end) as any_conversion_km_ci_high,
        max(case when stage = 'deal' then converted_rate end) as deal_km_rate,
        max(case when stage = 'deal' then ci_low end) as deal_km_ci_low,
        max(case when stage = 'deal' then ci_high end) as deal_km_ci_high,
        max(case when stage = 'won' then converted_rate end) as won_km_rate,
        max(case when stage = 'won' then ci_low end) as won_km_ci_low,
        max(case when stage = 'won' then ci_high end) as won_km_ci_high
    from metric_conversion_survival
    group by channel_id, dimension, dimension_value
)

-- Without data nothing is known. If Deals cannot be read, deals and wins are unknown, while leads are counted.
select
    dimension_values.channel_id,
    clock.as_of_date,
    clock.as_of_utc,
    cast(dimension_values.dimension as varchar) as dimension,
    cast(dimension_values.dimension_value as varchar) as dimension_value,
    cast(dimension_values.dimension_label as varchar) as dimension_label,
    case when clock.has_data then cast(coalesce(counts.n_matured, 0) as integer) end as n_matured_30d,
    case when clock.has_data then cast(coalesce(counts.n_matured_wide, 0) as integer) end as n_matured_30d_wide,
    case when clock.has_data then cast(coalesce(counts.n_matured_90d, 0) as integer) end as n_matured_90d,
    case when clock.has_data then cast(coalesce(counts.n_immature, 0) as integer) end as n_immature,
    case when clock.has_data then cast(coalesce(counts.n_leads, 0) as integer) end as n_recent,
    case when clock.has_data then cast(coalesce(counts.any_matured, 0) as integer) end as any_conversion_matured_30d,
    case when clock.has_data then cast(coalesce(counts.any_matured_wide, 0) as integer) end
        as any_conversion_matured_30d_wide,
    case when clock.has_data then cast(coalesce(counts.any_matured_90d, 0) as integer) end
        as any_conversion_matured_90d,
    case when clock.has_data then cast(coalesce(counts.any_immature, 0) as integer) end as any_conversion_rolling_30d,
    case when clock.has_data then cast(coalesce(counts.any_30d, 0) as integer) end as any_conversion_km_30d,
    case when clock.has_data then cast(coalesce(counts.any_ever, 0) as integer) end as any_conversion_ever,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_matured, 0) as integer) end
        as deal_matured_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_matured_wide, 0) as integer) end
        as deal_matured_30d_wide,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_matured_90d, 0) as integer) end
        as deal_matured_90d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_immature, 0) as integer) end
        as deal_rolling_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_30d, 0) as integer) end
        as deal_km_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.deal_ever, 0) as integer) end
        as deal_ever,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_matured, 0) as integer) end
        as won_matured_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_matured_wide, 0) as integer) end
        as won_matured_30d_wide,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_matured_90d, 0) as integer) end
        as won_matured_90d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_immature, 0) as integer) end
        as won_rolling_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_30d, 0) as integer) end
        as won_km_30d,
    case when clock.has_data and clock.deals_readable then cast(coalesce(counts.won_ever, 0) as integer) end
        as won_ever,
    survival.any_conversion_km_rate,
    survival.any_conversion_km_ci_low,
    survival.any_conversion_km_ci_high,
    case when clock.deals_readable then survival.deal_km_rate end as deal_km_rate,
    survival.deal_km_ci_low,
    survival.deal_km_ci_high,
    case when clock.deals_readable then survival.won_km_rate end as won_km_rate,
    survival.won_km_ci_low,
    survival.won_km_ci_high
from metric_dimension_values as dimension_values
inner join int_channel_clock as clock
    on dimension_values.channel_id = clock.channel_id
left join metric_conversion_counts as counts
    on
        dimension_values.channel_id = counts.channel_id
        and dimension_values.dimension = counts.dimension
        and dimension_values.dimension_value = counts.dimension_value
left join survival
    on
        dimension_values.channel_id = survival.channel_id
        and dimension_values.dimension = survival.dimension
        and dimension_values.dimension_value = survival.dimension_value

-- One row per channel, day and dimension value: the times to first contact of the leads of the last 90 days.
with counted as (
    select
        dimension_values.channel_id,
        dimension_values.dimension,
        dimension_values.dimension_value,
        dimension_values.dimension_label,
        coalesce(times.n_leads, 0) as n_leads,
        coalesce(times.n_contacted, 0) as n_contacted,
        coalesce(times.n_uncontacted, 0) as n_uncontacted,
        coalesce(times.n_contact_before_creation, 0) as n_contact_before_creation,
        coalesce(times.n_converted_without_contact, 0) as n_converted_without_contact,
        coalesce(times.n_on_clock, 0) as n_on_clock,
        times.n_1h_old,
        times.n_within_1h,
        times.n_24h_old,
        times.n_within_24h,
        times.oldest_uncontacted_seconds,
        times.avg_seconds,
        times.median_seconds,
        times.p95_seconds,
        times.avg_business_seconds,
        times.median_business_seconds,
        survival.median_seconds as km_median_seconds
    from metric_dimension_values as dimension_values
    left join metric_contact_times as times
        on
            dimension_values.channel_id = times.channel_id
            and dimension_values.dimension = times.dimension
            and dimension_values.dimension_value = times.dimension_value
    left join metric_contact_survival as survival
        on
            dimension_values.channel_id = survival.channel_id
            and dimension_values.dimension = survival.dimension
            and dimension_values.dimension_value = survival.dimension_value
)

-- Values are rounded half up: seconds to whole seconds, hours to hundredths (36 s). The added 1e-9 raises halves that
-- a floating quotient left slightly too low. All other values are at least 1/3600 of a step away.
select
    counted.channel_id,
    clock.as_of_date,
    clock.as_of_utc,
    cast(counted.dimension as varchar) as dimension,
    cast(counted.dimension_value as varchar) as dimension_value,
    cast(counted.dimension_label as varchar) as dimension_label,
    case when clock.has_data then cast(counted.n_leads as bigint) end as n_leads,
    case when clock.has_data and clock.activities_readable then cast(counted.n_contacted as bigint) end as n_contacted,
    case
        when counted.n_contacted + counted.n_uncontacted > 0
            then cast(counted.n_contacted as double) / cast(counted.n_contacted + counted.n_uncontacted as double)
    end as contacted_rate,
    cast(floor(counted.avg_seconds + 0.500000001) as bigint) as avg_contacted_seconds,
    cast(
        cast(floor(counted.avg_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as avg_contacted_hours,
    cast(floor(counted.median_seconds + 0.500000001) as bigint) as median_contacted_seconds,
    cast(
        cast(floor(counted.median_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as median_contacted_hours,
    cast(floor(counted.p95_seconds + 0.500000001) as bigint) as p95_contacted_seconds,
    cast(
        cast(floor(counted.p95_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as p95_contacted_hours,
    cast(counted.km_median_seconds as bigint) as km_median_seconds,
    cast(
        cast(floor(counted.km_median_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as km_median_hours,
    case
        when counted.n_on_clock = 0 then 'no_leads'
        when counted.km_median_seconds is null then 'not_reached'
        else 'ok'
    end as km_median_status,
    case
        when counted.n_1h_old > 0 then cast(counted.n_within_1h as double) / cast(counted.n_1h_old as double)
    end as within_1h_rate,
    case
        when counted.n_24h_old > 0 then cast(counted.n_within_24h as double) / cast(counted.n_24h_old as double)
    end as within_24h_rate,
    case when clock.has_data and clock.activities_readable then cast(counted.n_uncontacted as bigint) end
        as n_uncontacted,
    case when clock.has_data and clock.activities_readable then cast(counted.n_contact_before_creation as bigint) end
        as n_contact_before_creation,
    case when clock.has_data and clock.activities_readable then cast(counted.n_converted_without_contact as bigint) end
        as n_converted_without_contact,
    cast(counted.oldest_uncontacted_seconds as bigint) as oldest_uncontacted_seconds,
    cast(
        cast(floor(counted.oldest_uncontacted_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as oldest_uncontacted_hours,
    cast(floor(counted.avg_business_seconds + 0.500000001) as bigint) as avg_contacted_business_seconds,
    cast(
        cast(floor(counted.avg_business_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as avg_contacted_business_hours,
    cast(floor(counted.median_business_seconds + 0.500000001) as bigint) as median_contacted_business_seconds,
    cast(
        cast(floor(counted.median_business_seconds / 36 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(12, 2)
    ) as median_contacted_business_hours
from counted
inner join int_channel_clock as clock
    on counted.channel_id = clock.channel_id

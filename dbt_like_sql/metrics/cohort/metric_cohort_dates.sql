-- One row per channel: the local dates of the instants between which the leads of matured_30d were created.
with bounds as (
    select
        channel_id,
        timezone,
        as_of_utc - interval '60 days' as starts_at,
        as_of_utc - interval '30 days' as ends_at
    from int_channel_clock
)

select
    bounds.channel_id,
    cast(bounds.starts_at + coalesce(first_span.utc_offset_seconds, 0) * interval '1 second' as date) as matured_from,
    cast(bounds.ends_at + coalesce(last_span.utc_offset_seconds, 0) * interval '1 second' as date) as matured_to
from bounds
left join int_zone_spans as first_span
    on
        bounds.timezone = first_span.value
        and extract(year from bounds.starts_at) = first_span.utc_year
        and bounds.starts_at >= first_span.starts_at
        and bounds.starts_at < first_span.ends_at
left join int_zone_spans as last_span
    on
        bounds.timezone = last_span.value
        and extract(year from bounds.ends_at) = last_span.utc_year
        and bounds.ends_at >= last_span.starts_at
        and bounds.ends_at < last_span.ends_at

-- One row per channel of the run: the instant at which its numbers are true, and whether it has data. Calls, meetings
-- and tasks each show contacts, so contact is unknown only if none of the three can be read.
with readable as (
    select
        channel_id,
        min(case when module = 'Deals' and not is_readable then 0 else 1 end) = 1 as deals_readable,
        sum(case when module in ('Calls', 'Events', 'Tasks') and not is_readable then 1 else 0 end) < 3
            as activities_readable
    from int_channel_modules
    group by channel_id
),

asked as (
    select
        channels.channel_id,
        coalesce(zones.timezone, 'UTC') as timezone,
        channels.currency,
        channels.last_complete_sync_at,
        channels.leads_readable,
        coalesce(readable.deals_readable, true) as deals_readable,
        coalesce(readable.activities_readable, true) as activities_readable,
        parameters.stale_after_hours,
        run.as_of_requested,
        run.build_at,
        coalesce(run.as_of_requested, run.build_at) as asked_at
    from stg_channels as channels
    inner join int_parameters as parameters
        on channels.channel_id = parameters.channel_id
    left join int_zone_texts as zones
        on channels.timezone = zones.value
    left join readable
        on channels.channel_id = readable.channel_id
    cross join run_parameters as run
),

judged as (
    select
        *,
        -- A channel that never synced has no numbers. The as-of asked for only dates its row.
        case
            when last_complete_sync_at is null then asked_at
            when as_of_requested < last_complete_sync_at then as_of_requested
            else last_complete_sync_at
        end as as_of_utc,
        case
            when not leads_readable then 'module_missing'
            when last_complete_sync_at is null then 'never_synced'
            when last_complete_sync_at < asked_at - stale_after_hours * interval '1 hour' then 'stale'
            else 'ok'
        end as data_status
    from asked
),

localized as (
    select
        judged.*,
        judged.as_of_utc + coalesce(spans.utc_offset_seconds, 0) * interval '1 second' as as_of_local
    from judged
    left join int_zone_spans as spans
        on
            judged.timezone = spans.value
            and extract(year from judged.as_of_utc) = spans.utc_year
            and judged.as_of_utc >= spans.starts_at
            and judged.as_of_utc < spans.ends_at
)

select
    channel_id,
    timezone,
    currency,
    last_complete_sync_at,
    as_of_utc,
    as_of_local,
    cast(as_of_local as date) as as_of_date,
    data_status,
    data_status in ('ok', 'stale') as has_data,
    deals_readable,
    activities_readable
from localized

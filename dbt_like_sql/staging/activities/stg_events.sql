select
    source.channel_id,
    source.id as event_id,
    source.event_title,
    source.start_datetime at time zone 'UTC' as started_at,
    source.end_datetime at time zone 'UTC' as ended_at,
    source.all_day as is_all_day,
    source.venue,
    source.check_in_status,
    source.check_in_time at time zone 'UTC' as checked_in_at,
    source.event_cancelled as is_cancelled,
    source.participants,
    source.who_id,
    source.who_name,
    source.what_id,
    source.what_name,
    source.se_module,
    source.owner_id,
    source.owner_name,
    source.created_by_id,
    source.created_by_name,
    source.modified_by_id,
    source.modified_by_name,
    source.created_time at time zone 'UTC' as created_at,
    source.modified_time at time zone 'UTC' as modified_at,
    cast(nullif(source.custom_fields, '') as json) as custom_fields,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.events as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Events'
where deleted.record_id is null

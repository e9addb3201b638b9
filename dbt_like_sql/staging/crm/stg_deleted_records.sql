select
    source.channel_id,
    source.module,
    source.id as record_id,
    source.deleted_time at time zone 'UTC' as deleted_at,
    source.deletion_type,
    source.deleted_by_id,
    source.deleted_by_name,
    source.display_name,
    source.restored_at at time zone 'UTC' as restored_at,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.deleted_records as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
where source.restored_at is null

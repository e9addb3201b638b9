select
    source.channel_id,
    source.id as note_id,
    source.note_title,
    source.note_content,
    source.parent_id,
    source.parent_name,
    source.parent_module,
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
from zoho_raw.notes as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Notes'
where deleted.record_id is null

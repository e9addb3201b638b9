select
    source.channel_id,
    source.id as campaign_id,
    source.campaign_name,
    source.type as campaign_type,
    source.status as campaign_status,
    source.start_date,
    source.end_date,
    source.expected_revenue,
    source.budgeted_cost,
    source.actual_cost,
    source.num_sent,
    source.parent_campaign_id,
    source.parent_campaign_name,
    source.tag,
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
from zoho_raw.campaigns as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Campaigns'
where deleted.record_id is null

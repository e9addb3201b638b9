select
    source.channel_id,
    source.tenant,
    source.data_center,
    source.org_id,
    source.org_name,
    source.status,
    source.connected_at at time zone 'UTC' as connected_at,
    source.timezone,
    source.currency,
    source.last_complete_sync_at at time zone 'UTC' as last_complete_sync_at,
    coalesce(source.leads_readable, true) as leads_readable,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.channels as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id

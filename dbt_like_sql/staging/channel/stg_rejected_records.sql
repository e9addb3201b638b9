select
    source.channel_id,
    source.module,
    source.id as record_id,
    source.field,
    source.value,
    source.reason,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.rejected_records as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id

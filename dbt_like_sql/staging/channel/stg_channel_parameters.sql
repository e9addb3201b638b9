select
    source.channel_id,
    source.name,
    source.value,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.channel_parameters as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id

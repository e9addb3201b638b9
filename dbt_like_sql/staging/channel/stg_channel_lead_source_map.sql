select
    source.channel_id,
    source.raw_value,
    source.lead_source,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.channel_lead_source_map as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
